"""The base of results: plain values with a name each, immutable, comparable, picklable, to a dict and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from ._errors import DataError

#: Version of the names and units in dicts and JSON. They never change meaning within one version.
SCHEMA_VERSION = 1

Self = TypeVar("Self", bound="Record")

#: How to read the fields of a record that are more than a number, a string or a bool.
Nested = Mapping[str, Callable[[Any], Any]]


def plain(value: Any) -> Any:
    """Records as dicts and tuples as lists, all the way down."""
    if isinstance(value, Record):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def each(convert: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A converter of a list, element by element, into a tuple."""
    return lambda items: tuple(convert(item) for item in items)


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of results."""

    _nested: ClassVar[Nested] = {}

    @classmethod
    def build(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """From plain values under the names of the attributes, all of them."""
        if not cls._nested:
            return cls(**values)
        nested = cls._nested
        return cls(**{name: nested[name](value) if name in nested else value for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers under the names of the attributes, with the ``schema_version``."""
        return {"schema_version": SCHEMA_VERSION, **plain(self)}

    @classmethod
    def from_dict(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """Reads what ``to_dict`` gives. Raises DataError."""
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise DataError(cls.__name__, "/schema_version", f"got {version!r}, expected {SCHEMA_VERSION}")
        try:
            return cls.build({name: value for name, value in values.items() if name != "schema_version"})
        except TypeError as error:  # a key is missing, unknown, or of another kind
            problem = str(error).replace("__init__() ", "")
            raise DataError(cls.__name__, "", f"{problem}; expected what to_dict() writes") from None

    def replace(self: Self, **changes: Any) -> Self:
        """A copy with some attributes changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Row(Record):
    """A line of a list. Its attributes can be read by name too, as they are in JSON: ``term["seconds"]``."""

    def __getitem__(self, name: str) -> Any:
        if all(field.name != name for field in fields(self)):
            raise KeyError(name)
        return getattr(self, name)
