"""How well the library's speeds meet measured ones."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Sequence
from importlib import resources

from .._arguments import described
from .._errors import DataError, InvalidValueError, SizerError, UnknownNameError, WrongTypeError
from .._measurements import MeasuredRow, ResolvedRow, read_rows, resolve, resolve_all
from .._measurements.row import rows_of_text
from .predict import predict
from .report import Accuracy, AccuracyRow, Baseline, Group, Slice, Summary, Unmapped, summarise

__all__ = [
    "HELD_OUT",
    "Accuracy",
    "AccuracyRow",
    "Baseline",
    "Group",
    "Slice",
    "Summary",
    "Unmapped",
    "accuracy",
]

#: What the fitted rows can be held out by.
HELD_OUT = ("device", "model", "group")
#: Reasons that keep a row from a fit but say nothing against it.
_NOT_SUSPECT = (
    *("device built from its relatives", "model's shape made up", "weight format without a recipe"),
    "engine not stated",
)

#: What a row may raise whose figures lie beyond what the library takes.
_REFUSED: tuple[type[Exception], ...] = (SizerError, ArithmeticError)


def _data(name: str) -> str:
    """A file of measurements that the package holds."""
    file = resources.files("sizer") / "measurements" / name
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SizerError(f"the package lacks its file measurements/{name} ({error})") from None


def _suspect(row: ResolvedRow, measured: float, ceiling: float) -> tuple[str, ...]:
    reasons = [reason for reason in row.reasons if reason not in _NOT_SUSPECT]
    # Sequences of a batch may share experts; one alone beats its ceiling only by a misprint, or by speculation.
    if row.batch == 1 and measured > ceiling * 1.001:
        reasons.append("faster than its ceiling")
    return tuple(reasons)


def _answered(row: ResolvedRow) -> AccuracyRow:
    """The row beside the library's answer."""
    assert row.hardware is not None and row.model is not None and row.quant is not None
    answer = predict(row)
    printed = row.row
    measured, predicted = printed.tokens_per_s, answer["tokens_per_s"]
    bandwidth = row.hardware.bandwidth_gb_per_s * 1e9
    return AccuracyRow(
        id=printed.id,
        test=printed.test,
        device=printed.device,
        hardware=row.hardware.id,
        backend=row.backend,
        device_class=row.hardware.device_class,
        engine=row.engine,
        model=printed.model,
        model_id=row.model.id,
        moe=row.model.is_moe,
        quant=printed.quant,
        recipe=row.quant,
        device_count=printed.device_count,
        batch=row.batch,
        context_depth=printed.context_depth,
        mean_depth=row.mean_depth,
        measured_tokens_per_s=measured,
        predicted_tokens_per_s=predicted,
        low=answer["low"],
        high=answer["high"],
        ceiling_tokens_per_s=answer["ceiling_tokens_per_s"],
        error=predicted / measured - 1,
        by_bandwidth_tokens_per_s=bandwidth / answer["weights_bytes"] if printed.test == "tg" else None,
        suspect=_suspect(row, measured, answer["ceiling_tokens_per_s"]),
        mapped=row.how if "device-built" in row.flags or "model-shaped" in row.flags else (),
    )


def _resolved(given: Sequence[MeasuredRow]) -> list[ResolvedRow | Unmapped]:
    """What each row stands for; a row whose figures no machine has is unmapped."""
    with contextlib.suppress(*_REFUSED):
        return list(resolve_all(given))
    refused: dict[int, Unmapped] = {}
    for place, row in enumerate(given):
        try:
            resolve(row)
        except _REFUSED as error:
            refused[place] = Unmapped(id=row.id, reason=_reason(error))
    rest = iter(resolve_all([row for place, row in enumerate(given) if place not in refused]))
    return [refused[place] if place in refused else next(rest) for place in range(len(given))]


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SizerError) else f"a figure is out of range ({error})"


def _reported(resolved: Iterable[ResolvedRow | Unmapped], how: str) -> Accuracy:
    rows: list[AccuracyRow] = []
    unmapped: list[Unmapped] = []
    for one in resolved:
        if isinstance(one, Unmapped):
            unmapped.append(one)
            continue
        if one.unmapped_reason is not None:
            unmapped.append(Unmapped(id=one.row.id, reason=one.unmapped_reason))
            continue
        try:
            rows.append(_answered(one))
        except _REFUSED as error:
            unmapped.append(Unmapped(id=one.row.id, reason=_reason(error)))
    return Accuracy(how=how, rows=tuple(rows), unmapped=tuple(unmapped), summary=summarise(rows, unmapped))


def _held_out(report: Accuracy, by: str) -> Accuracy:
    """The report with the predictions of fits that never saw the row's device, model or group."""
    held = {line["id"]: line for line in csv.DictReader(io.StringIO(_data("held_out.csv")))}
    rows = []
    for row in report.rows:
        line = held.get(row.id)
        if line is None:
            continue
        predicted = min(float(line[f"{by}_tokens_per_s"]), row.ceiling_tokens_per_s)
        rows.append(
            row.replace(
                predicted_tokens_per_s=predicted,
                low=min(float(line[f"{by}_low"]), predicted),
                high=max(float(line[f"{by}_high"]), predicted),
                error=predicted / row.measured_tokens_per_s - 1,
            )
        )
    how = f"same model, fitted without the row's {by}"
    return Accuracy(how=how, rows=tuple(rows), unmapped=(), summary=summarise(rows, ()))


def accuracy(
    rows: str | os.PathLike[str] | Sequence[MeasuredRow] | None = None, *, held_out: str | None = None
) -> Accuracy:
    """Predicts measured speeds and reports how far off the library is.

    rows      a CSV file with the columns device, model, test and tokens_per_s at least (`sizer accuracy --help` names
              the others), or rows in memory; None: the measurements that the library was fitted to
    held_out  "device", "model" or "group": the fitted rows as the same model predicts them when it is fitted without
              the row's device, its model, or its tenth of all devices and models

    A row that cannot be predicted is listed in ``unmapped``, with the reason. Raises DataError, WrongTypeError,
    UnknownNameError, InvalidValueError.
    """
    if held_out is not None:
        if held_out not in HELD_OUT:
            raise UnknownNameError("held_out", str(held_out), HELD_OUT)
        if rows is not None:
            raise InvalidValueError("held_out", held_out, "no rows of one's own: only the fitted ones can be held out")
    if rows is None:
        given = rows_of_text(_data("speed.csv"), "speed.csv")
    elif isinstance(rows, (str, os.PathLike)):
        given = read_rows(rows)
    elif isinstance(rows, (list, tuple)) and all(isinstance(one, MeasuredRow) for one in rows):
        given = list(rows)
    else:
        raise WrongTypeError("rows", described(rows), "the path of a CSV file, or measured rows")
    if not given:
        raise DataError(str(rows), "", "no rows; expected at least one measured speed")
    report = _reported(_resolved(given), "library")
    return report if held_out is None else _held_out(report, held_out)
