"""Calibrates a machine by its own runs: imports benchmark output, fits the machine to it.

examples:
  llama-bench -m model.gguf -o jsonl > runs.jsonl
  sizer calibrate import runs.jsonl
  sizer calibrate fit runs.jsonl -o my-machine.json
  sizer calibrate fit runs.jsonl --on here.json -o my-machine.json
  sizer estimate qwen3-coder-30b-a3b --on my-machine.json

Reads llama-bench's md, csv, json, jsonl and sql, the JSON of vllm bench, and tables with the columns device, model,
quant, test (tg or pp) and tokens_per_s. Without --on the device is the one that the rows name; of a profile of `sizer
measure` the measured rates stay. Runs of several models, short and at depth, decode and prefill, tell most."""

from __future__ import annotations

import argparse
import csv
import io
import sys

from .._calibrate import calibrate
from .._calibrate.files import read_measurements, write_measurements
from .._calibrate.report import blocks
from .._measurements import MeasuredRow
from .._measurements.row import COLUMNS
from .._records import SCHEMA_VERSION, plain
from ..display import Text
from .output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the subcommands and their arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    reader = commands.add_parser(
        "import",
        help="print benchmark output as rows",
        description="Prints benchmark output as rows.",
        allow_abbrev=False,
    )
    reader.add_argument("files", nargs="+", metavar="FILE", help="output of a benchmark")
    reader.add_argument("--device", metavar="NAME", help="the device that ran it, where the output does not name it")
    reader.add_argument("-o", "--output", metavar="FILE", help="write the rows into this .csv or .jsonl file")
    fit = commands.add_parser(
        "fit", help="fit a machine to its runs", description="Fits a machine to its runs.", allow_abbrev=False
    )
    fit.add_argument("files", nargs="+", metavar="FILE", help="output of a benchmark, or rows")
    fit.add_argument(
        "--on",
        metavar="HARDWARE",
        help="the machine that ran it: a name, a machine's file or a profile (default: the device that the rows name)",
    )
    fit.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the machine to write; only a machine's file is replaced"
    )
    for command in (reader, fit):
        # The outer option of the same name would be reset by the default of an inner one.
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    return _import(options, output) if options.action == "import" else _fit(options, output)


def _as_csv(rows: list[MeasuredRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if row[name] is None else row[name] for name in COLUMNS] for row in rows)
    return text.getvalue()


def _import(options: argparse.Namespace, output: Output) -> int:
    rows: list[MeasuredRow] = []
    left_out = []
    for file in options.files:
        found = read_measurements(file, device=options.device)
        rows += found.rows
        left_out += [{"file": str(file), **plain(one)} for one in found.left_out]
    if options.output is not None:
        write_measurements(rows, options.output)
    if output.json:
        output.print_json({"schema_version": SCHEMA_VERSION, "rows": plain(rows), "left_out": left_out})
        return 0
    if options.output is None:
        encoding = sys.stdout.encoding or "utf-8"
        print(_as_csv(rows).encode(encoding, errors="replace").decode(encoding), end="", flush=True)
    else:
        count = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
        output.answer({}, [Text(f"{count}: {options.output}. Fit: sizer calibrate fit {options.output} -o FILE")])
    for one in left_out:
        print(f"sizer: left out: {one['file']}, {one['where']}: {one['reason']}", file=sys.stderr)
    return 0


def _fit(options: argparse.Namespace, output: Output) -> int:
    found = calibrate(options.files, options.on, output=options.output)
    shown = blocks(found)
    shown.append(Text(f"Machine: {options.output}. Estimates: sizer estimate MODEL --on {options.output}"))
    output.answer(found.to_dict(), shown)
    return 0
