"""Model, Hardware and results as values: immutable, equal, hashable, picklable, to a dict and back."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

import sizer

MODELS = [one.id for one in sizer.models()]
MACHINES = [one.id for one in sizer.machines()]


@pytest.fixture(scope="module")
def estimate(small_model: sizer.Model, small_machine: sizer.Hardware) -> sizer.Estimate:
    return sizer.estimate(model=small_model, hardware=small_machine, engine_options={"n_batch": 1024})


@pytest.mark.parametrize("name", MODELS)
def test_every_model_survives(name: str) -> None:
    one = sizer.model(name)
    assert pickle.loads(pickle.dumps(one)) == one
    assert sizer.Model.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert one.to_dict()["schema_version"] == 1
    assert hash(one) == hash(sizer.model(name))


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_survives(name: str) -> None:
    one = sizer.hardware(name)
    assert pickle.loads(pickle.dumps(one)) == one
    assert sizer.Hardware.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert one.to_dict()["schema_version"] == 1
    assert hash(one) == hash(sizer.hardware(name))


def test_results_survive(estimate: sizer.Estimate) -> None:
    comparison = sizer.compare("llama-3.1-8b", machines=["dgx-spark", "rtx-3090-24gb"], context=8192)
    validation = sizer.Validation(file="x.json", ok=False, what="model", problems=("bad",))
    values: list[Any] = [estimate, comparison, estimate.memory, estimate.decode, validation]
    for value in values:
        kind: Any = type(value)
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
        assert kind.from_dict(json.loads(json.dumps(value.to_dict()))) == value
        assert value.to_dict()["schema_version"] == 1
        assert hash(value) == hash(kind.from_dict(value.to_dict()))


def test_results_are_immutable(estimate: sizer.Estimate) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.ttft_s = 0.0  # type: ignore[misc]
    assert estimate.replace(ttft_s=1.0).ttft_s == 1.0
    with pytest.raises(TypeError):
        sizer.Assumption("what", "why")  # type: ignore[misc]


def test_lines_can_be_read_as_in_json(estimate: sizer.Estimate) -> None:
    term = estimate.decode.terms[0]
    assert (term["name"], term["seconds"], term["bound"]) == (term.name, term.seconds, term.bound)
    with pytest.raises(KeyError):
        term["time"]


def test_a_dict_of_another_version_is_refused(estimate: sizer.Estimate) -> None:
    plain = estimate.to_dict()
    spoilt: list[dict[str, Any]] = [{**plain, "schema_version": 2}, {**plain, "extra": 1}, {"schema_version": 1}, {}]
    for broken in spoilt:
        with pytest.raises(sizer.DataError):
            sizer.Estimate.from_dict(broken)


@pytest.mark.parametrize("value", [sizer.model("llama-3.1-8b"), sizer.hardware("dgx-spark")], ids=["model", "hardware"])
def test_entries_are_immutable(value: Any) -> None:
    with pytest.raises(AttributeError, match="replace"):
        value.name = "other"
    with pytest.raises(AttributeError):
        del value.name
    assert copy.copy(value) is value
    assert value != "something else"
    assert value.id in repr(value)
    assert value.replace(name="Other").name == "Other"
    assert value.replace(name="Other") != value
    assert value.replace(name=value.name) == value


def test_model_by_shape(small_model: sizer.Model) -> None:
    assert (small_model.id, small_model.name) == ("tiny", "Tiny")
    assert small_model.shape["n_layers"] == 4
    assert pickle.loads(pickle.dumps(small_model)) == small_model
    longer = small_model.replace(context_length=16384)
    assert longer.context_length == 16384
    assert small_model.context_length == 8192
    assert len(small_model.layers) == 4


def test_patterns_of_a_shape(small_model: sizer.Model) -> None:
    windowed = small_model.replace(n_layers=12, sliding_window=512, mixers=[("sliding", 5), ("full", 1)])
    assert [one["mixer"] for one in windowed.layers] == (["sliding"] * 5 + ["full"]) * 2
    sparse = small_model.replace(
        feed_forwards=[("dense", 1), ("moe", 3)], experts={"n_experts": 8, "n_experts_per_token": 2, "d_ff_expert": 256}
    )
    assert [one["feed_forward"] for one in sparse.layers] == ["dense", "moe", "moe", "moe"]
    assert sparse.is_moe
    assert sparse.active_parameters_from_shape < sparse.parameters_from_shape


def test_a_catalogue_model_by_its_shape_is_sized_alike(small_machine: sizer.Hardware) -> None:
    known = sizer.model("qwen3-coder-30b-a3b")
    stated = sizer.Model(**known.shape)
    one = sizer.estimate(model=known, hardware=small_machine)
    other = sizer.estimate(model=stated, hardware=small_machine)
    assert (one.memory, one.decode, one.prefill) == (other.memory, other.decode, other.prefill)


def test_hardware_by_figures() -> None:
    box = sizer.Hardware(
        name="My box (2 cards)",
        device_count=2,
        memory_bytes=24 * 10**9,
        bandwidth_gb_per_s=936,
        backend="cuda",
        device_class="nvidia_consumer",
        fp16_tflops=71,
        tdp_w=350,
        price_usd=1800,
        price_date="2026-05",
        host_memory_gib=64,
        host_bandwidth_gb_per_s=90,
    )
    assert box.id == "my-box-2-cards"
    assert (box.memory_bytes, box.usable_bytes) == (24 * 10**9, 24 * 10**9)
    assert (box.price_usd, box.price_date, box.price_kind) == (1800.0, "2026-05", "street")
    assert box.bandwidth_gb_per_s == 936.0
    assert pickle.loads(pickle.dumps(box)) == box
    faster = box.replace(bandwidth_gb_per_s=1008, price_usd=2000)
    assert (faster.bandwidth_gb_per_s, faster.price_usd, faster.price_date) == (1008.0, 2000.0, "2026-05")
    e = sizer.estimate(model="llama-3.1-8b", hardware=box, context=8192)
    assert {one.what for one in e.assumptions} >= {"usable memory", "memory bandwidth"}
