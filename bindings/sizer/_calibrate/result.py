"""What a calibration found: the machine, the rows behind it, what moved, and the errors before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._hardware import Hardware
from .._records import Nested, Record, Row, each


@dataclass(frozen=True, kw_only=True)
class CalibratedRow(Row):
    """A measured speed beside what the library answers for it. Speeds are tokens per second of the whole batch.

    where     the file and the row's id
    held_out  by a calibration that did not see this row, nor its repetitions
    """

    where: str
    test: str  #: "tg" decode or "pp" prefill
    model: str  #: as printed
    model_id: str  #: id of the model that stands for it
    quant: str  #: the quantisation that stands for it
    context_depth: int
    batch: int
    measured_tokens_per_s: float
    before_tokens_per_s: float
    after_tokens_per_s: float
    held_out_tokens_per_s: float


@dataclass(frozen=True, kw_only=True)
class LeftOutRow(Row):
    """A row that calibrates nothing: where it stands, and why."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Offset(Row):
    """A part of a step that the machine takes longer or shorter for than its class.

    part        its name in the machine's file, where ``offset`` stands
    name        the same in words
    share       of the runs' time that the class gives it
    times       how many times as long it takes, on average over the runs
    offset      the logarithm that is added to the part's factor
    """

    part: str
    name: str
    share: float
    times: float
    offset: float

    @property
    def sentence(self) -> str:
        """What moved, and by how much."""
        much = "as long" if abs(self.times - 1) < 0.005 else f"{self.times:.2f} times as long"
        return f"{self.name}: {much} as the class says ({100 * self.share:.0f} % of the time)"


@dataclass(frozen=True, kw_only=True)
class CalibrationErrors(Row):
    """Medians of abs(predicted / measured - 1) over the rows of a test; 0.08 is 8 %."""

    test: str
    rows: int
    before: float
    after: float
    held_out: float  #: each row by a calibration that did not see it


@dataclass(frozen=True, kw_only=True)
class CalibratedInterval(Row):
    """Ends of the 80 % interval around speeds of a test, as factors of the point."""

    test: str
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Calibrated(Record):
    """A machine with what its own runs say of it. ``hardware`` is what estimates take; the file that was written is the
    same machine."""

    entry: Mapping[str, Any]
    engine: str
    rows: tuple[CalibratedRow, ...]
    left_out: tuple[LeftOutRow, ...]
    offsets: tuple[Offset, ...]
    errors: tuple[CalibrationErrors, ...]
    intervals: tuple[CalibratedInterval, ...]
    output: str | None

    _nested: ClassVar[Nested] = {
        "entry": dict,
        "rows": each(CalibratedRow.build),
        "left_out": each(LeftOutRow.build),
        "offsets": each(Offset.build),
        "errors": each(CalibrationErrors.build),
        "intervals": each(CalibratedInterval.build),
    }

    @property
    def hardware(self) -> Hardware:
        """The machine, calibrated."""
        return Hardware.from_dict(self.entry)

    def __str__(self) -> str:
        from .. import display
        from .report import blocks

        return display.to_text(blocks(self))

    def __repr__(self) -> str:
        return f"<Calibrated {self.entry['id']}: {len(self.rows)} rows, {len(self.left_out)} left out>"

    def _repr_html_(self) -> str:
        from .. import display
        from .report import blocks

        return display.to_html(blocks(self))
