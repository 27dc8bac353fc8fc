"""What sizer raises: wrong input or a bad file. "Does not fit" is a value and is never raised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SizerError(Exception):
    """Base of everything that sizer raises."""

    __module__ = "sizer"


class InvalidValueError(SizerError, ValueError):
    """A value lies outside what its field allows.

    Attributes: ``field`` (the argument's name), ``got`` and ``expected`` (text).
    """

    __module__ = "sizer"

    def __init__(self, field: str, got: str, expected: str) -> None:
        super().__init__(f"{field}: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.field, self.got, self.expected))


class WrongTypeError(SizerError, TypeError):
    """A value has a type that its field does not take.

    Attributes: ``field`` (the argument's name), ``got`` and ``expected`` (text).
    """

    __module__ = "sizer"

    def __init__(self, field: str, got: str, expected: str) -> None:
        super().__init__(f"{field}: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.field, self.got, self.expected))


class UnknownNameError(SizerError, KeyError):
    """A name (of a model, a machine, a quantisation, an option) that nothing carries.

    Attributes: ``field`` (what was looked up), ``name``, ``nearest`` (known names, best first), ``reason`` (why the
    name stands for nothing, where there is more to say than "unknown"; else None).
    """

    __module__ = "sizer"

    def __init__(self, field: str, name: str, nearest: Sequence[str] = (), reason: str | None = None) -> None:
        message = f"{field}: got '{name}', which is not known" if reason is None else f"{field}: '{name}': {reason}"
        if nearest:
            message += "; nearest: " + ", ".join(nearest)
        super().__init__(message)
        self.field = field
        self.name = name
        self.nearest = list(nearest)
        self.reason = reason

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.field, self.name, self.nearest, self.reason))


class DataError(SizerError, ValueError):
    """A file breaks its own format.

    Attributes: ``file``, ``where`` (JSON pointer or byte), ``problem`` (value got and what is expected).
    """

    __module__ = "sizer"

    def __init__(self, file: str, where: str, problem: str) -> None:
        super().__init__(f"{file}{' at ' + where if where else ''}: {problem}")
        self.file = file
        self.where = where
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.file, self.where, self.problem))


class DeviceError(SizerError, RuntimeError):
    """A device failed or stopped answering; the message has its driver's words.

    Attribute: ``lost`` (whether further calls are pointless).
    """

    __module__ = "sizer"

    def __init__(self, message: str, lost: bool) -> None:
        super().__init__(message)
        self.lost = lost

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.lost))
