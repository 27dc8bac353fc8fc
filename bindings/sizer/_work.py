"""What one decode step and one prefill do, without any device. Fits of the speed model are made from these."""

from __future__ import annotations

from typing import Any

from . import _arguments, _core
from ._catalogue import Name, as_model
from ._model import Model

_REST: dict[str, Any] = {"engine": "llama.cpp", "flash_attention": True, "engine_options": None, "parallel": None}


def decode_work(
    *, model: Model | Name, quant: str = "Q4_K_M", kv_type: str = "f16", depth: int = 0, batch: int = 1
) -> dict[str, Any]:
    """Bytes moved and operations made by one decode step of the batch at a depth.

    Weights by number format (``weights_bytes``, ``weight_arithmetic_flop``), ``kv_cache_bytes``,
    ``latent_cache_bytes``, ``state_bytes``, ``attention_flop``, ``latent_attention_flop``, ``batch_flop``, counts of
    layers and of query heads x cached tokens (``attention_rows``), and what no implementation can avoid
    (``least_bytes``, ``least_flop``). Experts are taken to be chosen at random.
    """
    request = _arguments.request(
        **_REST,
        quant=quant,
        kv_type=kv_type,
        depth=depth,
        batch=batch,
        context=None,
        prompt_tokens=0,
        output_tokens=0,
        ubatch=None,
    )
    return _core.decode_work(as_model(model)._entry, request)


def prefill_work(
    *, model: Model | Name, quant: str = "Q4_K_M", prompt_tokens: int = 2048, depth: int = 0, ubatch: int = 512
) -> dict[str, Any]:
    """Bytes moved and operations made by one prefill.

    Matrix products by number format (``matrices_flop``, ``routed_flop``), ``tokens_per_expert`` of one pass,
    ``attention_flop``, ``windowed_attention_flop``, ``latent_attention_flop``, ``streamed_bytes`` of weights,
    ``activations_bytes`` between the matrices, and the counts ``ubatches``, ``layer_passes`` and ``recurrent_tokens``.
    """
    request = _arguments.request(
        **_REST,
        quant=quant,
        kv_type="f16",
        depth=depth,
        batch=1,
        context=None,
        prompt_tokens=prompt_tokens,
        output_tokens=0,
        ubatch=ubatch,
    )
    return _core.prefill_work(as_model(model)._entry, request)
