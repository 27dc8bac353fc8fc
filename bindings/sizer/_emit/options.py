"""The options that may be written: how each is spelled, which values it takes, and where that is documented.

A name or value that is not here is never written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .._errors import InvalidValueError

Kind = Literal["integer", "number", "text", "choice", "flag", "layers", "shares", "boolean"]


@dataclass(frozen=True)
class Option:
    """An option, parameter, variable or key of a program."""

    name: str
    kind: Kind
    least: float = 1
    most: float = math.inf
    choices: tuple[str, ...] = ()

    def text(self, value: Any) -> str:
        """The value as it is written. Raises InvalidValueError."""
        if self.kind in ("integer", "layers", "number"):
            return self._number(value)
        if self.kind == "shares":
            if not value or any(share < 0 for share in value) or not any(value):
                raise self._refused(value, "a number of layers for each device")
            return ",".join(str(share) for share in value)
        if self.kind == "choice" and value not in self.choices:
            raise self._refused(value, "one of " + ", ".join(self.choices))
        if self.kind == "boolean":
            return "true" if value else "false"
        return "" if self.kind == "flag" else str(value)

    def _number(self, value: Any) -> str:
        if value in self.choices:
            return str(value)
        whole = self.kind != "number"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise self._refused(value, "a whole number" if whole else "a number")
        if not self.least <= value <= self.most:
            raise self._refused(value, f"{self.least:g} or more" + (f", up to {self.most:g}" * (self.most < math.inf)))
        return str(value) if whole else f"{value:.10f}".rstrip("0").rstrip(".")

    def _refused(self, value: Any, expected: str) -> InvalidValueError:
        return InvalidValueError(self.name, repr(value), expected)


@dataclass(frozen=True)
class Table:
    """What one program takes, and the pages that say so."""

    program: str
    source: str
    options: tuple[Option, ...]

    def __getitem__(self, name: str) -> Option:
        return next(option for option in self.options if option.name == name)


def _table(program: str, source: str, options: Iterable[Sequence[Any] | Option]) -> Table:
    return Table(program, source, tuple(o if isinstance(o, Option) else Option(o[0], o[1]) for o in options))


_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")

#: The projector of a repository is loaded unasked (``--hf-repo``), and a draft model is used only with a type.
LLAMA_SERVER = _table(
    "llama-server",
    "ggml-org/llama.cpp tools/server/README.md@00dc8057, read 2026-11-21",
    [
        ("--model", "text"),
        ("--model-url", "text"),
        ("--hf-repo", "text"),
        ("--hf-file", "text"),
        ("--mmproj", "text"),
        ("--no-mmproj", "flag"),
        ("--ctx-size", "integer"),
        ("--parallel", "integer"),
        ("--kv-unified", "flag"),
        ("--no-kv-unified", "flag"),
        Option("--n-gpu-layers", "layers", least=0, choices=("all",)),
        Option("--n-cpu-moe", "integer", least=0),
        Option("--split-mode", "choice", choices=("none", "layer", "row", "tensor")),
        ("--tensor-split", "shares"),
        Option("--cache-type-k", "choice", choices=_CACHE_TYPES),
        Option("--cache-type-v", "choice", choices=_CACHE_TYPES),
        Option("--flash-attn", "choice", choices=("on", "off", "auto")),
        ("--ubatch-size", "integer"),
        ("--batch-size", "integer"),
        ("--threads", "integer"),
        Option("--spec-type", "choice", choices=("draft-simple",)),
        ("--model-draft", "text"),
        ("--hf-repo-draft", "text"),
        ("--spec-draft-n-max", "integer"),
        ("--rpc", "text"),
    ],
)

RPC_SERVER = _table(
    "rpc-server",
    "ggml-org/llama.cpp tools/rpc/README.md@038514c9, read 2026-11-21",
    [("-H", "text"), ("-p", "integer")],
)

#: The page of the Modelfile has the syntax, and num_ctx; docs/api.md the other parameters, which a
#: Modelfile may set too (parser/parser.go, api/types.go). num_batch is both --batch-size and --ubatch-size of the
#: llama-server that Ollama starts (llm/llama_server.go).
MODELFILE = _table(
    "Ollama",
    "ollama/ollama docs/modelfile.mdx, docs/api.md@fb307609 of 2026-08-21",
    [
        ("num_ctx", "integer"),
        Option("num_gpu", "integer", least=0),
        ("num_batch", "integer"),
        ("num_thread", "integer"),
    ],
)

OLLAMA_SERVE = _table(
    "ollama serve",
    "ollama/ollama docs/faq.mdx@fb307609 of 2026-08-21",
    [
        ("OLLAMA_NUM_PARALLEL", "integer"),
        Option("OLLAMA_FLASH_ATTENTION", "choice", choices=("0", "1")),
        Option("OLLAMA_KV_CACHE_TYPE", "choice", choices=("f16", "q8_0", "q4_0")),
    ],
)

LMS_LOAD = _table(
    "lms load",
    "lmstudio-ai/docs 3_cli/0_local-models/load.md@c6854fba of 2026-04-29; lmstudio-ai/lms src/subcommands/load.ts"
    "@07b7252d of 2026-08-13",
    [
        ("--context-length", "integer"),
        Option("--gpu", "number", least=0, most=1, choices=("off", "max")),
        ("--parallel", "integer"),
    ],
)

#: Keys of a model's load configuration.
LM_STUDIO_SETTINGS = _table(
    "LM Studio",
    "lmstudio-ai/lmstudio-js packages/lms-shared-types/src/llm/LLMLoadModelConfig.ts, read 2026-11-21",
    [
        ("useUnifiedKvCache", "boolean"),
        ("flashAttention", "boolean"),
        ("evalBatchSize", "integer"),
        ("physicalBatchSize", "integer"),
        *(
            Option(name, "choice", choices=tuple(kind for kind in _CACHE_TYPES if kind != "bf16"))
            for name in ("llamaKCacheQuantizationType", "llamaVCacheQuantizationType")
        ),
        Option("gpu.numCpuExpertLayersRatio", "number", least=0, most=1),
    ],
)

VLLM_SERVE = _table(
    "vllm serve",
    "docs.vllm.ai, engine arguments and draft models; vllm-project/vllm vllm/config/cache.py@002f10e0; read 2026-11-21",
    [
        ("--max-model-len", "integer"),
        ("--max-num-seqs", "integer"),
        ("--tensor-parallel-size", "integer"),
        ("--pipeline-parallel-size", "integer"),
        Option("--gpu-memory-utilization", "number", least=0.01, most=1),
        Option("--kv-cache-dtype", "choice", choices=("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2")),
        ("--max-num-batched-tokens", "integer"),
        ("--speculative-config", "text"),
    ],
)

_MLX = "ml-explore/mlx-lm mlx_lm/{}@d78bf58e (0.32.0) of 2026-08-22"

MLX_SERVER = _table(
    "mlx_lm.server",
    _MLX.format("server.py"),
    [
        ("--model", "text"),
        ("--decode-concurrency", "integer"),
        ("--prompt-concurrency", "integer"),
        ("--prefill-step-size", "integer"),
        ("--draft-model", "text"),
        ("--num-draft-tokens", "integer"),
    ],
)

MLX_GENERATE = _table(
    "mlx_lm.generate",
    _MLX.format("generate.py"),
    [
        ("--model", "text"),
        ("--prompt", "text"),
        Option("--kv-bits", "integer", most=8),
        Option("--quantized-kv-start", "integer", least=0),
        ("--draft-model", "text"),
        ("--num-draft-tokens", "integer"),
    ],
)

TABLES = (
    LLAMA_SERVER,
    RPC_SERVER,
    MODELFILE,
    OLLAMA_SERVE,
    LMS_LOAD,
    LM_STUDIO_SETTINGS,
    VLLM_SERVE,
    MLX_SERVER,
    MLX_GENERATE,
)
