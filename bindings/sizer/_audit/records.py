"""What goes into an audit and what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, overload

from .. import _core
from .._records import Nested, Record, Row, each

#: Every verdict, the one that promises most first.
VERDICTS = tuple(_core.verdicts())

IMPOSSIBLE, PARTLY, OPTIMISTIC, PLAUSIBLE, PESSIMISTIC, UNVERIFIABLE = VERDICTS


@dataclass(frozen=True, kw_only=True)
class Claim(Row):
    """What somebody said. The attributes are the columns of a claims file; "" and None where it says nothing."""

    id: str
    quantity: str  #: decode_tokens_per_s, kv_cache, price ...
    low: float | None = None  #: in ``unit``; only ``low``: at least, only ``high``: at most
    high: float | None = None
    unit: str = ""
    hardware: str = ""
    model: str = ""  #: a name, a size class ("7b", "33b-34b"), or several at once ("13b + 7b")
    quant: str = ""
    context_tokens: int | None = None
    seed: str = ""  #: where it was found
    subject: str = ""
    as_stated: str = ""  #: in the claim's own words

    @property
    def least(self) -> float | None:
        """The lower end, or the only one."""
        return self.high if self.low is None else self.low

    @property
    def most(self) -> float | None:
        """The upper end, or the only one."""
        return self.low if self.high is None else self.high


@dataclass(frozen=True, kw_only=True)
class Computed(Row):
    """What the library makes of the same thing."""

    low: float | None  #: None: nothing could be computed
    high: float | None
    unit: str
    limit: float | None = None  #: the physical ceiling (or the least possible size)


@dataclass(frozen=True, kw_only=True)
class AuditedClaim(Row):
    """A claim with its verdict."""

    claim: Claim
    verdict: str  #: one of ``VERDICTS``
    arithmetic: str  #: the numbers behind the verdict, as sentences
    holds_if: tuple[str, ...]  #: readings under which it could hold, each of them computed
    computed: Computed
    sources: tuple[str, ...]  #: keys; ``sizer.source(key)`` says more
    _nested: ClassVar[Nested] = {
        "claim": Claim.build,
        "holds_if": tuple,
        "computed": Computed.build,
        "sources": tuple,
    }

    @property
    def id(self) -> str:
        """The claim's own."""
        return self.claim.id

    def __str__(self) -> str:
        return f"{self.id}: {self.verdict}. {self.arithmetic}"


@dataclass(frozen=True, kw_only=True)
class Audit(Record):
    """Every claim with its verdict, in the order of the file. Has a length, can be indexed and iterated over.

    ``print(audit)`` and a notebook show it as tables; ``to_dict()`` has the same keys as ``sizer audit --json``.
    """

    claims: tuple[AuditedClaim, ...]
    counts: Mapping[str, int]  #: claims by verdict, all verdicts
    _nested: ClassVar[Nested] = {"claims": each(AuditedClaim.build), "counts": dict}

    def __hash__(self) -> int:
        return hash(self.claims)

    def only(self, *verdicts: str) -> Audit:
        """The claims of these verdicts; the counts stay those of all."""
        return self.replace(claims=tuple(one for one in self.claims if one.verdict in verdicts))

    def __len__(self) -> int:
        return len(self.claims)

    def __iter__(self) -> Iterator[AuditedClaim]:
        return iter(self.claims)

    @overload
    def __getitem__(self, index: int | str) -> AuditedClaim: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[AuditedClaim, ...]: ...
    def __getitem__(self, index: int | str | slice) -> AuditedClaim | tuple[AuditedClaim, ...]:
        if not isinstance(index, str):
            return self.claims[index]
        for one in self.claims:
            if one.id == index:
                return one
        raise KeyError(index)

    def __str__(self) -> str:
        from .. import display
        from . import report

        return display.to_text(report.audit(self))

    def __repr__(self) -> str:
        counted = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        return f"Audit({len(self.claims)} claims: {counted})"

    def _repr_html_(self) -> str:
        from .. import display
        from . import report

        return display.to_html(report.audit(self))
