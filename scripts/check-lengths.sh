#!/usr/bin/env bash
# Fails where a source file has grown past what one can read in one sitting: 400 lines of Rust, 250 of WGSL.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
check() { # extension, limit
    local file lines
    while IFS= read -r -d '' file; do
        lines=$(wc -l <"$file")
        if ((lines > $2)); then
            echo "$file has $lines lines; split it (limit $2)" >&2
            status=1
        fi
    done < <(find . -path ./target -prune -o -name "*.$1" -type f -print0)
}
check rs 400
check wgsl 250
exit $status
