"""Machines made of several, and `sizer plan` with whatever somebody may type."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sizer
from sizer import cli
from sizer._combine import LINKS

CARD = "rtx-3090"
CORES = "ryzen-7-9800x3d-ddr5-5200"
PC = "ryzen-9800x3d-rtx-3090-96gb"
UNEQUAL = f"rtx-3090 + rtx-3060-12gb + {CORES}"
LARGE = "apple-m3-ultra-80c-256gb"
NO_PORT = sizer.hardware(LARGE).replace(links=[])

Run = Callable[..., Any]


def best_of(machine: sizer.Hardware | str, model: str, **options: Any) -> sizer.Setup:
    best = sizer.plan(model, machine, changes=False, **options).best
    assert best is not None
    return best


def prices(*names: str) -> float:
    return math.fsum(sizer.hardware(name).price_usd or math.nan for name in names)


# --- cards beside a processor -----------------------------------------------------------------------------------------


def test_a_combination_has_all_memories_and_costs_the_sum() -> None:
    machine = sizer.hardware(UNEQUAL)
    best = best_of(machine, "llama-3.3-70b", context=4096, quant="Q4_K_M")
    available = {pool.site: pool.available_bytes for pool in best.pools}
    assert available == {
        "RTX 3090": sizer.hardware(CARD).usable_bytes,
        "RTX 3060": sizer.hardware("rtx-3060-12gb").usable_bytes,
        "host": sizer.hardware(CORES).usable_bytes,
    }
    assert machine.price_usd == pytest.approx(prices(CARD, "rtx-3060-12gb", CORES))
    assert sizer.combine([CARD, "rtx-3060-12gb", CORES]) == machine
    assert sizer.hardware(f"2x {CARD}").price_usd == pytest.approx(2 * prices(CARD))


def test_a_price_that_is_not_known_is_not_left_out_of_a_sum() -> None:
    unknown = sizer.hardware("ryzen-9-5900x-ddr4-3600")
    assert unknown.price_usd is None
    assert sizer.combine([CARD, unknown]).price_usd is None


def test_unequal_cards_take_layers_by_their_memory_and_a_second_card_is_never_slower() -> None:
    two = best_of(UNEQUAL, "llama-3.3-70b", context=4096, quant="Q4_K_M")
    one = best_of(f"{CARD} + {CORES}", "llama-3.3-70b", context=4096, quant="Q4_K_M")
    assert two.device_blocks[0] > two.device_blocks[1] > 0
    assert sum(two.device_blocks) + two.host_blocks == 80
    assert two.request_s < one.request_s and two.host_bytes < one.host_bytes - 10e9
    # What fits on the first card alone needs no second.
    assert best_of(UNEQUAL, "llama-3.1-8b", context=4096).request_s <= best_of(
        f"{CARD} + {CORES}", "llama-3.1-8b", context=4096
    ).request_s * (1 + 1e-9)


def test_two_of_a_card_are_the_catalogues_pair() -> None:
    ours = best_of(f"2x {CARD}", "llama-3.3-70b", context=4096, quant="Q4_K_M")
    theirs = best_of("2x-rtx-3090", "llama-3.3-70b", context=4096, quant="Q4_K_M")
    assert ours.decode_of_one == pytest.approx(theirs.decode_of_one, rel=0.02)
    assert sum(pool.weights_bytes for pool in ours.pools) == sum(pool.weights_bytes for pool in theirs.pools)


def test_experts_that_are_streamed_feel_the_bus() -> None:
    links = ("pcie-3.0-x4", "pcie-4.0-x4", "pcie-4.0-x16", "pcie-5.0-x16")
    bests = [
        best_of(sizer.combine(f"{CARD} + {CORES}", [link]), "gpt-oss-120b", context=8192, prompt_tokens=2048)
        for link in links
    ]
    assert all(best.n_cpu_moe for best in bests)
    speeds = [best.prefill.tokens_per_s for best in bests]
    assert speeds == sorted(speeds) and speeds[0] < speeds[-1] / 2
    # What crosses the bus does so once for each ubatch, at no more than its data rate; the cores may be quicker.
    sent = 0
    for best, link in zip(bests, links, strict=True):
        passes = -(-best.prompt_tokens // best.ubatch)
        for term in best.prefill.terms:
            if "bus" in term.name:
                assert term.seconds > passes * best.host_bytes / (LINKS[link][2] * 1e9) * 0.98
                sent += 1
    assert sent > 0
    assert bests[0].decode.tokens_per_s == pytest.approx(bests[-1].decode.tokens_per_s, rel=0.05)


def test_a_bridge_of_one_maker_joins_no_card_of_another() -> None:
    mixed = sizer.hardware("rtx-3090 + rx-7900-xtx-24gb").to_dict().get("links", [])
    assert not [link for link in mixed if "NVLink" in link["name"]]


# --- boxes ------------------------------------------------------------------------------------------------------------


def test_boxes_over_a_quicker_link_are_never_slower() -> None:
    speeds = [
        best_of(sizer.combine([LARGE, LARGE], [link]), "deepseek-v3", context=4096, quant="Q4_K_M").request_s
        for link in ("1gbe", "10gbe", "thunderbolt-5")
    ]
    assert speeds == sorted(speeds, reverse=True) and speeds[0] > speeds[-1]


def test_boxes_hold_what_neither_holds_alone() -> None:
    assert sizer.plan("deepseek-v3", LARGE, context=4096, quant="Q4_K_M").best is None  # 404 GB on 239 GB
    best = best_of(sizer.combine([LARGE, LARGE], ["thunderbolt-5"]), "deepseek-v3", context=4096, quant="Q4_K_M")
    assert len(best.device_blocks) == 2 and min(best.device_blocks) > 0
    assert sum(pool.weights_bytes for pool in best.pools) == best.weights_bytes > 380e9


def test_equal_boxes_are_not_filled_to_the_brim_where_sharing_costs_nothing() -> None:
    best = best_of("2x-dgx-spark", "llama-3.1-405b", context=8192, quant="IQ4_XS")  # 216 GB on 2 x 128.5 GB
    assert min(pool.headroom_bytes for pool in best.pools) > 8e9


# --- what cannot be joined --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machines", "links", "said"),
    [
        ([CARD, CARD], ["nope"], "link: got 'nope'.*10gbe.*thunderbolt-5"),
        ([CARD], [""], "link"),
        ([CARD], 5, "links"),
        ([CARD], [3], "links: got 3"),
        ([CORES, CORES], [], "at most one processor"),
        (f"2x {CORES}", [], "at most one processor"),
        ([CORES, "dgx-spark"], [], "unified memory"),
        ([PC, PC], [], "own RAM"),
        ([NO_PORT, NO_PORT], [], "link: got nothing.*10gbe"),
        ([], [], "machines: got none"),
        (None, [], "machines|hardware"),
        (5, [], "machines|hardware"),
        ([CARD, None], [], "hardware: got None"),
        (f"0x {CARD}", [], "a count of 1 or more"),
        (f"{CARD} + ", [], "names of machines"),
        (f"{CARD} + nope", [], "hardware: got 'nope'"),
    ],
)
def test_what_cannot_be_joined_is_said(machines: Any, links: Any, said: str) -> None:
    with pytest.raises(sizer.SizerError, match=said):
        sizer.combine(machines, links)


@given(st.sampled_from([one.id for one in sizer.machines()]), st.sampled_from([one.id for one in sizer.machines()]),
       st.lists(st.sampled_from(list(LINKS)), max_size=2))  # fmt: skip
@settings(max_examples=40)
def test_any_two_machines_make_one_or_a_clear_error(one: str, other: str, links: list[str]) -> None:
    try:
        machine = sizer.combine([one, other], links)
    except sizer.SizerError as error:
        assert 0 < len(str(error)) < 600
        return
    assert sizer.Hardware.from_dict(machine.to_dict()) == machine
    answer = sizer.plan("llama-3.1-8b", machine, context=2048)
    assert answer.best is None or answer.best.fits
    assert answer.hardware_name in " ".join(str(answer).split())


# --- what is emitted for a combination --------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [UNEQUAL, f"2x {CARD} + {CORES}", "dgx-spark + dgx-spark"])
def test_a_combination_is_emitted(run: Run, machine: str) -> None:
    answer = run("plan", "llama-3.3-70b", "--on", machine, "--context", "4096", "--emit", "llama-server")
    assert answer.code == 0, answer.err
    assert shlex.split(answer.out.replace("\\\n", " "), comments=True)[0] == "llama-server"


def test_vllm_is_told_of_both_cards() -> None:
    answer = sizer.plan("llama-3.3-70b", f"2x {CARD}", engine="vllm", context=4096, quant="AWQ")
    assert "--tensor-parallel-size 2" in answer.emit("vllm")  # 39.8 GB of weights


def test_a_machine_of_ones_own_is_emitted() -> None:
    mine = sizer.hardware("2x-rtx-3090").replace(id="my-pc", name="My PC")
    answer = sizer.plan("llama-3.3-70b", mine, context=4096, quant="Q4_K_M")
    assert "llama-server" in answer.emit("llama-server")


def test_a_box_that_gets_nothing_need_not_be_started() -> None:
    answer = sizer.plan("llama-3.1-8b", "2x-dgx-spark", context=4096)
    assert answer.best is not None
    if 0 in answer.best.device_blocks:
        assert "--rpc" not in answer.emit("llama-server")


# --- on the command line ----------------------------------------------------------------------------------------------


def test_exit_codes_say_yes_no_and_usage(run: Run) -> None:
    fits = ("plan", "llama-3.1-8b", "--on", CARD, "--context", "4096")
    assert run(*fits).code == 0
    assert run(*fits, "--min-decode", "9999").code == 1
    assert run("plan", "llama-3.1-405b", "--on", f"{CARD} + {CORES}", "--context", "4096").code == 1
    assert run(*fits, "--context", "-1").code == 2
    assert run("plan", "/nowhere/model.gguf", "--on", CARD).code == 3


def test_a_count_is_told_in_the_heading(run: Run) -> None:
    answer = run("plan", "llama-3.3-70b", "--on", f"2x {CARD}", "--context", "4096")
    assert "2" in answer.out.split(":")[0].split(" on ")[1]


@pytest.mark.parametrize(("what", "key"), [("context", "context"), ("users", "users"), ("machine", "machines")])
def test_what_is_sought_is_json(run: Run, what: str, key: str) -> None:
    on = () if what == "machine" else ("--on", CARD)
    answer = run("plan", "llama-3.1-8b", *on, "--find", what, "--json", "--min-decode", "40", "--context", "8192")
    assert answer.code == 0 and answer.json["schema_version"] == 1
    assert answer.json[key]
    nothing = run("plan", "llama-3.1-8b", "--on", CARD, "--find", what, "--json", "--min-decode", "9999")
    assert nothing.code == 1 and not nothing.json[key]


VALUES = ["", " ", "0", "-1", "1", "4096", "262144", "99999999999999999999", "1e400", "nan", "inf", "x", "true",
          "\uff13", "\udcff", "\x00", "a,b", "f16", "q8_0", "Q8_0", "vllm", "mlx", "ollama", "quality",
          "users", "context", "machine", "llama-server", "mtp", "llama-3.2-1b", "pcie-4.0-x4", "10gbe", "0.5",
          "9000000000000"]  # fmt: skip
NAMES = ["--min-decode", "--max-ttft", "--min-quant", "--reserve", "--prefer", "--quant", "--context", "--kv-type",
         "--parallel", "--batch", "--prompt-tokens", "--output-tokens", "--depth", "--engine", "--ubatch", "--emit",
         "--find", "--max-price", "--draft", "--acceptance", "--draft-tokens", "--link"]  # fmt: skip


@given(
    st.sampled_from(["llama-3.1-8b", "gpt-oss-20b", "mamba-2.8b", "glm-4.5,context=4096", "", ",", "llama-3.1-8b,x=1"]),
    st.sampled_from([CARD, UNEQUAL, "dgx-spark", CORES, "2x-dgx-spark", "0x a", " + ", "this", "apple-m1-8c-8gb"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=3),
    st.booleans(),
)
@settings(max_examples=300)
def test_whatever_is_typed_gets_an_answer_or_a_clear_error(
    model: str, machine: str, options: dict[str, str], as_json: bool
) -> None:
    if options.get("--find") == "machine":
        return
    words = [part for name, value in options.items() for part in (f"{name}={value}",)]
    assert cli.main(("plan", model, "--on", machine, *words, *(["--json"] if as_json else []))) in (0, 1, 2, 3)


def test_a_model_file_without_a_shape_is_bad_data(run: Run, tmp_path: Path) -> None:
    for name, text in (("empty.gguf", ""), ("config.json", "{}"), ("list.json", "[]"), ("model.json", '{"a": 1}')):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        answer = run("plan", str(path), "--on", CARD)
        assert answer.code == 3 and "internal error" not in answer.err
        answer = run("plan", "llama-3.1-8b", "--on", str(path))
        assert answer.code in (2, 3) and "internal error" not in answer.err


def test_a_machine_from_a_file_is_planned_for_and_emitted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    mine = sizer.hardware("2x-rtx-3090").replace(id="my-pc", name="My PC").to_dict()
    path.write_text(json.dumps(mine), encoding="utf-8")
    words = ("plan", "llama-3.3-70b", "--on", str(path), "--context", "4096")
    assert run(*words).code == 0
    answer = run(*words, "--emit", "llama-server")
    assert answer.code == 0, answer.err
