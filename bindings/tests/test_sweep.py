"""sweep() equals the scalar loop, cell by cell."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import sizer

numpy = pytest.importorskip("numpy")

MEMORY = "weights_bytes kv_cache_bytes recurrent_state_bytes compute_buffer_bytes overhead_bytes total_bytes".split()


def _same(sweep: Any, position: tuple[int, ...], e: sizer.Estimate) -> None:
    for name in (*MEMORY, "available_bytes", "headroom_bytes", "fits"):
        assert sweep[name][position] == getattr(e.memory, name)
    for step, rate in (("decode", e.decode), ("prefill", e.prefill)):
        assert sweep[f"{step}_tokens_per_s"][position] == rate.tokens_per_s
        assert sweep[f"{step}_low"][position] == rate.low
        assert sweep[f"{step}_high"][position] == rate.high
        assert sweep[f"{step}_ceiling_tokens_per_s"][position] == rate.ceiling_tokens_per_s
    assert sweep["ttft_s"][position] == e.ttft_s
    assert sweep["tpot_s"][position] == e.tpot_s


def test_sweep_equals_the_scalar_loop() -> None:
    axes: dict[str, Any] = {"context": [8192, 65536, 262144], "batch": [1, 4], "quant": ["Q4_K_M", "Q8_0"]}
    s = sizer.sweep("qwen3-coder-30b-a3b", "dgx-spark", **axes)
    assert s.dims == ("context", "batch", "quant")
    assert s.shape == s["ttft_s"].shape == (3, 2, 2)
    for position in itertools.product(*map(range, s.shape)):
        cell = {name: values[i] for (name, values), i in zip(axes.items(), position, strict=True)}
        _same(s, position, sizer.estimate(model="qwen3-coder-30b-a3b", hardware="dgx-spark", **cell))


def test_models_and_machines_are_axes_too() -> None:
    models, machines = ["llama-3.1-8b", "qwen3-coder-30b-a3b"], ["dgx-spark", "rtx-3090-24gb", "dgx-spark"]
    s = sizer.sweep(models, machines, context=numpy.array([4096, 8192]), kv_type="q8_0")
    assert s.dims == ("model", "hardware", "context")
    assert s.coords["context"] == (4096, 8192)
    for i, j, k in itertools.product(range(2), range(3), range(2)):
        e = sizer.estimate(model=models[i], hardware=machines[j], context=(4096, 8192)[k], kv_type="q8_0")
        _same(s, (i, j, k), e)


def test_arrays_are_plain() -> None:
    s = sizer.sweep("llama-3.1-8b", "dgx-spark", context=numpy.geomspace(512, 131072, 9).astype(int))
    assert s["decode_tokens_per_s"].dtype == numpy.float64
    assert s["total_bytes"].dtype == numpy.int64
    assert s["fits"].dtype == numpy.bool_
    assert all(values.flags.c_contiguous for values in s.values())
    assert set(s) == set(s.to_dict()["arrays"])
    assert len(s) == len(list(s))


def test_without_an_axis_there_is_one_cell() -> None:
    s = sizer.sweep("llama-3.1-8b", "dgx-spark")
    assert s.shape == ()
    _same(s, (), sizer.estimate(model="llama-3.1-8b", hardware="dgx-spark"))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"context": []}, sizer.InvalidValueError),
        ({"context": [8192, -1]}, sizer.InvalidValueError),
        ({"context": [8192.0]}, sizer.WrongTypeError),
        ({"context": numpy.array([[8192]])}, sizer.WrongTypeError),
        ({"contexts": [8192]}, sizer.UnknownNameError),
        ({"context": range(1, 10**6), "depth": range(10**6)}, sizer.InvalidValueError),
        ({"quant": ["Q4_K_M", "Q4"]}, sizer.UnknownNameError),
    ],
)
def test_bad_axes(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        sizer.sweep("llama-3.1-8b", "dgx-spark", **options)


def test_a_notebook_shows_the_first_cells() -> None:
    s = sizer.sweep(["llama-3.1-8b"], ["dgx-spark", "rtx-3090-24gb"], context=list(range(1024, 16 * 1024, 1024)))
    html = s._repr_html_()
    assert html.count("<tr>") == 1 + 20
    assert "10 more cells" in html
    for expected in ("dgx-spark", "15,360", "total GiB", "decode tok/s", "first token"):
        assert expected in html
    assert "more cells" not in sizer.sweep("llama-3.1-8b", "dgx-spark")._repr_html_()


def test_an_unknown_array_is_named() -> None:
    with pytest.raises(sizer.UnknownNameError, match="total_bytes"):
        sizer.sweep("llama-3.1-8b", "dgx-spark")["total_byte"]
