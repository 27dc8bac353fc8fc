"""What a plan looks like."""

from __future__ import annotations

from collections.abc import Sequence

from .. import formatting as f
from ..display import Block, Heading, Items, Table, Text
from .records import LeastMachine, Plan, Residents, Setup, Speculation


def _layers(setup: Setup, site: str, at: int) -> str:
    """What of the model lies on a site."""
    if not setup.placed:
        return ""
    if site == "host":
        parts = [f"layers 0 to {setup.host_blocks - 1}"] if setup.host_blocks else []
        if setup.n_cpu_moe > setup.host_blocks:
            parts.append(f"experts of layers {setup.host_blocks} to {setup.n_cpu_moe - 1}")
        return ", ".join([*parts, "embedding"])
    first = setup.host_blocks + sum(setup.device_blocks[:at])
    count = setup.device_blocks[at]
    head = setup.tensor_split[at] > count
    where = f"layers {first} to {first + count - 1}" if count else ""
    return " and ".join(part for part in (where, "the output head" if head else "") if part) or "nothing"


def pools(setup: Setup) -> Table:
    """Every memory, and what lies there."""
    rows = []
    for at, pool in enumerate(setup.pools):
        caches = pool.kv_cache_bytes + pool.recurrent_state_bytes
        rest = pool.compute_buffer_bytes + pool.overhead_bytes
        rows.append(
            [
                pool.site,
                f.gib(pool.weights_bytes),
                f.gib(caches),
                f.gib(rest),
                f.gib(pool.total_bytes),
                f.gib(pool.available_bytes) if pool.available_known else "not stated",
                _layers(setup, pool.name, at),
            ]
        )
    headers = ["memory (GiB)", "weights", "caches", "buffers", "total", "usable", "what lies there"]
    n = len(headers) if setup.placed else len(headers) - 1
    return Table(headers[:n], [row[:n] for row in rows], "lrrrrrl"[:n])


def speeds(setup: Setup) -> Table:
    """The speeds with their intervals."""
    behind = setup.depth + setup.prompt_tokens
    rows = [
        [
            name,
            f.significant(rate.tokens_per_s),
            f"{f.significant(rate.low)} to {f.significant(rate.high)}",
            f.significant(rate.ceiling_tokens_per_s),
            rate.bound,
        ]
        for name, rate in (
            (f"decode at depth {f.count(setup.depth)}", setup.decode),
            (f"decode behind the prompt (depth {f.count(behind)})", setup.decode_behind_prompt),
            (f"prefill of {f.count(setup.prompt_tokens)} tokens", setup.prefill),
        )
    ]
    return Table(["speed", "tok/s", "80 % interval", "ceiling", "bound by"], rows, "lrrrl")


def _choice(setup: Setup, context_given: bool) -> str:
    """What was chosen, in a sentence."""
    own = "" if context_given else " (the model's own, because none was given)"
    sequences = "" if setup.parallel == 1 else f", {setup.parallel} sequences"
    cache = f", cache in {setup.kv_type}" if setup.engine not in ("vllm", "mlx") else ""
    ubatch = f", ubatch {setup.ubatch}" if setup.engine not in ("vllm", "mlx") else ""
    return f"{setup.quant}, context {f.count(setup.context)}{own}{sequences}{cache}{ubatch}, {setup.engine}"


def _verdict(plan: Plan, best: Setup) -> Text:
    where = "partly in the RAM beside the devices" if best.uses_host else "on the devices"
    if not best.placed and best.pools[0].name == "host":
        where = "in the RAM"
    unknown = [pool for pool in best.pools if not pool.available_known and pool.total_bytes]
    if unknown and best.uses_host:
        where += f", if that has {f.byte_size(unknown[0].total_bytes)} to spare"
    asked = plan.goals.min_decode is not None or plan.goals.max_ttft_s is not None
    if plan.meets_goals:
        return Text(f"It fits, {where}" + (", and reaches what was asked for." if asked else "."), "good")
    return Text(f"It fits, {where}, but does not reach what was asked for.", "bad")


def plan(answer: Plan) -> list[Block]:
    """The whole answer."""
    best = answer.best
    if best is None:
        heading = Heading(f"{answer.model_name} on {answer.hardware_name}")
        return [heading, Text(f"Nothing fits. What binds: {answer.binds}.", "bad"), *_changes(answer)]
    blocks: list[Block] = [
        Heading(f"{answer.model_name} on {answer.hardware_name}: {_choice(best, answer.context_given)}"),
        _verdict(answer, best),
        pools(best),
        speeds(best),
        Text(
            f"First token after {f.duration(best.ttft_s)}; {f.count(best.output_tokens)} tokens of answer after "
            f"{f.duration(best.request_s)}."
        ),
        Text(f"What binds: {answer.binds}."),
        *_changes(answer),
    ]
    if answer.assumptions:
        blocks += [Heading("Assumed"), Items([f"{one.what}: {one.why}" for one in answer.assumptions])]
    return blocks


def _changes(answer: Plan) -> list[Block]:
    if not answer.changes:
        return []
    rows = [
        [
            one.what,
            f.significant(one.decode_of_one),
            f.duration(one.ttft_s),
            "partly in the RAM" if one.uses_host else "on the devices",
            "yes" if one.meets_goals else "no",
        ]
        for one in answer.changes
    ]
    return [Table(["what would change it", "decode tok/s", "first token", "where", "goals reached"], rows, "lrrll")]


def residents(answer: Residents) -> list[Block]:
    """Several models at once."""
    several = len({one.hardware for one in answer.loads}) > 1
    rows = []
    for one in answer.residents:
        setup = one.setup
        sites = [pool.site for pool in setup.pools if pool.weights_bytes and pool.site != "host"] or ["host"]
        if setup.uses_host:
            sites.append("host")
        rows.append(
            [
                one.model_name,
                setup.quant,
                f"{f.count(setup.context)}, {setup.kv_type}",
                (f"{one.hardware}: " if several else "") + " + ".join(dict.fromkeys(sites)),
                f.gib(sum(pool.total_bytes for pool in setup.pools)),
                f.significant(setup.decode_of_one),
                f.duration(setup.ttft_s),
                f.duration(one.swap_in_s),
            ]
        )
    verdict = (
        Text("All of them stay loaded together.", "good")
        if answer.together
        else Text(
            "They do not fit together: each is loaded when its turn comes. Sizes and speeds are of each alone.", "bad"
        )
    )
    headers = ["model", "format", "context and cache", "where", "GiB", "decode tok/s", "first token"]
    if answer.together:
        rows = [row[:-1] for row in rows]
    else:
        headers.append("to load from RAM")
    blocks: list[Block] = [Heading("Several models at once"), verdict, Table(headers, rows, "llrlrrrr"[: len(headers)])]
    missed = [one.model_name for one in answer.residents if not one.setup.meets_goals]
    if missed:
        blocks.append(Text(f"Not as quick as asked for: {', '.join(missed)}.", "bad"))
    if not answer.all_tried:
        blocks.append(Text("Too many ways to try them all: a better one may exist."))
    if not answer.together:
        return blocks
    loads = [
        [
            (f"{load.hardware}: " if several else "") + load.site,
            f.gib(load.used_bytes),
            f.gib(load.available_bytes) if load.available_known else "not stated",
            f.gib(load.left_bytes) if load.available_known else "",
            ", ".join(load.models),
        ]
        for load in answer.loads
    ]
    blocks.append(Table(["memory (GiB)", "used", "usable", "left", "models"], loads, "lrrrl"))
    shared = [load for load in answer.loads if len(load.models) > 1]
    if shared:
        names = ", ".join(load.site for load in shared)
        blocks.append(
            Text(f"Speeds are of one model at a time. Models that answer at once share the bandwidth of {names}.")
        )
    return blocks


#: Rows of a list that is read by people; JSON has all.
_SHOWN = 25


def least(rows: Sequence[LeastMachine]) -> list[Block]:
    """Machines that reach the goals, the cheapest first."""
    cells = [
        [
            row.id,
            f.usd(row.price_usd),
            (row.price_date or "")[:7],
            row.price_covers,
            row.quant,
            f.significant(row.decode_of_one),
            f.duration(row.ttft_s),
            "partly in the RAM" if row.uses_host else "on the devices",
        ]
        for row in rows[:_SHOWN]
    ]
    headers = ["machine", "price", "of", "buys", "format", "decode tok/s", "first token", "the model lies"]
    more = f", of which the {_SHOWN} cheapest are shown" if len(rows) > _SHOWN else ""
    found = f"{len(rows)} machines reach what was asked for{more}."
    note = " A card needs a PC around it, whose RAM is taken to be two channels of DDR5-5600 where none is stated."
    cards = any(row.price_covers == "cards" for row in rows[:_SHOWN])
    return [Table(headers, cells, "lrlllrrl"), Text(found + (note if cards else ""), "faint")]


def speculation(answer: Speculation) -> list[Block]:
    """Speculative decoding."""
    draft = answer.draft or "the model's own multi-token-prediction blocks"
    rows = [
        ["guesses of a cycle", str(answer.draft_tokens)],
        ["tokens of a cycle", f.significant(answer.tokens_per_cycle)],
        ["time of the guesses", f.duration(answer.draft_s)],
        ["time of the check", f.duration(answer.check_s)],
        ["without speculation", f.rate(answer.plain_tokens_per_s)],
        ["with it", f"{f.rate(answer.tokens_per_s)}, {f.significant(answer.speedup)} times"],
        ["weights of the draft", f.byte_size(answer.draft_weights_bytes)],
        ["its cache and buffers", f.byte_size(answer.draft_other_bytes)],
        ["quickest number of guesses", str(answer.best_draft_tokens)],
        ["the model lies", "partly in the RAM beside the devices" if answer.uses_host else "on the devices"],
    ]
    lacking = Text("There is no room for both; the speeds are as if there were.", "bad")
    title = f"Speculative decoding with {draft}, {answer.acceptance:.0%} of guesses right"
    return [Heading(title), *([] if answer.fits else [lacking]), Table(["", ""], rows, "lr")]
