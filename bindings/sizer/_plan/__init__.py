"""Plans: how to run a model, or several, on a machine, and what would change the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import _core
from .._arguments import described, integer, names_the_nearest, real, text
from .._catalogue import Name, as_hardware, as_model, hardware_list
from .._errors import InvalidValueError, UnknownNameError, WrongTypeError
from .._estimate import _price_covers, _reverse
from .._hardware import Hardware
from .._model import Model
from .._results import Assumption
from .explain import assumptions_of, binding, changes_of, devices_of
from .records import (
    Change,
    Goals,
    Handover,
    LeastMachine,
    Load,
    Plan,
    Resident,
    Residents,
    Setup,
    Site,
    Speculation,
    plain_setup,
)
from .wish import ARGUMENTS, wish_from, wish_of

__all__ = [
    "Change",
    "Goals",
    "Handover",
    "LeastMachine",
    "Load",
    "Plan",
    "Resident",
    "Residents",
    "Setup",
    "Site",
    "Speculation",
    "handover",
    "least_machines",
    "most_users",
    "place",
    "plan",
    "planned_context",
    "speculate",
]

PLACES = ("anywhere", "devices", "host")


def _file_of(given: Model | Name, model: Model) -> str | None:
    """The file or address that a caller gave; None for a name of the catalogue."""
    return str(given) if model.file is not None and not isinstance(given, Model) else None


@names_the_nearest
def plan(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    quant: str | Sequence[str] | None = None,
    min_quant: str | None = None,
    context: int | None = None,
    kv_type: str | Sequence[str] | None = None,
    parallel: int | None = None,
    batch: int = 1,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    depth: int = 0,
    engine: str | None = None,
    ubatch: int | None = None,
    min_decode: float | None = None,
    max_ttft_s: float | None = None,
    reserve_mib: int = 0,
    use_host: bool = True,
    prefer: str | None = None,
    engine_options: Mapping[str, Any] | None = None,
    changes: bool = True,
) -> Plan:
    """The best way to run a model on a machine: quantisation, cache type, ubatch, and which blocks and experts lie on
    which card, in which box, or in the RAM beside them.

    quant        a weight format, or a list of them, best first; None: all of the engine's usual ones down to min_quant,
                 or what the model's files are
    min_quant    the least that may be chosen (None: Q4_K_M; AWQ under vLLM, MLX-4BIT under MLX)
    context      tokens of each sequence; None: what the model was trained for, or its file states
    kv_type      a type of the cache, or a list of them, best first; None: f16, then q8_0
    min_decode   tokens per second that one sequence must reach, behind the prompt
    max_ttft_s   seconds until the first token, at most
    reserve_mib  memory of every device that stays free (MiB)
    use_host     blocks and experts may lie in the RAM beside cards
    prefer       "quality": the best format that reaches the goals; "speed": the quickest plan. None: quality where
                 min_decode or max_ttft_s is given, or else speed
    changes      also find out what would change the answer

    The other arguments and the errors are those of ``estimate``. A plan that misses its goals, or that does not exist
    because nothing fits, is an answer (``.meets_goals``, ``.best``).
    """
    given = locals()
    arguments = {name: given[name] for name in ARGUMENTS}
    the_model = as_model(model)
    machine = as_hardware(hardware)
    wish = wish_of(the_model, **arguments)
    plain = _core.plan(the_model._entry, machine._entry, wish.core)
    best = None if plain["plan"] is None else plain_setup(plain["plan"])
    return Plan(
        model=the_model.id,
        model_name=the_model.name,
        model_file=_file_of(model, the_model),
        n_layers=the_model.n_layers,
        hardware=machine.id,
        hardware_name=machine.name,
        n_devices=devices_of(machine),
        unified=machine.unified,
        goals=wish.goals,
        best=best,
        binds=binding(the_model, machine, wish, best),
        context_given=context is not None,
        changes=changes_of(the_model, machine, arguments, wish, best, plain["context"]) if changes else (),
        assumptions=tuple(Assumption(what=what, why=why) for what, why in assumptions_of(machine, best)),
        examined=plain["examined"],
        passed_over=plain["passed_over"],
    )


def planned_context(model: Model | Name, hardware: Hardware | Name, **arguments: Any) -> int | None:
    """The largest context (tokens of each sequence) with which a plan reaches the goals; None when none does.

    Arguments and errors are those of ``plan``; unlike ``largest_context`` it may use every card and the host.
    """
    the_model, machine = as_model(model), as_hardware(hardware)
    arguments.pop("context", None)
    return _core.planned_context(the_model._entry, machine._entry, wish_from(the_model, arguments).core)


def most_users(model: Model | Name, hardware: Hardware | Name, **arguments: Any) -> int:
    """The most users at once, each with the request's context, prompt and answer and all decoding together, for which a
    plan reaches the goals; 0 when not even one. Arguments and errors are those of ``plan``.
    """
    the_model, machine = as_model(model), as_hardware(hardware)
    return _core.most_users(the_model._entry, machine._entry, wish_from(the_model, arguments).core)


def least_machines(
    model: Model | Name,
    *,
    machines: Iterable[Hardware | Name] | None = None,
    max_price_usd: float | None = None,
    **arguments: Any,
) -> tuple[LeastMachine, ...]:
    """The machines of the catalogue for which a plan reaches the goals, the cheapest first; those without a known price
    last, the one with the least memory first. RAM beside a card counts only where the machine states it.

    machines       None: all of the catalogue
    max_price_usd  leaves out what costs more, and what has no known price

    The other arguments and the errors are those of ``plan``.
    """
    the_model = as_model(model)
    if isinstance(machines, (str, bytes)):
        raise WrongTypeError("machines", described(machines), "a list of machines")
    candidates = hardware_list() if machines is None else [as_hardware(one) for one in machines]
    limit = None if max_price_usd is None else real("max_price_usd", max_price_usd)
    wish = wish_from(the_model, arguments, only_stated_memory=True)
    found = []
    for machine in candidates:
        price = machine.price_usd
        if limit is not None and (price is None or price > limit):
            continue
        if not _core.runs_on(wish.engine, machine._entry):
            continue
        plain = _core.plan(the_model._entry, machine._entry, wish.core)["plan"]
        if plain is None or not plain["meets_goals"]:
            continue
        row = LeastMachine(
            id=machine.id,
            name=machine.name,
            price_usd=price,
            price_date=machine.price_date,
            price_covers=_price_covers(machine),
            quant=plain["quant"],
            decode_of_one=plain["decode_of_one"],
            ttft_s=plain["ttft_s"],
            uses_host=plain["uses_host"],
        )
        found.append((price is None, price or 0.0, machine.usable_bytes * machine.device_count, row))
    return tuple(row for *_, row in sorted(found, key=lambda one: one[:3]))


@names_the_nearest
def place(
    models: Sequence[Mapping[str, Any]],
    hardware: Hardware | Name | Sequence[Hardware | Name],
) -> Residents:
    """Puts several models on one machine or on several so that all stay loaded and a request to each takes the least
    time together. Where they do not fit together, each is planned alone and has a time to be swapped in.

    models    a dict for each model: ``model``, any argument of ``plan``, ``place`` ("anywhere", "devices" or "host":
              where it may lie) and ``weight`` (how much its time counts; 1)
    hardware  a machine, or several; a model lies on one of them

    Raises the errors of ``plan``.
    """
    if not isinstance(models, (list, tuple)):
        raise WrongTypeError("models", described(models), "a list of dicts with 'model' and arguments of plan()")
    if (
        not isinstance(hardware, (str, Hardware))
        and not hasattr(hardware, "__iter__")
        and not hasattr(hardware, "__fspath__")
    ):
        raise WrongTypeError("hardware", described(hardware), "a machine, or a list of machines")
    boxes: list[Hardware | Name] = (
        [hardware] if isinstance(hardware, (str, Hardware)) or hasattr(hardware, "__fspath__") else list(hardware)
    )
    machines = [as_hardware(one) for one in boxes]
    entries, wishes, places, weights = [], [], [], []
    for one in models:
        if not isinstance(one, Mapping) or "model" not in one:
            raise WrongTypeError("models", described(one), "a dict with 'model' and arguments of plan()")
        options = {name: value for name, value in one.items() if name not in ("model", "place", "weight")}
        where = text("place", one.get("place", "anywhere"))
        if where not in PLACES:
            raise UnknownNameError("place", where, PLACES)
        the_model = as_model(one["model"])
        entries.append(the_model)
        wishes.append(wish_from(the_model, options))
        places.append(where)
        weights.append(real("weight", one.get("weight", 1.0)))
    plain = _core.place_residents(
        [one._entry for one in entries],
        [one.core for one in wishes],
        places,
        weights,
        [one._entry for one in machines],
    )
    residents = tuple(
        Resident(
            model=one.id,
            model_name=one.name,
            place=where,
            hardware=machines[setup["machine_index"]].id,
            setup=plain_setup(setup),
            swap_in_s=setup["swap_in_s"],
        )
        for one, where, setup in zip(entries, places, plain["plans"], strict=True)
    )

    def models_on(load: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            resident.model
            for resident, setup in zip(residents, plain["plans"], strict=True)
            if setup["machine_index"] == load["machine_index"]
            and any(pool.site == load["site"] and pool.weights_bytes for pool in resident.setup.pools)
        )

    return Residents(
        together=plain["together"],
        meets_goals=plain["together"] and all(one.setup.meets_goals for one in residents),
        all_tried=plain["all_tried"],
        residents=residents,
        loads=tuple(
            Load(
                hardware=machines[load["machine_index"]].id,
                site=load["site"],
                used_bytes=load["used_bytes"],
                available_bytes=load["available_bytes"],
                available_known=load["available_known"],
                left_bytes=load["available_bytes"] - load["used_bytes"],
                models=models_on(load) if plain["together"] else (),
            )
            for load in plain["loads"]
        ),
        request_s=plain["request_s"],
    )


def speculate(
    model: Model | Name,
    hardware: Hardware | Name,
    *,
    draft: Model | Name | None = None,
    acceptance: float,
    draft_tokens: int | None = None,
    draft_quant: str | None = None,
    **options: Any,
) -> Speculation:
    """Speculative decoding: memory of the draft and speed, from how often its guesses are right. The draft
    lies on the first device, the model is placed around it as ``plan`` would.

    draft         a smaller model with the same vocabulary; None: the model's own multi-token-prediction blocks
    acceptance    chance that a guess is right, 0 to 1
    draft_tokens  guesses of a cycle; None: the number that is quickest
    draft_quant   weight format of the draft; None: that of ``quant``

    The other arguments and the errors are those of ``estimate``.
    """
    draft_model = None if draft is None else as_model(draft)
    the_model, machine, request = _reverse(model, hardware, options)
    draft_options = {**options, **({} if draft_quant is None else {"quant": draft_quant})}
    if draft_model is not None and draft_options.get("context") is None:
        draft_options["context"] = min(int(request.resolved(the_model._entry)["context"]), draft_model.context_length)
    draft_request = None if draft_model is None else _reverse(draft_model, machine, draft_options)[2]
    sizes = [] if draft_model is None else [one.shape["vocab_size"] for one in (draft_model, the_model)]
    if draft_model is not None and sizes[0] != sizes[1]:
        raise InvalidValueError(
            "draft",
            f"{draft_model.id} with a vocabulary of {sizes[0]}",
            f"a model with that of {the_model.id}, {sizes[1]}",
        )

    def ask(guesses: int) -> dict[str, Any]:
        return _core.speculate(
            the_model._entry,
            request,
            None if draft_model is None else draft_model._entry,
            draft_request,
            machine._entry,
            acceptance,
            guesses,
        )

    rate = real("acceptance", acceptance, low_allowed=True)
    if rate > 1.0:
        raise InvalidValueError("acceptance", str(rate), "0 to 1")
    best = max(range(1, 17), key=lambda guesses: float(ask(guesses)["speedup"]))
    plain = ask(best if draft_tokens is None else integer("draft_tokens", draft_tokens))
    return Speculation(draft=None if draft_model is None else draft_model.id, best_draft_tokens=best, **plain)


def handover(
    model: Model | Name,
    *,
    prefill_on: Hardware | Name,
    decode_on: Hardware | Name,
    link_gb_per_s: float,
    **options: Any,
) -> Handover:
    """Prefill on one machine and decode on another, with the prompt's cache sent over a link of ``link_gb_per_s``
    (10^9 bytes per second, one direction). The other arguments and the errors are those of ``estimate``."""
    the_model, first, request = _reverse(model, prefill_on, {"prompt_tokens": None, "output_tokens": None, **options})
    second = as_hardware(decode_on)
    bandwidth = real("link_gb_per_s", link_gb_per_s) * 1e9
    fits = [_core.estimate(the_model._entry, one._entry, request)["memory"]["fits"] for one in (first, second)]
    plain = _core.hand_over(the_model._entry, request, first._entry, second._entry, bandwidth)
    return Handover(prefill_fits=fits[0], decode_fits=fits[1], **plain)
