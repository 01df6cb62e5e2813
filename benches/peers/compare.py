"""One table of our figures and the peers', for each element.

    python compare.py masque.json crypten.json spu.json

The first file is from `harness bench ops --op silu,gelu,exp --json`, the others from the scripts beside this one, all made
on the same cores. Times are microseconds for an element: processor time of all parties and of whoever makes the
correlated randomness, and the time that passes.
"""

import json
import sys


def ours(report):
    rows = {}
    for r in report["rows"]:
        if r["approx"] in ("precise", "loose") and r["op"] in ("silu", "gelu", "exp"):
            rows[r["op"], r["approx"]] = dict(
                cpu=1e6 * (r["cpu_s"] or {"median": float("nan")})["median"] / r["elements"],
                wall=1e6 * (r["total_s"]["median"] + r["offline_s"]["median"]) / r["elements"],
                bytes=(r["to_server_bytes"] + r["to_client_bytes"]) / r["elements"],
                mse=r["mse"],
            )
    return rows


def theirs(report):
    return {
        (r["op"], r["approx"]): dict(
            cpu=1e6 * r["cpu_s"] / report["elements"],
            wall=1e6 * r["wall_s"] / report["elements"],
            bytes=r.get("bytes_per_element"),
            mse=r["mse"],
        )
        for r in report["rows"]
    }


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    reports = [json.load(open(name)) for name in sys.argv[1:]]
    systems = [("Masque", ours(reports[0]))] + [(r["system"], theirs(r)) for r in reports[1:]]
    line = "{:14} {:18} {:>10} {:>10} {:>8} {:>8} {:>10} {:>10}"
    print(line.format("operation", "system", "cpu us", "wall us", "cpu x", "wall x", "B online", "MSE"))
    for key, mine in systems[0][1].items():
        for name, rows in systems:
            r = rows.get(key)
            if r is None:
                continue
            number = lambda v, f: "-" if v is None else format(v, f)
            print(line.format(" ".join(key), name, f"{r['cpu']:.3f}", f"{r['wall']:.3f}", f"{r['cpu'] / mine['cpu']:.1f}",
                              f"{r['wall'] / mine['wall']:.1f}", number(r["bytes"], ".1f"), f"{r['mse']:.2e}"))


if __name__ == "__main__":
    main()
