#!/usr/bin/env python3
"""Takes published speeds into data/measurements/speed.csv: every row as printed, and what it stands for or why not.

    PYTHONPATH=build/release/python python3 bench/import_measurements.py measured_speed.csv

No row is dropped. A row that the fit must not use keeps the reasons in `reason`; `flags` holds what is only worth
knowing. The rules are those of `sizer accuracy --rows`.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

from sizer._measurements import read_rows, resolve_all
from sizer._measurements.row import COLUMNS

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("hardware_id", "model_id", "recipe", "engine_id", "backend_id", "build", "usable", "reason", "flags")


def main() -> int:
    """Converts the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="the CSV of published rows")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "measurements" / "speed.csv")
    args = parser.parse_args()
    rows = read_rows(args.published)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *MAPPED])
    usable = 0
    for one in resolve_all(rows):
        reasons = [*one.reasons, *([one.unmapped_reason] if one.unmapped_reason else [])]
        usable += not reasons
        printed = ["" if (value := one.row[name]) is None else value for name in COLUMNS]
        printed = [repr(value).removesuffix(".0") if isinstance(value, float) else str(value) for value in printed]
        mapped = [
            one.hardware.id if one.hardware else "",
            one.model.id if one.model else "",
            ("~" if one.approximate else "") + (one.quant or ""),
            one.engine,
            one.backend,
            "" if one.build_number is None else str(one.build_number),
            str(int(not reasons)),
            "; ".join(dict.fromkeys(reasons)),
            " ".join(one.flags),
        ]
        writer.writerow(printed + mapped)
    args.output.write_text(out.getvalue(), encoding="utf-8")
    print(f"{len(rows)} rows, {usable} usable", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
