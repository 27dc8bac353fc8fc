"""Reports: width, escapes, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

import sizer
from sizer import display, formatting

NASTY = "<script>alert('x')</script> & \"more\""


class _Checker(HTMLParser):
    """Counts tags and insists that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("what", ["estimate", "comparison", "model", "hardware"])
def test_html_is_escaped_and_nests(what: str, small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    model, machine = small_model.replace(name=NASTY), small_machine.replace(name=NASTY, notes=NASTY)
    make: dict[str, Callable[[], Any]] = {
        "estimate": lambda: sizer.estimate(model=model, hardware=machine),
        "comparison": lambda: sizer.compare(model, machines=[machine]),
        "model": lambda: model,
        "hardware": lambda: machine,
    }
    html = make[what]()._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    checker = _Checker()
    checker.feed(html)
    assert not checker.open
    assert "table" in checker.seen


def test_a_report_explains_the_answer(small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    e = sizer.estimate(model=small_model, hardware=small_machine)
    report = str(e)
    for expected in ("It fits", "weights", "KV cache", "compute buffer", "total", "available", "headroom", "80 %"):
        assert expected in report
    assert f"{e.memory.total_bytes:,}" in report
    assert "First token after" in report
    assert "ceiling" in report
    for one in e.assumptions:
        assert one.what in report
    too_big = sizer.estimate(model="deepseek-v3", hardware=small_machine)
    assert "does not fit" in str(too_big)
    assert "headroom" in str(too_big)


def test_the_verdict_on_a_card_speaks_of_its_memory(small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    e = sizer.estimate("llama-3.1-8b", small_machine, context=8192)
    device, host = e.memory.pools
    verdict = f"{device.total_bytes / 2**30:.1f} of 22.0 GiB of device memory, plus {host.total_bytes / 2**30:.1f} GiB"
    assert f"It fits: {verdict} in the host's RAM (its size is not stated)." in " ".join(str(e).split())
    assert "device GiB" in str(e)
    assert f"{e.memory.available_bytes:,}" not in str(e), "the host's part is no room on the device"
    assert formatting.gib(e.memory.available_bytes) not in str(e)
    stated = small_machine.replace(host_memory_gib=64, host_usable_gib=60, host_bandwidth_gb_per_s=80)
    assert "of 60.0 GiB in the host's RAM." in str(sizer.estimate("llama-3.1-8b", stated, context=8192))
    assert "usable memory and leaves" in str(sizer.estimate(small_model, "dgx-spark")), "unified memory is one pool"


def test_what_does_not_fit_is_told_what_would(small_machine: sizer.Hardware) -> None:
    e = sizer.estimate("qwen3-coder-30b-a3b", small_machine, context=131072, kv_type="q8_0")
    report = " ".join(str(e).split())
    assert f"at Q4_K_M, a context of up to {e.largest_context:,} tokens" in report
    assert f"at the context of 131,072, {e.best_quantization}" in report
    assert "n_gpu_layers" in report
    assert "n_cpu_moe" in report
    assert "n_gpu_layers" not in str(e.replace(engine="vllm"))
    nothing = str(sizer.estimate("deepseek-v3", "ryzen-9800x3d-rtx-3090-96gb"))
    assert "no context fits at Q4_K_M" in nothing
    assert "no usual quantisation fits" in nothing
    assert "n_gpu_layers" not in nothing, "device and host together are too small"
    assert "What would fit" not in str(sizer.estimate("llama-3.1-8b", small_machine, context=4096))


def test_decode_behind_the_prompt_has_its_own_row(small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    e = sizer.estimate(small_model, small_machine, prompt_tokens=3000, depth=100)
    assert "decode behind the prompt (depth 3,100)" in str(e)
    assert "behind the prompt" not in str(sizer.estimate(small_model, small_machine, prompt_tokens=0))


def test_the_context_that_nobody_gave_is_named() -> None:
    note = "context 131,072 (the model's own, because none was given)"
    for context, told in ((None, True), (131072, False)):
        options: dict[str, Any] = {"context": context}
        assert (note in " ".join(str(sizer.estimate("llama-3.1-8b", "dgx-spark", **options)).split())) is told
        comparison = sizer.compare("llama-3.1-8b", machines=["dgx-spark"], **options)
        assert (note in " ".join(str(comparison).split())) is told


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_reports_keep_to_the_width(width: int, small_machine: sizer.Hardware) -> None:
    from sizer import _reports

    blocks = _reports.hardware(small_machine)
    limit = max(width, 60)  # numbers are not cut, so a table has a least width
    assert max(map(len, display.to_text(blocks, width=width).split("\n"))) <= limit


def test_colour_only_on_request(small_model: sizer.Model, small_machine: sizer.Hardware) -> None:
    from sizer import _reports

    blocks = _reports.estimate(sizer.estimate(model=small_model, hardware=small_machine))
    plain, coloured = display.to_text(blocks), display.to_text(blocks, colour=True)
    assert "\033" not in plain
    assert "\033[1;32m" in coloured
    assert len(plain.split("\n")) == len(coloured.split("\n"))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.byte_size(25_769_803_776), "24.0 GiB"),
        (formatting.byte_size(627_572_736), "598.5 MiB"),
        (formatting.byte_size(0), "0 B"),
        (formatting.byte_size(-(2**30)), "-1.0 GiB"),
        (formatting.byte_size(2**50), "1,048,576 GiB"),
        (formatting.significant(54.321), "54.3"),
        (formatting.significant(99.96), "100"),
        (formatting.significant(1234.5), "1,234"),
        (formatting.significant(0.01234), "0.0123"),
        (formatting.significant(0), "0"),
        (formatting.bandwidth(273e9), "273 GB/s"),
        (formatting.rate(7.0), "7.00 tok/s"),
        (formatting.duration(0.0000005), "0.5 us"),
        (formatting.duration(0.0123), "12.3 ms"),
        (formatting.duration(3.21), "3.21 s"),
        (formatting.duration(146), "2 min 26 s"),
        (formatting.duration(7261), "2 h 1 min"),
        (formatting.duration(86400 * 30), "30 days"),
        (formatting.short_duration(146), "2m 26s"),
        (formatting.short_duration(7261), "2h 1m"),
        (formatting.short_duration(86400 * 3 + 7200), "3d 2h"),
        (formatting.parameters(30_532_122_624), "30.5 B"),
        (formatting.parameters(270_000_000), "270 M"),
        (formatting.parameters(None), "?"),
        (formatting.usd(3999), "$3,999"),
        (formatting.usd(None), "?"),
        (formatting.share(1, 1000), "<1 %"),
        (formatting.share(1, 0), ""),
    ],
)
def test_numbers(shown: str, expected: str) -> None:
    assert shown == expected
