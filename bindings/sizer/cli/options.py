"""Options that estimate and compare share."""

from __future__ import annotations

import argparse
import re
from typing import Any

from .. import _core
from .._catalogue import model
from .._errors import InvalidValueError
from .._model import Model

_INTEGER = re.compile(r"[+-]?\d+(?:[,_]\d+)*")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def integer(field: str, text: str) -> int:
    """A whole number; underscores and commas between digits are allowed (262,144). No suffixes: 256k could mean 256,000
    or 262,144."""
    if not _INTEGER.fullmatch(text):
        suffix = re.fullmatch(r"(\d+)\s*([kKmM])i?", text)
        hint = ""
        if suffix:
            power = 1 if suffix[2] in "kK" else 2
            number = int(suffix[1])
            hint = f", such as {number * 1024**power} or {number * 1000**power}"
        raise InvalidValueError(field, repr(text), f"an integer{hint}")
    if len(text) > 400:
        raise InvalidValueError(field, f"a number of {len(text)} digits", "an integer that fits 64 bits")
    return int(text.replace(",", "").replace("_", ""))


def number(field: str, text: str) -> float:
    """A decimal number."""
    try:
        return float(text.replace("_", ""))
    except ValueError:
        raise InvalidValueError(field, repr(text), "a number") from None


def add_model(parser: argparse.ArgumentParser) -> None:
    """The model, by name or file."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a model (`sizer models` lists them), a file or folder, ollama:NAME, hf:ORG/REPO[:FILE], or a URL",
    )
    parser.add_argument("--mmproj", metavar="FILE", help="projector file that is loaded with the model")


def chosen_model(options: argparse.Namespace) -> Model:
    """The model of these options."""
    return model(options.model, mmproj=options.mmproj)


def add_request(parser: argparse.ArgumentParser) -> None:
    """The options of a request, named as the arguments of sizer.estimate()."""
    group = parser.add_argument_group("request")
    group.add_argument(
        "--quant", metavar="NAME", help="weight format (default: what the model's files are, or else Q4_K_M)"
    )
    group.add_argument(
        "--context",
        metavar="TOKENS",
        help="tokens the KV cache is made for (default: what the model's file states, or else its trained context)",
    )
    group.add_argument("--kv-type", default="f16", metavar="TYPE", help="number format of the KV cache (default f16)")
    group.add_argument("--parallel", metavar="SLOTS", help="sequences that hold a cache (default: the batch)")
    group.add_argument("--batch", default="1", metavar="SEQUENCES", help="sequences decoded in one step (default 1)")
    group.add_argument("--prompt-tokens", metavar="TOKENS", help="length of the prompt (default 2048)")
    group.add_argument("--output-tokens", metavar="TOKENS", help="length of the answer (default 256)")
    group.add_argument("--depth", default="0", metavar="TOKENS", help="tokens already cached (default 0)")
    group.add_argument(
        "--engine",
        metavar="NAME",
        help=f"runtime: {', '.join(_core.engines())} (default: what the files are made for, or llama.cpp)",
    )
    group.add_argument("--ubatch", metavar="TOKENS", help="llama.cpp's physical batch (default 512)")
    group.add_argument("--no-flash-attention", action="store_true", help="keep the attention scores in memory")
    group.add_argument(
        "--engine-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="what only that engine knows, under its own name, such as n_cpu_moe=12; may be repeated",
    )


def request(options: argparse.Namespace) -> dict[str, Any]:
    """The options as arguments of sizer.estimate() and sizer.compare()."""

    def optional(field: str) -> int | None:
        text = getattr(options, field)
        return None if text is None else integer(field, text)

    return {
        "quant": options.quant,
        "context": optional("context"),
        "kv_type": options.kv_type,
        "parallel": optional("parallel"),
        "batch": integer("batch", options.batch),
        "prompt_tokens": optional("prompt_tokens"),
        "output_tokens": optional("output_tokens"),
        "depth": integer("depth", options.depth),
        "engine": options.engine,
        "ubatch": optional("ubatch"),
        "flash_attention": not options.no_flash_attention,
        "engine_options": _engine_options(options.engine, options.engine_option),
    }


def _engine_options(engine: str | None, pairs: list[str]) -> dict[str, Any] | None:
    kinds = dict(_core.engine_options(engine or "llama.cpp")) if pairs else {}
    parsed: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        value = value.strip()
        if not separator or not name or not value:
            raise InvalidValueError("engine_option", repr(pair), "KEY=VALUE")
        if name in parsed:
            raise InvalidValueError("engine_option", f"{name} twice", "each option once")
        parsed[name] = _typed(name, kinds.get(name, ""), value)
    return parsed or None


def _typed(name: str, kind: str, value: str) -> Any:
    if kind == "boolean":
        if value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        raise InvalidValueError(name, repr(value), "true or false")
    if kind == "integer":
        return integer(name, value)
    if kind == "number":
        return number(name, value)
    return value
