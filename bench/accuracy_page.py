#!/usr/bin/env python3
"""Writes docs/speed-accuracy.md, its picture, and the section on speed of docs/accuracy.md.

    cmake --build --preset release --target sizer_python sizer_python_files
    PYTHONPATH=build/release/python python3 bench/accuracy_page.py            writes them
    PYTHONPATH=build/release/python python3 bench/accuracy_page.py --check    compares the text, 1 when it differs

Needs the built Python package, and matplotlib for the picture (docs/images/speed-accuracy.png), which --check leaves
alone. Write the page again after a fit of the speeds (bench/fit_speed.py). Sentences are typed here, figures computed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import speed_rows as sr
from peer_formulas import FORMULAS, Estimate, Facts, Formula
from speed_rows import ROOT, FitRow

# isort: split
import sizer
from sizer._accuracy import HELD_OUT, accuracy
from sizer._accuracy.report import LEAST_ROWS, Accuracy, AccuracyRow, Group, Slice, errors_of, quantile, summarise
from sizer._work import decode_work

PAGE = ROOT / "docs" / "speed-accuracy.md"
SUMMARY = ROOT / "docs" / "accuracy.md"
PICTURE = ROOT / "docs" / "images" / "speed-accuracy.png"
MEASUREMENTS = ROOT / "data" / "measurements"

#: What the 80 % interval is to hold of rows that a fit never saw, in every slice of so many rows.
COVERAGE, COVERED_ROWS = (0.75, 0.88), 20
#: An error beyond which a row counts as a miss in "what remains", and how many rows are listed.
MISS, LISTED = 0.20, 15
#: Slices that many devices are in.
BROAD = ("all", "kind", "depth", "backend", "batch", "device_count")
SHOWN_ORDER = ("all", "kind", "depth", "backend", "engine", "format", "batch", "device_count", "device_class", "device")


@dataclass(frozen=True)
class Aim:
    """A figure that the model was to reach: of a slice of a group, in one of the foldings."""

    title: str
    fold: str
    group: str
    by: str
    value: str
    median: float
    p90: float | None


AIMS = (
    Aim("decode, one device, batch 1", "device", "decode-single", "all", "", 0.08, 0.20),
    Aim("&nbsp; of it mixtures of experts", "device", "decode-single", "kind", "moe", 0.10, None),
    Aim("&nbsp; of it 8K and more tokens deep", "device", "decode-single", "depth", "8192-", 0.10, None),
    Aim("decode, one device, batch 1", "model", "decode-single", "all", "", 0.05, 0.15),
    Aim("prefill, one device, at depth 0", "device", "prefill-single", "depth", "0-1023", 0.15, 0.35),
    Aim("prefill, one device, 16K and more deep", "device", "prefill-single", "depth", "16384-", 0.15, 0.35),
    Aim("decode, one device, batched", "device", "decode-batched", "all", "", 0.15, None),
    Aim("decode, several devices", "device", "decode-devices", "all", "", 0.15, None),
    Aim("prefill, several devices", "device", "prefill-devices", "all", "", 0.15, None),
)
FOLD_NAMES = {"device": "device left out", "model": "model left out", "group": "tenth left out"}


@dataclass(frozen=True)
class Reports:
    """The report in sample and in each folding, on the same rows; and the rows as the fit has them."""

    fitted: Accuracy
    held_out: Mapping[str, Accuracy]
    rows: Mapping[str, FitRow]
    left_out: Sequence[tuple[str, str]]

    def group(self, fold: str, key: str) -> Group | None:
        """A group of a folding, or of the fit itself (""). None where no row is in it."""
        report = self.held_out[fold] if fold else self.fitted
        return next((one for one in report.summary.groups if one.id == key), None)

    def slice(self, fold: str, key: str, by: str = "all", value: str = "") -> Slice | None:
        """A slice of such a group."""
        group = self.group(fold, key)
        return None if group is None else group.slice(by, value)


def reports() -> Reports:
    """Everything that the page is about."""
    rows, left_out = sr.load()
    held_out = {fold: accuracy(held_out=fold) for fold in HELD_OUT}
    used = {row.id for row in held_out["device"].rows}
    fitted = [row for row in accuracy().rows if row.id in used]
    return Reports(
        fitted=Accuracy(how="library", rows=tuple(fitted), unmapped=(), summary=summarise(fitted, ())),
        held_out=held_out,
        rows={row.resolved.row.id: row for row in rows},
        left_out=left_out,
    )


# ---- text ------------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """ "7.9", of at least 100 without the tenths."""
    return f"{100 * share:.1f}" if abs(share) < 0.9995 else f"{100 * share:.0f}"


def pair(one: Slice | None) -> str:
    """Median and 90th percentile."""
    return "" if one is None else f"{percent(one.median_error)} / {percent(one.p90_error)}"


def escaped(text: str) -> str:
    """Text for a cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")


def table(headers: Sequence[str], align: str, cells: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; align has l or r for each column."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "|".join("---:" if one == "r" else "---" for one in align) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return [*lines, ""]


def paragraph(text: str) -> list[str]:
    """One paragraph: line breaks of the source are no line breaks of the page's."""
    words, lines, line = text.split(), list[str](), ""
    for word in words:
        if line and len(line) + 1 + len(word) > 120:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line, ""]


# ---- aims ------------------------------------------------------------------------------------------------------------


def judged(reached: float, aim: float) -> str:
    """Met or missed, by what is printed."""
    return "met" if round(reached, 3) <= aim else "**missed**"


def aims_table(r: Reports) -> list[str]:
    """Each aim with what was reached."""
    cells = []
    for aim in AIMS:
        found = r.slice(aim.fold, aim.group, aim.by, aim.value)
        if found is None:
            continue
        parts = [
            f"{percent(found.median_error)} (aim {100 * aim.median:.0f}): {judged(found.median_error, aim.median)}"
        ]
        if aim.p90 is None:
            parts.append(percent(found.p90_error))
        else:
            parts.append(f"{percent(found.p90_error)} (aim {100 * aim.p90:.0f}): {judged(found.p90_error, aim.p90)}")
        cells.append((aim.title, FOLD_NAMES[aim.fold], str(found.rows), *parts))
    lines = table(("what", "unseen", "rows", "median error %", "90th percentile %"), "llrrr", cells)
    lines += coverage_lines(r)
    above = r.fitted.summary.predicted_above_ceiling + sum(
        one.summary.predicted_above_ceiling for one in r.held_out.values()
    )
    lines += [f"- predictions above the physical ceiling: {above} (aim 0): {'met' if above == 0 else '**missed**'}", ""]
    return lines


def holds(share: float) -> bool:
    """Whether an interval holds what it should."""
    return COVERAGE[0] <= round(share, 2) <= COVERAGE[1]


def chance(n: int) -> float:
    """Of slices of n independent rows, how many a perfect 80 % interval would hold what it should in."""
    return sum(math.comb(n, k) * 0.8**k * 0.2 ** (n - k) for k in range(n + 1) if holds(k / n))


def coverage_lines(r: Reports) -> list[str]:
    """The aim of the intervals, by folding."""
    lines = []
    low, high = (f"{100 * end:.0f}" for end in COVERAGE)
    for fold in ("device", "model"):
        inside, outside = covered(r, fold)
        perfect = sum(chance(one.rows) for _, one in (*inside, *outside))
        share = 100 * statistics.fmean(row.inside for row in r.held_out[fold].rows)
        broad = [[one for _, one in part if one.by in BROAD] for part in (inside, outside)]
        lines.append(
            f"- 80 % interval, {FOLD_NAMES[fold]}: holds {share:.0f} % of all rows. It holds {low} to {high} % in "
            f"{len(inside)} of {len(inside) + len(outside)} slices of at least {COVERED_ROWS} rows, and in "
            f"{len(broad[0])} of the {len(broad[0]) + len(broad[1])} that are not by engine, format, class or device "
            f"(aim: in each): {'**missed**' if outside else 'met'}. A perfect interval and independent rows would give "
            f"{perfect:.0f} of {len(inside) + len(outside)}."
        )
    return lines


def covered(r: Reports, fold: str) -> tuple[list[tuple[Group, Slice]], list[tuple[Group, Slice]]]:
    """Slices of enough rows whose intervals hold what they should, and those whose do not."""
    slices = [(group, one) for group in r.held_out[fold].summary.groups for one in group.slices]
    slices = [(group, one) for group, one in slices if one.rows >= COVERED_ROWS]
    inside = [(group, one) for group, one in slices if holds(one.coverage)]
    return inside, [one for one in slices if one not in inside]


def coverage_tables(r: Reports) -> list[str]:
    """The slices whose intervals hold too little, and too much."""
    lines = []
    for word, wrong in (("too few", lambda c: c < COVERAGE[0]), ("too many", lambda c: c > COVERAGE[1])):
        cells = []
        for fold in ("device", "model"):
            found = [(g, s) for g, s in covered(r, fold)[1] if wrong(s.coverage)]
            found.sort(key=lambda item: abs(item[1].coverage - 0.8), reverse=True)
            cells += [
                (FOLD_NAMES[fold], group.name, escaped(one.name), str(one.rows), f"{100 * one.coverage:.0f}")
                for group, one in found
            ]
        if cells:
            lines += [f"The interval holds {word}:", ""]
            lines += table(("unseen", "rows", "slice", "n", "in 80 % interval %"), "lllrr", cells)
    return lines


# ---- the tables of errors --------------------------------------------------------------------------------------------


def group_table(r: Reports, group: Group) -> list[str]:
    """All slices of a group in the four ways."""
    ordered = sorted(group.slices, key=lambda one: SHOWN_ORDER.index(one.by))
    cells = []
    for one in ordered:
        found = {fold: r.slice(fold, group.id, one.by, one.value) for fold in ("", *HELD_OUT)}
        device, model = found["device"], found["model"]
        assert device is not None and model is not None
        cells.append(
            (
                escaped(one.name),
                str(one.rows),
                pair(found[""]),
                pair(device),
                pair(model),
                pair(found["group"]),
                f"{100 * device.bias:+.1f}",
                f"{100 * device.coverage:.0f}",
                f"{100 * model.coverage:.0f}",
            )
        )
    headers = (
        *("rows", "n", "in sample", "device left out", "model left out", "tenth left out"),
        *("bias", "in interval, device", "in interval, model"),
    )
    return [f"### {group.name[0].upper()}{group.name[1:]}", "", *table(headers, "lrrrrrrrr", cells)]


# ---- other tools -----------------------------------------------------------------------------------------------------


@cache
def cache_bytes(model: sizer.Model, depth: int) -> float:
    """Bytes of the cache of one sequence in f16."""
    if depth > model.context_length:  # some were measured behind more than they were trained for
        model = model.replace(context_length=depth)
    work = decode_work(model=model, quant="F16", depth=depth)
    return float(work["kv_cache_bytes"] + work["latent_cache_bytes"])


def facts_of(row: FitRow) -> Facts:
    """A measured row as the formulas of others may ask about it: data sheet, real file, real counts."""
    one, printed, answer = row.resolved, row.resolved.row, row.answer
    hardware, model = one.hardware, one.model
    assert hardware is not None and model is not None and one.quant is not None
    shape = model.shape
    attending = next((layer for layer in model.layers if layer["n_kv_heads"]), {"n_kv_heads": 1, "head_dim_k": 128})
    experts = shape.get("experts", {})
    compute = hardware.to_dict()["devices"][0].get("compute", {})
    rate = compute.get("fp16") or compute.get("bf16")
    depth = one.mean_depth if row.decode else float(one.depth)
    total = float(model.parameters_from_shape)
    size = printed.file_size_gib
    return Facts(
        bandwidth_gb_per_s=hardware.bandwidth_gb_per_s,
        bandwidth_measured_gb_per_s=hardware.bandwidth_measured_gb_per_s,
        device_name=printed.device,
        vendor=hardware.vendor.lower().replace(" ", "-"),
        backend=one.backend,
        unified=hardware.unified,
        device_count=printed.device_count,
        memory_gb=hardware.memory_bytes / 2**30,
        fp16_tflops=rate["value"] if rate else None,
        release_year=hardware.release_year,
        engine=one.engine,
        quant=one.quant,
        file_bytes=size * 2**30 if size else float(answer["weights_bytes"]),
        active_bytes=float(answer["active_bytes"]),
        parameters_total=total,
        parameters_active=float(model.active_parameters_from_shape) if model.is_moe else total,
        n_layers=model.n_layers,
        n_kv_heads=attending["n_kv_heads"],
        head_dim=attending["head_dim_k"],
        d_model=shape["d_model"],
        is_moe=model.is_moe,
        n_experts=experts.get("n_experts"),
        n_experts_per_token=experts.get("n_experts_per_token"),
        kv_bytes_at_depth=cache_bytes(model, round(depth)),
        context_depth=depth,
        batch=one.batch,
        prompt_tokens=one.tokens,
        n_heads=attending.get("n_heads"),
        vocab_size=shape.get("vocab_size"),
        d_ff_expert=experts.get("d_ff_expert"),
        d_ff_shared=experts.get("d_ff_shared"),
    )


def peer_line(
    formula: Formula, estimate: Estimate, rows: Sequence[AccuracyRow], facts: Mapping[str, Facts]
) -> tuple[str, ...]:
    """A formula on the rows that it answers, and the library on the same rows."""
    answered = []
    for row in rows:
        value = estimate(facts[row.id])
        if value is not None and math.isfinite(value) and value > 0:
            answered.append((row, value / row.measured_tokens_per_s - 1))
    if len(answered) < LEAST_ROWS:
        return (escaped(formula.name), str(len(answered)), "", "", "", "")
    errors = [abs(error) for _, error in answered]
    ours = errors_of("all", "", [row for row, _ in answered])
    return (
        escaped(formula.name),
        str(len(answered)),
        f"{percent(statistics.median(errors))} / {percent(quantile(errors, 0.9))}",
        f"{100 * statistics.median(error for _, error in answered):+.0f}",
        pair(ours),
    )


def peers_tables(r: Reports) -> list[str]:
    """Every formula beside the library, decode and prefill; and where they come from."""
    lines: list[str] = []
    single = [row for row in r.held_out["device"].rows if row.device_count == 1 and row.batch == 1 and not row.suspect]
    facts = {row.id: facts_of(r.rows[row.id]) for row in single}
    headers = ("formula", "rows it answers", "its error", "its bias", "ours on these rows, device left out")
    for test, name in (("tg", "Decode"), ("pp", "Prefill")):
        rows = [row for row in single if row.test == test]
        cells = []
        for formula in FORMULAS:
            estimate = formula.decode if test == "tg" else formula.prefill
            if estimate is not None:
                cells.append(peer_line(formula, estimate, rows, facts))
        lines += [f"### {name}, one device, batch 1 ({len(rows)} rows)", "", *table(headers, "lrrrr", cells)]
    lines += ["Restated from:", ""]
    lines += [f"- {escaped(one.name)}: `{one.source}`" for one in FORMULAS if " x bandwidth" not in one.name]
    return [*lines, ""]


# ---- what repeats differ by ------------------------------------------------------------------------------------------


def _told(row: FitRow) -> tuple[object, ...]:
    """What a question says: device, model, format, test and its length, depth, batch."""
    one, printed = row.resolved, row.resolved.row
    assert one.model is not None and one.hardware is not None
    where = (one.hardware.id, printed.device_count, one.backend)
    return (*where, one.model.id, one.quant, printed.test, one.tokens, one.depth, one.batch)


def _told_and_engine(row: FitRow) -> tuple[object, ...]:
    return (*_told(row), row.resolved.engine)


def _run(row: FitRow) -> tuple[str, str]:
    return row.resolved.row.source, row.resolved.row.engine_version


def repeats(rows: Iterable[FitRow], key: Callable[[FitRow], object]) -> list[list[FitRow]]:
    """Rows of one configuration that at least two sources or builds measured."""
    found: dict[object, list[FitRow]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return [group for group in found.values() if len({_run(row) for row in group}) > 1]


def _apart(groups: Iterable[Sequence[FitRow]], wanted: Callable[[FitRow, FitRow], bool]) -> list[float]:
    """For each row, how far another run of its configuration is from it: the median over those runs."""
    errors = []
    for group in groups:
        for row in group:
            others = [abs(one.measured / row.measured - 1) for one in group if one is not row and wanted(row, one)]
            if others:
                errors.append(statistics.median(others))
    return errors


def noise_table(r: Reports) -> list[str]:
    """What repeated measurements differ by."""
    kinds: tuple[tuple[str, Callable[[FitRow], object], Callable[[FitRow, FitRow], bool]], ...] = (
        ("any engine", _told, lambda a, b: _run(a) != _run(b)),
        ("the same engine", _told_and_engine, lambda a, b: _run(a) != _run(b)),
        ("the same engine, measured by others", _told_and_engine, lambda a, b: sr.origin(a) != sr.origin(b)),
    )
    cells = []
    for test, name in ((True, "decode"), (False, "prefill")):
        rows = [row for row in r.rows.values() if row.decode == test]
        for title, key, wanted in kinds:
            groups = [
                group for group in repeats(rows, key) if any(wanted(one, other) for one in group for other in group)
            ]
            errors = _apart(groups, wanted)
            if errors:
                error = f"{percent(statistics.median(errors))} / {percent(quantile(errors, 0.9))}"
                cells.append((name, title, str(len(groups)), str(len(errors)), error))
    headers = ("test", "repeated with", "configurations", "rows", "one run in place of another: median / P90")
    return table(headers, "llrrr", cells)


# ---- what was left out, what remains ---------------------------------------------------------------------------------


def left_out_table(r: Reports) -> list[str]:
    """Counts by reason."""
    counts = Counter(reason for _, text in r.left_out for reason in dict.fromkeys(text.split("; ")))
    cells = [(str(n), escaped(reason)) for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return table(("rows", "reason"), "rl", cells)


def misses_table(r: Reports) -> list[str]:
    """Which classes of devices the misses are on."""
    cells = []
    rows = [row for row in r.held_out["device"].rows if row.device_count == 1 and row.batch == 1]
    for name in sorted({row.device_class for row in rows}):
        line = [escaped(name.replace("_", " "))]
        for test in ("tg", "pp"):
            part = [row for row in rows if row.device_class == name and row.test == test]
            missed = sum(abs(row.error) > MISS for row in part)
            devices = len({row.device for row in part})
            bias = f"{100 * statistics.median(row.error for row in part):+.0f}" if part else ""
            line += [f"{missed} of {len(part)}" if part else "", str(devices) if part else "", bias]
        cells.append(line)
    cells.sort(key=lambda line: -int(line[1].split()[0] if line[1] else 0))
    headers = ("class", "decode misses", "devices", "bias", "prefill misses", "devices", "bias")
    return table(headers, "lrrrrrr", cells)


def worst_table(r: Reports, test: str) -> list[str]:
    """The rows that are furthest off."""
    rows = [row for row in r.held_out["device"].rows if row.test == test and row.device_count == 1 and row.batch == 1]
    rows.sort(key=lambda row: (-abs(math.log1p(row.error)), row.id))
    of_model = {row.id: row.error for row in r.held_out["model"].rows}
    in_sample = {row.id: row.error for row in r.fitted.rows}
    cells = [
        (
            row.id,
            escaped(row.device),
            row.backend,
            escaped(row.engine),
            escaped(row.model),
            escaped(row.quant),
            str(row.context_depth),
            f"{row.measured_tokens_per_s:.4g}",
            f"{row.predicted_tokens_per_s:.4g}",
            *(f"{100 * error:+.0f}" for error in (row.error, of_model[row.id], in_sample[row.id])),
        )
        for row in rows[:LISTED]
    ]
    headers = (
        *("row", "device", "backend", "engine", "model", "format", "depth", "measured", "predicted"),
        *("device left out", "model left out", "in sample"),
    )
    return table(headers, "llllllrrrrrr", cells)


def part_of(r: Reports, fold: str, chosen: Callable[[AccuracyRow], bool]) -> Slice:
    """Errors of chosen rows."""
    return errors_of("all", "", [row for row in r.held_out[fold].rows if chosen(row)])


def single(test: str) -> Callable[[AccuracyRow], bool]:
    """Rows of one device and one sequence."""
    return lambda row: row.test == test and row.device_count == 1 and row.batch == 1


def missed_anyway(r: Reports, chosen: Callable[[AccuracyRow], bool]) -> tuple[int, int]:
    """Misses with the device left out, and those of them that the fit on all rows misses too."""
    in_sample = {row.id: row.error for row in r.fitted.rows}
    missed = [row.id for row in r.held_out["device"].rows if chosen(row) and abs(row.error) > MISS]
    return len(missed), sum(abs(in_sample[one]) > MISS for one in missed)


def measured_alone(r: Reports, chosen: Callable[[AccuracyRow], bool]) -> set[str]:
    """Rows of devices that have no row of another model in the same test and backend."""
    models: dict[tuple[str, str, str], set[str]] = {}
    for row in r.fitted.rows:
        models.setdefault((row.device, row.backend, row.test), set()).add(row.model_id)
    return {row.id for row in r.fitted.rows if chosen(row) and len(models[row.device, row.backend, row.test]) == 1}


def remains(r: Reports) -> list[str]:
    """What the misses are, in words."""
    decode, prefill = single("tg"), single("pp")
    cpu = part_of(r, "device", lambda row: decode(row) and row.backend == "cpu")
    others = part_of(r, "device", lambda row: decode(row) and row.backend != "cpu")
    deep = part_of(r, "device", lambda row: decode(row) and row.backend != "cpu" and row.context_depth >= 8192)
    cpu_pp = part_of(r, "device", lambda row: prefill(row) and row.backend == "cpu")
    others_pp = part_of(r, "device", lambda row: prefill(row) and row.backend != "cpu")
    servers = part_of(r, "device", lambda row: decode(row) and row.device_class == "cpu_server")
    rdna = part_of(r, "device", lambda row: decode(row) and row.device_class == "amd_rdna")
    cuda = part_of(r, "device", lambda row: decode(row) and row.backend == "cuda")
    batched = part_of(r, "device", lambda row: row.test == "tg" and row.batch > 1 and row.engine == "llama.cpp")
    served = part_of(r, "device", lambda row: row.test == "tg" and row.batch > 1 and row.engine != "llama.cpp")
    known = part_of(r, "model", decode)
    fitted = errors_of("all", "", [row for row in r.fitted.rows if decode(row)])
    alone = measured_alone(r, decode)
    of_alone = part_of(r, "model", lambda row: row.id in alone)
    of_others = part_of(r, "model", lambda row: decode(row) and row.id not in alone)
    missed, anyway = missed_anyway(r, decode)
    missed_pp, anyway_pp = missed_anyway(r, prefill)
    text = [
        f"""**Level or term.** Of the {missed} rows of decode that miss by more than {100 * MISS:.0f} % with their
        device left out, {anyway} miss by as much in sample: there a term is missing, or the row is bad. The other
        {missed - anyway} come right as soon as the device is measured: what is wrong is the level of that device, not
        the shape of the model. For prefill it is {anyway_pp} of {missed_pp}.""",
        f"""**Processors.** Left out, they err by {pair(cpu)} % in decode and {pair(cpu_pp)} % in prefill; all other
        devices together by {pair(others)} % and {pair(others_pp)} %. A processor's speed hangs on what its sheet does
        not say: threads, filled memory channels, sockets, and the kernels that the engine has for its instruction set
        and the number format. Server processors are the worst ({pair(servers)} % in decode). The two with rows of
        prefill predict each other here, and one is a single socket with 128 pinned threads, the other two sockets
        under Windows with 20 threads (ms1695 to ms1700): such rows are right and say little about the next machine.
        The lookup formats (IQ) of ik\\_llama.cpp on an Apple processor are bound by arithmetic that no other measured
        processor shows. A processor measured with `sizer measure` needs none of this.""",
        f"""**Few devices behind a class.** Where the device left out is most of its class, the levels come from other
        classes: AMD's RDNA cards err by {pair(rdna)} %, CUDA devices, of which many share their kernels, by
        {pair(cuda)} %. More devices, rather than more rows, would help.""",
        f"""**Long contexts on devices never seen.** From 8K tokens on, cards and Apple's chips err by {pair(deep)} %.
        How fast attention runs behind a long cache depends on the backend's kernel for that chip and the model's
        heads, worst for latent attention (GLM-4.7-Flash). Some builds are slow there and others are not: a preview of
        ROCm 7.10 decodes gpt-oss-120b behind 32K tokens at half of what the fit finds for its device (ms1740), in
        sample too.""",
        """**Formats that a backend converts.** Files in BF16 run at half speed on Vulkan on Strix Halo (ms0698,
        ms0700) and slowly in its prefill under ROCm; no other device of these backends shows it. 3-bit files of a
        small model on RDNA (ms0988, ms0990) are the same.""",
        f"""**Batches.** llama.cpp's batches err by {pair(batched)} %, those of vLLM, TensorRT-LLM and DeepSpeed by
        {pair(served)} %: their published rates are of whole requests, with the prefill in them.""",
        f"""**A new model on a measured device** (the model left out) errs by {pair(known)} % in decode, in sample by
        {pair(fitted)} %. But {len(alone)} of these {known.rows} rows are of devices that were measured with that
        model alone, mostly one of the Llamas: without the model they have no row left, and err by {pair(of_alone)} %.
        The others, {pair(of_others)} %. Between that and the sample's own figure lies what a model's first
        measurement adds: kernels for its head size, its experts, its format. The median in sample is near what
        repeated runs of one engine differ by (above), so that no more can be learnt from these rows about the median;
        about the tail it can.""",
    ]
    return [line for one in text for line in paragraph(one)]


# ---- the page --------------------------------------------------------------------------------------------------------


def opening(r: Reports) -> list[str]:
    """What a buyer should know."""
    decode = {fold: r.slice(fold, "decode-single") for fold in HELD_OUT}
    prefill = r.slice("device", "prefill-single")
    device, model = decode["device"], decode["model"]
    assert device is not None and model is not None and prefill is not None
    of_decode = single("tg")
    cards = part_of(r, "device", lambda row: of_decode(row) and row.backend != "cpu")
    inside = 100 * statistics.fmean(row.inside for row in r.held_out["device"].rows)
    devices, models = len({row.device for row in r.fitted.rows}), len({row.model_id for row in r.fitted.rows})
    return [
        "# How good are the speeds",
        "",
        "*Generated by `bench/accuracy_page.py`; do not edit.*",
        "",
        *paragraph(
            f"""The library's speeds rest on {len(r.fitted.rows)} published measurements of {devices} devices and
            {models} models. To see how good they are, each measurement was predicted by a model that had never seen
            its device, or its model. So measured, and with nobody's own benchmark of the machine in hand:"""
        ),
        "- **Tokens per second of an answer** (decode): on a device that nobody measured, half of the predictions are "
        f"within {percent(device.median_error)} % of what was measured and nine of ten within "
        f"{percent(device.p90_error)} %; without the rows of processors, {percent(cards.median_error)} % and "
        f"{percent(cards.p90_error)} %. On a measured device with a new model: {percent(model.median_error)} % and "
        f"{percent(model.p90_error)} %.",
        f"- **Reading the prompt** (prefill): {percent(prefill.median_error)} % and {percent(prefill.p90_error)} %, "
        "device never seen.",
        f"- **The interval** that stands beside every speed (80 %) held {inside:.0f} % of the speeds measured on "
        "devices never seen.",
        "- **Never above the ceiling**: no prediction exceeds what the memory's bandwidth allows.",
        "",
        "![Predicted against measured speed, the ratio by depth, and by class of device; every row predicted without "
        "its device](images/speed-accuracy.png)",
        "",
        *paragraph(
            """Each point is one measurement, predicted by the model fitted without its device. Left: on the line, the
            prediction is right. Middle: the ratio by the tokens in the context. Right: the ratio by class of device;
            the bar holds 80 % of the rows, the black mark is the median, the number of rows is in parentheses."""
        ),
    ]


def page(r: Reports) -> str:
    """The page as Markdown."""
    lines = opening(r)
    lines += ["## Against the aims", ""]
    lines += paragraph(
        """The aims were set before the model was built. The error is |predicted / measured - 1|; *unseen* says what
        the fit of a row never saw: all rows of its device, or of its model. All rows that are not left out (below)
        count, whatever the engine."""
    )
    lines += aims_table(r)
    lines += ["## The same rows by other formulas", ""]
    lines += paragraph(
        """What other tools would have answered for the same rows, restated from their published source as functions
        in `bench/peer_formulas.py`, each on the rows that it answers. They get the data sheet's bandwidth, the real
        file's size and the real parameter counts. Errors are median / 90th percentile in %, biases medians in %. Ours
        is the model that never saw the row's device; some of theirs were tuned on devices that are among these rows,
        and *three parameters per device*, which is no tool's, was fitted to most of the rows that it answers."""
    )
    lines += peers_tables(r)
    lines += ["## What measurements themselves differ by", ""]
    lines += paragraph(
        """No prediction can be better than measurements repeat. Of the rows above, some measure one configuration
        (device and count, backend, model, weight format, test and its length, depth, batch) in another source or with
        another build; the error is what one makes when one such run stands for another. Few configurations were
        repeated, most of those by the same people on the same machine, so the true floor is rather above than below."""
    )
    lines += noise_table(r)
    lines += ["## What remains, and why", ""]
    lines += remains(r)
    lines += paragraph(
        f"""Where the misses are: rows of one device and batch 1 that are more than {100 * MISS:.0f} % off with their
        device left out, by class; *devices* is how many different ones were measured, *bias* the median error in %."""
    )
    lines += misses_table(r)
    for test, name in (("tg", "decode"), ("pp", "prefill")):
        lines += [f"The {LISTED} rows of {name} that are furthest off (one device, batch 1, device left out):", ""]
        lines += worst_table(r, test)
    lines += ["## Where the 80 % interval holds too few or too many", ""]
    lines += paragraph(
        f"""Slices of at least {COVERED_ROWS} unseen rows in which it holds less than {100 * COVERAGE[0]:.0f} % or
        more than {100 * COVERAGE[1]:.0f} %. Rows of one device err together, so that a slice of few devices is a coin
        thrown a few times, not {COVERED_ROWS}."""
    )
    lines += coverage_tables(r)
    lines += ["## All figures", ""]
    lines += paragraph(
        f"""Errors are median / 90th percentile in %. *In sample* is the library as it ships; *tenth left out* drops
        one of ten groups of pairs of device and model. Bias is the median of predicted / measured - 1 in %, above 0
        too much was promised, with the device left out. *In interval* is the share of the rows inside the 80 %
        interval in %, with the device and with the model left out. Slices of fewer than {LEAST_ROWS} rows are not
        listed."""
    )
    for group in r.fitted.summary.groups:
        lines += group_table(r, group)
    lines += ["## What was left out", ""]
    lines += paragraph(
        f"""Of {len(r.fitted.rows) + len(r.left_out)} rows in `data/measurements/speed.csv`, {len(r.left_out)} are
        neither fitted nor counted above; a row may have several reasons. None was left out for being predicted
        badly."""
    )
    lines += left_out_table(r)
    lines += ["## To repeat it", ""]
    lines += [
        "```sh",
        "sizer accuracy                                 # in sample, on every row that can be predicted",
        "sizer accuracy --held-out device --worst 20    # or model, or group",
        "sizer accuracy --rows FILE --json              # your own rows, in the columns of data/measurements/speed.csv",
        "export PYTHONPATH=build/release/python",
        "python3 bench/fit_speed.py --check             # the fit gives the committed parameters",
        "python3 bench/accuracy_page.py                 # writes this page",
        "```",
    ]
    return "\n".join(lines) + "\n"


def summary(r: Reports, text: str) -> str:
    """docs/accuracy.md with its section on speed written anew; the section is the last one."""
    head, found, _ = text.partition("## Speed\n")
    if not found:
        raise SystemExit(f"{SUMMARY.name}: no section '## Speed'")
    cells = []
    for group in r.fitted.summary.groups:
        ways = [pair(r.slice(fold, group.id)) for fold in ("", "device", "model")]
        cells.append((group.name, str(group.slices[0].rows), *ways))
    lines = [
        *paragraph(
            """Relative error of published measurements, median / 90th percentile in %. *In sample* is the library as
            it ships; *left out* is the same model fitted without any row of that device, or of that model: what to
            expect of a machine or a model that nobody has measured."""
        ),
        *table(("rows", "n", "in sample", "device left out", "model left out"), "lrrrr", cells),
        *paragraph(
            """[How good are the speeds](speed-accuracy.md) has the picture, the aims, other tools' formulas on the
            same rows, what measurements themselves differ by, what was left out, and what remains and why."""
        ),
        "This section is written by `bench/accuracy_page.py`; `sizer accuracy` prints the figures.",
    ]
    return head + found + "\n" + "\n".join(lines) + "\n"


def stale_package() -> str | None:
    """The name of a file of measurements that is another one in the package than in the tree."""
    for name in ("speed.csv", "held_out.csv"):
        packaged = (resources.files("sizer") / "measurements" / name).read_bytes()
        if packaged != (MEASUREMENTS / name).read_bytes():
            return name
    return None


def main() -> int:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only; the picture is left alone")
    options = parser.parse_args()
    stale = stale_package()
    if stale is not None:
        print(f"{stale} of the package is not the tree's: build sizer_python and sizer_python_files", file=sys.stderr)
        return 1
    r = reports()
    texts: dict[Path, str] = {PAGE: page(r), SUMMARY: summary(r, SUMMARY.read_text(encoding="utf-8"))}
    if options.check:
        wrong = [path.name for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
        wrong += [] if PICTURE.is_file() else [PICTURE.name]
        if wrong:
            print(f"{', '.join(wrong)}: not what {Path(__file__).name} writes; run it without --check", file=sys.stderr)
        return 1 if wrong else 0
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    PICTURE.parent.mkdir(exist_ok=True)
    r.held_out["device"].plot(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
