"""Shared by the tests of the Python package: one model, one machine, and a way to run the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings

import sizer
from sizer import cli

# Machines that run the tests are slow and shared: a deadline would measure them, not the library.
settings.register_profile("sizer", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("sizer")


@dataclass(frozen=True)
class Run:
    """What a call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """`run("models", "--json")` as `sizer models --json` in this process."""
    monkeypatch.delenv("SIZER_CATALOGUE", raising=False)

    def call(*arguments: str) -> Run:
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def small_model() -> sizer.Model:
    """A model by its shape, small enough to reckon by hand."""
    return sizer.Model(
        name="Tiny",
        n_layers=4,
        d_model=256,
        n_heads=4,
        n_kv_heads=2,
        d_ff=1024,
        vocab_size=32000,
        context_length=8192,
    )


@pytest.fixture(scope="session")
def small_machine() -> sizer.Hardware:
    """A machine by its figures."""
    return sizer.Hardware(
        name="Box", memory_gib=24, usable_gib=22, bandwidth_gb_per_s=900, backend="cuda", fp16_tflops=70, fp32_tflops=35
    )
