"""One table of our figures and the peers', for each element.

    python compare.py masque.json crypten.json spu.json [more of the same]

The first kind of file is from `harness bench ops --json`, the others from the scripts beside this one, all made on the same
cores. Times are microseconds for an element, both phases: what passes, and processor time of all parties and of whoever makes
the correlated randomness. Factors are the peer's time over ours. Of several files of one system each row takes the fastest:
other load on the machine only slows down.
"""

import json
import math
import sys


def ours(report):
    """Rows by operation and approximation. Products of two secrets only: the peers' weights are secret too."""
    rows = {}
    for r in report["rows"]:
        if "weights" in r["form"] or "revealed" in r["form"]:
            continue
        per = 1e6 / r["elements"]
        rows[r["op"], r["approx"]] = dict(
            wall=per * (r["total_s"]["median"] + r["offline_s"]["median"]),
            cpu=per * (r["cpu_s"]["median"] if r["cpu_s"] else math.nan),
            bytes=(r["to_server_bytes"] + r["to_client_bytes"]) / r["elements"],
            mse=r["mse"],
        )
    return rows


def theirs(report):
    return {
        (r["op"], r["approx"]): dict(
            wall=1e6 * r["wall_s"] / r["elements"],
            cpu=1e6 * r["cpu_s"] / r["elements"],
            bytes=r["bytes_per_element"],
            mse=r["mse"],
        )
        for r in report["rows"]
    }


def fastest(rows, more):
    for key, row in more.items():
        if key in rows:
            row = dict(row, wall=min(row["wall"], rows[key]["wall"]), cpu=min(row["cpu"], rows[key]["cpu"]))
        rows[key] = row


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    systems = {}
    for name in sys.argv[1:]:
        with open(name) as f:
            report = json.load(f)
        own = "schema" in report
        fastest(systems.setdefault("Masque" if own else report["system"], {}), (ours if own else theirs)(report))
    if "Masque" not in systems:
        sys.exit("none of the files is from `harness bench ops --json`")
    line = "{:18} {:18} {:>8} {:>7} {:>8} {:>7} {:>12} {:>9}"
    print(line.format("operation", "system", "wall us", "factor", "cpu us", "factor", "online bytes", "MSE"))
    for (op, approx), mine in systems["Masque"].items():
        for name, rows in sorted(systems.items(), key=lambda s: s[0] != "Masque"):
            # Without approximation: the library's own function.
            r = rows.get((op, approx)) or rows.get((op, None))
            if r is None:
                continue
            # The system counts processor time in steps of 10 ms: a short run may show none.
            factor = lambda what: f"{r[what] / mine[what]:.1f}" if r is not mine and mine[what] > 0 else ""
            mse = "-" if r["mse"] is None else f"{r['mse']:.1e}"
            print(line.format(f"{op} {approx or ''}", name, f"{r['wall']:.3f}", factor("wall"), f"{r['cpu']:.3f}",
                              factor("cpu"), f"{r['bytes']:.1f}", mse))


if __name__ == "__main__":
    main()
