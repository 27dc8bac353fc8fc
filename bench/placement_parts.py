"""The pieces of docs/placement.md: asking sizer, tables, and claims beside what was computed."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import sizer
from sizer import cli
from sizer import formatting as f
from sizer._plan import report
from sizer.display import Block, Items, Table, Text

ROOT = Path(__file__).resolve().parents[1]
_CLAIMS = ROOT / "data" / "claims" / "mission.csv"


# --- asking -----------------------------------------------------------------------------------------------------------


def ask(command: str) -> dict[str, Any]:
    """What a command line of sizer answers. Raises RuntimeError when it is an error."""
    printed, complaint = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaint):
        code = cli.main([*shlex.split(command.replace("\\\n", " "))[1:], "--json"])
    if code > 1:
        raise RuntimeError(f"{command}: {complaint.getvalue()}")
    return dict(json.loads(printed.getvalue()))


def planned(command: str) -> sizer.Plan:
    """The plan of a command line."""
    return sizer.Plan.from_dict(ask(command))


def fitting(plan: sizer.Plan) -> sizer.Setup:
    """What the plan decided, where the page takes for granted that something fits."""
    if plan.best is None:
        raise RuntimeError(f"{plan.model} on {plan.hardware}: nothing fits, so the text of the page has to change")
    return plan.best


def together(command: str) -> sizer.Residents:
    """The residents of a command line."""
    return sizer.Residents.from_dict(ask(command))


# --- writing ----------------------------------------------------------------------------------------------------------


def commands(*lines: str) -> list[str]:
    """Command lines as they can be pasted."""
    return ["```sh", *lines, "```", ""]


def escaped(text: str) -> str:
    """Text that Markdown takes literally."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], align: str) -> list[str]:
    """A table; ``align`` has one letter a column, l or r."""
    lines = [headers, ["---" if kind == "l" else "---:" for kind in align], *rows]
    body = [f"| {' | '.join(escaped(cell) for cell in line)} |" for line in lines]
    return [*body, ""]


def blocks(given: Iterable[Block]) -> list[str]:
    """A report of the library as Markdown, without its headings."""
    lines: list[str] = []
    for block in given:
        if isinstance(block, Table):
            lines += table(block.headers, block.rows, block.align)
        elif isinstance(block, Items):
            lines += [*(f"- {escaped(item)}" for item in block.items), ""]
        elif isinstance(block, Text):
            lines += [escaped(block.text), ""]
    return lines


def interval(rate: sizer.Rate) -> str:
    """The interval of a speed."""
    return f"{f.significant(rate.low)} to {f.significant(rate.high)}"


def shown(plan: sizer.Plan) -> list[str]:
    """A plan: the choice, memory, speeds, what binds, what would change it, what it assumes."""
    best = fitting(plan)
    given = [block for block in report.plan(plan) if not isinstance(block, Items)]
    notes = [Items([f"Assumed, {one.what}: {one.why}." for one in plan.assumptions])] if plan.assumptions else []
    cache = f", KV cache in {best.kv_type}" if best.engine == "llama.cpp" else ""
    chosen = f"{plan.model_name} as {best.quant}, context {f.count(best.context)}{cache}, with {best.engine}, "
    chosen += f"on {plan.hardware_name}."
    return [escaped(chosen), "", *blocks([*given, *notes])]


def residents(answer: sizer.Residents) -> list[str]:
    """Several models: where they lie, and how fast each is by itself."""
    rows = []
    for one in answer.residents:
        rate = one.setup.decode_behind_prompt
        rows.append(
            [
                one.model_name,
                f.significant(rate.tokens_per_s),
                interval(rate),
                f.significant(rate.ceiling_tokens_per_s),
                rate.bound,
                f.significant(one.setup.prefill.tokens_per_s),
                one.setup.kv_type,
            ]
        )
    speed = ["model, behind its prompt", "decode tok/s", "80 % interval", "ceiling", "bound by", "prefill tok/s"]
    return [*blocks(report.residents(answer)), *table([*speed, "KV cache"], rows, "lrrrlrl")]


def variants(answers: Iterable[tuple[str, sizer.Plan]], first: str) -> list[str]:
    """Plans side by side."""
    rows = []
    for name, plan in answers:
        best = plan.best
        if best is None:
            rows.append([name, "nothing fits", "", "", "", "", "", ""])
            continue
        sites = [pool for pool in best.pools if pool.name != "host" and pool.total_bytes]
        memory = " + ".join(f"{pool.total_bytes / f.GIB:.1f} of {pool.available_bytes / f.GIB:.1f}" for pool in sites)
        rate = best.decode_behind_prompt
        rows.append(
            [
                name,
                best.quant,
                memory,
                f"{best.host_bytes / f.GIB:.1f}" if best.host_bytes else "0",
                f.significant(rate.tokens_per_s),
                interval(rate),
                f.significant(rate.ceiling_tokens_per_s),
                f.significant(best.prefill.tokens_per_s),
            ]
        )
    headers = [first, "format", "GiB on devices, of usable", "GiB of weights in RAM", "decode tok/s", "80 % interval"]
    return table([*headers, "ceiling", "prefill tok/s"], rows, "lllrrrrr")


# --- claims -----------------------------------------------------------------------------------------------------------


def _claims() -> dict[str, dict[str, str]]:
    """The claims by id."""
    with _CLAIMS.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def _stated(row: dict[str, str]) -> str:
    low, high, unit = row["low"], row["high"], row["unit"].replace("token/s", "tok/s")
    if unit == "bool":
        return "yes" if float(low) else "no"
    figures = f"{low} or more" if not high else low if low == high else f"{low} to {high}"
    return f"{figures} {unit}"


def held(rows: Iterable[tuple[str, str, Any]]) -> list[str]:
    """Claims beside what was computed: an id, what it is about, and bytes, a Rate, seconds or a bool."""
    known = _claims()
    cells = []
    for key, what, value in rows:
        row = known[key]
        low, high = float(row["low"] or "-inf"), float(row["high"] or "inf")
        if isinstance(value, bool):
            text, verdict = "yes" if value else "no", "right" if value == bool(low) else "wrong"
        elif isinstance(value, sizer.Rate):
            text = f"{f.significant(value.tokens_per_s)} ({interval(value)}), ceiling "
            text += f.significant(value.ceiling_tokens_per_s)
            verdict = "too slow" if high < value.low else "too fast" if low > value.high else "right"
            if low > value.ceiling_tokens_per_s:
                verdict = "impossible: above the ceiling"
        elif isinstance(value, float):
            text, verdict = f.duration(value), "right" if low <= value <= high * 1.1 else "wrong"
        else:
            text = f"{value / 1e9:.1f} GB, {value / f.GIB:.1f} GiB"
            inside = [low * 0.9 <= value / unit <= high * 1.1 for unit in (1e9, f.GIB)]
            verdict = "too low" if value / f.GIB > high else "too high"
            if any(inside):
                verdict = "right" if inside[0] else "right as GiB"
        cells.append([key, what, _stated(row), text, verdict])
    return table(["claim", "about", "claimed", "computed", "verdict"], cells, "lllll")


def used(answer: sizer.Residents) -> int:
    """Bytes on the first device, of all residents."""
    return next(load.used_bytes for load in answer.loads if load.site != "host")


def percent(part: float, whole: float) -> str:
    """How far a number is from another: ``less than 1 %``, ``7 %``."""
    share = abs(1 - part / whole)
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "less than 1 %"


def slowdown(part: float, whole: float) -> str:
    """How much slower, in words that hold when numbers move a little."""
    return f"{f.significant(whole / part)} times"
