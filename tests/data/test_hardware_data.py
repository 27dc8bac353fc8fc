"""Checks of the hardware catalogue: data/hardware/, its schemas and its sources.

The figures themselves are facts typed by hand; what can be recomputed is recomputed here, so that a wrong bandwidth
(llmfit's 256 GB/s for an RTX 5060) cannot pass.
"""
import json
import math
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
HARDWARE = DATA / "hardware"
NOT_SOLD = HARDWARE / "not_sold.json"
SCHEMA = DATA / "schema" / "hardware.schema.json"
NOT_SOLD_SCHEMA = DATA / "schema" / "not_sold.schema.json"
PROFILE_SCHEMA = DATA / "schema" / "profile.schema.json"
FILES = sorted(HARDWARE.glob("*/*.json"))
MACHINES = {path.stem: json.loads(path.read_text(encoding="ascii")) for path in FILES}
BYTES = {"MB": 1e6, "GB": 1e9, "MiB": 2.0**20, "GiB": 2.0**30}


def size_bytes(figure):
    return figure["value"] * BYTES[figure["unit"]]


def memories():
    """(where, memory) of every device and host."""
    for key, machine in MACHINES.items():
        for index, device in enumerate(machine["devices"]):
            yield f"{key}/devices/{index}", device["memory"]
        if "host_memory" in machine:
            yield f"{key}/host_memory", machine["host_memory"]


def walk(node):
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def figures(node):
    return (n for n in walk(node) if isinstance(n, dict) and "value" in n)


def test_catalogue_is_large_enough():
    assert len(FILES) >= 150
    assert len(MACHINES) == len(FILES), "two files share a stem"


@pytest.mark.parametrize("path", [SCHEMA, NOT_SOLD_SCHEMA, PROFILE_SCHEMA], ids=lambda p: p.name)
def test_schema_is_strict_and_described(path):
    schema = json.loads(path.read_text(encoding="ascii"))
    jsonschema.Draft7Validator.check_schema(schema)
    for node in walk(schema):
        if isinstance(node, dict) and node.get("type") == "object" and "properties" in node:
            assert node.get("additionalProperties") is False, node.get("description")
            for name, prop in node["properties"].items():
                assert prop.get("description"), f"{name} has no description"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_file_validates(path):
    schema = json.loads(SCHEMA.read_text(encoding="ascii"))
    jsonschema.validate(MACHINES[path.stem], schema, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize("path", [*FILES, NOT_SOLD, SCHEMA, NOT_SOLD_SCHEMA, PROFILE_SCHEMA], ids=lambda p: p.stem)
def test_file_is_canonical(path):
    text = path.read_bytes().decode("ascii")
    seen = []

    def no_duplicates(pairs):
        seen.extend(k for k, n in Counter(k for k, _ in pairs).items() if n > 1)
        return dict(pairs)

    parsed = json.loads(text, object_pairs_hook=no_duplicates)
    assert not seen, f"duplicate keys {seen}"
    assert text == json.dumps(parsed, indent=2, ensure_ascii=True) + "\n"


def test_id_is_the_file_stem():
    assert {p.stem: MACHINES[p.stem]["id"] for p in FILES} == {p.stem: p.stem for p in FILES}


def test_names_resolve_to_one_machine():
    names = Counter(list(MACHINES) + [a for m in MACHINES.values() for a in m["aliases"]])
    assert not [n for n, count in names.items() if count > 1]
    for machine in MACHINES.values():
        assert machine["aliases"] == sorted(machine["aliases"]), machine["id"]


MISSION_NAMES = """dgx-spark 2x-dgx-spark m2-ultra m3-ultra m3-ultra-512gb 2x-rx-7900-xtx threadripper-2x-rx-7900-xtx
strix-halo mi300x current-64gb-unified unified-64gb asus-rog-flow-z13 raspberry-pi-5 mac-mini ryzen-9800x3d
rtx-3090""".split()


def test_names_of_the_mission_resolve():
    known = set(MACHINES) | {a for m in MACHINES.values() for a in m["aliases"]}
    assert set(MISSION_NAMES) <= known


def test_not_sold_names_do_not_resolve():
    data = json.loads(NOT_SOLD.read_text(encoding="ascii"))
    jsonschema.validate(data, json.loads(NOT_SOLD_SCHEMA.read_text(encoding="ascii")), cls=jsonschema.Draft7Validator)
    known = set(MACHINES) | {a for m in MACHINES.values() for a in m["aliases"]}
    assert "m3-ultra-192gb" in {entry["name"] for entry in data["not_sold"]}
    for entry in data["not_sold"]:
        assert entry["name"] not in known
        assert set(entry["nearest"]) <= set(MACHINES)


def test_figures_are_positive_and_finite():
    for key, machine in MACHINES.items():
        for figure in figures(machine):
            assert math.isfinite(figure["value"]) and figure["value"] > 0, (key, figure)


def test_bandwidth_recomputes():
    checked = 0
    for where, memory in memories():
        if "bus_width_bits" in memory and "data_rate_mts" in memory:
            computed = memory["bus_width_bits"]["value"] * memory["data_rate_mts"]["value"] / 8000
            assert computed == pytest.approx(memory["bandwidth_spec"]["value"], rel=0.01), where
            checked += 1
    assert checked >= 120


def test_speed_grade_agrees_with_memory_type():
    for where, memory in memories():
        grade = re.search(r"-(\d{4})$", memory["type"])
        if grade and "data_rate_mts" in memory:
            assert memory["data_rate_mts"]["value"] == int(grade.group(1)), where


def test_usable_is_not_more_than_sold():
    for where, memory in memories():
        for name in ("usable", "usable_before_macos_26", "usable_windows"):
            if name in memory:
                assert size_bytes(memory[name]) <= size_bytes(memory["sold"]), (where, name)
        assert "rule" in memory["usable"], where


def test_measured_bandwidth_is_not_more_than_specified():
    for where, memory in memories():
        if "bandwidth_measured" in memory:
            measured = memory["bandwidth_measured"]
            assert measured["value"] <= memory["bandwidth_spec"]["value"], where
            assert "method" in measured, where


def macos_26_gib(gib):
    return gib * (0.74 if gib <= 24 else 0.78 if gib <= 48 else 0.81 if gib <= 96 else 0.84 if gib <= 192 else 0.87)


def macos_15_gib(gib):
    return gib * 2 / 3 if gib <= 32 else gib * 3 / 4 if gib <= 192 else gib - 48


def test_apple_working_set_rules():
    for key, machine in MACHINES.items():
        for device in machine["devices"]:
            memory = device["memory"]
            if device["backend"] != "metal":
                continue
            sold = memory["sold"]["value"]
            assert memory["usable"]["value"] == pytest.approx(macos_26_gib(sold), abs=0.006), key
            if "usable_before_macos_26" in memory:
                assert memory["usable_before_macos_26"]["value"] == pytest.approx(macos_15_gib(sold), abs=0.006), key


def test_geforce_tensor_rates_are_dense_and_half_rate():
    """FP32 accumulate is half rate on GeForce from Ampere on; a sparse or FP16-accumulate figure would be 2x or 4x."""
    checked = 0
    for key, machine in MACHINES.items():
        for device in machine["devices"]:
            rates = device.get("compute", {})
            if device["device_class"] == "nvidia_consumer" and "bf16" in rates:
                assert rates["bf16"]["value"] == pytest.approx(2 * rates["fp32"]["value"], rel=0.02), key
                if "fp4" in rates:
                    assert rates["fp4"]["value"] == pytest.approx(16 * rates["fp32"]["value"], rel=0.02), key
                checked += 1
    assert checked >= 20


def test_host_memory_is_the_memory_of_the_cpu_device():
    for key, machine in MACHINES.items():
        cpus = [d for d in machine["devices"] if d["backend"] == "cpu"]
        if "host_memory" in machine and cpus:
            assert [d["memory"] for d in cpus] == [machine["host_memory"]], key


def test_multi_has_several_devices_of_a_catalogued_machine():
    singles = [d for m in MACHINES.values() if m["kind"] != "multi" for d in m["devices"]]
    known = {d["name"]: d for d in singles}
    for key, machine in MACHINES.items():
        if machine["kind"] != "multi":
            continue
        assert sum(d["count"] for d in machine["devices"]) >= 2, key
        device = machine["devices"][0]
        assert device["memory"]["bandwidth_spec"] == known[device["name"]]["memory"]["bandwidth_spec"], key


# Errors seen in other tools (section 10 of the hardware notes), and the figures that people mix up.
@pytest.mark.parametrize(
    "key, bandwidth",
    [
        ("rtx-5060-8gb", 448),
        ("rx-9070-xt-16gb", 640),
        ("rtx-pro-6000-blackwell-96gb", 1792),
        ("apple-m3-max-30c-36gb", 300),
        ("apple-m3-max-40c-48gb", 400),
        ("apple-m3-pro-18c-18gb", 150),
        ("apple-m4-max-32c-36gb", 410),
        ("apple-m4-max-40c-128gb", 546),
        ("apple-m6-12c-16gb", 153),
        ("apple-m6-12c-24gb", 170),
        ("apple-m2-ultra-76c-192gb", 800),
        ("apple-m3-ultra-80c-512gb", 819),
        ("dgx-spark-gb10-128gb", 273),
        ("b200-180gb-sxm", 7672),
    ],
)
def test_bandwidths_that_others_get_wrong(key, bandwidth):
    assert MACHINES[key]["devices"][0]["memory"]["bandwidth_spec"]["value"] == bandwidth


def test_cards_without_nvlink_have_none():
    for key in ("rtx-pro-6000-blackwell-96gb", "rtx-4090-24gb", "rtx-5090-32gb", "2x-rtx-4090", "2x-rtx-5090"):
        assert not [link for link in MACHINES[key]["links"] if "NVLink" in link["name"]], key
    bridge = [link for link in MACHINES["2x-rtx-3090"]["links"] if "NVLink" in link["name"]]
    assert [link["bandwidth"]["value"] for link in bridge] == [56.25]
    assert all(link["bandwidth"].get("per_direction") for m in MACHINES.values() for link in m.get("links", []))


def test_prices_are_launch_first_then_by_date():
    for key, machine in MACHINES.items():
        order = [(p["type"] != "launch", p["date"]) for p in machine.get("prices", [])]
        assert order == sorted(order), key


def test_no_m3_ultra_with_192_gb_and_no_m4_ultra():
    for key, machine in MACHINES.items():
        assert not key.startswith("apple-m4-ultra")
        if "m3-ultra" in key:
            assert machine["devices"][0]["memory"]["sold"]["value"] in (96, 256, 512), key
