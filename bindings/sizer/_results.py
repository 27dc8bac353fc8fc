"""What estimate() and its relatives answer with. Plain numbers; the unit is in the name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, overload

from ._model_file import ContextLabel
from ._records import Nested, Record, Row, each


@dataclass(frozen=True, kw_only=True)
class Term(Row):
    """One named share of a step's time."""

    name: str
    seconds: float
    bound: str  #: memory, compute, latency or link


@dataclass(frozen=True, kw_only=True)
class Rate(Record):
    """A speed in tokens per second, all sequences of the batch together."""

    tokens_per_s: float
    low: float  #: lower end of the 80 % interval
    high: float  #: upper end of the 80 % interval
    ceiling_tokens_per_s: float  #: what the specified bandwidth or arithmetic rate allows, without any overhead
    bound: str  #: what takes the largest share of the time: memory, compute, latency or link
    time_s: float  #: of one decode step, or of the whole prefill
    terms: tuple[Term, ...]  #: they sum to time_s
    parameters_assumed: bool  #: no measurement of this class of devices stands behind the speed
    _nested: ClassVar[Nested] = {"terms": each(Term.build)}


@dataclass(frozen=True, kw_only=True)
class Pool(Row):
    """What one memory (of the device, of the host, or of both) holds."""

    name: str
    weights_bytes: int
    kv_cache_bytes: int
    recurrent_state_bytes: int
    compute_buffer_bytes: int
    overhead_bytes: int
    total_bytes: int
    available_bytes: int
    available_known: bool  #: False: a card without a stated host, whose memory is taken to suffice
    headroom_bytes: int
    fits: bool


@dataclass(frozen=True, kw_only=True)
class OverheadLine(Row):
    """One named piece of the overhead."""

    name: str
    amount_bytes: int
    kind: str  #: measured, standard, vendor, paper, derived or assumed
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Memory(Record):
    """The bytes of a running model. The five parts sum to the total."""

    weights_bytes: int
    kv_cache_bytes: int
    recurrent_state_bytes: int
    compute_buffer_bytes: int
    overhead_bytes: int
    total_bytes: int
    available_bytes: int  #: what a runtime may allocate
    headroom_bytes: int  #: available less total; negative when it does not fit
    fits: bool  #: every pool has room for its part
    pools: tuple[Pool, ...]  #: the device's first
    overhead_lines: tuple[OverheadLine, ...]  #: what the overhead is made of
    devices: int  #: devices that share the first pool
    kv_cells: int  #: tokens that the cache has room for, all slots
    kv_bytes_per_token: int  #: bytes that one more token of context costs
    compute_moment: str  #: when the compute buffer is largest
    _nested: ClassVar[Nested] = {"pools": each(Pool.build), "overhead_lines": each(OverheadLine.build)}


@dataclass(frozen=True, kw_only=True)
class Assumption(Row):
    """Something that was taken for granted."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Source(Row):
    """Where a figure comes from."""

    key: str
    title: str | None = None
    publisher: str | None = None
    date: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Validation(Record):
    """What ``validate`` found; true when the file is good."""

    file: str
    ok: bool
    what: str  #: model, hardware, not_sold, sources or unknown
    problems: tuple[str, ...]
    _nested: ClassVar[Nested] = {"problems": tuple}

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, kw_only=True)
class _Asked(Record):
    """The request as it was understood, every default filled in."""

    model: str  #: id
    model_name: str
    quant: str
    weights_from_file: bool  #: the model's own files; False: what the quantisation's recipe gives
    context: int
    kv_type: str
    parallel: int
    batch: int
    prompt_tokens: int
    output_tokens: int
    depth: int
    engine: str
    ubatch: int
    flash_attention: bool
    engine_options: Mapping[str, Any] = field(hash=False)
    #: False: nobody stated one, and it is the model's own. Two answers are equal however the context came about.
    context_given: bool = field(default=True, compare=False)
    context_labels: tuple[
        ContextLabel, ...
    ] = ()  #: where the model's files state another context than it was trained for
    _nested: ClassVar[Nested] = {"context_labels": each(ContextLabel.build)}


@dataclass(frozen=True, kw_only=True)
class UsedMeasurement(Row):
    """A measurement of a profile that an estimate rests on."""

    what: str  #: "weights in Q4_K", "attention over F16"
    measured: str  #: the rate, and the run that gave it


@dataclass(frozen=True, kw_only=True)
class Estimate(_Asked):
    """What a model needs on a machine, whether it fits and how fast it is.

    ``print(estimate)`` and a notebook show it as a table; ``to_dict()`` has the same keys as the command line's
    ``--json``.
    """

    hardware: str  #: id
    hardware_name: str
    memory: Memory
    decode: Rate  #: at ``depth``, all sequences of the batch together
    decode_behind_prompt: Rate  #: the same at ``depth`` + ``prompt_tokens``, where the answer is written
    prefill: Rate  #: of ``prompt_tokens`` from ``depth``
    ttft_s: float  #: time to the first token: the prompt, then one decode step; loading the model is not in it
    tpot_s: float  #: time per output token of one sequence
    assumptions: tuple[Assumption, ...]
    measurements: tuple[UsedMeasurement, ...]  #: of the machine's own profile, behind the speeds; empty without one
    sources: tuple[Source, ...]
    largest_context: int | None  #: where it does not fit: the largest context that does; None: none
    best_quantization: str | None  #: where it does not fit: the usual quantisation that does; None: none
    _nested: ClassVar[Nested] = {
        **_Asked._nested,
        "memory": Memory.build,
        "decode": Rate.build,
        "decode_behind_prompt": Rate.build,
        "prefill": Rate.build,
        "assumptions": each(Assumption.build),
        "measurements": each(UsedMeasurement.build),
        "sources": each(Source.build),
    }

    @property
    def fits(self) -> bool:
        """The same as ``memory.fits``."""
        return self.memory.fits

    def __str__(self) -> str:
        from . import _reports, display

        return display.to_text(_reports.estimate(self))

    def __repr__(self) -> str:
        verdict = "fits" if self.memory.fits else "does not fit"
        return (
            f"Estimate({self.model} {self.quant} on {self.hardware}, context {self.context:,}: {verdict}, "
            f"decode {self.decode.tokens_per_s:.1f} tok/s)"
        )

    def _repr_html_(self) -> str:
        from . import _reports, display

        return display.to_html(_reports.estimate(self))


@dataclass(frozen=True, kw_only=True)
class Candidate(Row):
    """One machine's answer in a comparison."""

    id: str
    name: str
    fits: bool  #: the memory has room for it; whether the engine runs there is ``runs``
    runs: bool  #: the engine has a backend for the machine's device
    memory: Memory
    decode: Rate  #: behind the prompt, where the answer is written
    prefill: Rate
    ttft_s: float
    tpot_s: float
    request_s: float  #: time to the first token, then the whole output
    largest_context: int | None  #: where the request does not fit: the largest context that does; None: none
    price_usd: float | None
    price_date: str | None
    price_kind: str | None  #: street, list or launch
    price_covers: str  #: what a price of such a machine buys: system, systems, cards or CPU
    frontier: bool  #: it fits, and is quicker than every fitting machine with a lower known price
    assumptions: tuple[Assumption, ...]
    sources: tuple[str, ...]  #: keys; ``sizer.source(key)`` says more
    _nested: ClassVar[Nested] = {
        "memory": Memory.build,
        "decode": Rate.build,
        "prefill": Rate.build,
        "assumptions": each(Assumption.build),
        "sources": tuple,
    }


@dataclass(frozen=True, kw_only=True)
class Comparison(_Asked):
    """One model on many machines: those that it fits, best first, then those that it does not fit, then those that the
    engine does not run on. Has a length, can be indexed and iterated over."""

    sort: str  #: request, decode, ttft, price or headroom
    machines: tuple[Candidate, ...]
    _nested: ClassVar[Nested] = {**_Asked._nested, "machines": each(Candidate.build)}

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """The machines that the engine runs on and the request fits."""
        return tuple(row for row in self.machines if row.fits and row.runs)

    @property
    def frontier(self) -> tuple[Candidate, ...]:
        """The quickest machine at each price, cheapest first: every one is quicker than all that cost less."""
        return tuple(sorted((row for row in self.machines if row.frontier), key=lambda row: row.price_usd or 0.0))

    def __len__(self) -> int:
        return len(self.machines)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.machines)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Candidate, ...]: ...
    def __getitem__(self, index: int | slice) -> Candidate | tuple[Candidate, ...]:
        return self.machines[index]

    def __str__(self) -> str:
        from . import _comparison_report, display

        return display.to_text(_comparison_report.comparison(self))

    def __repr__(self) -> str:
        return f"Comparison({self.model} {self.quant}: {len(self.fitting)} of {len(self.machines)} machines fit)"

    def _repr_html_(self) -> str:
        from . import _comparison_report, display

        return display.to_html(_comparison_report.comparison(self))
