#!/usr/bin/env bash
# The experiments of docs/results. Makes the images that are missing and puts the figures into the pages:
#   scripts/results.sh [NAME ...]        all experiments, or some of them; an interrupted one goes on where it was
# RESULTS is the folder for images (out/results), IMAGES replaces the number of images of a row, HARNESS the binary; REAL is
# the file of real digits that assets/scripts/prepare_data.py makes, for distances to them.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${RESULTS:-out/results}
harness=${HARNESS:-target/release/harness}
[ -x "$harness" ] || cargo build --release -p harness
names=("$@")

run() { # page, name, images, further flags
    local page=$1 name=$2 images=${IMAGES:-$3}
    shift 3
    if [ ${#names[@]} -gt 0 ] && [[ " ${names[*]} " != *" $name "* ]]; then return; fi
    "$harness" eval "$@" --images "$images" --batch 40 --seed 1 --kept "$results/$page" --out "$results/$name" \
        --markdown "docs/results/$page.md"
}

# 20 steps, so that a row takes minutes on two cores.
few="--model assets/mini-sd --steps 20"
one="--model assets/binary-mnist --steps 20 --guidance-scale 1"
[ -z "${REAL:-}" ] || one+=" --real $REAL"

run mini-sd mini-sd-20 1000 $few --approx exact,precise,loose,cipherdm --method none,guidance
run mini-sd mini-sd-eta 200 $few --approx exact,loose --method none,guidance --guidance-eta 0.05,0.1,0.2
run mini-sd mini-sd-snr 200 $few --approx exact,loose --method none,guidance --guidance-weight snr
run mini-sd mini-sd-pcm 200 --model assets/mini-sd --approx loose --method none,guidance --sampler pcm --steps 4,8
run mini-sd mini-sd-methods 80 $few --approx exact,loose --method none,guidance,pag,fks
run mini-sd mini-sd-stress 80 $few --approx loose --stress bits:6,bits:4,bits:3,bits:2,exp-degree:2 \
    --method none,guidance
run mini-sd mini-sd-stress-snr 80 $few --approx loose --stress bits:3,bits:2,exp-degree:1,degree:2,border:1 \
    --method none,guidance --guidance-weight snr --guidance-cap 0.5 --guidance-eta 0.05,0.1,0.2,0.5
run mini-sd mini-sd-repair 240 $few --approx loose --stress degree:2,border:1 \
    --method none,guidance --guidance-weight snr --guidance-cap 0.5 --guidance-eta 0.2,0.5
run mini-sd mini-sd-shares 20 $few --approx loose --mode plain,secure --method none,guidance
run binary-mnist binary-mnist-20 500 $one --approx exact,precise,loose,cipherdm --method none,guidance
run binary-mnist binary-mnist-shares 32 $one --approx loose --mode plain,secure --method none,guidance
