# One command each; every target that needs it sets the machine up first (scripts/setup.sh says what it does).

CARGO ?= cargo
ARGS ?=

.PHONY: setup run test test-gl lint docs bench clean

## setup: install what is missing (a software Vulkan driver where there is none)
setup:
	@scripts/setup.sh

## run: generate images with the default settings; more flags in ARGS="--class 1 --count 2"
run: setup
	$(CARGO) run --release --package harness -- run $(ARGS)

## test: everything CI checks, in CI's order
test: lint
	$(CARGO) test --workspace
	@[ "$$(uname -s)" != Linux ] || $(MAKE) --no-print-directory test-gl
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

## test-gl: kernels on a second driver, OpenGL's, in the portable form (Linux)
test-gl:
	@scripts/setup.sh --gl
	WGPU_BACKEND=gl $(CARGO) test --workspace --test kernels --test floats -- --test-threads=1

## lint: formatting, file lengths, clippy
lint:
	@scripts/setup.sh --lint
	$(CARGO) fmt --all --check
	@scripts/check-lengths.sh
	$(CARGO) clippy --workspace --all-targets -- -D warnings

## docs: API documentation in target/doc
docs: setup
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

## bench: criterion benches; pick with ARGS="-- matmul"
bench: setup
	$(CARGO) bench --workspace $(ARGS)

## clean: remove build products and results
clean:
	$(CARGO) clean
	rm -rf out
