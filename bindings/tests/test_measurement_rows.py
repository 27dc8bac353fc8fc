"""Measured rows: tables of them, what a row timed, and rows that speak against themselves or each other."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import pytest

import sizer
from sizer._measurements import (
    MeasuredRow,
    ResolvedRow,
    mark_contradictions,
    mark_duplicates,
    read_rows,
    resolve,
    resolve_all,
    step_of,
    write_rows,
)
from sizer._measurements.row import LARGEST_FILE

PUBLISHED = Path(__file__).resolve().parents[2] / "data" / "measurements" / "speed.csv"


def row(**values: Any) -> MeasuredRow:
    plain: dict[str, Any] = {
        "id": "1",
        "device": "NVIDIA RTX 3090 24GB",
        "memory_bandwidth_spec_gbs": 936.0,
        "backend": "CUDA",
        "engine": "llama.cpp",
        "model": "llama 8B",
        "params_b": 8.03,
        "quant": "Q4_K_M",
        "test": "tg",
        "tokens_per_s": 100.0,
    }
    return MeasuredRow(**{**plain, **values})


def table(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# --- tables -----------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rows = [
        row(id="a", notes='tg128; "quoted", with a comma\nand a line', stddev=0.5, file_size_gib=4.58),
        row(id="b", test="pp", tokens_per_s=1234.56789, device_count=4, context_depth=4096, batch=8),
    ]
    write_rows(rows, tmp_path / "rows.csv")
    assert read_rows(tmp_path / "rows.csv") == rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_an_iterable_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows([row()], path)
    before = path.read_bytes()

    def failing() -> Any:
        yield row()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_rows(failing(), path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["rows.csv"]


def test_columns_come_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    path = table(tmp_path, "mood,tokens_per_s,test,model,device\ngood,12.5,tg,llama 8B,Tesla P40\n")
    (one,) = read_rows(path)
    assert (one.id, one.device, one.model, one.test, one.tokens_per_s) == ("1", "Tesla P40", "llama 8B", "tg", 12.5)
    assert one.batch == one.device_count == 1
    assert one.params_b is None and one.stddev is None and one.notes == ""


def test_a_row_is_a_record_to_a_dict_and_back() -> None:
    assert MeasuredRow.from_dict(row().to_dict()) == row()
    assert row()["model"] == "llama 8B"


@pytest.mark.parametrize("missing", ["device", "model", "test", "tokens_per_s"])
def test_a_required_column_is_named_when_it_is_missing(tmp_path: Path, missing: str) -> None:
    names = [name for name in ("device", "model", "test", "tokens_per_s") if name != missing]
    with pytest.raises(sizer.DataError, match=missing):
        read_rows(table(tmp_path, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tokens_per_s", "fast"),
        ("tokens_per_s", "nan"),
        ("tokens_per_s", "inf"),
        ("tokens_per_s", "0"),
        ("tokens_per_s", "-3"),
        ("tokens_per_s", ""),
        ("test", "tok128"),
        ("device", " "),
        ("model", ""),
        ("batch", "0"),
        ("batch", "1.5"),
        ("device_count", "99999999999999999999"),
        ("context_depth", "-1"),
        ("stddev", "-0.1"),
        ("params_b", "-7"),
        ("file_size_gib", "1e999"),
        ("notes", "x" * 20_000),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path: Path, column: str, value: str) -> None:
    good = {"device": "d", "model": "m", "test": "tg", "tokens_per_s": "1"}
    names = [*good, *([] if column in good else [column])]
    first = ",".join(good.get(name, "") for name in names)
    second = ",".join({**good, column: value}[name] for name in names)
    with pytest.raises(sizer.DataError) as caught:
        read_rows(table(tmp_path, f"{','.join(names)}\n{first}\n{second}\n"))
    assert caught.value.where == f"row 2, column {column}"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "device,model,test,tokens_per_s\nd,m,tg,1,too,many\n",
        'device,model,test,tokens_per_s\nd,"never closed,tg,1\n',
        'device,model,test,tokens_per_s\n"d"x,m,tg,1\n',
        "device,model,test,tokens_per_s,device\nd,m,tg,1,e\n",
        "device,model,test,tokens_per_s\n" + "y" * 200_000 + ",m,tg,1\n",
    ],
)
def test_a_broken_table_is_a_data_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(sizer.DataError):
        read_rows(table(tmp_path, text))


def test_bytes_that_are_no_text_and_null_characters_are_data_errors(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"device,model,test,tokens_per_s\n\xff\xfe,m,tg,1\n")
    with pytest.raises(sizer.DataError, match="UTF-8"):
        read_rows(path)
    path.write_bytes(b"device,model,test,tokens_per_s\na\0b,m,tg,1\n")
    with pytest.raises(sizer.DataError):
        read_rows(path)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(sizer.DataError, match=str(LARGEST_FILE)):
        read_rows(path)
    with pytest.raises(sizer.DataError, match="cannot be read"):
        read_rows(tmp_path / "none.csv")


# --- what a row timed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "tokens", "mean"),
    [
        ({"notes": "tg128"}, 128, 64),
        ({"notes": "tg32; fa=1", "context_depth": 4096}, 32, 4112),
        ({"test": "pp", "notes": "pp2048; fa=1"}, 2048, 1024),
        ({"test": "pp", "notes": "pp512", "context_depth": 8192}, 512, 8448),
        ({"notes": "tg64@pp1024; threads=8", "context_depth": 1024}, 64, 1056),
        ({"notes": "batched-bench S_TG aggregate over 8 sequences, PP=512, TG=32", "context_depth": 512}, 32, 528),
        ({"notes": "output TPS; in128/out128, average latency 3.5 s"}, 128, 192),
        ({"notes": "DERIVED: out_tokens*batch/latency = 1024*4/18.6s; prefill of 1024-token prompt"}, 1024, 1536),
        ({"notes": "aggregate output tok/s at concurrency 8 (prompt 512, gen 256)", "context_depth": 512}, 256, 640),
        ({"notes": "ISL/OSL 2048/128 (tg follows 2048-token prompt), BS=1"}, 128, 2112),
        ({"notes": 'eval rate; system "Mac Studio (M3 Ultra 256GB)"'}, 128, 64),
    ],
)
def test_length_and_depth_are_read_from_the_notes(values: dict[str, Any], tokens: int, mean: float) -> None:
    step = step_of(row(**values))
    assert (step.tokens, step.mean_depth) == (tokens, mean)
    assert step.depth == values.get("context_depth", 0)


@pytest.mark.parametrize(
    ("notes", "backend", "ubatch", "flash"),
    [
        ("tg128; fa=1; ub=2048", "CUDA", 2048, True),
        ("pp512; fa=0", "CUDA", 512, False),
        ("pp512", "ROCm rocWMMA (ub 1024)", 1024, False),
        ("build=llama.cpp-hip flags='-fa 1 ' hipblaslt=0", "ROCm", 512, True),
        ("build=llama.cpp-hip flags='-fa 0 -ub 256'", "ROCm", 256, False),
        ("tg128; fa=auto", "CUDA", 512, True),
    ],
)
def test_options_are_read_from_notes_and_backend(notes: str, backend: str, ubatch: int, flash: bool) -> None:
    step = step_of(row(notes=notes, backend=backend))
    assert (step.ubatch, step.flash_attention) == (ubatch, flash)


# --- doubts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notes", "word"),
    [
        ("tg128; power limit 250W", "power-capped"),
        ("Zenbook laptop, power limited", "power-capped"),
        ("incl. prefill; TP=4; 220W", "power-capped"),
        ("author flags as suspiciously slow: SUSPECT", "suspicious"),
        ("rounded integer: low precision", "rounded"),
        ("eval rate; CPU/GPU hybrid", "CPU"),
        ("tg128; n_cpu_moe=12", "CPU"),
        ("tg128; speculative decoding with a draft model", "speculative"),
    ],
)
def test_a_row_that_doubts_itself_is_not_for_a_fit(notes: str, word: str) -> None:
    assert any(word in reason for reason in resolve(row(notes=notes)).reasons)


@pytest.mark.parametrize(
    "notes",
    [
        "eval rate; peak power 330.8W; quant assumed",
        "tg128; 64GB",
        "avg TPS; row (9.1) omitted as memory-swapping outlier",
    ],
)
def test_a_measured_power_or_another_rows_fault_is_no_doubt(notes: str) -> None:
    assert resolve(row(notes=notes)).reasons == ()


def test_the_second_of_two_equal_rows_is_a_duplicate_of_the_first() -> None:
    rows = [row(id="a"), row(id="b", source="elsewhere"), row(id="c", tokens_per_s=101.0), row(id="d", notes="other")]
    assert mark_duplicates(rows) == [None, "a", None, None]
    assert resolve_all(rows)[1].reasons == ("duplicate of a",)


def test_a_prefill_far_below_its_session_contradicts_it() -> None:
    fast = row(id="fast", test="pp", tokens_per_s=6000.0)
    slow = row(id="slow", test="pp", tokens_per_s=600.0, quant="F16")
    elsewhere = slow.replace(id="other", source="another log")
    decode = row(id="tg", quant="F16", tokens_per_s=50.0)
    assert mark_contradictions([fast, slow, elsewhere, decode]) == [None, "fast", None, None]
    on_processor = [one.replace(backend="CPU", device="AMD Ryzen 9 7950X (CPU)") for one in (fast, slow)]
    assert mark_contradictions(on_processor) == [None, None]


def test_flags_say_what_is_worth_knowing() -> None:
    said = resolve(row(engine_version="4426e298 (2824)", batch=8, device_count=2, quant="UD-Q4_K_XL")).flags
    assert set(said) == {"old-build", "batch-aggregate", "several-devices", "recipe-approximate"}
    assert resolve(row(notes="single_stream_wall: end-to-end time, includes TTFT")).flags == ("end-to-end",)


# --- resolved ---------------------------------------------------------------------------------------------------------


def test_a_resolved_row_can_be_estimated() -> None:
    one = resolve(row(device_count=2, engine_version="b6123"))
    assert one.unmapped_reason is None and one.reasons == ()
    assert one.hardware is not None and one.model is not None
    assert (one.hardware.id, one.hardware.device_count, one.hardware.backend) == ("rtx-3090-24gb", 2, "cuda")
    assert (one.model.id, one.quant, one.library_engine, one.build_number) == (
        "llama-3.1-8b",
        "Q4_K_M",
        "llama.cpp",
        6123,
    )
    answer = sizer.estimate(
        model=one.model, hardware=one.hardware, quant=one.quant, engine=one.library_engine, context=4096
    )
    assert answer.memory.fits


def test_the_backend_of_the_row_is_that_of_the_machine() -> None:
    one = resolve(row(device="AMD Radeon AI PRO R9700 32GB", memory_bandwidth_spec_gbs=640.0, backend="Vulkan (RADV)"))
    assert one.hardware is not None and one.hardware.backend == one.backend == "vulkan"
    assert one.variants == ("RADV",)


def test_a_shared_memory_holds_what_ran_in_it() -> None:
    one = resolve(
        row(device="Apple M4 (10c GPU)", memory_bandwidth_spec_gbs=120.0, backend="Metal", file_size_gib=20.0)
    )
    assert one.hardware is not None and one.hardware.usable_bytes > 20 * 1024**3


def test_what_is_not_known_is_said_and_not_raised() -> None:
    one = resolve(
        row(device="Banana", memory_bandwidth_spec_gbs=None, model="thing", params_b=None, quant="?", backend="")
    )
    assert one.hardware is None and one.model is None and one.quant is None
    assert one.unmapped_reason is not None
    assert all(word in one.unmapped_reason for word in ("Banana", "thing", "format"))
    assert one.reasons


@pytest.mark.parametrize("letters", ["(", "1", "( ", "q4_k ", "m1 ", ") (", "1x1", "rtx 3090 ", "\ud800", "a/b"])
def test_names_of_any_length_take_no_time(letters: str) -> None:
    long = letters * (16_000 // len(letters))
    start = time.perf_counter()
    for name in ("device", "model", "quant", "notes", "engine", "engine_version", "backend", "arch_hint"):
        assert resolve(row(**{name: long})).row[name] == long
    assert time.perf_counter() - start < 10  # half a second on a machine with nothing else to do


@pytest.fixture(scope="module")
def published() -> list[tuple[dict[str, str], ResolvedRow]]:
    """The lines of the project's table, each with what its printed columns mean now."""
    if not PUBLISHED.exists():
        pytest.skip("an installed package has no data folder")
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return list(zip(lines, resolve_all(read_rows(PUBLISHED)), strict=True))


def test_every_published_row_maps_or_says_why_not(published: list[tuple[dict[str, str], ResolvedRow]]) -> None:
    assert len(published) > 1000
    # A processor whose bandwidth no one states, and a row without a weight format.
    assert sum(one.unmapped_reason is not None for _, one in published) <= 2
    for line, one in published:
        assert one.row.id == line["id"]
        if one.unmapped_reason is None:
            assert one.hardware is not None and one.model is not None and one.quant in sizer.quantizations()
            assert one.library_engine in sizer.engines()
            assert one.hardware.backend == one.backend
            assert one.tokens >= 1 and one.mean_depth >= one.depth


def test_the_table_names_what_the_library_has_or_a_reason(published: list[tuple[dict[str, str], ResolvedRow]]) -> None:
    machines = {one.id for one in sizer.hardware_list()}
    models = {one.id for one in sizer.models()}
    recipes = {*sizer.quantizations(), *(f"~{name}" for name in sizer.quantizations())}
    for line, _ in published:
        assert line["usable"] == ("0" if line["reason"] else "1"), line["id"]
        found = (line["hardware_id"] in machines, line["model_id"] in models, line["recipe"] in recipes)
        assert all(found) or line["reason"], line["id"]
        for name, known in zip(("hardware_id", "model_id", "recipe"), found, strict=True):
            # What is not the library's own is empty, or made up and for no fit.
            assert known or not line[name] or line["usable"] == "0", (line["id"], name)
        assert line["engine_id"] and line["backend_id"], line["id"]
        assert not line["build"] or int(line["build"]) > 0, line["id"]


def test_published_rows_mean_what_the_table_says(published: list[tuple[dict[str, str], ResolvedRow]]) -> None:
    for line, one in published:
        if line["usable"] != "1":
            continue
        assert one.unmapped_reason is None and one.reasons == (), line["id"]
        assert one.model is not None and one.hardware is not None
        named = sizer.model(line["model_id"])
        ratio = one.model.active_parameters_from_shape / named.active_parameters_from_shape
        assert ratio == pytest.approx(1, abs=0.005), line["id"]
        machine = sizer.hardware(line["hardware_id"])
        assert one.hardware.bandwidth_gb_per_s == machine.bandwidth_gb_per_s, line["id"]
        assert one.hardware.device_class == machine.device_class, line["id"]
        assert (line["recipe"].removeprefix("~"), line["engine_id"], line["backend_id"], line["flags"].split()) == (
            one.quant,
            one.engine,
            one.backend,
            list(one.flags),
        ), line["id"]
        assert line["build"] == ("" if one.build_number is None else str(one.build_number)), line["id"]


def test_tables_of_other_programs_are_read_as_they_are(tmp_path: Path) -> None:
    text = "device,model,test,tokens_per_s,context_depth,params_b\nd,m,TG128,1,4096.0,nan\n"
    (one,) = read_rows(table(tmp_path, text))
    assert (one.test, one.notes, one.context_depth, one.params_b) == ("tg", "tg128", 4096, None)


def test_a_count_in_the_name_of_a_card_counts() -> None:
    two = resolve(row(device="2x NVIDIA RTX 3090 24GB", model="llama 70B", params_b=70.55, quant="Q4_K_M"))
    assert two.hardware is not None
    assert two.hardware.device_count == 2
