"""Writes each row at once, also for the GPU bundle."""

import json
import os
import sys

OUTCOMES = {"ok": "passed", "wrong": "failed", "failed": "skipped"}


class Log:
    """Prints rows. With a folder it also adds them to results.jsonl and results.md, as the bundle's other steps do."""

    def __init__(self, folder, step):
        self._folder = folder
        self._step = step
        self._names = set()
        if folder and (folder / "results.jsonl").exists():
            for line in (folder / "results.jsonl").read_text().splitlines():
                try:
                    result = json.loads(line)
                except ValueError:
                    continue  # a killed process wrote a part of a line
                if result["step"] == step:
                    self._names.add(result["row"])

    def contains(self, row):
        return _name(row) in self._names

    def add(self, row):
        if row["status"] == "ok":
            times = row["ms"]
            text = f"warm {times['warm']['median']:.3f} ms" + "".join(
                f", {kind} {times[kind]['median']:.3f}" for kind in ("cold", "queued") if kind in times)
            text += f", rel. L2 {row['relative_l2']:.1e}" if "relative_l2" in row else ", tokens unchecked"
        else:
            text = f"{row['status']}: {row['reason']}"
        name = _name(row)
        print(f"{name}: {text}", file=sys.stderr)
        if self._folder:
            self._names.add(name)
            # A variant that cannot run here is not a failure of the bundle. The script searches for the first three
            # properties in this order.
            outcome = OUTCOMES[row["status"]]
            self._append("results.jsonl", json.dumps(
                {"step": self._step, "row": name, "outcome": outcome, "text": text, "data": row},
                separators=(",", ":")))
            cell = text.replace("|", "/")
            self._append("results.md", f"| {self._step} | {name} | {outcome} | {cell} |")

    def _append(self, name, line):
        with open(self._folder / name, "ab", buffering=0) as file:
            file.write((line + "\n").encode())
            os.fsync(file.fileno())


def _name(row):
    return f"{row['model']} {row['dtype']} batch {row['batch']} {row['variant']}" + (" graph" if row["graph"] else "")
