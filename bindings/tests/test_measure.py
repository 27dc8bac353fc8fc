"""Measuring: what runs, within what time, and what proves that it was memory. Devices that are made up, and the CPU."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer
from sizer._measure import devices, plan, plateau

MIB, GIB = 1024**2, 1024**3


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


fake = _load("fake_device")

Use = Callable[..., None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """`use(cpu=device, cuda=[device])`: the devices that this machine has from now on."""
    monkeypatch.delenv("SIZER_PROBE_ROOT", raising=False)

    def having(cpu: Any = None, cuda: Any = (), opencl: Any = (), titles: Any = ()) -> None:
        known = {"cpu": cpu or fake.FakeDevice()}
        known |= {f"cuda:{i}": one for i, one in enumerate(cuda)}
        known |= {f"opencl:{i}": one for i, one in enumerate(opencl)}
        reasons = () if cuda else ("CUDA: this build has no CUDA kernels",)

        def open_core(name: str, **_how: Any) -> Any:
            if name not in known:
                raise sizer.UnknownNameError("device", name, list(known))
            if isinstance(known[name], Exception):
                raise known[name]
            return known[name]

        names = tuple(getattr(one, "name", "a card") for one in cuda)
        found = devices.Backends(names, tuple(titles), reasons)
        monkeypatch.setattr(devices, "open_core", open_core)
        monkeypatch.setattr(devices, "backends", lambda: found)

    having()
    return having


# --- the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("threads", [1, 2, 6, 64])
def test_the_plan_has_every_kernel_at_one_and_all_threads(quick: bool, threads: int) -> None:
    runs = plan.cpu_plan(threads, 64 * GIB, 32 * MIB, quick=quick).runs
    for count in {1, threads}:
        made = {run.kernel for run in runs if run.threads == count}
        assert {*plan.STREAMS, *plan.WEIGHTS, *plan.KV_CACHES, *plan.CPU_PRODUCTS, "barrier"} <= made
        required = {run.kernel for run in runs if run.threads == count and run.required}
        assert {"read", *plan.WEIGHTS, *plan.KV_CACHES, *plan.CPU_PRODUCTS} <= required
    assert sum(run.kernel == "latency" and not run.again for run in runs) == 1
    largest = sorted({run.working_set_bytes for run in runs if run.kernel == "read" and run.required})
    assert largest[-1] >= GIB / 2
    assert largest[-2] == largest[-1] // 2, "the plateau is judged by two working sets"
    assert not any(run.required for run in runs if run.again)


def test_all_thread_counts_between_are_the_powers_of_two() -> None:
    assert plan.thread_counts(24, quick=False) == [1, 2, 4, 8, 16, 24]
    assert plan.thread_counts(16, quick=False) == [1, 2, 4, 8, 16]
    assert plan.thread_counts(24, quick=True) == [1, 24]
    assert plan.thread_counts(1, quick=False) == [1]


def test_the_working_set_is_beyond_a_cache_of_hundreds_of_mib() -> None:
    size, notes = plan.memory_size(64 * GIB, 480 * MIB, quick=True)
    assert size >= 4 * 480 * MIB
    assert not notes
    assert plan.memory_size(64 * GIB, None, quick=False) == (GIB, ())


def test_a_limit_below_the_working_set_is_kept_and_said() -> None:
    size, notes = plan.memory_size(100 * MIB, 32 * MIB, quick=True)
    assert size == 100 * MIB
    assert "100.0 MiB" in notes[0]
    assert "512.0 MiB" in notes[0]
    runs = plan.cpu_plan(2, 100 * MIB, 32 * MIB, quick=False).runs
    assert max(run.working_set_bytes for run in runs) == size


@pytest.mark.parametrize("threads", [1, 2, 64, 256])
def test_a_sweep_rises_and_gives_every_thread_a_page(threads: int) -> None:
    sizes = plan.sweep_sizes(GIB + 4096, threads=threads, step=2)
    assert sizes == sorted(set(sizes))
    assert sizes[0] >= 4096 * threads
    assert sizes[-1] == GIB + 4096
    assert all(b / a >= 1.4 for a, b in itertools.pairwise(sizes))


class Clock:
    """A clock that stands unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("each", "seconds"), [(0.0, 16.0), (0.2, 16.0), (0.2, 90.0), (0.5, 30.0)])
def test_the_schedule_keeps_the_deadline_and_every_required_run(each: float, seconds: float) -> None:
    runs = plan.cpu_plan(2, 64 * GIB, 105 * MIB, quick=seconds < 60).runs
    clock = Clock()
    schedule = plan.Schedule(runs, seconds, clock)
    made = []
    for run in runs:
        given = schedule.next(run)
        if given is None:
            assert not run.required
            continue
        assert given > 0
        made.append(run)
        clock.now += given + each * run.weight  # what it takes beyond its samples
        schedule.done()
    assert clock.now <= seconds * 1.05
    assert {run for run in runs if run.required} <= set(made)


def test_a_machine_too_slow_for_the_time_still_makes_the_required_runs() -> None:
    runs = plan.cpu_plan(4, 64 * GIB, 105 * MIB, quick=True).runs
    clock = Clock()
    schedule = plan.Schedule(runs, 1.0, clock)
    made = []
    for run in runs:
        if schedule.next(run) is not None:
            made.append(run)
            clock.now += 3.0
            schedule.done()
    # The first optional ones may pass before the machine is known to be slow.
    assert {run for run in runs if run.required} <= set(made)
    assert not any(run.again for run in made)


# --- the plateau ------------------------------------------------------------------------------------------------------


def _curve(cache: int, most: int, *, ratio: float = 4.0, rate: float = 20e9) -> list[tuple[int, float]]:
    """Reads of a machine with a cache that is as much faster, over powers of two."""
    points = []
    size = 32 * 1024
    while size <= most:
        share = min(1.0, cache / size)
        points.append((size, rate / (1 - share + share / ratio)))
        size *= 2
    return points


def test_a_flat_end_beyond_the_cache_that_the_flush_confirms_is_proved() -> None:
    found = plateau.verdict(
        [(GIB, 20e9), (GIB // 2, 20.4e9)], last_level_cache_bytes=32 * MIB, flushed_bytes_per_s=19e9
    )
    assert found.proved, found.why
    assert found.plateau_gb_per_s == pytest.approx(20)
    assert found.at_bytes == GIB
    without = plateau.verdict(
        [(GIB, 20e9), (GIB // 2, 20e9)], last_level_cache_bytes=32 * MIB, flushed_bytes_per_s=None
    )
    assert without.proved
    assert "no instruction flushes" in without.why


def test_a_working_set_inside_a_cache_is_not_proved() -> None:
    flat = _curve(512 * MIB, 256 * MIB)  # all from the cache: flat as a memory
    found = plateau.verdict(flat, last_level_cache_bytes=512 * MIB, flushed_bytes_per_s=None)
    assert not found.proved
    assert "0.5 times the reported last-level cache" in found.why


def test_a_shared_cache_that_the_hypervisor_hides_is_found_by_the_flush() -> None:
    flat = _curve(2 * GIB, GIB)
    found = plateau.verdict(flat, last_level_cache_bytes=32 * MIB, flushed_bytes_per_s=20e9)
    assert not found.proved
    assert "from a cache" in found.why
    assert found.plateau_gb_per_s == pytest.approx(20), "the lower figure"


def test_a_curve_that_still_falls_is_not_proved() -> None:
    found = plateau.verdict(_curve(256 * MIB, GIB), last_level_cache_bytes=64 * MIB, flushed_bytes_per_s=20e9)
    assert not found.proved
    assert "still changes by" in found.why


def test_a_disturbed_read_is_not_proved() -> None:
    found = plateau.verdict([(GIB, 10e9), (GIB // 2, 10e9)], last_level_cache_bytes=MIB, flushed_bytes_per_s=15e9)
    assert not found.proved
    assert "disturbed" in found.why
    assert found.plateau_gb_per_s == pytest.approx(10)


def test_the_figure_is_the_typical_rate_and_the_proof_that_of_the_fastest_samples() -> None:
    points = [(GIB, 21e9), (GIB // 2, 21e9)]
    found = plateau.verdict(
        points, last_level_cache_bytes=MIB, flushed_bytes_per_s=20e9, typical=15e9, typical_flushed=8e9
    )
    assert found.proved, "a flush that was disturbed most of the time is no cache"
    assert found.plateau_gb_per_s == pytest.approx(15)


def test_a_cache_of_unknown_size_is_proved_by_the_flush_alone() -> None:
    points = [(GIB, 20e9), (GIB // 2, 20e9)]
    assert plateau.verdict(points, last_level_cache_bytes=None, flushed_bytes_per_s=20e9).proved
    assert not plateau.verdict(points, last_level_cache_bytes=None, flushed_bytes_per_s=None).proved


def test_nothing_and_one_point_are_no_plateau() -> None:
    assert not plateau.verdict([], last_level_cache_bytes=None, flushed_bytes_per_s=None).proved
    assert not plateau.verdict([(GIB, 1e9)], last_level_cache_bytes=MIB, flushed_bytes_per_s=1e9).proved


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "processor"),
    [
        ("Portable Computing Language: cpu-sapphirerapids-Intel(R) Xeon(R) Processor", True),
        ("Portable Computing Language: pthread-AMD EPYC 7763", True),
        ("Intel(R) OpenCL: Intel(R) Xeon(R) Processor", True),
        ("Intel(R) OpenCL Graphics: Intel(R) Arc(TM) A770 Graphics", False),
        ("AMD Accelerated Parallel Processing: gfx1100", False),
        ("NVIDIA CUDA: NVIDIA H100 80GB HBM3", False),
        ("Portable Computing Language: NVIDIA GeForce RTX 3090", False),
    ],
)
def test_an_opencl_device_that_is_the_processor_is_known(title: str, processor: bool) -> None:
    assert devices.is_processor(title) == processor


def test_each_piece_of_silicon_is_measured_once() -> None:
    titles = ("NVIDIA CUDA: NVIDIA H100", "Portable Computing Language: cpu-x", "AMD: gfx1100")
    both = devices.Backends(("NVIDIA H100",), titles, ())
    assert [one.name for one in both.usual()] == ["cpu", "cuda:0", "opencl:2"]
    assert [one.name for one in both.all()] == ["cpu", "cuda:0", "opencl:0", "opencl:1", "opencl:2"]
    without = devices.Backends((), titles, ("CUDA: no",))
    assert [one.name for one in without.usual()] == ["cpu", "opencl:0", "opencl:2"]


def test_wrong_names_of_devices_are_errors(use: Use) -> None:
    use()
    with pytest.raises(sizer.InvalidValueError, match="cuda:NUMBER"):
        sizer.measure(device="gpu")
    with pytest.raises(sizer.UnknownNameError, match="cuda:0"):
        sizer.measure(device="cuda:0")
    with pytest.raises(sizer.WrongTypeError):
        sizer.measure(device=5)  # type: ignore[arg-type]
    with pytest.raises(sizer.InvalidValueError, match="threads"):
        sizer.measure(threads=0)


# --- kernels one by one -----------------------------------------------------------------------------------------------


def test_a_kernel_gives_a_record(use: Use) -> None:
    use()
    device = sizer.kernel_device("cpu")
    assert (device.name, device.backend, device.id) == ("Fake CPU", "cpu", "cpu")
    assert {one.name for one in device.kernels()} >= {"read", "barrier"}
    got = device.run("matvec_q4_k", working_set_bytes=GIB, threads=2, columns=4096)
    assert got.shape == {"columns": 4096}
    assert got.gb_per_s == pytest.approx(14)
    assert got.gflop_per_s is not None
    assert got.seconds_per_event is None
    assert got.stable
    assert sizer.Measurement.from_dict(got.to_dict()) == got
    assert pickle.loads(pickle.dumps(got)) == got
    assert device.run("gemm_bf16").gb_per_s is None
    assert device.run("barrier").seconds_per_event == pytest.approx(5e-6)


def test_samples_that_differ_are_unstable(use: Use) -> None:
    use(cpu=fake.FakeDevice(spread=0.08))
    assert not sizer.kernel_device().run("read", working_set_bytes=GIB).stable


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ({"depht": 5}, TypeError, "depth"),
        ({"depth": 0}, sizer.InvalidValueError, "depth"),
        ({"threads": 0}, sizer.InvalidValueError, "threads"),
        ({"threads": True}, sizer.WrongTypeError, "threads"),
        ({"seconds": float("nan")}, sizer.InvalidValueError, "seconds"),
        ({"least_samples": 0}, sizer.InvalidValueError, "least_samples"),
        ({"working_set_bytes": "1 GiB"}, sizer.WrongTypeError, "working_set_bytes"),
    ],
)
def test_wrong_arguments_of_a_run_are_named(use: Use, arguments: Any, error: Any, names: str) -> None:
    use()
    with pytest.raises(error, match=names):
        sizer.kernel_device().run("read", **arguments)


def test_two_threads_do_not_measure_at_once(use: Use) -> None:
    inside, most = 0, 0

    def before(_kernel: str, _call: int) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1

    use(cpu=fake.FakeDevice(before=before))
    one, other = sizer.kernel_device(), sizer.kernel_device()
    runs = [threading.Thread(target=lambda d=d: d.run("read", working_set_bytes=GIB)) for d in (one, other) * 3]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert most == 1


def test_the_processor_can_be_measured_for_real() -> None:
    device = sizer.kernel_device("cpu", threads=1)
    for kernel in ("read", "copy", "write", "triad", "matvec_q4_k", "matvec_f16"):
        got = device.run(kernel, working_set_bytes=4 * MIB, seconds=0.01, least_samples=3, most_samples=5)
        assert got.verified, kernel
        assert got.gb_per_s is not None and got.gb_per_s > 0.01
        assert 3 <= len(got.samples_s) <= 5
    got = device.run("attention_q8_0", working_set_bytes=8 * MIB, seconds=0.01, depth=256, kv_heads=2, least_samples=3)
    assert got.verified
    assert got.shape["depth"] == 256
    with pytest.raises(sizer.UnknownNameError, match="matvec_q4_k"):
        device.run("matvec_q4k")


def test_the_environment_may_name_an_opencl_loader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIZER_OPENCL_LIBRARY", os.fspath(tmp_path / "no-such-loader.so"))
    found = devices.backends()
    assert found.opencl == ()
    assert any("OpenCL" in one and "no-such-loader" in one for one in found.reasons)


def test_a_profile_is_json_all_the_way(use: Use) -> None:
    use()
    values = sizer.measure(quick=True, device="cpu").to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
