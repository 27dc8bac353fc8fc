"""Loops release Python's lock, and objects may be shared between threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import sizer
from sizer import _arguments, _core

REQUEST: dict[str, Any] = {
    "quant": "Q4_K_M",
    "context": None,
    "kv_type": "f16",
    "parallel": None,
    "batch": 1,
    "prompt_tokens": None,
    "output_tokens": None,
    "depth": 0,
    "engine": "llama.cpp",
    "ubatch": 512,
    "flash_attention": True,
    "engine_options": None,
}


@pytest.fixture
def no_switches() -> Iterator[None]:
    """A thread keeps the lock until it lets go of it by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(before)


def _sweep() -> None:
    pytest.importorskip("numpy")
    n = 4000
    model, machine = sizer.model("qwen3-coder-30b-a3b")._entry, sizer.hardware("dgx-spark")._entry
    columns = ([model] * n, [machine] * n, [_arguments.request(**REQUEST)] * n)
    _core.sweep(*columns[:2], columns[2])


def _compare() -> None:
    machines = [one._entry for one in sizer.machines()] * 10
    _core.compare(sizer.model("qwen3-coder-30b-a3b")._entry, machines, _arguments.request(**REQUEST))


@pytest.mark.usefixtures("no_switches")
@pytest.mark.parametrize("loop", [_sweep, _compare])
def test_the_loop_releases_the_lock(loop: Any) -> None:
    loop()  # imports and look-ups are done once
    started, ended = threading.Event(), threading.Event()
    seen_running = False

    def work() -> None:
        started.set()
        loop()
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    # The worker holds the lock from here until its loop lets go; then this thread runs on beside the loop.
    started.wait()
    seen_running = not ended.is_set()
    thread.join()
    assert seen_running


def test_answers_do_not_depend_on_threads() -> None:
    names = [one.id for one in sizer.machines()][:40]

    def ask(name: str) -> sizer.Estimate:
        return sizer.estimate(model="qwen3-coder-30b-a3b", hardware=name, context=8192)

    alone = [ask(name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, names * 3))
    assert together == alone * 3
