"""The fitted levels come from the committed rows, no usable row is missing, and the errors stay where they were."""

from __future__ import annotations

import csv
import importlib.util
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

if importlib.util.find_spec("sizer") is None or importlib.util.find_spec("sizer._core") is None:
    pytest.skip("the fit needs the built package on PYTHONPATH", allow_module_level=True)
if "SIZER_BUILD_DIR" not in os.environ:  # under ctest numpy must be there
    pytest.importorskip("numpy")

import sizer  # noqa: E402
import speed_rows as sr  # noqa: E402

MEASUREMENTS = ROOT / "data" / "measurements"
FOLDS = ("device", "model", "group")


def _lines(name: str) -> list[dict[str, str]]:
    with (MEASUREMENTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def loaded() -> tuple[list[sr.FitRow], list[tuple[str, str]]]:
    return sr.load()


def test_the_package_has_the_committed_rows() -> None:
    packaged = Path(sizer.__file__).parent / "measurements"
    for name in ("speed.csv", "held_out.csv"):
        assert (packaged / name).read_bytes() == (MEASUREMENTS / name).read_bytes(), f"{name}: build again"


def test_the_fit_gives_the_committed_headers_and_table() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "fit_speed.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ids_of_measurements_are_unique() -> None:
    for name in ("speed.csv", "held_out.csv"):
        ids = [line["id"] for line in _lines(name)]
        assert len(ids) == len(set(ids)) and all(ids), name


def test_each_usable_row_is_held_out_once_and_no_other(loaded: tuple[list[sr.FitRow], list[tuple[str, str]]]) -> None:
    rows, left_out = loaded
    held_out = {line["id"] for line in _lines("held_out.csv")}
    assert held_out == {row.resolved.row.id for row in rows}
    every = [line["id"] for line in _lines("speed.csv")]
    assert sorted([*held_out, *(row_id for row_id, _ in left_out)]) == sorted(every)


def test_every_row_that_is_left_out_has_a_reason(loaded: tuple[list[sr.FitRow], list[tuple[str, str]]]) -> None:
    for row_id, reason in loaded[1]:
        assert len(reason) > 8, row_id
    for line in _lines("speed.csv"):
        assert line["usable"] in ("0", "1"), line["id"]
        assert bool(line["reason"]) == (line["usable"] == "0"), line["id"]


def test_what_is_marked_unusable_is_left_out(loaded: tuple[list[sr.FitRow], list[tuple[str, str]]]) -> None:
    reasons = dict(loaded[1])
    for line in _lines("speed.csv"):
        if line["usable"] == "0":
            assert reasons.get(line["id"]), f"{line['id']}: {line['reason']}"


def test_intervals_of_held_out_rows_hold_their_prediction() -> None:
    for line in _lines("held_out.csv"):
        assert float(line["fitted_tokens_per_s"]) > 0, line["id"]
        for fold in FOLDS:
            low, point, high = (float(line[f"{fold}_{part}"]) for part in ("low", "tokens_per_s", "high"))
            assert 0 < low <= point, (line["id"], fold)
            assert point <= high * 1.0001, (line["id"], fold)  # both are cut at the ceiling and rounded


def test_rows_of_one_device_and_model_are_in_one_group(loaded: tuple[list[sr.FitRow], list[tuple[str, str]]]) -> None:
    found: dict[tuple[str, str], set[int]] = {}
    for row in loaded[0]:
        found.setdefault((row.device, row.model), set()).add(sr.group_of(row))
    assert all(len(groups) == 1 for groups in found.values())
    assert set.union(*found.values()) == set(range(10))


@pytest.mark.parametrize(
    ("group", "most"),
    # Guards against a change for the worse, no aims: those are in docs/speed-accuracy.md.
    [("decode-single", 0.09), ("prefill-single", 0.16), ("decode-batched", 0.15), ("decode-devices", 0.15)],
)
def test_devices_never_seen_are_predicted_no_worse_than_before(group: str, most: float) -> None:
    report = sizer.accuracy(held_out="device")
    found = next(one for one in report.summary.groups if one.id == group)
    assert found.slices[0].rows >= 90
    assert found.slices[0].median_error < most


def test_intervals_hold_four_of_five_rows_never_seen() -> None:
    # A guard too. The intervals of a fold are made from the residuals of the other devices, or models.
    for fold in ("device", "model"):
        rows = sizer.accuracy(held_out=fold).rows
        assert 0.75 < statistics.fmean(row.inside for row in rows) < 0.88, fold
