"""What compare() says to somebody who wants to buy a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import sizer

Call = Callable[..., Any]
MODEL = "llama-3.1-8b"


@pytest.fixture(scope="module")
def comparison() -> sizer.Comparison:
    return sizer.compare(MODEL, context=8192)


def _table(text: str, heading: str) -> list[str]:
    """First words of the rows of a table."""
    lines = text.split("\n")
    start = lines.index(heading) + 3
    return [line.split()[0] for line in lines[start : lines.index("", start)]]


def test_the_frontier(comparison: sizer.Comparison) -> None:
    frontier = comparison.frontier
    assert len(frontier) > 3
    for row in comparison:
        priced = row.runs and row.fits and row.price_usd is not None
        cheaper = [one for one in comparison.fitting if priced and (one.price_usd or 1e9) < (row.price_usd or 0)]
        beaten = any(one.request_s <= row.request_s for one in cheaper)
        if row.frontier:
            assert priced and not beaten
        elif priced and not beaten:  # another one of the same price is quicker
            assert any(one.price_usd == row.price_usd and one.request_s <= row.request_s for one in frontier)
    prices = [row.price_usd or 0 for row in frontier]
    assert prices == sorted(prices)
    times = [row.request_s for row in frontier]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("machine", "covers"),
    [
        ("rtx-3090-24gb", "cards"),
        ("b200-180gb-sxm", "cards"),
        ("2x-rtx-3090", "cards"),
        ("2x-dgx-spark", "systems"),
        ("threadripper-2x-rx-7900-xtx", "system"),
        ("dgx-spark", "system"),
        ("raspberry-pi-5-16gb", "system"),
        ("epyc-9654-12ch-ddr5-4800", "CPU"),
    ],
)
def test_what_the_price_covers(machine: str, covers: str) -> None:
    assert sizer.compare(MODEL, machines=[machine], context=4096)[0].price_covers == covers


@pytest.mark.parametrize(
    ("engine", "left_out"),
    [("llama.cpp", {"hpu", "other"}), ("ollama", {"hpu", "other"}), ("vllm", {"vulkan", "metal", "other"})],
)
def test_an_engine_that_does_not_run_is_not_ranked(engine: str, left_out: set[str]) -> None:
    c = sizer.compare(MODEL, context=4096, engine=engine)
    for row in c:
        assert row.runs == (sizer.hardware(row.id).backend not in left_out)
    runs = [row.runs for row in c]
    assert not all(runs)
    assert runs == sorted(runs, reverse=True)
    assert not any(row.frontier for row in c if not row.runs)
    assert all(row.runs for row in c.fitting)


def test_machines_left_out_are_named(run: Call) -> None:
    result = run("compare", MODEL, "--engine", "mlx", "--on", "rtx-3090-24gb", "--context", "4096")
    assert result.code == 1, "there is no machine to run it on"
    assert "1 machine is left out because mlx does not run on it: rtx-3090-24gb." in result.out
    many = " ".join(run("compare", MODEL, "--engine", "mlx", "--context", "4096").out.split())
    assert "machines are left out because mlx does not run on them: " in many
    everything = run("compare", MODEL, "--engine", "mlx", "--context", "4096", "--all").out
    assert all(row.id in everything for row in sizer.machines())


def test_the_tables_help_a_buyer(run: Call, comparison: sizer.Comparison) -> None:
    text = run("compare", MODEL, "--context", "8192").out
    frontier, quickest = _table(text, "Quickest at each price"), _table(text, "Quickest")
    assert text.index("Quickest at each price") < text.index("\nQuickest\n")
    assert set(frontier) <= {row.id for row in comparison.frontier}
    assert len(quickest) == 10
    assert quickest[0] == comparison.fitting[0].id
    flat = " ".join(text.split())
    assert "more fit: " in flat
    for option in ("--limit N", "--all", "--sort price", "--price-max USD"):
        assert option in flat
    assert len(_table(run("compare", MODEL, "--context", "8192", "--limit", "3").out, "Quickest")) == 3
    assert len(_table(run("compare", "deepseek-v3").out, "It does not fit")) == 5
    assert _table(run("compare", MODEL, "--context", "8192", "--sort", "price").out, "Cheapest")
    assert "spare GiB" in run("compare", MODEL, "--context", "8192", "--sort", "headroom").out


def test_machines_alike_share_a_row(run: Call) -> None:
    box = sizer.hardware("rtx-3090-24gb")
    dear = box.replace(id="dear-box", name="Dear", price_usd=9999, price_date="2026-01")
    free = sizer.Hardware.from_dict({**box.to_dict(), "id": "no-price", "name": "No price", "prices": []})
    c = sizer.compare(MODEL, machines=[dear, free, box], context=8192)
    text = str(c)
    assert "rtx-3090-24gb +2 alike" in text
    assert "dear-box" not in text
    assert "more fit" not in text
    assert len(c) == 3


def test_an_unknown_price_is_covered_by_nothing(small_machine: sizer.Hardware) -> None:
    c = sizer.compare(MODEL, machines=[small_machine], context=4096)
    assert c[0].price_usd is None
    assert c.frontier == ()
    assert "Quickest at each price" not in str(c)
