"""Profiles: what is in the file, that it comes back, and what is left after a fault. A stand-in for the devices."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import pickle
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer
from sizer._measure import devices, plan

SCHEMAS = Path(__file__).resolve().parents[2] / "data" / "schema"
MACHINES = Path(__file__).resolve().parents[2] / "tests" / "golden" / "data" / "machines"
MIB, GIB = 1024**2, 1024**3

Call = Callable[..., Any]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


fake = _load("fake_device")


@pytest.fixture(autouse=True)
def use(monkeypatch: pytest.MonkeyPatch) -> Call:
    """`use(cpu=device, cuda=[device])`: the devices that this machine has. It is a virtual machine without a GPU."""
    monkeypatch.setenv("SIZER_PROBE_ROOT", str(MACHINES / "virtual-machine.txt"))

    def having(cpu: Any = None, cuda: Any = ()) -> None:
        known = {"cpu": cpu or fake.FakeDevice(), **{f"cuda:{i}": one for i, one in enumerate(cuda)}}

        def open_core(name: str, **_how: Any) -> Any:
            if isinstance(known[name], Exception):
                raise known[name]
            return known[name]

        names = tuple(getattr(one, "name", "a card") for one in cuda)
        found = devices.Backends(names, (), () if cuda else ("CUDA: this build has no CUDA kernels",))
        monkeypatch.setattr(devices, "open_core", open_core)
        monkeypatch.setattr(devices, "backends", lambda: found)

    having()
    return having


def _fails_at(call: int, error: BaseException) -> Callable[[str, int], None]:
    def before(_kernel: str, number: int) -> None:
        if number >= call:
            raise error

    return before


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
def test_a_profile_fits_its_schema_and_its_machine_that_of_machines(quick: bool, use: Call) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    if not SCHEMAS.is_dir():
        pytest.skip("no data/schema beside the sources")
    use(cuda=[fake.fake_gpu()])
    values = sizer.measure(quick=quick).to_dict()
    schema = json.loads((SCHEMAS / "profile.schema.json").read_text(encoding="ascii"))
    jsonschema.validate(values, schema, cls=jsonschema.Draft7Validator)
    machine = {"release_year": 2026, **values["machine"]}
    schema = json.loads((SCHEMAS / "hardware.schema.json").read_text(encoding="ascii"))
    jsonschema.validate(machine, schema, cls=jsonschema.Draft7Validator)
    samples = [one for device in values["devices"] for run in device["measurements"] for one in run["samples_s"]]
    assert len(samples) > 100


def test_a_profile_comes_back(tmp_path: Path, use: Call) -> None:
    use(cuda=[fake.fake_gpu()])
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    assert sizer.Profile.read(file) == profile
    assert sizer.Profile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile
    assert pickle.loads(pickle.dumps(profile)) == profile
    assert str(profile).isascii()
    assert "<table" in profile._repr_html_()
    assert profile.device("cuda:0").backend == "cuda"
    with pytest.raises(KeyError):
        profile.device("opencl:0")


def test_hardware_reads_the_profile_as_a_machine(tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    machine = sizer.hardware(file)
    assert machine == profile.machine
    assert machine.id == "measured-intel-r-xeon-r-processor"
    assert machine.backend == "cpu"
    assert machine.bandwidth_measured_gb_per_s == pytest.approx(20)
    entry = machine.to_dict()
    measured = entry["devices"][0]["measured"]
    assert [one["threads"] for one in measured] == [1, 2]
    figure = measured[1]["weights"]["q4_k"]
    assert (figure["value"], figure["unit"], figure["source"]) == (14, "GB/s", "profile")
    assert "matvec_q4_k fake, 2 threads" in figure["method"]
    assert measured[1]["query_group"] == 4
    assert sizer.estimate(model="llama-3.1-8b", hardware=file).decode.tokens_per_s > 0


def test_a_known_machine_keeps_its_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZER_PROBE_ROOT", str(MACHINES / "ryzen-9800x3d.txt"))
    machine = sizer.measure(quick=True).machine
    assert machine.bandwidth_gb_per_s == sizer.hardware("this").bandwidth_gb_per_s
    assert machine.bandwidth_measured_gb_per_s == pytest.approx(20)


def test_a_measurement_above_the_specification_is_said_and_not_used(monkeypatch: pytest.MonkeyPatch, use: Call) -> None:
    monkeypatch.setenv("SIZER_PROBE_ROOT", str(MACHINES / "ryzen-9800x3d.txt"))
    use(cpu=fake.FakeDevice(gb_per_s=500))
    machine = sizer.measure(quick=True).machine
    assert machine.bandwidth_measured_gb_per_s is None
    assert machine.notes is not None and "500 GB/s is above the specified" in machine.notes


def test_a_hidden_cache_lowers_the_bandwidth_to_what_the_flush_leaves(use: Call) -> None:
    use(cpu=fake.FakeDevice(hidden_cache=2 * GIB))
    profile = sizer.measure(quick=True)
    verdict = profile.device("cpu").plateau
    assert not verdict.proved
    assert "cache" in verdict.why
    assert profile.machine.bandwidth_measured_gb_per_s == pytest.approx(19.8)
    assert "not proved" in str(profile)


def test_two_rounds_that_differ_are_unstable(use: Call) -> None:
    class Slower(fake.FakeDevice):  # type: ignore[name-defined, misc]
        def run(self, **request: Any) -> dict[str, Any]:
            got: dict[str, Any] = super().run(**request)
            same = [one for one in self.calls if {**one, "seconds": 0} == {**self.calls[-1], "seconds": 0}]
            if len(same) > 1:  # a neighbour begins to work
                got = {**got, "median_s": got["median_s"] * 2, "samples_s": [2 * one for one in got["samples_s"]]}
            return got

    use(cpu=Slower())
    profile = sizer.measure(quick=True)
    device = profile.device("cpu")
    read = device.best("read", threads=2)
    assert read is not None
    assert read.stable, "its own samples agree"
    assert device.apart(read) == pytest.approx(1.0)
    assert not device.is_stable(read)
    assert read.gb_per_s == pytest.approx(20), "the undisturbed round"
    assert "the other round took 100 % longer" in json.dumps(profile.entry)
    assert "unstable" in str(profile)


# --- reading bad files ------------------------------------------------------------------------------------------------


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: Any) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        for key in parents:
            values = values[key]
        if value is ...:
            del values[last]
        else:
            values[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_set("format", "other"), "/format"),
        (_set("schema_version", 2), "/schema_version"),
        (_set("devices", {}), "/devices"),
        (_set("devices/0/measurements/3/samples_s/0", "fast"), "/devices/0/measurements/3/samples_s/0"),
        (_set("devices/0/measurements/0/median_s", None), "/devices/0/measurements/0/median_s"),
        (_set("devices/0/measurements/0/threads", True), "/devices/0/measurements/0/threads"),
        (_set("devices/0/measurements/0/shape", 5), "/devices/0/measurements/0/shape"),
        (_set("devices/0/plateau/proved", "yes"), "/devices/0/plateau/proved"),
        (_set("devices/0/plateau/why", ...), ""),
        (_set("devices/0/surprise", 1), ""),
        (_set("detected/cpu", ...), "/detected"),
        (_set("reasons", ...), "/reasons"),
        (_set("surprise", 1), "/surprise"),
        (_set("machine", ...), "/machine"),
        (_set("machine/devices/0/memory/usable/unit", "bananas"), "/machine/devices/0/memory/usable/unit"),
    ],
)
def test_a_broken_profile_is_an_error_that_names_the_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], where: str
) -> None:
    values = copy.deepcopy(sizer.measure(quick=True).to_dict())
    change(values)
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(values))
    with pytest.raises(sizer.DataError) as caught:
        sizer.Profile.read(file)
    assert caught.value.where == where
    assert caught.value.file == str(file)
    if where != "/format":
        assert sizer.validate(file).problems == (str(caught.value),)


@pytest.mark.parametrize(
    "content", ["", "[]", "5", '{"format": "sizer-profile"}', '{"format": ["sizer-profile"]}', "{"]
)
def test_what_is_no_profile_is_an_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "no.json"
    file.write_text(content)
    with pytest.raises(sizer.DataError):
        sizer.Profile.read(file)
    with pytest.raises(sizer.DataError):
        sizer.hardware(file)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_no_file(tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=_fails_at(7, KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_an_older_profile_as_it_was(tmp_path: Path, use: Call) -> None:
    file = tmp_path / "here.json"
    sizer.measure(quick=True, output=file)
    before = file.read_bytes()
    use(cpu=fake.FakeDevice(before=_fails_at(7, KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        sizer.measure(quick=True, output=file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    before = file.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(sizer.InvalidValueError, match="No space left"):
        profile.write(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_older_profile_is_replaced_and_nothing_else_is(tmp_path: Path, use: Call) -> None:
    file, other = tmp_path / "here.json", tmp_path / "notes.txt"
    other.write_text("mine")
    sizer.measure(quick=True, output=file)
    file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    second = sizer.measure(quick=True, output=link)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert second == sizer.Profile.read(file)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    for target, says in ((other, "something else"), (tmp_path, "not of a folder"), (tmp_path / "no" / "x.json", "no")):
        with pytest.raises(sizer.InvalidValueError, match=says):
            sizer.measure(quick=True, output=target)
    for target in ("", "a\0b"):
        with pytest.raises(sizer.InvalidValueError, match="output"):
            sizer.measure(quick=True, output=target)
    assert other.read_text() == "mine"
    assert cpu.calls == [], "it is said before anything is measured"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_error_before_the_measuring(tmp_path: Path, use: Call) -> None:
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(sizer.InvalidValueError, match="Permission denied"):
        sizer.measure(quick=True, output=folder / "here.json")
    assert cpu.calls == []


def test_a_gpu_that_is_lost_keeps_what_came_before_and_the_processor(tmp_path: Path, use: Call) -> None:
    gone = sizer.DeviceError("NVIDIA GeForce RTX 3090: fell off the bus", True)
    card = fake.fake_gpu(before=_fails_at(6, gone))
    use(cuda=[card])
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    device = profile.device("cuda:0")
    assert device.problem is not None and "fell off the bus" in device.problem
    assert len(device.measurements) == 5
    assert len(card.calls) == 6, "a lost device is asked nothing more"
    assert any("lost before" in one.reason for one in device.left_out)
    assert profile.device("cpu").problem is None
    assert sizer.Profile.read(file) == profile
    assert "fell off the bus" in str(profile)


def test_a_gpu_that_cannot_be_opened_is_a_problem_only_when_it_was_asked_for(use: Call) -> None:
    use(cuda=[sizer.DeviceError("a card: busy", False)])
    profile = sizer.measure(quick=True)
    assert "busy" in str(profile.device("cuda:0").problem)
    with pytest.raises(sizer.DeviceError, match="busy"):
        sizer.measure(quick=True, device="cuda:0")


def test_a_processor_that_fails_is_an_error(tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=_fails_at(3, sizer.DeviceError("CPU: gone", True))))
    with pytest.raises(sizer.DeviceError, match="gone"):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_wrong_results_of_one_kernel_leave_it_out(use: Call) -> None:
    def before(kernel: str, _call: int) -> None:
        if kernel == "matvec_q4_k":
            raise sizer.SizerError("matvec_q4_k (fake): wrong result")

    use(cpu=fake.FakeDevice(before=before, refused={"read_after_flush": "no instruction flushes a line here"}))
    profile = sizer.measure(quick=True)
    device = profile.device("cpu")
    assert not device.of("matvec_q4_k")
    reasons = {one.kernel: one.reason for one in device.left_out}
    assert "wrong result" in reasons["matvec_q4_k (1 thread, 512.0 MiB)"]
    assert reasons["read_after_flush"] == "no instruction flushes a line here"
    assert "q4_k" not in profile.entry["devices"][0]["measured"][0]["weights"]
    assert "wrong result" in str(profile)


def test_nothing_that_was_read_is_an_error(use: Call) -> None:
    use(cpu=fake.FakeDevice(before=_fails_at(1, sizer.SizerError("memory: the system refused 512 MiB"))))
    with pytest.raises(sizer.SizerError, match="the system refused"):
        sizer.measure(quick=True)


def test_memory_that_the_system_refuses_is_an_error_and_no_profile_of_a_cache(tmp_path: Path, use: Call) -> None:
    class Small(fake.FakeDevice):  # type: ignore[name-defined, misc]
        def run(self, **request: Any) -> dict[str, Any]:
            if request["working_set_bytes"] > 64 * MIB:
                raise sizer.SizerError("memory: the system refused 512 MiB: Cannot allocate memory")
            got: dict[str, Any] = super().run(**request)
            return got

    use(cpu=Small())
    with pytest.raises(sizer.SizerError, match="the memory was not read: memory: the system refused 512 MiB"):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_one_core_is_enough(use: Call) -> None:
    use(cpu=fake.FakeDevice(threads=1))
    profile = sizer.measure(quick=True)
    assert profile.device("cpu").thread_counts == (1,)
    assert [one["threads"] for one in profile.entry["devices"][0]["measured"]] == [1]


def test_a_limit_of_the_control_group_is_named(use: Call) -> None:
    use(cpu=fake.FakeDevice(largest=100 * MIB))
    profile = sizer.measure(quick=True)
    device = profile.device("cpu")
    assert "100.0 MiB" in device.notes[0]
    assert max(one.working_set_bytes for one in device.measurements) <= 100 * MIB
    assert not device.plateau.proved
    assert "100.0 MiB" in str(profile)


def test_time_that_runs_out_is_a_reason(use: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "QUICK_SECONDS", 0.2)
    use(cpu=fake.FakeDevice(before=lambda _kernel, _call: time.sleep(0.01)))
    device = sizer.measure(quick=True).device("cpu")
    assert any(one.reason == "time" for one in device.left_out)
    assert device.plateau.proved, "what proves the memory is required"


def test_a_card_of_the_catalogue_and_the_processor_make_one_machine(use: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    box = sizer.hardware("rtx-3090-24gb").to_dict()
    monkeypatch.setattr("sizer._measure.machine._known", lambda _found: copy.deepcopy(box))
    use(cuda=[fake.fake_gpu()])
    entry = sizer.measure(quick=True).entry
    card, cpu = entry["devices"]
    assert card["memory"]["bandwidth_spec"] == box["devices"][0]["memory"]["bandwidth_spec"]
    assert card["memory"]["bandwidth_measured"]["value"] == pytest.approx(850)
    assert card["measured"][0]["threads"] == 0
    assert {"read", "weights", "kv_cache", "matrix", "launch", "graph_launch"} <= set(card["measured"][0])
    assert cpu["backend"] == "cpu"
    assert cpu["memory"] == entry["host_memory"]
    assert sizer.Hardware.from_dict(entry).backend == "cuda"


def test_progress_is_told_and_rises(use: Call) -> None:
    use(cuda=[fake.fake_gpu()])
    told: list[tuple[float, str]] = []
    sizer.measure(quick=True, progress=lambda share, what: told.append((share, what)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert any("cuda:0 matvec_q4_k" in what for _, what in told)
    with pytest.raises(sizer.WrongTypeError, match="progress"):
        sizer.measure(quick=True, progress="yes")  # type: ignore[arg-type]


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_writes_a_profile_that_estimates_take(run: Call, tmp_path: Path) -> None:
    file = str(tmp_path / "here.json")
    result = run("measure", "--quick", "-o", file)
    assert result.code == 0, result.err
    assert "proved to be the memory's" in result.out
    assert "CUDA: this build has no CUDA kernels" in result.out
    assert "--on" in result.out
    assert all(len(line) <= 100 for line in result.out.splitlines())
    assert run("hardware", file).code == 0
    assert run("validate", file).code == 0
    assert run("estimate", "llama-3.1-8b", "--on", file).code == 0


def test_the_command_prints_the_profile_as_json(run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("measure", "--quick", "--device", "cpu", "--threads", "2", "--json")
    assert result.code == 0
    assert result.err == ""
    assert result.json == json.loads((tmp_path / "sizer-profile.json").read_text())
    assert sizer.Profile.from_dict(result.json).mode == "quick"


def test_the_command_says_that_it_was_interrupted(run: Call, tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=_fails_at(3, KeyboardInterrupt())))
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"))
    assert result.code == 130
    assert "interrupted, no profile written" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_lost_gpu_is_a_warning_of_the_command(run: Call, tmp_path: Path, use: Call) -> None:
    use(cuda=[fake.fake_gpu(before=_fails_at(3, sizer.DeviceError("card: lost", True)))])
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"))
    assert result.code == 0
    assert "card: lost" in result.err
    use(cpu=fake.FakeDevice(before=_fails_at(3, sizer.DeviceError("CPU: gone", True))))
    assert run("measure", "--quick", "-o", str(tmp_path / "there.json")).code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--threads", "many"), "threads"),
        (("--device", "tpu"), "device"),
        (("-o", "no-such-folder/x.json"), "no-such-folder"),
        (("--plot", "x.gif"), ".png or .svg"),
        (("--plot", "no-such-folder/x.png"), "no-such-folder"),
    ],
)
def test_wrong_options_are_usage_errors_before_the_measuring(
    run: Call, use: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    result = run("measure", "--quick", *arguments)
    assert result.code == 2
    assert says in result.err
    assert cpu.calls == []
    assert list(tmp_path.iterdir()) == []


# --- the picture ------------------------------------------------------------------------------------------------------


def test_the_picture_is_drawn(run: Call, tmp_path: Path, use: Call) -> None:
    pytest.importorskip("matplotlib")
    use(cuda=[fake.fake_gpu()])
    picture = tmp_path / "here.png"
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"), "--plot", str(picture))
    assert result.code == 0, result.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawn = sizer.Profile.read(tmp_path / "here.json").plot(tmp_path / "here.svg")
    assert "<svg" in drawn.read_text()


def test_a_missing_matplotlib_is_said_before_the_measuring(
    run: Call, tmp_path: Path, use: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    result = run("measure", "--quick", "-o", str(tmp_path / "x.json"), "--plot", str(tmp_path / "x.png"))
    assert result.code == 2
    assert "pip install matplotlib" in result.err
    assert cpu.calls == []
