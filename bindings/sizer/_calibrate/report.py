"""What a calibration looks like, as blocks that display.py renders."""

from __future__ import annotations

from ..display import Block, Heading, Items, Table, Text
from .result import Calibrated

_TESTS = {"tg": "decode", "pp": "prefill"}
#: Rows that are listed; more would hide the rest.
#: Median error after a fit from which on the rows are not explained by it.
_UNEXPLAINED = 0.15
_MOST_ROWS = 40


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _off(predicted: float, measured: float) -> str:
    return f"{100 * (predicted / measured - 1):+.0f}"


def _rows(found: Calibrated) -> list[Block]:
    cells = [
        (
            row.where,
            row.test,
            row.model_id,
            row.quant,
            str(row.context_depth),
            f"{row.measured_tokens_per_s:.4g}",
            _off(row.before_tokens_per_s, row.measured_tokens_per_s),
            _off(row.after_tokens_per_s, row.measured_tokens_per_s),
            _off(row.held_out_tokens_per_s, row.measured_tokens_per_s),
        )
        for row in found.rows[:_MOST_ROWS]
    ]
    headers = ("row", "test", "model", "quant", "depth", "tokens/s", "before %", "after %", "held out %")
    blocks: list[Block] = [Heading("Rows"), Table(headers, cells, "llllrrrrr")]
    if len(found.rows) > _MOST_ROWS:
        blocks.append(Text(f"and {len(found.rows) - _MOST_ROWS} more; --json lists all of them.", "faint"))
    return blocks


def left_out(found: Calibrated) -> list[Block]:
    """The rows that were not used, by reason."""
    reasons: dict[str, list[str]] = {}
    for row in found.left_out:
        reasons.setdefault(row.reason, []).append(row.where)
    items = []
    for reason, places in reasons.items():
        named = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        items.append(f"{named}: {reason}")
    return [Heading("Left out"), Items(items)] if items else []


def blocks(found: Calibrated) -> list[Block]:
    """Errors before and after, what moved, the rows, and which ones were left out."""
    count = f"{len(found.rows)} row{'' if len(found.rows) == 1 else 's'} of {found.engine}"
    shown: list[Block] = [
        Heading(f"{found.entry['name']}, calibrated by {count}"),
        Table(
            ("test", "rows", "median error % before", "after", "held out", "80 % interval"),
            [
                (
                    _TESTS[one.test],
                    str(one.rows),
                    _percent(one.before),
                    _percent(one.after),
                    _percent(one.held_out),
                    next(
                        (f"x {i.low:.2f} to x {i.high:.2f}" for i in found.intervals if i.test == one.test),
                        "",
                    ),
                )
                for one in found.errors
            ],
            "lrrrrl",
        ),
        Text("Held out: each row as predicted by a calibration that did not see it.", "faint"),
        Heading("What moved"),
        Items([one.sentence for one in found.offsets] or ["nothing: the rows say too little of any part"]),
    ]
    missed = [one for one in found.errors if one.after > _UNEXPLAINED]
    for one in missed:
        told = (
            f"Half of the rows of {_TESTS[one.test]} are still {_percent(one.after)} % off or more: they"
        )
        shown.append(Text(f"{told} contradict each other, or differ from the class in what no part stands for.", "bad"))
    return [*shown, *_rows(found), *left_out(found)]
