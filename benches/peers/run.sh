#!/usr/bin/env bash
# The same operations in Masque, CrypTen and SPU, one after another on this machine, then one table.
#
#   CRYPTEN=VENV SPU=VENV benches/peers/run.sh FOLDER [ELEMENTS] [REPEAT]
#
# VENV: a virtual environment with the requirements beside this script; see README.md. A system without one is left out.
# FOLDER gets masque.json, crypten.json, spu.json and table.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: CRYPTEN=VENV SPU=VENV $0 FOLDER [ELEMENTS] [REPEAT]}
elements=${2:-262144} repeat=${3:-3} columns=64
ops=silu,gelu,exp,relu,compare,multiply,reciprocal,rsqrt,softmax,matmul,conv
mkdir -p "$out"
out=$(cd "$out" && pwd)
files=("$out/masque.json")
(cd "$here/../.." && cargo run -q --release -p harness -- bench ops --op $ops --elements "$elements" --columns $columns \
    --repeat "$repeat" --quiet --json "$out/masque.json")
for system in crypten spu; do
    variable=${system^^}
    if [ -n "${!variable:-}" ]; then
        "${!variable}/bin/python" "$here/${system}_ops.py" --elements "$elements" --columns $columns --repeat "$repeat" \
            --json "$out/$system.json"
        files+=("$out/$system.json")
    else
        echo "$system is left out: set $variable to its virtual environment" >&2
    fi
done
python3 "$here/compare.py" "${files[@]}" | tee "$out/table.txt"
