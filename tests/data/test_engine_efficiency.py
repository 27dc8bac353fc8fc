"""The engine's shares come from the committed runs, and predict runs that they were not fitted on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

pytest.importorskip("numpy")
import engine_efficiency  # noqa: E402


def test_the_header_is_what_the_fit_writes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "engine_efficiency.py", "fit", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_shape_that_was_not_fitted_is_predicted_within_what_was_promised() -> None:
    rows = engine_efficiency.read_rows()
    factors = engine_efficiency.solve([row for row in rows if not engine_efficiency.is_test(row)])
    kept_back = [row for row in rows if row["shape"] == "test-1b"]
    assert len(kept_back) == 12, "three quantisations, two thread counts, two depths"
    for row in kept_back:
        error = abs(engine_efficiency.predicted(factors, row) / float(row["tokens_per_s"]) - 1)
        allowed = 0.10 if row["depth"] == "0" else 0.15
        assert error <= allowed, f"{row['quantisation']}, {row['threads']} threads, depth {row['depth']}: {error:.1%}"


def test_an_engine_is_no_faster_than_reading_its_weights_would_be() -> None:
    for row in engine_efficiency.read_rows():
        weights = sum(float(row[f"bytes_{name}"]) for name in engine_efficiency.KERNELS)
        ceiling = float(row["read_gb_per_s"]) * 1e9 / weights
        assert float(row["tokens_per_s"]) <= ceiling, row
