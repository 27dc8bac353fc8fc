"""Bytes that runtimes print or papers state, through the Python door."""

from __future__ import annotations

import pytest

import sizer

MIB = 1024**2


@pytest.fixture(scope="module")
def machine() -> sizer.Hardware:
    return sizer.Hardware(name="Box", memory_gib=512, bandwidth_gb_per_s=900, backend="cuda")


def test_qwen3_coder_at_native_context(machine: sizer.Hardware) -> None:
    e = sizer.estimate(model="qwen3-coder-30b-a3b", hardware=machine, context=262144)
    assert e.memory.kv_cache_bytes == 25_769_803_776


def test_qwen3_6_27b_with_four_sequences(machine: sizer.Hardware) -> None:
    e = sizer.estimate(
        model="qwen3.6-27b", hardware=machine, context=262144, parallel=4, engine_options={"kv_unified": True}
    )
    assert e.memory.kv_cache_bytes == 16_384 * MIB
    assert e.memory.recurrent_state_bytes == round(598.5 * MIB)


def test_glm_4_7_flash_per_token(machine: sizer.Hardware) -> None:
    assert sizer.estimate(model="glm-4.7-flash", hardware=machine).memory.kv_bytes_per_token == 54_144


def test_gemma_3_4b_with_its_windows(machine: sizer.Hardware) -> None:
    e = sizer.estimate(model="gemma-3-4b", hardware=machine, context=131072)
    assert e.memory.kv_cache_bytes == (2_560 + 174) * MIB
