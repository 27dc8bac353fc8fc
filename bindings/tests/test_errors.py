"""Bad input: the type of the error and the field it names. Never a wrong number."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import sizer

HUGE = 2**70
INF = float("inf")
NAN = float("nan")

VALUE, TYPE, NAME = sizer.InvalidValueError, sizer.WrongTypeError, sizer.UnknownNameError

ESTIMATES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": "no-such-model-at-all"}, NAME, "model"),
    ({"hardware": "no-such-machine"}, NAME, "hardware"),
    ({"model": 5}, TYPE, "model"),
    ({"hardware": None}, TYPE, "hardware"),
    ({"model": ""}, VALUE, "model"),
    ({"model": "  "}, VALUE, "model"),
    ({"model": "a\0b"}, VALUE, "model"),
    ({"model": "\udcff"}, VALUE, "model"),
    ({"model": "x" * 100_000}, VALUE, "model"),
    ({"quant": "Q4_K_X"}, NAME, "quant"),
    ({"quant": 4}, TYPE, "quant"),
    ({"kv_type": "q4_k"}, NAME, "kv_type"),
    ({"kv_type": "f17"}, NAME, "kv_type"),
    ({"engine": "llama"}, NAME, "engine"),
    ({"context": 0}, VALUE, "context"),
    ({"context": -1}, VALUE, "context"),
    ({"context": 262145}, VALUE, "context"),
    ({"context": HUGE}, VALUE, "context"),
    ({"context": -HUGE}, VALUE, "context"),
    ({"context": 10**5000}, VALUE, "context"),
    ({"context": NAN}, VALUE, "context"),
    ({"context": INF}, VALUE, "context"),
    ({"context": 4096.0}, TYPE, "context"),
    ({"context": True}, TYPE, "context"),
    ({"context": "4096"}, TYPE, "context"),
    ({"context": [4096]}, TYPE, "context"),
    ({"batch": 0}, VALUE, "batch"),
    ({"batch": -3}, VALUE, "batch"),
    ({"batch": 2, "parallel": 1}, VALUE, "batch"),
    ({"batch": False}, TYPE, "batch"),
    ({"batch": None}, TYPE, "batch"),
    ({"batch": HUGE}, VALUE, "batch"),
    ({"parallel": 0}, VALUE, "parallel"),
    ({"parallel": 10**9}, VALUE, "parallel"),
    ({"prompt_tokens": -1}, VALUE, "prompt_tokens"),
    ({"prompt_tokens": 300_000}, VALUE, "prompt_tokens"),
    ({"prompt_tokens": NAN}, VALUE, "prompt_tokens"),
    ({"output_tokens": -1}, VALUE, "output_tokens"),
    ({"output_tokens": 1.5}, TYPE, "output_tokens"),
    ({"depth": -1}, VALUE, "depth"),
    ({"depth": 262145}, VALUE, "depth"),
    ({"depth": None}, TYPE, "depth"),
    ({"depth": -HUGE}, VALUE, "depth"),
    ({"ubatch": 0}, VALUE, "ubatch"),
    ({"ubatch": HUGE}, VALUE, "ubatch"),
    ({"flash_attention": 1}, TYPE, "flash_attention"),
    ({"flash_attention": "yes"}, TYPE, "flash_attention"),
    ({"engine_options": 5}, TYPE, "engine_options"),
    ({"engine_options": {"n_cpu_mo": 1}}, NAME, "engine_options"),
    ({"engine_options": {"block_size": 16}}, NAME, "engine_options"),
    ({"engine_options": {1: 2}}, TYPE, "engine_options"),
    ({"engine_options": {"n_batch": 0}}, VALUE, "n_batch"),
    ({"engine_options": {"n_batch": HUGE}}, VALUE, "n_batch"),
    ({"engine_options": {"n_batch": 1.5}}, VALUE, "n_batch"),
    ({"engine_options": {"n_batch": NAN}}, VALUE, "n_batch"),
    ({"engine_options": {"n_batch": True}}, VALUE, "n_batch"),
    ({"engine_options": {"n_batch": None}}, TYPE, "n_batch"),
    ({"engine_options": {"kv_unified": 1}}, VALUE, "kv_unified"),
    ({"engine_options": {"type_k": "q4_k"}}, NAME, "type_k"),
    ({"engine_options": {"type_k": 8}}, VALUE, "type_k"),
    ({"engine_options": {"n_gpu_layers": -2}}, VALUE, "n_gpu_layers"),
    ({"engine_options": {"n_cpu_moe": -1}}, VALUE, "n_cpu_moe"),
    ({"engine_options": {"latent_cache": "both"}}, VALUE, "latent_cache"),
    ({"engine": "vllm", "engine_options": {"n_batch": 1}}, NAME, "engine_options"),
    ({"engine": "vllm", "engine_options": {"gpu_memory_utilization": 1.5}}, VALUE, "gpu_memory_utilization"),
    ({"engine": "vllm", "engine_options": {"gpu_memory_utilization": NAN}}, VALUE, "gpu_memory_utilization"),
    ({"engine": "vllm", "engine_options": {"block_size": 0}}, VALUE, "block_size"),
    ({"engine": "mlx", "engine_options": {"prefill_step_size": 0}}, VALUE, "prefill_step_size"),
]


def _name(value: Any) -> str:
    try:
        return ascii(value)[:60]
    except ValueError:  # an integer of more digits than Python prints
        return "endless"


@pytest.mark.parametrize(("changes", "error", "field"), ESTIMATES, ids=_name)
def test_estimate_refuses(changes: dict[str, Any], error: type[Exception], field: str) -> None:
    arguments: dict[str, Any] = {"model": "qwen3-coder-30b-a3b", "hardware": "dgx-spark", **changes}
    with pytest.raises(error) as caught:
        sizer.estimate(**arguments)
    assert caught.value.field == field  # type: ignore[attr-defined]
    assert isinstance(caught.value, sizer.SizerError)
    assert field in str(caught.value)
    assert len(str(caught.value)) < 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


SHAPE: dict[str, Any] = {
    "n_layers": 4,
    "d_model": 256,
    "n_heads": 4,
    "n_kv_heads": 2,
    "d_ff": 1024,
    "vocab_size": 32000,
    "context_length": 8192,
}
SHAPES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"n_layers": 0}, VALUE, "n_layers"),
    ({"n_layers": -1}, VALUE, "n_layers"),
    ({"n_layers": 10**9}, VALUE, "n_layers"),
    ({"n_layers": HUGE}, VALUE, "n_layers"),
    ({"n_layers": 4.0}, TYPE, "n_layers"),
    ({"n_layers": True}, VALUE, "n_layers"),
    ({"n_layers": "4"}, VALUE, "n_layers"),
    ({"n_layer": 4}, NAME, "model"),
    ({"d_model": NAN}, TYPE, "d_model"),
    ({"n_kv_heads": 8}, VALUE, "n_kv_heads"),
    ({"n_heads": [4, 4]}, VALUE, "n_heads"),
    ({"n_heads": 3, "n_kv_heads": 3}, VALUE, "head_dim_k"),
    ({"mixers": [("sliding", 5), ("full", 1)]}, VALUE, "sliding_window"),
    ({"mixers": [("slidding", 5)]}, VALUE, "mixers.0.0"),
    ({"mixers": []}, VALUE, "mixers"),
    ({"feed_forwards": [("moe", 1)]}, VALUE, "experts"),
    ({"experts": {"n_expert": 8}}, VALUE, "experts.n_expert"),
    ({"family": ""}, VALUE, "family"),
    ({"context_length": None}, VALUE, "context_length"),
    ({"tied_embeddings": 1}, VALUE, "tied_embeddings"),
    ({"id": "Not An Id"}, VALUE, "id"),
    ({"name": 5}, TYPE, "name"),
]


@pytest.mark.parametrize(("changes", "error", "field"), SHAPES, ids=_name)
def test_model_refuses(changes: dict[str, Any], error: type[Exception], field: str) -> None:
    with pytest.raises(error) as caught:
        sizer.Model(**{**SHAPE, **changes})
    assert caught.value.field == field  # type: ignore[attr-defined]


BOX: dict[str, Any] = {"name": "Box", "memory_gib": 24, "bandwidth_gb_per_s": 900}
MACHINES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"bandwidth_gb_per_s": NAN}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": INF}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": 0}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": -5}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": 1e300}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": 10**400}, VALUE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": "900"}, TYPE, "bandwidth_gb_per_s"),
    ({"bandwidth_gb_per_s": None}, VALUE, "bandwidth_gb_per_s"),
    ({"memory_gib": True}, TYPE, "memory_gib"),
    ({"memory_gib": -1}, VALUE, "memory_gib"),
    ({"memory_gib": 1e12}, VALUE, "memory_gib"),
    ({"memory_gib": None}, VALUE, "memory_gib"),
    ({"memory_bytes": 24 * 10**9}, VALUE, "memory_bytes"),
    ({"usable_gib": 25}, VALUE, "usable_gib"),
    ({"backend": "cudda"}, VALUE, "backend"),
    ({"device_class": "fast"}, VALUE, "device_class"),
    ({"device_count": 0}, VALUE, "device_count"),
    ({"fp16_tflops": -1}, VALUE, "fp16_tflops"),
    ({"price_usd": 100}, VALUE, "price_date"),
    ({"price_usd": 100, "price_date": "May"}, VALUE, "price_date"),
    ({"price_usd": -1, "price_date": "2026-05"}, VALUE, "price_usd"),
    ({"host_memory_gib": 64}, VALUE, "host_bandwidth_gb_per_s"),
    ({"bandwith_gb_per_s": 900}, NAME, "hardware"),
    ({"kind": "toaster"}, VALUE, "kind"),
    ({"name": ""}, VALUE, "name"),
]


@pytest.mark.parametrize(("changes", "error", "field"), MACHINES, ids=_name)
def test_hardware_refuses(changes: dict[str, Any], error: type[Exception], field: str) -> None:
    with pytest.raises(error) as caught:
        sizer.Hardware(**{**BOX, **changes})
    assert caught.value.field == field  # type: ignore[attr-defined]


def test_the_classes_are_those_of_python_too() -> None:
    assert issubclass(sizer.InvalidValueError, ValueError)
    assert issubclass(sizer.WrongTypeError, TypeError)
    assert issubclass(sizer.UnknownNameError, KeyError)
    assert issubclass(sizer.DataError, ValueError)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(sizer.UnknownNameError) as caught:
        sizer.model("qwen3-coder-30b-a3")
    assert caught.value.nearest[0] == "qwen3-coder-30b-a3b"
    assert not str(caught.value).startswith("'"), "KeyError would quote the message"
    with pytest.raises(sizer.UnknownNameError) as caught:
        sizer.estimate(model="llama-3.1-8b", hardware="dgx-spark", engine_options={"n_cpu_mo": 1})
    assert caught.value.nearest[0] == "n_cpu_moe"
    assert "kv_unified" in caught.value.nearest


def test_a_shape_that_overflows_is_an_error(small_machine: sizer.Hardware) -> None:
    largest = 16_777_216
    absurd = sizer.Model(
        n_layers=4096,
        d_model=largest,
        n_heads=1,
        n_kv_heads=1,
        head_dim_k=largest,
        d_ff=largest,
        vocab_size=largest,
        context_length=1_073_741_824,
    )
    with pytest.raises(sizer.InvalidValueError, match="64-bit"):
        sizer.estimate(model=absurd, hardware=small_machine)


def test_other_bad_arguments(small_model: sizer.Model) -> None:
    with pytest.raises(sizer.UnknownNameError):
        sizer.compare(small_model, sort="speed")
    with pytest.raises(sizer.WrongTypeError):
        sizer.compare(small_model, machines="dgx-spark")
    with pytest.raises(sizer.InvalidValueError):
        sizer.best_quantization(model=small_model, hardware="dgx-spark", candidates=[])
    with pytest.raises(sizer.UnknownNameError):
        sizer.best_quantization(model=small_model, hardware="dgx-spark", candidates=["Q4"])
    with pytest.raises(TypeError, match=r"estimate\(\) got an unexpected keyword argument 'contxt'; nearest: context"):
        sizer.estimate(model=small_model, hardware="dgx-spark", contxt=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="nearest: hardware"):
        sizer.largest_context(small_model, hardwar="dgx-spark")  # type: ignore[call-arg]
    with pytest.raises(sizer.WrongTypeError):
        sizer.Model.from_dict([1])  # type: ignore[arg-type]
    with pytest.raises(sizer.DataError):
        sizer.Hardware.from_dict({"schema_version": 1})
