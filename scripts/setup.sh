#!/usr/bin/env bash
# Makes a machine ready to build and run: checks Rust, and on Debian and Ubuntu installs a linker and a software
# Vulkan driver where there are none. Says what it does; does nothing, quickly, where nothing is missing.
# With --lint it also checks rustfmt and clippy, with --gl it also installs a software OpenGL driver.
set -euo pipefail

fail() {
    echo "setup: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has_library() {
    # ldconfig often lies outside the path of ordinary users.
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep "$1" >/dev/null
}

has_driver() {
    local named="${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" file
    local -a files=()
    if [[ -n $named ]]; then
        IFS=: read -ra files <<<"$named"
    else
        files=(/usr/share/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json
            "${XDG_DATA_HOME:-${HOME:-/root}/.local/share}"/vulkan/icd.d/*.json)
    fi
    for file in "${files[@]}"; do
        [[ -e $file ]] && return
    done
    return 1
}

has cargo || fail "cargo was not found; install Rust from https://rustup.rs and run this again."
if [[ ${1:-} == --lint ]]; then
    for part in rustfmt clippy; do
        tool=${part/rustfmt/fmt}
        cargo "$tool" --version >/dev/null 2>&1 && continue
        has rustup || fail "cargo $tool was not found; install the Rust component $part and run this again."
        echo "setup: installing the Rust component $part"
        rustup component add "$part" || fail "rustup could not install $part."
    done
fi

missing=()
has cc || missing+=(gcc libc6-dev)
if [[ $(uname -s) == Linux ]]; then
    has_library 'libvulkan\.so\.1' || missing+=(libvulkan1)
    if ! has_driver; then
        [[ -z ${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} ]] ||
            fail "VK_DRIVER_FILES or VK_ICD_FILENAMES names no existing file; unset it or correct it."
        missing+=(mesa-vulkan-drivers)
    fi
    if [[ ${1:-} == --gl ]]; then
        has_library 'libEGL\.so\.1' || missing+=(libegl1)
        has_library 'libEGL_[a-z]*\.so\.0' || missing+=(libegl-mesa0 libgl1-mesa-dri)
    fi
fi
((${#missing[@]})) || exit 0

has apt-get || fail "missing ${missing[*]} (Debian's names); install them with this system's package manager."
as_root=()
if [[ $(id -u) -ne 0 ]]; then
    has sudo || fail "missing ${missing[*]}; install them as root: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}")
echo "setup: installing ${missing[*]} with apt-get"
"${as_root[@]}" apt-get update --quiet --quiet || echo "setup: apt-get update failed; trying with the lists at hand" >&2
"${install[@]}" >/dev/null || fail "apt-get could not install ${missing[*]}."
