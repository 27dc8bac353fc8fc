"""The accuracy report: its contract, rows that nobody foresaw, the laws of its predictions, and its command."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

import sizer
from sizer._accuracy import HELD_OUT
from sizer._accuracy.report import GROUPS, LEAST_ROWS, errors_of, quantile
from sizer._measurements import MeasuredRow, read_rows
from sizer._measurements.row import COLUMNS

Call = Callable[..., Any]
MEASUREMENTS = Path(__file__).resolve().parents[2] / "data" / "measurements"
ROW_KEYS = (
    *("id", "test", "device_count", "batch", "context_depth", "measured_tokens_per_s", "predicted_tokens_per_s"),
    *("low", "high", "ceiling_tokens_per_s", "error"),
)


@pytest.fixture(scope="module")
def fitted() -> sizer.Accuracy:
    return sizer.accuracy()


@pytest.fixture(scope="module")
def left_out() -> dict[str, sizer.Accuracy]:
    return {fold: sizer.accuracy(held_out=fold) for fold in HELD_OUT}


def row(**changed: Any) -> MeasuredRow:
    """Llama 3.1 8B on an RTX 3090, but for what is changed."""
    plain: dict[str, Any] = {
        "id": "x", "device": "NVIDIA RTX 3090 24GB", "memory_bandwidth_spec_gbs": 936.0, "backend": "CUDA",
        "engine": "llama.cpp", "model": "Llama 3.1 8B", "quant": "Q4_K_M", "test": "tg", "tokens_per_s": 130.0,
        "notes": "tg128",
    }  # fmt: skip
    return MeasuredRow(**{**plain, **changed})


def as_csv(rows: Iterable[Mapping[str, object]], columns: Iterable[str] = COLUMNS) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def published(count: int = 200) -> list[dict[str, str]]:
    """Some of the published rows, as they are in the file."""
    with (MEASUREMENTS / "speed.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return random.Random(7).sample(rows, count)


def keeps_the_laws(report: sizer.Accuracy) -> None:
    """What every prediction must keep."""
    for one in report.rows:
        values = (one.low, one.predicted_tokens_per_s, one.high, one.ceiling_tokens_per_s, one.error)
        assert all(math.isfinite(value) for value in values), one
        assert 0 < one.low <= one.predicted_tokens_per_s <= one.high, one
        assert one.predicted_tokens_per_s <= one.ceiling_tokens_per_s, one
        assert one.error == pytest.approx(one.predicted_tokens_per_s / one.measured_tokens_per_s - 1), one
    assert report.summary.predicted_above_ceiling == 0
    assert report.summary.rows == len(report.rows)
    assert report.summary.unmapped == len(report.unmapped)
    json.dumps(report.to_dict(), allow_nan=False)
    assert str(report)


# --- what it answers --------------------------------------------------------------------------------------------------


def test_the_json_has_the_keys_that_were_promised(fitted: sizer.Accuracy) -> None:
    plain = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    assert {"rows", "unmapped", "summary"} <= set(plain)
    assert all(set(ROW_KEYS) <= set(one) for one in plain["rows"])
    assert all(set(one) == {"id", "reason"} and one["reason"] for one in plain["unmapped"])
    first = plain["summary"]["groups"][0]
    assert first["id"] == "decode-single"
    assert first["slices"][0]["by"] == "all"
    assert sizer.Accuracy.from_dict(fitted.to_dict()) == fitted


def test_every_row_is_predicted_or_listed(fitted: sizer.Accuracy) -> None:
    given = read_rows(MEASUREMENTS / "speed.csv")
    answered = [one.id for one in fitted.rows] + [one.id for one in fitted.unmapped]
    assert sorted(answered) == sorted(one.id for one in given)
    keeps_the_laws(fitted)


def test_the_published_rows_take_seconds() -> None:
    began = time.monotonic()
    sizer.accuracy(MEASUREMENTS / "speed.csv")
    assert time.monotonic() - began < 15  # 1.2 s on two cores of 2023


def test_rows_come_back_in_their_order(fitted: sizer.Accuracy) -> None:
    order = {one.id: place for place, one in enumerate(read_rows(MEASUREMENTS / "speed.csv"))}
    places = [order[one.id] for one in fitted.rows]
    assert places == sorted(places)


def test_a_files_rows_and_the_same_rows_in_memory_give_one_report(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(published(40)), encoding="utf-8")
    assert sizer.accuracy(path) == sizer.accuracy(str(path)) == sizer.accuracy(read_rows(path))


def test_groups_are_disjoint_and_hold_every_row_that_counts(fitted: sizer.Accuracy) -> None:
    counted = [one for one in fitted.rows if not one.suspect]
    for one in counted:
        assert sum(chosen(one) for _, _, chosen in GROUPS) == 1
    assert sum(group.slices[0].rows for group in fitted.summary.groups) == len(counted)
    assert fitted.summary.suspect == len(fitted.rows) - len(counted)


def test_slices_are_named_for_readers_and_for_programs(fitted: sizer.Accuracy) -> None:
    group = fitted.summary.groups[0]
    found = {(one.by, one.value): one.name for one in group.slices}
    assert found["backend", "cuda"] == "backend cuda"
    assert found["engine", "llama.cpp"] == "engine llama.cpp"
    assert found["format", "Q4_K_M"] == "format Q4_K_M"
    assert found["device", "NVIDIA DGX Spark (GB10)"] == "device NVIDIA DGX Spark (GB10)"
    assert found["kind", "moe"] == "mixture of experts" and found["depth", "8192-"] == "depth 8K and more"
    assert len(found) == len(group.slices)
    assert all(one.rows >= LEAST_ROWS for one in group.slices[1:])
    assert group.slice("backend", "cuda") in group.slices and group.slice("backend", "abacus") is None


def test_errors_of_a_slice_are_what_their_words_say() -> None:
    rows = [
        one.replace(
            predicted_tokens_per_s=speed, measured_tokens_per_s=100.0, error=speed / 100 - 1, low=80.0, high=120.0
        )
        for one, speed in zip(sizer.accuracy([row()] * 5).rows, (90.0, 95.0, 100.0, 110.0, 150.0), strict=True)
    ]
    rows[0] = rows[0].replace(high=99.0)
    found = errors_of("all", "", rows)
    assert found.rows == 5 and found.median_error == pytest.approx(0.10) and found.bias == pytest.approx(0.0)
    assert found.p90_error == pytest.approx(0.1 + 0.6 * 0.4)
    assert found.mean_error == pytest.approx((0.1 + 0.05 + 0 + 0.1 + 0.5) / 5)
    assert found.coverage == pytest.approx(0.8)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0)])
def test_quantiles_lie_between_neighbours(share: float, value: float) -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(value)


def test_the_baseline_is_bandwidth_over_the_weights() -> None:
    (one,) = sizer.accuracy([row(file_size_gib=4.58)]).rows
    # The file of Llama 3.1 8B in Q4_K_M has 4.58 GiB.
    assert one.by_bandwidth_tokens_per_s == pytest.approx(936e9 / (4.58 * 2**30), rel=0.01)
    assert (
        sizer.accuracy([row(test="pp", notes="pp512", tokens_per_s=4000.0)]).rows[0].by_bandwidth_tokens_per_s is None
    )


# --- devices and models that nobody listed ----------------------------------------------------------------------------


def test_a_device_outside_the_catalogue_is_predicted_from_its_bandwidth() -> None:
    report = sizer.accuracy([row(device="NVIDIA RTX 6090 48GB", memory_bandwidth_spec_gbs=2500.0)])
    (one,) = report.rows
    assert one.backend == "cuda" and one.mapped
    # 8.03 billion weights in 4.9 GB, read once a token, but for the embedding.
    assert 0.4 * 2500 / 4.9 < one.predicted_tokens_per_s <= one.ceiling_tokens_per_s < 2500 / 4.4
    keeps_the_laws(report)


def test_a_model_outside_the_catalogue_is_predicted_from_its_size() -> None:
    dense, moe = sizer.accuracy(
        [
            row(id="a", model="Zebra 12B", params_b=12.0),
            row(id="b", model="Zebra 30B-A3B", params_b=30.0, arch_hint="moe (30B, 3B active)"),
        ]
    ).rows
    assert not dense.moe and dense.mapped
    assert dense.predicted_tokens_per_s < dense.ceiling_tokens_per_s < 936 / 6
    assert moe.moe and moe.predicted_tokens_per_s > dense.predicted_tokens_per_s


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"device": "Foo 9000", "memory_bandwidth_spec_gbs": None, "backend": ""}, "no bandwidth"),
        ({"model": "Zebra"}, "no parameter count"),
        ({"quant": ""}, "weight format"),
        ({"device_count": 10**9}, "device_count"),
        ({"batch": 10**9}, "parallel"),
        ({"memory_bandwidth_spec_gbs": 1e300}, "bandwidth"),
        ({"device": "Foo 9000", "memory_bandwidth_spec_gbs": 1e-300}, "got"),
        ({"file_size_gib": 1e300, "device": "Apple M2 Ultra", "backend": "Metal"}, ""),
    ],
)
def test_a_row_that_cannot_be_predicted_is_listed_with_the_reason(changed: dict[str, Any], said: str) -> None:
    report = sizer.accuracy([row(id="good"), row(id="bad", **changed), row(id="good too", tokens_per_s=131.0)])
    assert [one.id for one in report.rows] == ["good", "good too"]
    assert [one.id for one in report.unmapped] == ["bad"]
    assert said in report.unmapped[0].reason and report.unmapped[0].reason
    assert report.unmapped[0].reason.split(":")[0].split(",")[0] in str(report)
    keeps_the_laws(report)


def test_suspect_rows_are_predicted_and_left_out_of_the_tables() -> None:
    report = sizer.accuracy([row(id="a"), row(id="b", notes="tg128; power limit 150W")])
    assert [bool(one.suspect) for one in report.rows] == [False, True]
    assert report.summary.rows == 2 and report.summary.suspect == 1
    assert report.summary.groups[0].slices[0].rows == 1


def test_a_measured_speed_above_the_ceiling_is_counted_and_not_followed() -> None:
    report = sizer.accuracy([row(tokens_per_s=1e6)])
    assert report.summary.above_ceiling == 1
    keeps_the_laws(report)


def test_only_rows_without_a_prediction_are_a_report_too() -> None:
    report = sizer.accuracy([row(model="Zebra")])
    assert report.rows == () and report.summary.groups == ()
    assert "Zebra" in str(report)
    keeps_the_laws(report)


@pytest.mark.parametrize("seed", range(3))
def test_changed_rows_are_answered_or_listed(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    others: dict[str, tuple[object, ...]] = {
        "device": ("Foo 9000", "AMD Radeon RX 9999 XT", "Apple M9 Ultra", "(((", "2x 4x RTX 3090", "a" * 400, "\u00e9"),
        "device_count": (1, 2, 8, 100, 10**9),
        "memory_bandwidth_spec_gbs": ("", 1e-300, 0.001, 273, 1e6, 1e300),
        "backend": ("", "cuda", "Foo", "CPU", "Vulkan, ROCm", "WebGPU"),
        "engine": ("", "vLLM", "foo", "MLX", "exllamav2", "SGLang"),
        "engine_version": ("", "b1", "b99999999", "2023"),
        "model": ("Foo 3B", "Qwen9 1T MoE A40B", "Mamba 2.8B", "0B", "999999B", "a" * 400, "x"),
        "arch_hint": ("", "dense", "moe", "moe (1T, 32B active)"),
        "quant": ("", "F64", "IQ1_S", "NVFP4", "AWQ", "q4_k_m", "4bit"),
        "file_size_gib": ("", 1e-6, 40, 1e300),
        "params_b": ("", 1e-300, 1e-9, 3, 1000, 1e300),
        "context_depth": (0, 1, 32768, 10**6, 10**9),
        "batch": (1, 2, 64, 10**9),
        "tokens_per_s": (1e-300, 1, 1e300),
        "notes": ("", "tg0", "pp99999999999999999999", "RPC", "end-to-end; in128/out128", "ubatch=1", "ub=999999999"),
    }
    rows: list[dict[str, object]] = []
    for one in published(300):
        changed: dict[str, object] = dict(one)
        for column in choose.sample(sorted(others), choose.randrange(4)):
            changed[column] = choose.choice(others[column])
        rows.append(changed)
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(rows), encoding="utf-8")
    report = sizer.accuracy(path)
    assert len(report.rows) + len(report.unmapped) == len(rows)
    assert len(report.rows) > len(rows) / 2
    keeps_the_laws(report)


def test_four_columns_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("test,device,extra,tokens_per_s,model\ntg,RTX 3090,?,60,Llama 3.1 8B Q8_0\n", encoding="utf-8")
    (one,) = sizer.accuracy(path).rows
    assert one.id == "1" and one.recipe == "Q8_0" and one.hardware == "rtx-3090-24gb"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("device,model,test\nRTX 3090,Llama,tg\n", "no column tokens_per_s"),
        ("device,model,test,tokens_per_s\n", "no rows"),
        ("device,model,test,tokens_per_s\nRTX 3090,Llama 3.1 8B,tg,fast\n", "row 1, column tokens_per_s"),
        ("device,model,test,tokens_per_s\nRTX 3090,Llama 3.1 8B,tg,nan\n", "row 1, column tokens_per_s"),
        ("device,model,test,tokens_per_s\nRTX 3090,Llama 3.1 8B,tg,0\n", "row 1, column tokens_per_s"),
        ("device,model,test,tokens_per_s\nRTX 3090,Llama 3.1 8B,decode,5\n", "row 1, column test"),
        ("device,model,test,tokens_per_s,batch\nRTX 3090,Llama 3.1 8B,tg,5,-1\n", "row 1, column batch"),
        ("device,model,test,tokens_per_s\nRTX 3090,Llama 3.1 8B,tg,5,6,7\n", "row 1"),
        ('device,model,test,tokens_per_s\n"RTX 3090,Llama 3.1 8B,tg,5\n', "CSV"),
        ("device,model,test,tokens_per_s,device\nRTX 3090,Llama 3.1 8B,tg,5,x\n", "2 times"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(text: str, said: str, tmp_path: Path, run: Call) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(sizer.DataError, match=said):
        sizer.accuracy(path)
    answer = run("accuracy", "--rows", str(path))
    assert answer.code == 3 and "rows.csv" in answer.err and answer.out == ""


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"device,model,test,tokens_per_s\n\xff\xfe,x,tg,5\n")
    with pytest.raises(sizer.DataError, match="UTF-8"):
        sizer.accuracy(path)


def test_wrong_arguments_are_named() -> None:
    for rows in (5, [1, 2], {"device": "x"}, iter([row()])):
        with pytest.raises(sizer.WrongTypeError, match="rows"):
            sizer.accuracy(rows)  # type: ignore[arg-type]
    with pytest.raises(sizer.DataError, match="no rows"):
        sizer.accuracy([])
    with pytest.raises(sizer.UnknownNameError, match="held_out"):
        sizer.accuracy(held_out="weather")
    with pytest.raises(sizer.InvalidValueError, match="held_out"):
        sizer.accuracy([row()], held_out="device")


# --- rows that were left out of the fit -------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", HELD_OUT)
def test_held_out_figures_are_those_of_the_table(fold: str, left_out: dict[str, sizer.Accuracy]) -> None:
    with (MEASUREMENTS / "held_out.csv").open(encoding="utf-8") as file:
        table = {line["id"]: line for line in csv.DictReader(file)}
    report = left_out[fold]
    assert {one.id for one in report.rows} == set(table)
    for one in report.rows:
        line = table[one.id]
        assert one.predicted_tokens_per_s == pytest.approx(float(line[f"{fold}_tokens_per_s"]), rel=1e-4)
        assert one.low == pytest.approx(float(line[f"{fold}_low"]), rel=1e-4)
        assert one.high == pytest.approx(float(line[f"{fold}_high"]), rel=1e-4)
        assert not one.suspect, "the fit uses no suspect row"
    assert fold in report.how
    keeps_the_laws(report)


def test_held_out_predictions_are_not_the_librarys(fitted: sizer.Accuracy, left_out: dict[str, sizer.Accuracy]) -> None:
    own = {one.id: one.predicted_tokens_per_s for one in fitted.rows}
    for report in left_out.values():
        apart = [abs(math.log(one.predicted_tokens_per_s / own[one.id])) > 0.01 for one in report.rows]
        assert sum(apart) > len(apart) / 2


def test_the_library_is_better_on_rows_that_it_was_fitted_to(
    fitted: sizer.Accuracy, left_out: dict[str, sizer.Accuracy]
) -> None:
    used = {one.id for one in left_out["device"].rows}
    for test in ("tg", "pp"):
        seen = errors_of("all", "", [one for one in fitted.rows if one.id in used and one.test == test])
        for report in left_out.values():
            unseen = errors_of("all", "", [one for one in report.rows if one.test == test])
            assert seen.median_error < unseen.median_error


# --- the picture and the command --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["errors.png", "errors.svg", "ERRORS.PNG"])
def test_the_picture_is_written(name: str, tmp_path: Path, left_out: dict[str, sizer.Accuracy]) -> None:
    pytest.importorskip("matplotlib")
    path = left_out["device"].plot(tmp_path / name)
    data = path.read_bytes()
    assert path == tmp_path / name and len(data) > 50_000
    assert data.startswith(b"\x89PNG") if name.lower().endswith("png") else b"<svg" in data[:2000]


def test_one_row_is_a_picture_and_none_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert sizer.accuracy([row()]).plot(tmp_path / "one.png").stat().st_size > 5000
    with pytest.raises(sizer.SizerError, match="no row"):
        sizer.accuracy([row(model="Zebra")]).plot(tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_picture_does_not_change(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = sizer.accuracy([row(), row(id="y", test="pp", notes="pp512", tokens_per_s=4500.0)])
    first, second = (report.plot(tmp_path / f"{n}.png").read_bytes() for n in (1, 2))
    assert first == second


def test_the_command_prints_json_of_any_rows(run: Call, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(as_csv(published(50)), encoding="utf-8")
    answer = run("accuracy", "--rows", str(path), "--json")
    assert answer.code == 0 and answer.err == ""
    assert len(answer.json["rows"]) + len(answer.json["unmapped"]) == 50
    assert answer.json == json.loads(json.dumps(sizer.accuracy(path).to_dict()))


def test_the_command_prints_tables_and_the_rows_furthest_off(run: Call) -> None:
    answer = run("accuracy", "--held-out", "device", "--worst", "3")
    assert answer.code == 0
    for word in ("decode, one device, batch 1", "prefill, one device", "backend cuda", "x 0.55", "Furthest off"):
        assert word in answer.out


def test_the_command_draws(run: Call, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "errors.png"
    answer = run("accuracy", "--plot", str(path))
    assert answer.code == 0 and str(path.name) in answer.out and path.stat().st_size > 50_000


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--held-out", "weather"), 2, "held_out"),
        (("--held-out", "device", "--rows", "x.csv"), 2, "held_out"),
        (("--worst", "-1"), 2, "worst"),
        (("--worst", "many"), 2, "worst"),
        (("--rows", "missing.csv"), 3, "missing.csv"),
        (("--plot", "errors.txt"), 2, "plot"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(arguments: tuple[str, ...], code: int, said: str, run: Call) -> None:
    answer = run("accuracy", *arguments)
    assert answer.code == code and said in answer.err and answer.out == ""


def test_a_row_above_its_ceiling_is_suspect() -> None:
    report = sizer.accuracy([row(tokens_per_s=1200.0), row(id="y")])
    assert report.rows[0].suspect == ("faster than its ceiling",)
    assert report.rows[1].suspect == ()
    assert report.summary.suspect == 1
