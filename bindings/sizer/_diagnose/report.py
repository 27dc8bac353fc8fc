"""What a diagnosis looks like."""

from __future__ import annotations

from .. import formatting as f
from ..display import Block, Heading, Items, Table, Text
from .records import Diagnosis, Finding

_EFFECT = {"fails": "makes the request fail", "suffers": "harms the answer", "slow": "makes it slow"}


def _subject(d: Diagnosis) -> str:
    model = f"{d.model_name}, {d.quant}" if d.model_name else "A model that is not named"
    where = f" on {d.hardware_name}" if d.hardware_name else ""
    return f"{model}{where}" + (f", {d.engine}" if d.engine else "")


def _finding(number: int, one: Finding) -> list[Block]:
    return [
        Heading(f"{number}. {one.title}"),
        Text(f"{one.status}, {one.kind}, {_EFFECT[one.effect]}", "faint"),
        Items([*one.arithmetic, f"Fix: {one.fix}"]),
    ]


def _figures(d: Diagnosis) -> list[list[str]]:
    """The figures that an answer has, and no rows for those that it has not."""

    def both(n: int) -> str:
        return f"{f.gib(n)} GiB, {n / 1e9:,.1f} GB"

    rows = []
    if d.memory_needed_bytes is not None and d.memory_available_bytes is not None and d.memory_margin_bytes is not None:
        rows += [
            ["memory needed", both(d.memory_needed_bytes)],
            ["memory usable", both(d.memory_available_bytes)],
            ["margin", both(d.memory_margin_bytes)],
        ]
    if d.suggested_context is not None:
        rows.append(["context to set", f"{f.count(d.suggested_context)} tokens"])
    if d.prefill_s is not None and d.suggested_timeout_s is not None:
        rows += [
            ["time to read the prompt", f.duration(d.prefill_s)],
            ["timeout to set", f"{f.significant(d.suggested_timeout_s)} s"],
        ]
    return rows


def diagnosis(d: Diagnosis) -> list[Block]:
    """The whole answer: the verdict, the causes, what is not the cause, and what it rests on."""
    tone = {True: "good", False: "bad", None: "strong"}[d.hardware_is_fine]
    blocks: list[Block] = [Heading(_subject(d)), Text(d.verdict, tone)]
    for number, one in enumerate(d.findings, 1):
        blocks += _finding(number, one)
    rows = _figures(d)
    if rows:
        blocks.append(Table(["", ""], rows, "lr"))
    if d.checked:
        blocks += [Heading("Not the problem"), Items([f"{one.what}: {one.arithmetic}" for one in d.checked])]
    if d.assumptions:
        blocks += [Heading("Assumed"), Items([f"{one.what}: {one.why}" for one in d.assumptions])]
    if d.understood:
        cells = [[one.name, one.value, one.origin] for one in d.understood]
        blocks += [Heading("Understood"), Table(["fact", "value", "from"], cells, "lll")]
    sources = list(dict.fromkeys(one.source for one in d.findings if one.source))
    if sources:
        blocks += [Heading("Sources"), Items(sources)]
    return blocks
