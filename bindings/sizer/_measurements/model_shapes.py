"""Shapes of models that the catalogue lacks: a relative scaled, or one made up, to a stated number of parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import SizerError
from .._model import Model

#: How near the parameters of a shape come to those stated.
TOLERANCE = 0.03
#: Relatives that a made-up shape is averaged over.
_NEAREST = 5
_CONTEXT = 131_072
#: The sizes of a shape that are solved for.
_WIDTH: tuple[str, ...] = ("d_ff",)
_EXPERT_WIDTH: tuple[str, ...] = ("experts", "d_ff_expert")
_SMALLEST_B, _LARGEST_B = 0.01, 20_000.0


def _model(name: str, shape: Mapping[str, Any]) -> Model | None:
    try:
        return Model(name=name, **shape)
    except SizerError:
        return None


def _with(shape: Mapping[str, Any], path: tuple[str, ...], value: int) -> dict[str, Any]:
    if len(path) == 1:
        return {**shape, path[0]: value}
    return {**shape, path[0]: {**shape[path[0]], path[1]: value}}


def _solved(
    name: str,
    shape: Mapping[str, Any],
    path: tuple[str, ...],
    start: int,
    wanted: float,
    step: int,
    active: bool = False,
) -> dict[str, Any] | None:
    """The shape with one size set so that its parameters are what is wanted; they are linear in it."""

    def count(value: int) -> float | None:
        model = _model(name, _with(shape, path, value))
        if model is None:
            return None
        return float(model.active_parameters_from_shape if active else model.parameters_from_shape)

    one, other = count(start), count(2 * start)
    if one is None or other is None or other <= one:
        return None
    value = start + (wanted - one) / (other - one) * start
    value = max(step, round(value / step) * step)
    return _with(shape, path, int(value))


def _near(model: Model | None, params: float) -> bool:
    return model is not None and abs(model.parameters_from_shape / params - 1) <= TOLERANCE


def _period(model: Model) -> int | None:
    """Layers after which the pattern of a model repeats, so that their number may change; None when it does not."""
    shape = model.shape
    if any(len(shape.get(field, [0])) > 1 for field in ("n_heads", "n_kv_heads", "d_ff")):
        return None
    periods = [sum(count for _, count in shape.get(field, [["", 1]])) for field in ("mixers", "feed_forwards")]
    period = math.lcm(*(max(1, one) for one in periods))
    return period if period <= model.n_layers // 2 else None


def scaled(model: Model, name: str, params_b: float) -> Model | None:
    """A model with the same parts at another size; None when no size of them has the parameters.

    params_b  parameters in 10^9
    """
    wanted, shape = params_b * 1e9, model.shape
    ratio = wanted / model.parameters_from_shape
    if abs(ratio - 1) <= TOLERANCE:
        return _model(name, shape)
    period = _period(model)
    if period is not None:
        shape["n_layers"] = max(1, round(shape["n_layers"] * ratio ** (1 / 3) / period)) * period
        shape["d_model"] = max(64, round(shape["d_model"] * ratio ** (1 / 3) / 64) * 64)
    if model.is_moe:
        path, start = _EXPERT_WIDTH, int(shape["experts"]["d_ff_expert"])
    elif len(shape.get("d_ff", [])) == 1:
        path, start = _WIDTH, int(shape["d_ff"][0])
    else:
        return None
    found = _solved(name, shape, path, start, wanted, 32)
    if found is None:
        return None
    now = found["experts"]["d_ff_expert"] if model.is_moe else found["d_ff"]
    if not 0.4 <= now / start <= 2.5:
        return None
    result = _model(name, found)
    return result if _near(result, wanted) else None


def _plain(model: Model) -> bool:
    """Whether it is a decoder of full attention with grouped heads and nothing else."""
    shape = model.shape
    if any(shape.get(field) for field in ("latent", "recurrent", "per_layer_embedding", "indexer_n_heads")):
        return False
    same = all(len(shape.get(field, [0])) == 1 for field in ("n_heads", "n_kv_heads", "d_ff"))
    return same and shape.get("mixers", [["full", 1]]) == [["full", 1]]


def _mean(pairs: Iterable[tuple[float, float]]) -> float:
    """Geometric mean of (value, weight)."""
    total = list(pairs)
    return math.exp(sum(math.log(value) * weight for value, weight in total) / sum(weight for _, weight in total))


def _nearest(models: Iterable[Model], params: float, active: float | None) -> list[tuple[Model, float]]:
    """The nearest plain models by size, with a weight that falls with the distance."""
    ranked = []
    for model in models:
        if not _plain(model):
            continue
        away = abs(math.log(model.parameters_from_shape / params))
        if active is not None:
            away += abs(math.log(model.active_parameters_from_shape / active))
        ranked.append((away, model.id, model))
    ranked.sort(key=lambda one: one[:2])
    return [(model, 1 / (0.1 + away)) for away, _, model in ranked[:_NEAREST]]


def _dense(name: str, params: float, models: Iterable[Model]) -> Model | None:
    near = _nearest((model for model in models if not model.is_moe), params, None)
    if not near:
        return None
    cube = {model.id: (params / model.parameters_from_shape) ** (1 / 3) for model, _ in near}
    layers = round(_mean((model.n_layers * cube[model.id], weight) for model, weight in near))
    width = _mean((model.shape["d_model"] * cube[model.id], weight) for model, weight in near)
    closest = near[0][0].shape
    head = 64 if width < 2048 else 128
    heads = max(8, round(width / head / 8) * 8) if width >= 512 else max(1, round(width / head))
    shape: dict[str, Any] = {
        "n_layers": max(1, layers),
        "d_model": max(64, round(width / 64) * 64),
        "n_heads": heads,
        "n_kv_heads": min(8, heads),
        "head_dim_k": head,
        "head_dim_v": head,
        "vocab_size": closest["vocab_size"],
        "tied_embeddings": params < 4e9,
        "context_length": _CONTEXT,
    }
    for vocabulary in (closest["vocab_size"], 32_000, 8_000):
        shape["vocab_size"] = vocabulary
        found = _solved(name, shape, _WIDTH, shape["d_model"] * 3, params, 32)
        result = None if found is None else _model(name, found)
        if _near(result, params):
            return result
    return None


def _experts(
    name: str, params: float, active: float | None, experts: int | None, models: Iterable[Model]
) -> Model | None:
    mixtures = [model for model in models if model.is_moe]
    near = _nearest(mixtures, params, active)
    if not near:
        return None
    if active is None:
        share = _mean((one.active_parameters_from_shape / one.parameters_from_shape, weight) for one, weight in near)
        active = params * (0.27 if experts == 8 else share)
    relative = near[0][0]
    base = relative.shape
    for shrink in (1.0, 0.8, 0.6, 0.45):
        cube = (active / relative.active_parameters_from_shape) ** (1 / 3) * shrink
        width = max(64, round(base["d_model"] * cube / 64) * 64)
        routed = dict(base["experts"])
        count = experts or int(routed["n_experts"])
        shape: dict[str, Any] = {
            "n_layers": max(1, round(base["n_layers"] * cube)),
            "d_model": width,
            "n_heads": base["n_heads"],
            "n_kv_heads": base["n_kv_heads"],
            "head_dim_k": base["head_dim_k"],
            "head_dim_v": base["head_dim_v"],
            "vocab_size": base["vocab_size"],
            "context_length": _CONTEXT,
            "feed_forwards": [["moe", 1]],
            "experts": {
                "n_experts": count,
                "n_experts_per_token": 2 if experts == 8 else min(count, int(routed["n_experts_per_token"])),
                "d_ff_expert": int(routed["d_ff_expert"]),
            },
        }
        path = _EXPERT_WIDTH
        found = _solved(name, shape, path, int(routed["d_ff_expert"]), active, 16, active=True)
        if found is None or found["experts"]["d_ff_expert"] < 64:
            continue
        if experts is None:
            found = _solved(name, found, ("experts", "n_experts"), count, params, 1)
            if found is None or found["experts"]["n_experts"] <= found["experts"]["n_experts_per_token"]:
                continue
        found = _solved(name, found, path, found["experts"]["d_ff_expert"], params, 8)
        result = None if found is None else _model(name, found)
        if _near(result, params):
            return result
    return None


def made_up(
    name: str, params_b: float, active_b: float | None, experts: int | None, moe: bool, models: Iterable[Model]
) -> Model | None:
    """A decoder of so many parameters, proportioned as the plain models of similar size; None when there is none.

    params_b, active_b  parameters, and those of one token, in 10^9
    experts             experts of a mixture, None for as many as the parameters ask for
    models              the models whose proportions are taken
    """
    if not _SMALLEST_B <= params_b <= _LARGEST_B:
        return None
    known = list(models)
    if moe:
        return _experts(name, params_b * 1e9, None if active_b is None else active_b * 1e9, experts, known)
    return _dense(name, params_b * 1e9, known)
