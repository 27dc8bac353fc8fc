"""Several models at once, several users, speculative decoding and handing a prompt over."""

from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sizer

DESKTOP = "ryzen-9800x3d-rtx-3090-96gb"
LARGE = "apple-m3-ultra-80c-256gb"
FEW = settings(max_examples=12)

Run = Callable[..., Any]


def asks(model: str, context: int = 4096, **more: Any) -> dict[str, Any]:
    return {"model": model, "context": context, "quant": "Q4_K_M", **more}


def on(load: sizer.Load) -> set[str]:
    return set(load.models)


# --- place: the scenarios of the mission ------------------------------------------------------------------------------


def test_a_34b_lies_wholly_on_an_rtx_3090() -> None:
    answer = sizer.place([asks("yi-34b")], "rtx-3090")  # 20.7 GB of weights on 25.4 GB
    setup = answer.residents[0].setup
    assert answer.together and not setup.uses_host and setup.n_gpu_layers == 60 + 1


@pytest.mark.parametrize(
    "models", [("codellama-13b", "codellama-7b"), ("llama-2-7b", "llama-2-7b"), ("llama-2-7b", "llama-2-13b")]
)
def test_two_small_models_share_24_gb(models: tuple[str, str]) -> None:
    answer = sizer.place([asks(name) for name in models], "rtx-3090")
    assert answer.together
    assert [one.model for one in answer.residents] == list(models)
    assert not any(one.setup.uses_host for one in answer.residents)
    card = next(load for load in answer.loads if load.site == "RTX 3090")
    assert card.models == models
    assert card.used_bytes <= card.available_bytes
    assert answer.request_s == pytest.approx(sum(one.setup.request_s for one in answer.residents))


def test_loads_are_the_sums_of_what_lies_there() -> None:
    answer = sizer.place([asks("codellama-13b"), asks("codellama-7b"), asks("llama-3.2-3b", place="host")], DESKTOP)
    assert answer.together
    for load in answer.loads:
        pools = [pool for one in answer.residents for pool in one.setup.pools if pool.site == load.site]
        assert load.used_bytes == sum(pool.total_bytes for pool in pools)
        assert load.left_bytes == load.available_bytes - load.used_bytes >= 0


def test_a_30b_and_a_70b_stay_on_a_large_unified_machine() -> None:
    answer = sizer.place([asks("qwen3-32b", 8192), asks("llama-3.3-70b", 8192)], LARGE)
    assert answer.together and len(answer.loads) == 1
    assert answer.loads[0].used_bytes > (32.8e9 + 70.6e9) * 4.5 / 8  # Q4_K_M: above 4.5 bits a weight
    assert on(answer.loads[0]) == {"qwen3-32b", "llama-3.3-70b"}


def test_small_agents_on_the_cores_leave_the_card_to_the_34b() -> None:
    answer = sizer.place(
        [asks("yi-34b", place="devices"), asks("llama-3.2-3b", place="host"), asks("llama-3.2-1b", place="host")],
        DESKTOP,
    )
    assert answer.together
    big, *agents = answer.residents
    alone = sizer.place([asks("yi-34b", place="devices")], DESKTOP).residents[0]
    assert big.setup.decode == alone.setup.decode
    for agent in agents:
        assert [pool.site for pool in agent.setup.pools if pool.weights_bytes] == ["host"]
        assert agent.setup.decode.tokens_per_s < 83.2e9 / agent.setup.weights_bytes  # two channels of DDR5-5200
    card = next(load for load in answer.loads if load.site == "RTX 3090")
    assert card.models == ("yi-34b",)


def test_an_orchestrator_and_agents_over_several_boxes() -> None:
    models = [asks("llama-3.3-70b", 8192), asks("qwen3-8b", 8192, weight=4.0), asks("llama-3.2-3b", 8192)]
    boxes = ["dgx-spark", "rtx-3090"]
    answer = sizer.place(models, boxes)
    assert answer.together
    where = {one.model: one.hardware for one in answer.residents}
    assert where["llama-3.3-70b"] == "dgx-spark-gb10-128gb"  # 42.5 GB: only there on a device
    assert where["qwen3-8b"] == where["llama-3.2-3b"] == "rtx-3090-24gb"  # 936 GB/s against 273
    weighted = sum(one.setup.request_s * weight for one, weight in zip(answer.residents, (1.0, 4.0, 1.0), strict=True))
    assert answer.request_s == pytest.approx(weighted)
    for box in boxes:
        assert sizer.place(models, box).request_s > answer.request_s


def test_what_does_not_fit_together_is_swapped_at_the_rate_of_the_link() -> None:
    answer = sizer.place([asks("yi-34b", place="devices"), asks("qwen3-32b", place="devices")], DESKTOP)
    assert not answer.together  # 20.7 GB and 19.8 GB
    for one in answer.residents:
        assert one.setup.weights_bytes / 31.51e9 <= one.swap_in_s <= one.setup.weights_bytes / (0.6 * 31.51e9)
    assert not any(load.models for load in answer.loads)
    slow = sizer.combine("rtx-3090 + ryzen-7-9800x3d-ddr5-5200", ["pcie-4.0-x4"])
    quarter = sizer.place([asks("yi-34b", place="devices"), asks("qwen3-32b", place="devices")], slow)
    assert quarter.residents[0].swap_in_s == pytest.approx(4 * answer.residents[0].swap_in_s, rel=0.01)


def test_the_host_may_take_what_the_card_cannot() -> None:
    answer = sizer.place([asks("yi-34b"), asks("qwen3-32b")], DESKTOP)
    weights = {pool.site: 0 for one in answer.residents for pool in one.setup.pools}
    for one in answer.residents:
        for pool in one.setup.pools:
            weights[pool.site] += pool.weights_bytes
    assert answer.together and weights["host"] > 14e9 and weights["RTX 3090"] > 18e9  # 40.5 GB on a card of 25.4 GB


@pytest.mark.parametrize("machine", [DESKTOP, "rtx-3090 + rtx-3060-12gb + ryzen-7-9800x3d-ddr5-5200"])
@pytest.mark.parametrize("model", ["llama-3.3-70b", "gpt-oss-120b", "llama-3.1-8b"])
def test_one_model_alone_is_placed_as_it_is_planned(model: str, machine: str) -> None:
    planned = sizer.plan(model, machine, context=4096, changes=False).best
    assert planned is not None
    assert sizer.place([{"model": model, "context": 4096}], machine).request_s == pytest.approx(planned.request_s)


def test_half_a_dozen_models_on_three_boxes_get_an_answer_soon() -> None:
    models = ("llama-3.1-8b", "qwen3-8b", "gemma-3-12b", "llama-3.2-3b", "qwen3-14b", "phi-4-14b")
    started = time.monotonic()
    answer = sizer.place([{"model": name, "context": 2048} for name in models], ["rtx-3090", "rtx-4090", DESKTOP])
    assert answer.together
    assert time.monotonic() - started < 5


@FEW
@given(
    st.lists(st.sampled_from(["llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b", "llama-2-13b"]), min_size=1, max_size=4)
)
def test_nothing_is_overfull_and_company_never_makes_it_quicker(models: list[str]) -> None:
    answer = sizer.place([asks(name) for name in models], DESKTOP)
    assert all(load.used_bytes <= load.available_bytes for load in answer.loads)
    alone = [sizer.place([asks(name)], DESKTOP).request_s for name in models]
    assert answer.request_s >= sum(alone) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("models", "hardware", "said"),
    [
        ([], DESKTOP, "models: got 0"),
        ([5], DESKTOP, "models: got 5"),
        ([{}], DESKTOP, "models"),
        (["llama-3.1-8b"], DESKTOP, "models"),
        (None, DESKTOP, "models"),
        ([asks("llama-3.1-8b", place="moon")], DESKTOP, "place: got 'moon'.*anywhere"),
        ([asks("llama-3.1-8b", weight=0)], DESKTOP, "weight: got 0, expected above 0"),
        ([asks("llama-3.1-8b", weight=math.nan)], DESKTOP, "weight: got nan"),
        ([asks("llama-3.1-8b", context=10**7)], DESKTOP, "context: got 10000000, expected 1 to 131072"),
        ([asks("llama-3.1-8b")] * 17, DESKTOP, "models: got 17, expected 1 to 16"),
        ([asks("llama-3.1-405b")], DESKTOP, "models.*fits nowhere"),
        ([asks("llama-3.1-8b")], [], "hardware"),
        ([asks("llama-3.1-8b")], 5, "hardware"),
        ([asks("no-such-model")], DESKTOP, "model: got 'no-such-model'"),
    ],
)
def test_bad_requests_of_several_models_are_named(models: Any, hardware: Any, said: str) -> None:
    with pytest.raises(sizer.SizerError, match=said):
        sizer.place(models, hardware)


def test_a_misspelt_argument_of_a_model_names_itself_and_not_our_insides() -> None:
    with pytest.raises((TypeError, sizer.SizerError), match="contex") as caught:
        sizer.place([{"model": "llama-3.1-8b", "contex": 4096}], DESKTOP)
    assert "wish_of" not in str(caught.value)


def test_an_answer_survives_json_and_pickle_and_shows_itself() -> None:
    answer = sizer.place([asks("codellama-13b"), asks("codellama-7b")], DESKTOP)
    plain = answer.to_dict()
    assert sizer.Residents.from_dict(json.loads(json.dumps(plain, allow_nan=False))) == answer
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert set(plain) - {"schema_version"} == {field.name for field in fields(answer)}
    for text in (str(answer), answer._repr_html_()):
        assert "CodeLlama 13B" in text.replace("Code Llama", "CodeLlama") and "RTX 3090" in text


# --- on the command line ----------------------------------------------------------------------------------------------


def test_several_models_with_arguments_of_their_own(run: Run) -> None:
    models = ("yi-34b,context=4096", "llama-3.2-3b,place=host")
    answer = run("plan", *models, "--on", DESKTOP, "--context", "8192", "--json")
    assert answer.code == 0
    assert [one["setup"]["context"] for one in answer.json["residents"]] == [4096, 8192]
    assert [one["place"] for one in answer.json["residents"]] == ["anywhere", "host"]
    assert set(answer.json) - {"schema_version"} == {field.name for field in fields(sizer.Residents)}  # type: ignore[arg-type]


def test_models_that_do_not_fit_together_exit_with_1(run: Run) -> None:
    answer = run("plan", "yi-34b,context=4096,place=devices", "qwen3-32b,context=4096,place=devices", "--on", DESKTOP)
    assert answer.code == 1 and "do not fit together" in answer.out


def test_a_goal_that_one_of_several_models_misses_is_told(run: Run) -> None:
    answer = run("plan", "llama-3.1-8b,min-decode=9999", "llama-3.2-1b", "--on", "rtx-3090", "--context", "4096")
    assert answer.code == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("llama-3.1-8b,", "ARGUMENT=VALUE"),
        ("llama-3.1-8b,context", "ARGUMENT=VALUE"),
        ("llama-3.1-8b,context=", "ARGUMENT=VALUE"),
        ("llama-3.1-8b,bogus=1", "min_decode"),
        ("llama-3.1-8b,context=x", "context: got 'x', expected an integer"),
        ("llama-3.1-8b,context=-1", "context: got -1, expected 1 to 131072"),
        ("llama-3.1-8b,place=moon", "place: got 'moon'"),
        ("llama-3.1-8b,weight=nan", "weight: got nan"),
        (",context=4096", "model: got ''"),
    ],
)
@pytest.mark.parametrize("company", [(), ("llama-3.2-1b",)])
def test_a_bad_argument_of_a_model_names_field_value_and_range(
    run: Run, spec: str, said: str, company: tuple[str, ...]
) -> None:
    answer = run("plan", spec, *company, "--on", DESKTOP)
    assert answer.code == 2 and said in answer.err
    assert "internal error" not in answer.err and "Traceback" not in answer.err


def test_what_is_sought_counts_with_the_models_own_arguments(run: Run) -> None:
    own = run("plan", "qwen3-32b,quant=Q4_K_M,min-decode=20", "--on", DESKTOP, "--find", "context", "--json")
    options = run("plan", "qwen3-32b", "--quant", "Q4_K_M", "--min-decode", "20", "--on", DESKTOP, "--find", "context",
                  "--json")  # fmt: skip
    assert options.code == own.code == 0
    assert options.json == own.json


# --- reverse questions ------------------------------------------------------------------------------------------------


def test_a_plan_reaches_at_least_the_largest_context_of_the_card() -> None:
    planned = sizer.planned_context("qwen3-32b", DESKTOP, quant="Q4_K_M", kv_type="f16")
    on_card = sizer.largest_context("qwen3-32b", DESKTOP, quant="Q4_K_M", kv_type="f16")
    assert planned is not None and on_card is not None and planned > on_card
    assert sizer.plan("qwen3-32b", DESKTOP, quant="Q4_K_M", kv_type="f16", context=planned).meets_goals


def test_the_largest_context_of_a_goal_is_the_largest() -> None:
    goal: dict[str, Any] = {"quant": "Q4_K_M", "kv_type": "f16", "min_decode": 25.0}
    largest = sizer.planned_context("qwen3-32b", DESKTOP, **goal)
    assert largest is not None and largest < sizer.model("qwen3-32b").context_length
    assert sizer.plan("qwen3-32b", DESKTOP, context=largest, **goal).meets_goals
    assert not sizer.plan("qwen3-32b", DESKTOP, context=largest + 256, **goal).meets_goals
    assert sizer.planned_context("qwen3-32b", DESKTOP, quant="Q4_K_M", min_decode=1e6) is None


def test_users_are_fewer_the_longer_the_context_and_the_count_is_the_most() -> None:
    counts = []
    for context in (4096, 16384, 65536):
        goal: dict[str, Any] = {"context": context, "min_decode": 15.0, "quant": "Q4_K_M"}
        users = sizer.most_users("llama-3.1-8b", DESKTOP, **goal)
        counts.append(users)
        assert sizer.plan("llama-3.1-8b", DESKTOP, batch=users, **goal).meets_goals
        assert not sizer.plan("llama-3.1-8b", DESKTOP, batch=users + 1, **goal).meets_goals
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1] > 0


def test_the_least_machines_reach_the_goal_and_stand_by_price() -> None:
    goal: dict[str, Any] = {"context": 32768, "min_decode": 30.0}
    rows = sizer.least_machines("qwen3-coder-30b-a3b", max_price_usd=1000, **goal)
    prices = [row.price_usd for row in rows if row.price_usd is not None]
    assert len(rows) == len(prices) > 5
    assert prices == sorted(prices) and prices[-1] <= 1000
    for row in rows[::8]:
        stated = "host_memory" in sizer.hardware(row.id).to_dict()
        answer = sizer.plan("qwen3-coder-30b-a3b", row.id, changes=False, use_host=stated, **goal)
        assert answer.meets_goals and answer.best is not None
        assert (answer.best.quant, answer.best.decode_of_one) == (row.quant, row.decode_of_one)
    named = sizer.least_machines(
        "qwen3-coder-30b-a3b", machines=["gtx-1050-ti-4gb", "rtx-3090"], context=32768, min_decode=100
    )
    assert [row.id for row in named] == ["rtx-3090-24gb"]


# --- speculative decoding ---------------------------------------------------------------------------------------------


@FEW
@given(st.floats(0, 1), st.integers(1, 16))
def test_a_cycle_gives_the_tokens_of_leviathans_formula(acceptance: float, guesses: int) -> None:
    answer = sizer.speculate("llama-3.3-70b", "2x-rtx-3090", draft="llama-3.2-1b", acceptance=acceptance,
                             draft_tokens=guesses, context=4096)  # fmt: skip
    assert answer.tokens_per_cycle == pytest.approx(sum(acceptance**k for k in range(guesses + 1)))
    assert answer.tokens_per_s == pytest.approx(answer.tokens_per_cycle / (answer.draft_s + answer.check_s))
    assert answer.speedup == pytest.approx(answer.tokens_per_s / answer.plain_tokens_per_s)
    assert answer.check_s >= 1 / answer.plain_tokens_per_s * (1 - 1e-9)
    assert answer.plain_tokens_per_s * (guesses + 1) >= answer.tokens_per_s


def test_the_number_of_guesses_is_the_quickest() -> None:
    best = sizer.speculate("llama-3.3-70b", "2x-rtx-3090", draft="llama-3.2-1b", acceptance=0.7, context=4096)
    assert best.draft_tokens == best.best_draft_tokens
    for guesses in range(1, 17):
        other = sizer.speculate("llama-3.3-70b", "2x-rtx-3090", draft="llama-3.2-1b", acceptance=0.7,
                                draft_tokens=guesses, context=4096)  # fmt: skip
        assert other.speedup <= best.speedup
    never = sizer.speculate("llama-3.3-70b", "2x-rtx-3090", draft="llama-3.2-1b", acceptance=0.0, context=4096)
    assert never.tokens_per_cycle == 1.0 and never.speedup < 1.0


def test_a_model_guesses_with_blocks_of_its_own() -> None:
    answer = sizer.speculate("glm-4.5", LARGE, acceptance=0.8, quant="Q4_K_M", context=4096)
    assert answer.draft is None and answer.tokens_per_cycle > 1.0
    one = sizer.speculate("glm-4.5", LARGE, acceptance=0.8, quant="Q4_K_M", context=4096, draft_tokens=1)
    assert 0 < one.draft_s < 0.25 / one.plain_tokens_per_s  # one block and the head of 92 blocks


def test_without_speculation_the_speed_is_that_of_the_plan() -> None:
    setup = sizer.plan("llama-3.3-70b", DESKTOP, context=4096, quant="Q4_K_M", prompt_tokens=0).best
    assert setup is not None and setup.uses_host  # 42.5 GB on a card of 25.4 GB
    answer = sizer.speculate(
        "llama-3.3-70b", DESKTOP, draft="llama-3.2-1b", acceptance=0.7, context=4096, quant="Q4_K_M"
    )
    assert answer.plain_tokens_per_s < 1.5 * setup.decode.tokens_per_s


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"draft": "qwen3-0.6b"}, "draft.*151936.*128256"),
        ({}, "draft.*multi-token-prediction"),
        ({"draft": "llama-3.2-1b", "acceptance": 1.5}, "acceptance: got 1.5, expected 0 to 1"),
        ({"draft": "llama-3.2-1b", "acceptance": math.nan}, "acceptance"),
        ({"draft": "llama-3.2-1b", "acceptance": True}, "acceptance"),
        ({"draft": "llama-3.2-1b", "draft_tokens": 0}, "draft_tokens: got 0, expected 1 to 64"),
        ({"draft": "llama-3.2-1b", "draft_tokens": 65}, "draft_tokens"),
    ],
)
def test_bad_speculation_is_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(sizer.SizerError, match=said):
        sizer.speculate("llama-3.1-8b", "rtx-3090", **{"acceptance": 0.7, **more})


# --- a prompt handed over ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "rate"), [(512, 1.25), (8192, 1.25), (8192, 12.5)])
def test_what_is_handed_over_is_the_prompts_cache(prompt: int, rate: float) -> None:
    answer = sizer.handover("llama-3.1-8b", prefill_on="rtx-3090", decode_on=LARGE, link_gb_per_s=rate,
                            context=16384, prompt_tokens=prompt, output_tokens=100)  # fmt: skip
    assert answer.sent_bytes == 2 * 32 * 8 * 128 * 2 * prompt  # K and V, layers, heads, head size, f16
    assert answer.transfer_s == pytest.approx(answer.sent_bytes / (rate * 1e9))
    assert answer.ttft_s == pytest.approx(answer.prefill_s + answer.transfer_s + answer.decode_step_s)
    assert answer.prefill_s + answer.decode_step_s < answer.ttft_overlapped_s < answer.ttft_s
    assert answer.request_s == pytest.approx(answer.ttft_overlapped_s + 100 * answer.decode_step_s)
    e = sizer.estimate("llama-3.1-8b", "rtx-3090", context=16384, prompt_tokens=prompt)
    assert answer.prefill_s == pytest.approx(e.prefill.time_s)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf, True, "1"])
def test_a_bad_link_is_named(rate: Any) -> None:
    with pytest.raises(sizer.SizerError, match="link_gb_per_s"):
        sizer.handover("llama-3.1-8b", prefill_on="rtx-3090", decode_on=LARGE, link_gb_per_s=rate)


def test_a_handover_says_where_the_model_does_not_fit() -> None:
    answer = sizer.handover(
        "llama-3.1-405b", prefill_on="rtx-3090", decode_on="m3-ultra-512gb", link_gb_per_s=1.25, context=8192
    )
    assert (answer.prefill_fits, answer.decode_fits) == (False, True)  # 243 GB of weights at Q4_K_M


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--acceptance", "0.7"), "acceptance: got '0.7', expected nothing without --draft"),
        (("--draft-tokens", "4"), "draft_tokens"),
        (("--max-price", "1000"), "max_price: got '1000', expected nothing without --find machine"),
        (("--max-price", "1000", "--find", "users"), "max_price"),
        (("--emit", "ollama", "--find", "users"), "emit: got 'ollama', expected nothing beside --find"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(run: Run, given: tuple[str, ...], said: str) -> None:
    answer = run("plan", "llama-3.1-8b", "--on", "rtx-3090", "--context", "4096", *given)
    assert answer.code == 2 and said in answer.err
