"""Checks of argument types: Python would take True for a batch of 1 and pass NaN on."""

from __future__ import annotations

import functools
import json
import math
import operator
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from . import _core
from ._errors import DataError, InvalidValueError, WrongTypeError

LARGEST_INTEGER = 2**63 - 1

Arguments = typing.ParamSpec("Arguments")
Answer = TypeVar("Answer")


def names_the_nearest(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Lets the TypeError for an unknown keyword say which ones come near."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        for name in kwargs:
            if name not in known:
                nearest = ", ".join(_core.nearest_names(name, known)[:3])
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument '{name}'; nearest: {nearest}"
                )
        return function(*args, **kwargs)

    return checked


def described(value: object) -> str:
    """A value and its type, short enough for a message."""
    try:
        text = repr(value)
    except Exception:  # an integer of more digits than Python prints, or a class with a broken repr
        return f"a value ({type(value).__name__})"
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def integer(field: str, value: Any) -> int:
    """A whole number that fits 64 bits; NumPy's integers too, but neither booleans nor floating point numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValueError(field, repr(value), "an integer")
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        raise WrongTypeError(field, described(value), "an integer")
    try:
        number = operator.index(value)
    except TypeError:
        raise WrongTypeError(field, described(value), "an integer") from None
    if not -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
        shown = f"{number:.3g}" if abs(number) < 10**300 else "a number of more than 300 digits"
        raise InvalidValueError(field, shown, "an integer that fits 64 bits")
    return number


def optional_integer(field: str, value: Any) -> int | None:
    """None, or a whole number."""
    return None if value is None else integer(field, value)


def real(field: str, value: Any, *, low: float = 0.0, low_allowed: bool = False) -> float:
    """A finite number above ``low``."""
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise WrongTypeError(field, described(value), "a number")
    try:
        number = float(value)
    except OverflowError:
        raise InvalidValueError(field, "a number beyond 1e308", "a finite number") from None
    except TypeError:
        raise WrongTypeError(field, described(value), "a number") from None
    if not math.isfinite(number):
        raise InvalidValueError(field, repr(number), "a finite number")
    if number < low or (number == low and not low_allowed):
        raise InvalidValueError(field, f"{number:g}", f"{'at least' if low_allowed else 'above'} {low:g}")
    return number


def boolean(field: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as such."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return bool(value)
    raise WrongTypeError(field, described(value), "True or False")


def text(field: str, value: Any) -> str:
    """A name: text that is not blank, not endless, and can be written as UTF-8."""
    if not isinstance(value, str):
        raise WrongTypeError(field, described(value), "a string")
    if not value.strip():
        raise InvalidValueError(field, repr(value), "a name")
    if len(value) > 4096:
        raise InvalidValueError(field, f"a string of {len(value)} characters", "at most 4096 characters")
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, as file names that are not UTF-8 have
        raise InvalidValueError(field, ascii(value), "text that can be written as UTF-8") from None
    return value


def option_pairs(options: Any) -> list[tuple[str, bool | int | float | str]]:
    """Options as pairs of a name and a plain bool, int, float or str."""
    if options is None:
        return []
    if not isinstance(options, Mapping):
        raise WrongTypeError("engine_options", described(options), "a dict of option names and values")
    pairs: list[tuple[str, bool | int | float | str]] = []
    for name, value in options.items():
        if not isinstance(name, str):
            raise WrongTypeError("engine_options", described(name), "the name of an option")
        if isinstance(value, str):
            pairs.append((name, text(name, value)))
        elif isinstance(value, bool) or type(value).__name__ == "bool_":
            pairs.append((name, bool(value)))
        elif hasattr(value, "__index__"):
            pairs.append((name, integer(name, value)))
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise InvalidValueError(name, repr(value), "a finite number")
            pairs.append((name, float(value)))
        else:
            raise WrongTypeError(name, described(value), "a number, True, False or a string")
    return pairs


def request(
    *,
    quant: Any,
    context: Any,
    kv_type: Any,
    parallel: Any,
    batch: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    depth: Any,
    engine: Any,
    ubatch: Any,
    flash_attention: Any,
    engine_options: Any,
) -> _core.Request:
    """The options that estimate(), compare() and the others share, checked."""
    return _core.Request(
        quant=None if quant is None else text("quant", quant),
        context=optional_integer("context", context),
        kv_type=text("kv_type", kv_type),
        parallel=optional_integer("parallel", parallel),
        batch=integer("batch", batch),
        prompt_tokens=optional_integer("prompt_tokens", prompt_tokens),
        output_tokens=optional_integer("output_tokens", output_tokens),
        depth=integer("depth", depth),
        engine=None if engine is None else text("engine", engine),
        ubatch=optional_integer("ubatch", ubatch),
        flash_attention=boolean("flash_attention", flash_attention),
        options=option_pairs(engine_options),
    )


def entry_json(field: str, entry: Any) -> str:
    """The JSON of a dict in the catalogue's format, which the catalogue's reader then checks. Raises DataError."""
    if not isinstance(entry, Mapping):
        raise WrongTypeError(field, described(entry), "a dict")
    try:
        return json.dumps(dict(entry), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError("dict", "", f"got what JSON cannot hold ({error}), expected what to_dict() gives") from None
