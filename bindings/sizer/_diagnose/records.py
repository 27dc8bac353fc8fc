"""What a diagnosis answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .._records import Nested, Record, Row, each
from .._results import Assumption

#: How sure a finding is, the surest first.
STATUSES = ("certain", "likely", "possible")

#: What a finding does to a request, the worst first: it is refused, cut or broken off; its answer suffers; it is slow.
EFFECTS = ("fails", "suffers", "slow")

#: Where the cause lies: in a setting, in the machine, in the program that asks.
KINDS = ("configuration", "hardware", "client")


@dataclass(frozen=True, kw_only=True)
class Finding(Row):
    """One cause, with its arithmetic and what to do about it."""

    id: str  #: "prompt-over-cap"
    kind: str  #: one of ``KINDS``
    status: str  #: one of ``STATUSES``
    effect: str  #: one of ``EFFECTS``
    title: str
    arithmetic: tuple[str, ...]
    fix: str
    figures: Mapping[str, float] = field(hash=False)  #: the numbers of the arithmetic; the unit is in the name
    source: str | None = None  #: of what is no arithmetic: a key of ``sizer.source()`` or an address
    _nested: ClassVar[Nested] = {"arithmetic": tuple, "figures": dict}

    @property
    def rank(self) -> tuple[int, int]:
        """What findings are sorted by: the surest first, and of these what does the most harm."""
        return STATUSES.index(self.status), EFFECTS.index(self.effect)


@dataclass(frozen=True, kw_only=True)
class Check(Row):
    """Something that was looked at and is not the problem."""

    what: str
    arithmetic: str


@dataclass(frozen=True, kw_only=True)
class Understood(Row):
    """A fact, and who said so."""

    name: str  #: of the argument of ``diagnose`` where there is one
    value: str
    origin: str  #: "argument", "server", "log" or "Modelfile"


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Record):
    """Causes in order of likelihood, and whether the hardware is one of them. Can be iterated over.

    The order is simple: certain before likely before possible; among these, what makes a request fail comes before what
    harms its answer, and that before what makes it slow; then in the order of a request's way (context, memory, speed,
    timeout). Memory is that of the configuration as it
    is, or with the change that makes it fit.
    """

    model: str | None  #: id
    model_name: str | None
    quant: str | None
    hardware: str | None  #: id
    hardware_name: str | None
    engine: str | None
    verdict: str
    hardware_is_fine: bool | None  #: None: too little is known
    findings: tuple[Finding, ...]
    checked: tuple[Check, ...]  #: what is not the problem
    suggested_context: int | None  #: tokens, for one request
    memory_needed_bytes: int | None
    memory_available_bytes: int | None
    memory_margin_bytes: int | None  #: negative when it does not fit
    prefill_s: float | None  #: time to read the prompt
    suggested_timeout_s: float | None
    assumptions: tuple[Assumption, ...]
    understood: tuple[Understood, ...]  #: the echo of every input
    _nested: ClassVar[Nested] = {
        "findings": each(Finding.build),
        "checked": each(Check.build),
        "assumptions": each(Assumption.build),
        "understood": each(Understood.build),
    }

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, id: str) -> Finding:
        for one in self.findings:
            if one.id == id:
                return one
        raise KeyError(id)

    def __contains__(self, id: object) -> bool:
        return any(one.id == id for one in self.findings)

    def __bool__(self) -> bool:
        return True  # also without findings

    def __str__(self) -> str:
        from .. import display
        from . import report

        return display.to_text(report.diagnosis(self))

    def __repr__(self) -> str:
        return f"Diagnosis({', '.join(one.id for one in self.findings) or 'nothing found'}; {self.verdict})"

    def _repr_html_(self) -> str:
        from .. import display
        from . import report

        return display.to_html(report.diagnosis(self))
