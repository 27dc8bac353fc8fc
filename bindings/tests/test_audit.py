"""The audit of claims: what must come out, with numbers from outside, and laws that every claim obeys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._audit import VERDICTS, quantities

Call = Callable[..., Any]
CLAIMS = Path(__file__).resolve().parents[2] / "data" / "claims" / "mission.csv"
COLUMNS = "id,seed,subject,hardware,model,quant,context_tokens,quantity,low,high,unit,as_stated"


@pytest.fixture(scope="module")
def mission() -> sizer.Audit:
    return sizer.audit(CLAIMS)


def judged(**claim: Any) -> sizer.AuditedClaim:
    """One claim."""
    return sizer.audit([{"id": "x", **claim}])[0]


def speed(low: float | None, high: float | None = None, **claim: Any) -> sizer.AuditedClaim:
    """A claimed decoding speed."""
    high = low if high is None else high
    return judged(quantity="decode_tokens_per_s", low=low, high=high, unit="token/s", **claim)


# --- the claims of the mission ----------------------------------------------------------------------------------------


def test_every_claim_gets_a_verdict_and_its_arithmetic(mission: sizer.Audit) -> None:
    assert len(mission) == 96
    assert sum(mission.counts.values()) == 96
    for one in mission:
        assert one.verdict in VERDICTS, one.id
        assert len(one.arithmetic) > 20 and one.arithmetic.endswith((".", ". ")), one.id
        if one.verdict not in ("unverifiable", "plausible"):
            assert re.search(r"\d", one.arithmetic), one.id
        if one.verdict != "unverifiable" and one.claim.quantity not in ("named", "price"):
            assert one.computed.low is not None and one.computed.unit, one.id
        for key in one.sources:
            assert sizer.source(key).title, key


def test_70b_on_one_dgx_spark_is_above_the_ceiling_at_4_bits(mission: sizer.Audit) -> None:
    one = mission["c016"]
    assert one.verdict == "impossible"
    # 70 billion weights of 4 bits or a little more are at least 34 GB; 273 / 34 = 8.0.
    assert one.computed.limit is not None and 273 / 44 < one.computed.limit < 273 / 34
    assert "273 GB/s" in one.arithmetic and f"{one.computed.limit:.2f} token/s at most" in one.arithmetic
    assert any("sequences decoded together" in reading for reading in one.holds_if)
    assert any("such machines" in reading for reading in one.holds_if)


@pytest.mark.parametrize("quant", ["Q4_K_M", "Q4_0", "IQ4_XS", "NVFP4", "4-bit", ""])
def test_no_4_bit_format_saves_the_claim(quant: str) -> None:
    assert speed(25, 50, hardware="dgx-spark", model="70b", quant=quant).verdict == "impossible"


def test_7b_on_two_channels_of_ddr5_is_above_the_ceiling(mission: sizer.Audit) -> None:
    one = mission["c107"]
    assert one.verdict == "impossible"
    # A Q4_K_M file of Llama 2 7B has 4.08 GB (llama.cpp's README); a token reads all but its row of the embedding.
    assert one.computed.limit == pytest.approx(83.2 / 4.01, rel=0.01)
    assert any("160 GB/s" in reading for reading in one.holds_if)
    assert all(mission[key].verdict == "impossible" for key in ("c136", "c141", "c142"))


def test_what_does_not_fit_24_gb(mission: sizer.Audit) -> None:
    for key, least in (("c130", 66), ("c131", 41)):
        one = mission[key]
        assert one.verdict == "impossible"
        assert one.computed.low is not None and one.computed.low >= least  # 33.6e9 x 2 bytes; 69e9 x 4.8 bits
        assert "are missing" in one.arithmetic
        assert any("host memory" in reading for reading in one.holds_if)
    assert mission["c132"].verdict == "plausible"  # the same 70B in 96 GB


def test_the_ratio_to_the_m2_ultra_is_not_in_the_bandwidth(mission: sizer.Audit) -> None:
    one = mission["c021"]
    assert one.verdict == "impossible"
    assert "1.02 times the bandwidth" in one.arithmetic  # 819 / 800
    assert mission["c031"].verdict == "plausible"  # 800 / 256


def test_the_cache_of_262k_tokens_is_right_in_gib(mission: sizer.Audit) -> None:
    one = mission["c008"]
    assert one.verdict == "plausible"
    assert one.computed.low == pytest.approx(262144 * 48 * 2 * 4 * 128 * 2 / 1e9)
    assert "25.77 GB (24.00 GiB)" in one.arithmetic and "GB is read as GiB" in one.arithmetic
    assert one.holds_if == ("GB is read as GiB",)


def test_a_machine_that_was_never_sold(mission: sizer.Audit) -> None:
    assert mission["c023"].verdict == "impossible"
    assert "never sold" in mission["c023"].arithmetic
    together = mission["c025"]
    assert together.verdict == "unverifiable"
    assert any("M2 Ultra" in reading for reading in together.holds_if)


def test_two_cards_hold_what_one_does_not(mission: sizer.Audit) -> None:
    assert mission["c027"].verdict == "plausible"
    assert judged(quantity="split_vram", low=1, high=1, hardware="2x-rx-7900-xtx", model="7b").verdict == "impossible"


def test_prices_are_held_against_dated_ones(mission: sizer.Audit) -> None:
    assert mission["c015"].verdict == "optimistic"
    assert "$3,999" in mission["c015"].arithmetic and "2025-10" in mission["c015"].arithmetic
    assert mission["c024"].verdict == "plausible"
    # Its only price is the claim's own, which is no evidence.
    assert mission["c028"].verdict == "unverifiable"


@pytest.mark.parametrize("key", ["c006", "c037", "c038", "c039"])
def test_what_nothing_computes_is_unverifiable(mission: sizer.Audit, key: str) -> None:
    assert mission[key].verdict == "unverifiable"


# --- other claims -----------------------------------------------------------------------------------------------------


def test_another_machine_and_model() -> None:
    # 1008 GB/s over the 4.6 GB that a token of an 8B reads at Q4_K_M.
    fast = speed(300, hardware="rtx-4090", model="llama-3.1-8b", quant="Q4_K_M")
    assert fast.verdict == "impossible" and fast.computed.limit == pytest.approx(1008 / 4.62, rel=0.01)
    assert speed(1, hardware="rtx-4090", model="llama-3.1-8b", quant="Q4_K_M").verdict == "pessimistic"


def test_a_mixture_of_experts_is_judged_by_its_active_weights() -> None:
    one = speed(40, 50, hardware="dgx-spark", model="gpt-oss-120b")
    assert one.verdict != "impossible"
    dense = speed(40, 50, hardware="dgx-spark", model="mistral-large-2407", quant="Q4_K_M")
    assert dense.verdict == "impossible"
    assert any("mixture of experts" in reading for reading in dense.holds_if)


def test_a_full_cache_is_read_too_and_sparse_attention_is_a_reading() -> None:
    asked = {"hardware": "dgx-spark", "model": "llama-3.3-70b", "quant": "Q4_K_M"}
    deep = speed(5, context_tokens=131072, **asked)
    assert deep.verdict == "impossible"  # 43 GB of cache beside 42 GB of weights
    assert any("sparse" in reading for reading in deep.holds_if)
    assert speed(5, **asked).verdict == "plausible"


def test_a_part_in_host_memory_is_told() -> None:
    one = speed(8, 12, hardware="rtx-3090", model="70b", quant="Q4_K_M")
    assert one.verdict == "impossible"
    assert "of 80 layers" in one.arithmetic and "DDR5-5600" in one.arithmetic
    assert any("2 x GeForce RTX 3090" in reading for reading in one.holds_if)
    assert any("host whose memory" in reading for reading in one.holds_if)


def test_where_it_does_not_fit_nothing_runs() -> None:
    one = speed(0.1, hardware="raspberry-pi-5", model="70b", quant="Q4_K_M")
    assert one.verdict == "impossible" and "does not fit" in one.arithmetic


def test_a_machine_that_the_catalogue_has_only_one_of() -> None:
    one = judged(
        quantity="fits", low=1, high=1, unit="bool", hardware="3x-dgx-spark", model="llama-3.1-405b", quant="FP4"
    )
    assert one.verdict == "plausible" and "3 x DGX Spark" in one.arithmetic


def test_sizes_in_gb_and_gib() -> None:
    asked = {"quantity": "kv_cache", "model": "llama-3.1-8b", "context_tokens": 131072}
    assert judged(low=16, high=16, unit="GB", **asked).verdict == "plausible"  # 17.18 GB are 16 GiB
    assert judged(low=17.18, high=17.18, unit="GB", **asked).holds_if == ()
    assert judged(low=17.18, high=17.18, unit="GiB", **asked).verdict == "pessimistic"
    small = judged(low=9.1, high=9.1, unit="GB", **asked)
    assert small.verdict == "optimistic" and "q8_0" in small.holds_if[0]


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ({"quantity": "memory", "low": 48, "high": 48, "unit": "GB", "hardware": "rtx-5090"}, "impossible"),
        ({"quantity": "memory", "low": 32, "high": 32, "unit": "GiB", "hardware": "rtx-5090"}, "plausible"),
        (
            {"quantity": "memory_bandwidth", "low": 1.79, "high": 1.79, "unit": "TB/s", "hardware": "rtx-5090"},
            "plausible",
        ),
        (
            {"quantity": "memory_bandwidth", "low": 2500, "high": 2500, "unit": "GB/s", "hardware": "rtx-5090"},
            "impossible",
        ),
        ({"quantity": "fp8_native", "low": 1, "high": 1, "unit": "bool", "hardware": "rtx-5090"}, "plausible"),
        ({"quantity": "fp8_native", "low": 0, "high": 0, "unit": "bool", "hardware": "rtx-5090"}, "pessimistic"),
        ({"quantity": "kv_heads", "low": 32, "high": 32, "unit": "heads", "model": "llama-3.1-8b"}, "pessimistic"),
        ({"quantity": "native_context", "low": 1000000, "high": 1000000, "model": "llama-3.1-8b"}, "impossible"),
        ({"quantity": "requested_tokens", "low": 200000, "high": 200000, "model": "llama-3.1-8b"}, "optimistic"),
        (
            {"quantity": "speed_ratio_vs_rtx_3090", "low": 10, "high": 10, "unit": "x", "hardware": "rtx-4090"},
            "impossible",
        ),
        ({"quantity": "named", "hardware": "m4-ultra"}, "impossible"),
        ({"quantity": "weights", "low": 1, "high": 1, "unit": "GB", "model": "llama-3.1-8b"}, "impossible"),
        ({"quantity": "fits", "low": 0, "high": 0, "hardware": "rtx-3090", "model": "7b"}, "pessimistic"),
        ({"quantity": "gpu_layers", "low": 80, "high": 80, "hardware": "rtx-3090", "model": "70b"}, "impossible"),
        ({"quantity": "decode_bound", "unit": "compute"}, "impossible"),
        (
            {
                "quantity": "time_to_first_token",
                "low": 0.001,
                "high": 0.001,
                "unit": "s",
                "hardware": "rtx-3090",
                "model": "llama-3.1-8b",
                "context_tokens": 8192,
            },
            "impossible",
        ),
    ],
)
def test_facts(claim: dict[str, Any], verdict: str) -> None:
    assert judged(**claim).verdict == verdict


@pytest.mark.parametrize(
    "claim",
    [
        {"quantity": "frobnicate", "low": 1},
        {"quantity": "decode_tokens_per_s", "low": 1, "unit": "token/s", "hardware": "no-such-machine", "model": "7b"},
        {
            "quantity": "decode_tokens_per_s",
            "low": 1,
            "unit": "token/s",
            "hardware": "rtx-3090",
            "model": "no-such-model",
        },
        {
            "quantity": "decode_tokens_per_s",
            "low": 1,
            "unit": "token/s",
            "hardware": "rtx-3090",
            "model": "7b",
            "quant": "Q9",
        },
        {"quantity": "decode_tokens_per_s", "low": 1, "unit": "furlongs", "hardware": "rtx-3090", "model": "7b"},
        {"quantity": "decode_tokens_per_s", "unit": "token/s", "hardware": "rtx-3090", "model": "7b"},
        {"quantity": "decode_tokens_per_s", "low": 1, "unit": "token/s", "hardware": "rtx-3090", "model": "7b + 7b"},
        {"quantity": "price", "low": 100, "unit": "EUR", "hardware": "rtx-3090"},
        {"quantity": "fits", "low": 2, "hardware": "rtx-3090", "model": "7b"},
        {"quantity": "fits", "low": 1, "hardware": "rtx-3090", "model": "+"},
        {"quantity": "threads", "low": 8, "hardware": "rtx-3090"},
    ],
)
def test_what_cannot_be_computed_says_why(claim: dict[str, Any]) -> None:
    one = judged(**claim)
    assert one.verdict == "unverifiable" and len(one.arithmetic) > 20


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "./x.json", "~/x.gguf", "hf:org/repo", "https://example.org/x.gguf", "x.json"]
)
def test_no_file_or_address_that_a_claim_names_is_opened(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("sizer._files.load", fail)
    monkeypatch.setattr("sizer._catalogue.read_text", fail)
    assert judged(quantity="fits", low=1, hardware="rtx-3090", model=name).verdict == "unverifiable"
    assert judged(quantity="fits", low=1, hardware=name, model="7b").verdict == "unverifiable"


# --- laws -------------------------------------------------------------------------------------------------------------

MACHINES = ["dgx-spark", "rtx-3090", "ryzen-9800x3d", "m3-ultra", "strix-halo", "mi300x"]
MODELS = ["7b", "70b", "llama-3.1-8b", "qwen3-30b-a3b"]


@given(st.sampled_from(MACHINES), st.sampled_from(MODELS), st.floats(0.01, 3000), st.floats(1, 5))
def test_promising_more_never_gives_a_milder_verdict(hardware: str, model: str, low: float, factor: float) -> None:
    asked = {"hardware": hardware, "model": model, "quant": "Q4_K_M"}
    less, more = (VERDICTS.index(speed(value, **asked).verdict) for value in (low, low * factor))
    assert more <= less


@given(st.sampled_from(MACHINES), st.sampled_from(["llama-3.1-8b", "qwen3-30b-a3b", "llama-3.3-70b"]))
def test_a_claim_equal_to_the_prediction_is_plausible(hardware: str, model: str) -> None:
    rate = sizer.estimate(model, hardware, quant="Q4_K_M", context=4096, prompt_tokens=0, output_tokens=0)
    if rate.memory.fits:
        one = speed(rate.decode.tokens_per_s, hardware=hardware, model=model, quant="Q4_K_M")
        assert one.verdict == "plausible"
        assert one.computed.limit == pytest.approx(rate.decode.ceiling_tokens_per_s)


@given(st.sampled_from(MODELS), st.floats(50, 5000), st.floats(1, 4))
def test_a_ceiling_never_falls_when_bandwidth_rises(model: str, bandwidth: float, factor: float) -> None:
    slow, fast = (
        sizer.roofline_ceiling(model, sizer.Hardware(name="Box", memory_gib=64, bandwidth_gb_per_s=each))
        for each in (bandwidth, bandwidth * factor)
    )
    assert fast.tokens_per_s >= slow.tokens_per_s


@given(st.sampled_from(quantities()), st.floats(0, 1e6), st.sampled_from(["", "GB", "token/s", "USD", "bool", "x"]))
def test_any_claim_has_an_answer(quantity: str, value: float, unit: str) -> None:
    name = quantity.replace("MACHINE", "m2_ultra").replace("FORMAT", "fp8")
    one = judged(quantity=name, low=value, high=value, unit=unit, hardware="rtx-3090", model="7b + llama-70b")
    assert one.verdict in VERDICTS and one.arithmetic


# --- the ceiling by itself --------------------------------------------------------------------------------------------


def test_the_ceiling_is_the_division_that_it_prints() -> None:
    one = sizer.roofline_ceiling("llama-3.3-70b", "dgx-spark", quant="Q4_K_M")
    assert one.tokens_per_s == pytest.approx(273e9 / one.bytes_per_token)
    assert one.bandwidth_bytes_per_s == 273e9 and one.bound == "memory"
    assert one.arithmetic == str(one) and "273 GB/s / 41.9 GB a token = 6.51 token/s at most" in one.arithmetic
    assert sizer.Ceiling.from_dict(one.to_dict()) == one


def test_a_cache_lowers_it_and_devices_together_raise_it() -> None:
    flat = sizer.roofline_ceiling("llama-3.1-8b", "rtx-3090")
    deep = sizer.roofline_ceiling("llama-3.1-8b", "rtx-3090", depth=8192)
    small = sizer.roofline_ceiling("llama-3.1-8b", "rtx-3090", depth=8192, kv_type="q8_0")
    assert deep.tokens_per_s < small.tokens_per_s < flat.tokens_per_s
    assert deep.bytes_per_token - flat.bytes_per_token == 8192 * 131072
    together = sizer.roofline_ceiling("llama-3.1-8b", "2x-rtx-3090", engine="vllm")
    assert together.tokens_per_s == pytest.approx(
        2 * sizer.roofline_ceiling("llama-3.1-8b", "2x-rtx-3090").tokens_per_s
    )
    assert sizer.roofline_ceiling("llama-3.1-8b", "rtx-3090", batch=4096).bound == "compute"


# --- files, and how it looks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "where", "problem"),
    [
        ("", "row 1", "empty"),
        ("id,hardware\n", "row 1", "no column 'quantity'"),
        (COLUMNS + ",id\n", "row 1", "more than one column 'id'"),
        (COLUMNS + "\na,b\n", "row 2", "got 2 cells"),
        (COLUMNS + "\n,,,,,,,price,1,2,USD,\n", "row 2, column id", "nothing"),
        (COLUMNS + "\na,,,,,,,,1,2,USD,\n", "row 2, column quantity", "nothing"),
        (COLUMNS + "\na,,,,,,,price,abc,2,USD,\n", "row 2, column low", "'abc'"),
        (COLUMNS + "\na,,,,,,,price,nan,2,USD,\n", "row 2, column low", "'nan'"),
        (COLUMNS + "\na,,,,,,,price,1,inf,USD,\n", "row 2, column high", "'inf'"),
        (COLUMNS + "\na,,,,,,,price,-1,2,USD,\n", "row 2, column low", "'-1'"),
        (COLUMNS + "\na,,,,,,,price,1e400,,USD,\n", "row 2, column low", "1e400"),
        (COLUMNS + "\na,,,,,,,price,3,2,USD,\n", "row 2, column high", "at least low (3)"),
        (COLUMNS + "\na,,,,,,4k,price,1,2,USD,\n", "row 2, column context_tokens", "'4k'"),
        (COLUMNS + "\na,,,,,,0,price,1,2,USD,\n", "row 2, column context_tokens", "'0'"),
        (COLUMNS + "\na,,,,,,,price,1,2,USD,\na,,,,,,,price,1,2,USD,\n", "column id", "twice"),
        (COLUMNS + "\na,,,,,,,price,1,2,USD,\x1b[31m\n", "row 2, column as_stated", "printed"),
        (COLUMNS + "\n" + "a" * 2000 + ",,,,,,,price,1,2,USD,\n", "row 2, column id", "2000 characters"),
        (COLUMNS + '\n"a,,,,,,,price,1,2,USD,\n', "row", "CSV"),
        (COLUMNS + "\n" + "x" * 200_000 + "\n", "row", "CSV"),
    ],
)
def test_a_bad_file_names_row_and_column(tmp_path: Path, content: str, where: str, problem: str) -> None:
    path = tmp_path / "claims.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(sizer.DataError) as caught:
        sizer.audit(path)
    assert caught.value.file == str(path)
    assert caught.value.where.startswith(where) and problem in caught.value.problem


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"id\0", b"x" * (5 * 1024 * 1024)])
def test_what_is_no_text_and_what_is_too_large(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims.csv"
    path.write_bytes(content)
    with pytest.raises(sizer.DataError):
        sizer.audit(path)
    with pytest.raises(sizer.DataError):
        sizer.audit(tmp_path / "absent.csv")


def test_columns_in_any_order_and_more_of_them(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    header = ["note", *reversed(COLUMNS.split(","))]
    row = {"id": "a", "hardware": "rtx-3090", "quantity": "memory", "low": "24", "high": "24", "unit": "GB"}
    lines = [",".join(header), ",".join(row.get(name, "") for name in header)]
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    assert [one.verdict for one in sizer.audit(path)] == ["plausible"]


@pytest.mark.parametrize("claims", [b"x", {"id": "a"}, 3, [3], [None]])
def test_what_is_no_list_of_claims(claims: Any) -> None:
    with pytest.raises(sizer.WrongTypeError):
        sizer.audit(claims)


@pytest.mark.parametrize(
    "claim",
    [
        {"id": "a", "quantity": "price", "lwo": 3},
        {"id": "a", "quantity": "price", "low": "x"},
        {"id": "a", "quantity": "price", "low": float("nan")},
        {"id": "a", "quantity": "price", "low": 10**400},
        {"id": "a", "quantity": "price", "hardware": 3},
        {"id": "a", "quantity": "price", "hardware": [1]},
        {"id": "", "quantity": "price"},
        {"id": "a"},
    ],
)
def test_bad_dicts_name_the_row(claim: dict[str, Any]) -> None:
    with pytest.raises(sizer.DataError, match="row 1"):
        sizer.audit([claim])


def test_no_claims_are_no_error() -> None:
    empty = sizer.audit([])
    assert len(empty) == 0 and set(empty.counts) == set(VERDICTS)


def test_claims_objects_and_the_way_back(mission: sizer.Audit) -> None:
    again = sizer.audit([one.claim for one in mission])
    assert again == mission
    assert sizer.Audit.from_dict(json.loads(json.dumps(mission.to_dict()))) == mission
    assert mission["c016"] in list(mission) and mission[0].id == "c001" and len(mission[:3]) == 3
    with pytest.raises(KeyError):
        mission["c999"]


def test_how_it_looks(mission: sizer.Audit) -> None:
    text = str(mission)
    assert all(one.id in text for one in mission)
    assert "Impossible" in text and "holds if" in text
    html = sizer.audit([{"id": "<b>", "quantity": "named", "hardware": "<script>"}])._repr_html_()
    assert "<script>" not in html and "<b>" not in html
    assert "96 claims" in repr(mission)


def test_the_command(run: Call, tmp_path: Path) -> None:
    answer = run("audit", str(CLAIMS), "--json")
    assert answer.code == 1  # some are impossible
    assert set(answer.json["counts"]) == set(VERDICTS) and len(answer.json["claims"]) == 96
    only = run("audit", str(CLAIMS), "--json", "--verdict", "impossible", "--verdict", "partly-impossible")
    assert {one["verdict"] for one in only.json["claims"]} == {"impossible", "partly impossible"}
    assert only.json["counts"] == answer.json["counts"]
    assert run("audit", str(CLAIMS), "--verdict", "nonsense").code == 2
    assert run("audit", str(tmp_path / "absent.csv")).code == 3
    good = tmp_path / "good.csv"
    good.write_text(COLUMNS + "\na,,,rtx-3090,,,,memory,24,24,GB,\n", encoding="utf-8")
    shown = run("audit", str(good))
    assert shown.code == 0 and "Plausible" in shown.out


def test_the_ceiling_command(run: Call) -> None:
    answer = run("ceiling", "llama-3.3-70b", "--on", "dgx-spark", "--json")
    assert answer.code == 0 and answer.json["tokens_per_s"] == pytest.approx(6.51, rel=0.01)
    assert "6.51 token/s" in run("ceiling", "llama-3.3-70b", "--on", "dgx-spark").out
    assert run("ceiling", "llama-3.3-70b", "--on", "nonsense").code == 2
    assert run("ceiling", "llama-3.3-70b").code == 2


def test_the_page_tells_of_every_claim(mission: sizer.Audit) -> None:
    page = (CLAIMS.parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    assert page.isascii()
    for one in mission:
        assert page.count(f"- **{one.id} ") == 1, one.id


def test_at_least_and_at_most_reach_as_far_as_what_is_expected() -> None:
    asked = {"hardware": "rtx-3090", "model": "llama-3.1-8b", "quant": "Q4_K_M", "quantity": "decode_tokens_per_s"}
    expected = sizer.estimate("llama-3.1-8b", "rtx-3090", context=4096).decode

    def verdict(**ends: float) -> str:
        return sizer.audit([{"id": "a", "unit": "token/s", **asked, **ends}]).claims[0].verdict

    assert verdict(low=0.5 * expected.tokens_per_s) == "plausible"
    assert verdict(low=1.1 * expected.ceiling_tokens_per_s) == "impossible"
    assert verdict(high=2 * expected.ceiling_tokens_per_s) == "plausible"
    assert verdict(high=0.3 * expected.tokens_per_s) == "pessimistic"
