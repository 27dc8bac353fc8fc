"""Published speeds of models that lie partly in RAM, against the predictions (tests/golden/data/offload_speed.csv)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

pytest.importorskip("sizer")
import offload_speed  # noqa: E402


@pytest.fixture(scope="module")
def found() -> list[offload_speed.Held]:
    return list(offload_speed.rows())


def test_decode_is_within_a_fifth_in_the_median(found: list[offload_speed.Held]) -> None:
    part = [one for one in found if one.partly_in_ram]
    assert len(part) >= 30
    off, _ = offload_speed.errors([(one.decode, one.decode_seen) for one in part])
    assert off <= 0.20  # what was asked for


def test_no_prediction_stands_above_its_ceiling(found: list[offload_speed.Held]) -> None:
    for one in found:
        for rate in (one.decode, one.prefill):
            assert rate.tokens_per_s <= rate.ceiling_tokens_per_s * (1 + 1e-9), one.row["id"]


def test_more_on_the_card_is_never_slower(found: list[offload_speed.Held]) -> None:
    series = {name: [one for one in found if one.row["id"].startswith(name)] for name in
              ("rtx5000-qwen3-30b-4000", "rtx5000-qwen3.6-35b-4000", "rtx5000-qwen3.8-27b-4000")}  # fmt: skip
    for name, rows in series.items():
        assert len(rows) == 3, name
        rows.sort(key=lambda one: (-int(one.row["n_cpu_moe"]), int(one.row["n_gpu_layers"])))
        speeds = [one.decode.tokens_per_s for one in rows]
        assert speeds == sorted(speeds), name
        assert [one.decode_seen for one in rows] == sorted(one.decode_seen for one in rows), name
