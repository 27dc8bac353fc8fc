"""Profiles: what is in the file, that it comes back, and what is refused. A stand-in for the devices."""

from __future__ import annotations

import copy
import importlib.util
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer

SCHEMAS = Path(__file__).resolve().parents[2] / "data" / "schema"
GIB = 1024**3

Call = Callable[..., Any]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


machine = _load("fake_machine")
fake, use, MACHINES = machine.fake, machine.use, machine.MACHINES


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
