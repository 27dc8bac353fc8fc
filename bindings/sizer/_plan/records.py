"""What plans answer with. Plain numbers; the unit is in the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .._records import Nested, Record, Row, each
from .._results import Assumption, Pool, Rate


@dataclass(frozen=True, kw_only=True)
class Site(Pool):
    """One memory (a card, a box with unified memory, the RAM beside cards) and what the plan puts there."""

    site: str  #: name of the device, or "host"


@dataclass(frozen=True, kw_only=True)
class Setup(Record):
    """One way to run a model on a machine, with what it costs."""

    quant: str
    weights_bytes: int
    engine: str
    context: int  #: of each sequence
    parallel: int
    batch: int
    prompt_tokens: int
    output_tokens: int
    depth: int
    kv_type: str
    ubatch: int
    n_batch: int
    flash_attention: bool
    placed: bool  #: the plan says which blocks lie where; False: the engine divides by itself
    host_blocks: int  #: first blocks, wholly on the host
    n_gpu_layers: int | None  #: layers on devices, the output head being one; None: the engine divides by itself
    n_cpu_moe: int  #: first blocks whose routed experts are on the host
    device_blocks: tuple[int, ...]  #: blocks on each device, in order
    tensor_split: tuple[int, ...]  #: the same with the output head counted
    split_mode: str  #: layer or row
    host_bytes: int  #: weights of blocks and experts on the host
    pools: tuple[Site, ...]
    decode: Rate  #: at the depth, all sequences together
    decode_behind_prompt: Rate
    prefill: Rate
    ttft_s: float
    request_s: float  #: first token and the whole answer
    decode_of_one: float  #: tokens per second of one sequence, behind the prompt
    uses_host: bool
    fits: bool
    meets_decode: bool
    meets_ttft: bool
    meets_goals: bool
    _nested: ClassVar[Nested] = {
        "device_blocks": tuple,
        "tensor_split": tuple,
        "pools": each(Site.build),
        "decode": Rate.build,
        "decode_behind_prompt": Rate.build,
        "prefill": Rate.build,
    }


@dataclass(frozen=True, kw_only=True)
class Goals(Record):
    """What a plan must reach; None: not asked for."""

    min_decode: float | None  #: tokens per second of one sequence, behind the prompt
    max_ttft_s: float | None
    min_quant: str | None
    reserve_bytes: int  #: of every device, that stays free
    prefer: str  #: quality or speed


@dataclass(frozen=True, kw_only=True)
class Change(Row):
    """Something that would change the answer, and what the answer would be."""

    what: str
    meets_goals: bool
    decode_of_one: float
    ttft_s: float
    uses_host: bool


@dataclass(frozen=True, kw_only=True)
class Plan(Record):
    """How to run a model on a machine so that the goals are reached, what binds, and what would change it.

    ``print(plan)`` and a notebook show it; ``emit("llama-server")`` writes the command line that does it.
    """

    model: str
    model_name: str
    model_file: str | None  #: the file or address that was given; None: a name of the catalogue
    n_layers: int
    hardware: str
    hardware_name: str
    n_devices: int  #: cards or boxes; cores beside cards are not counted
    unified: bool  #: its devices are boxes of their own
    context_given: bool  #: False: nobody stated one, and it is the model's own
    goals: Goals
    best: Setup | None  #: the one that reaches the goals, or else comes nearest; None: nothing fits
    binds: str  #: what keeps the plan from being quicker, or from fitting
    changes: tuple[Change, ...]
    assumptions: tuple[Assumption, ...]
    examined: int  #: candidates whose placement was searched
    passed_over: int  #: candidates that could not have been better
    _nested: ClassVar[Nested] = {
        "goals": Goals.build,
        "best": lambda value: None if value is None else Setup.build(value),
        "changes": each(Change.build),
        "assumptions": each(Assumption.build),
    }

    @property
    def meets_goals(self) -> bool:
        """Whether it fits and every goal is reached."""
        return self.best is not None and self.best.meets_goals

    def emit(self, target: str) -> str:
        """The configuration for llama-server, ollama, lmstudio, vllm or mlx. Raises InvalidValueError when the plan was
        made for another engine, or nothing fits."""
        from .settings import emit_plan

        return emit_plan(self, target)

    def __str__(self) -> str:
        from .. import display
        from . import report

        return display.to_text(report.plan(self))

    def _repr_html_(self) -> str:
        from .. import display
        from . import report

        return display.to_html(report.plan(self))


@dataclass(frozen=True, kw_only=True)
class Resident(Record):
    """A model that shall be there beside others, and where it ended."""

    model: str
    model_name: str
    place: str  #: anywhere, devices or host: what was asked for
    hardware: str
    setup: Setup
    swap_in_s: float  #: its weights from RAM to the device


@dataclass(frozen=True, kw_only=True)
class Load(Row):
    """What lies on one memory, of all residents."""

    hardware: str
    site: str
    used_bytes: int
    available_bytes: int
    available_known: bool
    left_bytes: int
    models: tuple[str, ...]
    _nested: ClassVar[Nested] = {"models": tuple}


@dataclass(frozen=True, kw_only=True)
class Residents(Record):
    """Several models at once: all loaded together, or swapped where they do not fit together."""

    together: bool
    meets_goals: bool  #: together, and each reaches its own goals
    all_tried: bool  #: False: the search stopped early; a better way may exist
    residents: tuple[Resident, ...]
    loads: tuple[Load, ...]
    request_s: float  #: of one request to each, added up by their weights
    _nested: ClassVar[Nested] = {
        "residents": each(lambda one: Resident.build({**one, "setup": Setup.build(one["setup"])})),
        "loads": each(Load.build),
    }

    def __str__(self) -> str:
        from .. import display
        from . import report

        return display.to_text(report.residents(self))

    def _repr_html_(self) -> str:
        from .. import display
        from . import report

        return display.to_html(report.residents(self))


@dataclass(frozen=True, kw_only=True)
class LeastMachine(Row):
    """A machine of the catalogue that reaches the goals."""

    id: str
    name: str
    price_usd: float | None
    price_date: str | None
    price_covers: str  #: what the price buys: system, systems, cards or CPU
    quant: str
    decode_of_one: float
    ttft_s: float
    uses_host: bool


@dataclass(frozen=True, kw_only=True)
class Speculation(Record):
    """Speculative decoding: what a cycle of guessing and checking gives."""

    draft: str | None  #: the draft model; None: the model's own multi-token-prediction blocks
    draft_tokens: int
    acceptance: float
    tokens_per_cycle: float
    draft_s: float
    check_s: float
    plain_tokens_per_s: float
    tokens_per_s: float
    speedup: float
    draft_weights_bytes: int
    draft_other_bytes: int  #: its cache, buffers and context
    fits: bool  #: there is room for both; otherwise the speeds are as if there were
    uses_host: bool  #: a part of the model lies in the RAM beside the devices
    best_draft_tokens: int  #: the number of guesses that is quickest at this acceptance


@dataclass(frozen=True, kw_only=True)
class Handover(Record):
    """Prefill on one machine, decode on another."""

    sent_bytes: int
    prefill_s: float
    transfer_s: float
    decode_step_s: float
    ttft_s: float  #: the cache is sent after the prefill
    ttft_overlapped_s: float  #: it is sent layer by layer while the prefill goes on
    request_s: float
    prefill_fits: bool  #: the first machine holds the model and the prompt's cache
    decode_fits: bool  #: the second machine holds the model and the whole context


def plain_setup(values: Mapping[str, Any]) -> Setup:
    """From what the extension answers."""
    known = Setup.__dataclass_fields__
    return Setup.build({name: value for name, value in values.items() if name in known})
