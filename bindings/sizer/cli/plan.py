"""The best way to run a model, or several at once, on a machine, and the configuration that does it.

examples:
  sizer plan llama-3.3-70b --on "rtx-3090 + ryzen-7-9800x3d-ddr5-5200" --context 8192
  sizer plan gpt-oss-120b --on "2x rtx-3090" --context 32768 --min-decode 20 --emit llama-server
  sizer plan llama-3.1-405b --on 2x-dgx-spark --context 8192 --min-quant IQ4_XS
  sizer plan yi-34b,context=4096 llama-3.2-3b,context=8192,place=host --on ryzen-9800x3d-rtx-3090-96gb
  sizer plan qwen3-coder-30b-a3b --find machine --context 131072 --min-decode 30 --max-price 3000
  sizer plan qwen3-coder-30b-a3b --on rtx-3090 --find users --context 16384 --min-decode 15

HARDWARE is a name of the catalogue, a JSON file, "this", or several with " + " between them ("2x rtx-3090 +
ryzen-7-9800x3d-ddr5-5200"). A MODEL may be followed by arguments of its own, as in the fourth example; several models
stay loaded together where they fit. --on may be repeated: each model then lies on one of the machines.

Exit code 1 when nothing fits or the goals are not reached."""

from __future__ import annotations

import argparse
from typing import Any

from .. import _core
from .._catalogue import combine, model
from .._combine import LINKS
from .._errors import InvalidValueError
from .._hardware import Hardware
from .._records import plain
from ..display import Text
from .options import integer, number
from .output import Output

#: What --find looks for.
_QUESTIONS = ("context", "users", "machine")
_INTEGERS = ("context", "parallel", "batch", "prompt_tokens", "output_tokens", "depth", "ubatch", "reserve_mib")
_NUMBERS = ("min_decode", "max_ttft_s", "weight")
_TEXTS = ("quant", "min_quant", "kv_type", "engine", "prefer", "place")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of the command."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a model, or several: NAME[,ARGUMENT=VALUE...]")
    parser.add_argument(
        "--on", action="append", default=[], dest="hardware", metavar="HARDWARE", help="a machine; may be repeated"
    )
    parser.add_argument(
        "--link", action="append", default=[], metavar="NAME", help=f"how its parts are joined: {', '.join(LINKS)}"
    )
    goals = parser.add_argument_group("goals")
    goals.add_argument("--min-decode", metavar="TOKENS_PER_S", help="speed that each sequence must reach")
    goals.add_argument("--max-ttft", metavar="SECONDS", dest="max_ttft_s", help="time to the first token, at most")
    goals.add_argument(
        "--min-quant", metavar="NAME", help="the least weight format that may be chosen (default Q4_K_M)"
    )
    goals.add_argument("--reserve", metavar="MIB", dest="reserve_mib", help="memory of every device that stays free")
    goals.add_argument("--prefer", metavar="WHAT", help="quality or speed (default: quality with a speed goal)")
    group = parser.add_argument_group("request")
    group.add_argument("--quant", metavar="NAME", help="weight format (default: the plan chooses)")
    group.add_argument("--context", metavar="TOKENS", help="of each sequence (default: the model's own)")
    group.add_argument("--kv-type", metavar="TYPE", help="format of the KV cache (default: the plan chooses)")
    group.add_argument("--parallel", metavar="SLOTS", help="sequences that hold a cache (default: the batch)")
    group.add_argument("--batch", metavar="SEQUENCES", help="sequences decoded together (default 1)")
    group.add_argument("--prompt-tokens", metavar="TOKENS", help="length of the prompt (default 2048)")
    group.add_argument("--output-tokens", metavar="TOKENS", help="length of the answer (default 256)")
    group.add_argument("--depth", metavar="TOKENS", help="tokens already cached (default 0)")
    group.add_argument("--engine", metavar="NAME", help=f"runtime: {', '.join(_core.engines())}")
    group.add_argument("--ubatch", metavar="TOKENS", help="llama.cpp's physical batch (default: the plan chooses)")
    group.add_argument("--no-host", action="store_true", help="nothing of the model in the RAM beside cards")
    answers = parser.add_argument_group("answers")
    answers.add_argument(
        "--emit",
        metavar="TARGET",
        help="print the configuration for llama-server, ollama, lmstudio, vllm or mlx, and nothing else",
    )
    answers.add_argument(
        "--find",
        metavar="WHAT",
        help="instead of a plan, the largest context, the most users, or the least machine that reaches the goals",
    )
    answers.add_argument("--max-price", metavar="USD", help="with --find machine: what it may cost")
    draft = parser.add_argument_group("speculative decoding")
    draft.add_argument("--draft", metavar="MODEL", help='a draft model, or "mtp" for the model\'s own blocks')
    draft.add_argument("--acceptance", metavar="SHARE", help="chance that a guess is right, 0 to 1")
    draft.add_argument("--draft-tokens", metavar="COUNT", help="guesses of a cycle (default: the quickest number)")


def _typed(name: str, value: str) -> Any:
    if name in _INTEGERS:
        return integer(name, value)
    if name in _NUMBERS:
        return number(name, value)
    return value


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments of sizer.plan()."""
    given = {name: getattr(options, name, None) for name in (*_INTEGERS, *_NUMBERS, *_TEXTS)}
    arguments = {name: _typed(name, value) for name, value in given.items() if value is not None}
    if options.no_host:
        arguments["use_host"] = False
    return arguments


def _spec(text: str, shared: dict[str, Any]) -> dict[str, Any]:
    """A model with arguments of its own: NAME,context=4096,place=host."""
    name, *pairs = text.split(",")
    one: dict[str, Any] = {**shared, "model": name}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not separator or not value or key not in (*_INTEGERS, *_NUMBERS, *_TEXTS):
            known = ", ".join((*_INTEGERS, *_NUMBERS, *_TEXTS))
            raise InvalidValueError("model", repr(pair), f"ARGUMENT=VALUE with one of {known}")
        one[key] = _typed(key, value.strip())
    return one


def _machines(options: argparse.Namespace) -> list[Hardware]:
    return [combine(name, options.link) for name in options.hardware]


def _find(options: argparse.Namespace, output: Output) -> int:
    """The reverse questions."""
    from .._plan import least_machines, most_users, planned_context, report

    arguments = _spec(options.models[0], _arguments(options))
    name = arguments.pop("model")
    if len(options.models) > 1 or (options.find != "machine" and len(options.hardware) > 1):
        raise InvalidValueError("find", repr(options.find), "one model, and one machine")
    prompt = f", with prompts of {arguments.get('prompt_tokens', 2048):,} tokens"
    if options.find == "machine":
        limit = None if options.max_price is None else number("max_price", options.max_price)
        machines = _machines(options) or None
        rows = least_machines(model(name), machines=machines, max_price_usd=limit, **arguments)
        output.answer({"schema_version": 1, "machines": plain(rows)}, report.least(rows))
        return 0 if rows else 1
    machine = _machines(options)[0]
    answer: int | None
    if options.find == "context":
        answer = planned_context(name, machine, **arguments)
        sentence = (
            "No context reaches what was asked for." if not answer else f"Up to {answer:,} tokens of context{prompt}."
        )
    else:
        answer = most_users(name, machine, **arguments)
        sentence = (
            f"Up to {answer:,} users at once{prompt}." if answer else "Not even one user gets what was asked for."
        )
    output.answer({"schema_version": 1, options.find: answer}, [Text(sentence, "good" if answer else "bad")])
    return 0 if answer else 1


def _speculate(options: argparse.Namespace, output: Output) -> int:
    from .._plan import report, speculate

    if options.acceptance is None:
        raise InvalidValueError("acceptance", "nothing", "the chance that a guess is right, 0 to 1")
    arguments = _arguments(options)
    known = {name: arguments[name] for name in ("quant", "context", "depth", "engine") if name in arguments}
    answer = speculate(
        options.models[0],
        _machines(options)[0],
        draft=None if options.draft == "mtp" else options.draft,
        acceptance=number("acceptance", options.acceptance),
        draft_tokens=None if options.draft_tokens is None else integer("draft_tokens", options.draft_tokens),
        **known,
    )
    output.answer(answer.to_dict(), report.speculation(answer))
    return 0 if answer.fits and answer.speedup > 1.0 else 1


#: Options that mean something beside another one only, and what that has to be; None: anything.
_BESIDE = (("acceptance", "draft", None), ("draft_tokens", "draft", None), ("max_price", "find", "machine"))


def _refuse_what_is_not_used(options: argparse.Namespace) -> None:
    """An option that would be ignored is a mistake. Raises InvalidValueError."""
    for name, needed, wanted in _BESIDE:
        beside = getattr(options, needed)
        if getattr(options, name) is not None and (beside is None or (wanted is not None and beside != wanted)):
            shown = f"--{needed} {wanted or ''}".strip()
            raise InvalidValueError(name, repr(getattr(options, name)), f"nothing without {shown}")
    for other in ("find", "draft"):
        if options.emit is not None and getattr(options, other) is not None:
            raise InvalidValueError("emit", repr(options.emit), f"nothing beside --{other}")


def run(options: argparse.Namespace, output: Output) -> int:
    """Answers, and returns the exit code."""
    from .._plan import place, plan, report

    _refuse_what_is_not_used(options)
    if options.find is not None and options.find not in _QUESTIONS:
        raise InvalidValueError("find", repr(options.find), " or ".join(_QUESTIONS))
    if not options.hardware and options.find != "machine":
        raise InvalidValueError("on", "nothing", "a machine: `sizer hardware` lists them")
    if options.find is not None:
        return _find(options, output)
    if options.draft is not None:
        return _speculate(options, output)
    arguments = _arguments(options)
    machines = _machines(options)
    several = (
        len(options.models) > 1 or len(machines) > 1 or any(key in options.models[0] for key in (",place=", ",weight="))
    )
    if several:
        if options.emit is not None:
            raise InvalidValueError("emit", repr(options.emit), "one model and one machine")
        answer = place([_spec(text, arguments) for text in options.models], machines)
        output.answer(answer.to_dict(), report.residents(answer))
        return 0 if answer.meets_goals else 1
    spec = _spec(options.models[0], arguments)
    one = plan(spec.pop("model"), machines[0], changes=options.emit is None, **spec)
    if options.emit is not None:
        if one.best is None:
            output.answer(one.to_dict(), report.plan(one))
            return 1
        text = one.emit(options.emit)
        output.configuration({"schema_version": 1, "target": options.emit, "configuration": text}, text)
    else:
        output.answer(one.to_dict(), report.plan(one))
    return 0 if one.meets_goals else 1
