"""A case: the facts, the model and the machine, and what the library answers about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._estimate import estimate, largest_context
from .._hardware import Hardware
from .._model import Model
from .._results import Assumption, Estimate
from .facts import Facts
from .machine import GIB

#: Ollama's context where nobody sets one, by the memory of its devices (source: OLLAMA_DEFAULTS).
_OLLAMA_TIERS = ((47 * GIB, 262144), (23 * GIB, 32768), (0, 4096))
OLLAMA_DEFAULTS = "https://github.com/ollama/ollama/blob/main/docs/context-length.mdx"


@dataclass(frozen=True)
class Case:
    """What the rules look at."""

    facts: Facts
    model: Model | None
    machine: Hardware | None  #: as it is set up and built
    sound: Hardware | None  #: the same with all memory channels and lanes
    roomier: Hardware | None  #: with the limit of its operating system raised; None: it has none
    named: bool  #: somebody named the machine; False: only the size of its memory is known
    assumptions: list[Assumption] = field(default_factory=list)

    def __hash__(self) -> int:
        return id(self)

    @property
    def engine(self) -> str:
        """The engine, llama.cpp where nobody said."""
        return self.facts.engine or "llama.cpp"

    @property
    def is_ggml(self) -> bool:
        """Whether the engine is llama.cpp or wraps it."""
        return self.engine in ("llama.cpp", "ollama", "lm-studio")

    @property
    def cache_needs_flash_attention(self) -> bool:
        """Whether the engine refuses to start: a quantised V cache, and flash attention is off."""
        narrow = (self.facts.kv_type or "f16").lower() not in ("f16", "bf16", "f32")
        return self.is_ggml and narrow and self.facts.flash_attention is False

    @property
    def native(self) -> int | None:
        """Tokens that the model was trained for."""
        return self.model.context_length if self.model else self.facts.trained_context or self.facts.label_context

    @property
    def divides(self) -> bool:
        """Whether the engine divides its context among its slots; Ollama gives every one the whole."""
        return self.engine == "llama.cpp" and (self.facts.parallel or 1) > 1

    @cached_property
    def ollama_default(self) -> int | None:
        """The context that Ollama took because nobody set one; None where one is set, or it is another engine."""
        facts = self.facts
        if facts.engine != "ollama" or facts.configured_context or facts.slot_context:
            return None
        if facts.default_context is not None:
            return facts.default_context
        if self.machine is None:
            return None
        memory = self.machine.usable_bytes * self.machine.device_count
        return next(tokens for least, tokens in _OLLAMA_TIERS if memory >= least)

    @property
    def total(self) -> int | None:
        """Tokens that the cache was made for, all slots of llama.cpp together."""
        facts = self.facts
        if self.engine == "ollama":
            return facts.slot_context or facts.configured_context or self.ollama_default
        if facts.configured_context is None and facts.slot_context is not None:
            return facts.slot_context * (facts.parallel or 1) if self.divides else facts.slot_context
        return facts.configured_context

    @property
    def cap(self) -> int | None:
        """Tokens that one request gets."""
        if self.facts.slot_context is not None:
            return self.facts.slot_context
        if self.total is not None and self.divides:
            return self.total // (self.facts.parallel or 1)
        return self.total

    @cached_property
    def suggested(self) -> int | None:
        """The context to set: that of the setting where the request fits, else the next power of two above it, at most
        what the model was trained for; where that does not fit the memory, a smaller one above the request."""
        need = self.facts.need
        if need is None or (self.cap is not None and need <= self.cap):
            return None if self.cap is None else min(self.cap, self.native or self.cap)
        if self.native is None or need > self.native:
            return None
        if self.total is not None and need <= self.total:  # one slot instead of several
            return min(self.total, self.native)
        size = min(self.native, 1 << (need - 1).bit_length())
        if self.model is None or self.machine is None:
            return size
        as_set: dict[str, Any] = {}
        narrow: dict[str, Any] = {"kv_type": "q8_0", "flash_attention": True}
        for changes in (as_set, narrow) if self.is_ggml else (as_set,):
            answer = self.answer(context=size, parallel=1, **changes)
            if answer is not None and answer.memory.fits:
                return size
            largest = self.largest(**changes) or 0
            smaller = next((one for one in (-(-need // step) * step for step in (8192, 1024)) if one <= largest), None)
            if smaller is not None:
                return smaller
        return size

    @cached_property
    def context(self) -> int | None:
        """Tokens of the context whose memory is looked at; None: the model's own."""
        suggested = self.suggested
        if self.cap is not None and suggested == self.cap and self.total is not None:
            return min(self.total, self.native or self.total)
        return suggested

    @property
    def slots(self) -> int:
        """Slots whose memory is looked at; a context that has to grow is for one."""
        need = self.facts.need
        grows = need is not None and self.cap is not None and need > self.cap
        return 1 if grows and self.divides else self.facts.parallel or 1

    def _options(self, changes: dict[str, Any]) -> dict[str, Any]:
        facts = self.facts
        options: dict[str, Any] = {
            "quant": facts.quant,
            "kv_type": facts.kv_type or "f16",
            "parallel": self.slots,
            "engine": facts.engine,
            "ubatch": facts.ubatch,
            "flash_attention": facts.flash_attention is not False or self.cache_needs_flash_attention,
            "layers": facts.n_gpu_layers,
            "n_cpu_moe": facts.n_cpu_moe,
            **changes,
        }
        layers, experts = options.pop("layers"), options.pop("n_cpu_moe")
        engine_options = {}
        if self.is_ggml:
            if layers is not None and self.model is not None and layers <= self.model.n_layers:
                engine_options["n_gpu_layers"] = layers
            elif self.model is not None and self.model.file and "num_gpu" in self.model.file.modelfile:
                engine_options["n_gpu_layers"] = -1  # all, and not what the Modelfile says
            if experts is not None:
                engine_options["n_cpu_moe"] = experts
        return {**options, "engine_options": engine_options or None}

    def answer(self, **changes: Any) -> Estimate | None:
        """What the library expects; None where model or machine are not known.

        changes   of the options of ``estimate``, ``machine``, and ``layers`` and ``n_cpu_moe`` of the engine's
        """
        machine = changes.pop("machine", self.machine)
        if self.model is None or machine is None:
            return None
        context = changes.pop("context") if "context" in changes else self.context
        context = context or self.model.context_length
        prompt = min(changes.pop("prompt_tokens", self.facts.requested_tokens) or 0, context)
        options = self._options(changes)
        return estimate(self.model, machine, context=context, prompt_tokens=prompt, output_tokens=0, depth=0, **options)

    def largest(self, **changes: Any) -> int | None:
        """The largest context that fits, one slot."""
        machine = changes.pop("machine", self.machine)
        if self.model is None or machine is None:
            return None
        options = self._options({**changes, "parallel": 1})
        return largest_context(self.model, machine, **options)

    def most_layers(self) -> int | None:
        """The most layers that fit the device, the output layer counted; None: none, or it is not known."""
        if self.model is None:
            return None
        low, high = -1, self.model.n_layers + 1
        while high - low > 1:
            middle = (low + high) // 2
            answer = self.answer(layers=middle)
            if answer is not None and answer.memory.fits:
                low = middle
            else:
                high = middle
        return None if low < 0 else low

    @cached_property
    def expected(self) -> Estimate | None:
        """The answer for the case as it is; None also where no machine is named: no speed is known of it."""
        return self.answer() if self.named else None

    @property
    def prefill_rate(self) -> tuple[float, bool] | None:
        """Tokens per second at which a prompt is read, and whether somebody saw it."""
        if self.facts.prefill_tokens_per_s is not None:
            return self.facts.prefill_tokens_per_s, True
        if self.facts.requested_tokens and self.expected is not None and self.expected.memory.fits:
            return self.expected.prefill.tokens_per_s, False
        return None

    @property
    def has_host(self) -> bool:
        """Whether there is a memory beside the device's, in which a part can lie."""
        return self.machine is not None and self.machine.backend != "cpu" and not self.machine.unified
