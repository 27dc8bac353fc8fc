"""What the names in a claim stand for: machines, models or size classes, quantisations.

A name may stand for several things ("7b": every dense 7B of the catalogue). A claim is then judged over all of them,
and is impossible only where it is for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .. import _catalogue, _core
from .. import formatting as f
from .._errors import SizerError, UnknownNameError
from .._hardware import Hardware
from .._model import Model

#: Formats that a claim may mean when it names none, the smallest first.
USUAL = ("IQ4_XS", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")

#: Formats that another reading of a claim may mean, the largest first.
READINGS = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS", "IQ1_S")

#: What people write for a width without naming a format.
_WIDTHS = {
    "fp16": ("F16",),
    "half": ("F16",),
    "16bit": ("F16",),
    "8bit": ("Q8_0",),
    "int8": ("Q8_0",),
    "q8": ("Q8_0",),
    "6bit": ("Q6_K",),
    "q6": ("Q6_K",),
    "5bit": ("Q5_K_S", "Q5_K_M"),
    "q5": ("Q5_K_S", "Q5_K_M"),
    "fp4": ("NVFP4",),
    "4bit": ("IQ4_XS", "Q4_0", "Q4_K_M"),
    "int4": ("IQ4_XS", "Q4_0", "Q4_K_M"),
    "q4": ("IQ4_XS", "Q4_0", "Q4_K_M"),
    "3bit": ("Q3_K_S", "Q3_K_M"),
    "q3": ("Q3_K_S", "Q3_K_M"),
    "2bit": ("IQ2_XXS", "Q2_K"),
    "q2": ("IQ2_XXS", "Q2_K"),
}

_SIZE = r"(\d{1,4}(?:\.\d{1,2})?)b"
_ONE_SIZE = re.compile(rf"(?:([a-z][a-z0-9]*)[- ])?{_SIZE}")
_TWO_SIZES = re.compile(rf"{_SIZE}\s*(?:-|to)\s*{_SIZE}")
_LABEL = re.compile(r"(?:^|-)(\d{1,4}(?:\.\d{1,2})?)b(?:-|$)")
#: A claims file comes from somebody else: it must not make this machine open files or addresses.
_NO_NAME = re.compile(r"^[.~]|[\\/:]|\.(gguf|json|safetensors)$", re.IGNORECASE)
_SEVERAL = re.compile(r"(\d{1,2})\s*x[- ](.+)")

#: The most models that a class is judged over; of more, those in between the smallest and the largest are thinned out.
_MOST_MODELS = 16


class UnresolvedError(Exception):
    """A name that stands for nothing that can be computed; the message is a clause."""


@dataclass(frozen=True)
class Machines:
    """What a hardware name stands for."""

    options: tuple[Hardware, ...]
    note: str = ""  #: a sentence, where the name is not simply that of a machine
    sold: bool = True  #: False: such a machine was never sold, and the options are the nearest that were


@dataclass(frozen=True)
class Models:
    """What the name of one model stands for, the smallest first."""

    options: tuple[Model, ...]
    name: str
    note: str = ""


def _unknown(error: UnknownNameError) -> str:
    near = f" (nearest: {', '.join(error.nearest[:3])})" if error.nearest else ""
    return f"'{error.name}' is nothing that the catalogue knows{near}"


def _same_memory(unnamed: Hardware) -> tuple[Hardware, ...]:
    """Machines that were sold with the same memory, where an entry stands for one that nobody named."""
    return tuple(
        one
        for one in _catalogue.hardware_list()
        if one.unified == unnamed.unified
        and one.device_count == unnamed.device_count
        and one.memory_bytes == unnamed.memory_bytes
        and one.vendor != "generic"
        and one.backend != "cpu"
    )


@lru_cache(maxsize=256)
def _machines(name: str, _catalogue_of: object) -> Machines:
    try:
        machine = _catalogue.hardware(name)
    except UnknownNameError as error:
        if error.reason is not None:
            options = tuple(_catalogue.hardware(near) for near in error.nearest)
            return Machines(options, f"{name} {error.reason.removeprefix('which ')}.", sold=False)
        several = _SEVERAL.fullmatch(name.lower())
        if several is None or int(several[1]) < 2:
            raise UnresolvedError(_unknown(error)) from None
        one = _machines(several[2], _catalogue_of)
        count = int(several[1])
        options = tuple(linked(machine, count) for machine in one.options)
        return Machines(options, one.note, one.sold)
    spec = machine.to_dict()["devices"][0]["memory"]["bandwidth_spec"]
    if machine.vendor == "generic" and spec["kind"] == "assumed":
        options = _same_memory(machine)
        if options:
            shared = "unified " if machine.unified else ""
            note = (
                f"'{name}' names no product, so the {len(options)} machines that were sold with "
                f"{machine.memory_bytes / f.GIB:.0f} GiB of {shared}memory stand for it."
            )
            return Machines(options, note)
    return Machines((machine,))


def linked(machine: Hardware, count: int) -> Hardware:
    """Several of a machine as one, whose devices can share a model."""
    return machine.replace(
        id=f"{count}x-{machine.id}"[:128].rstrip("-."),
        name=f"{count} x {machine.name}",
        device_count=machine.device_count * count,
    )


def machines(name: str) -> Machines:
    """The machines of a name. Raises UnresolvedError."""
    if not name:
        raise UnresolvedError("the claim names no machine")
    if _NO_NAME.search(name):
        raise UnresolvedError(f"'{name}' is no name of the catalogue")
    try:
        return _machines(name, _catalogue.current())
    except SizerError as error:
        raise UnresolvedError(str(error)) from None


def nominal_billions(model: Model) -> float:
    """The size that a model is called by: of its id, else its weights. 10^9 weights."""
    labels = _LABEL.findall(model.id)
    return float(labels[-1]) if labels else (model.parameters_total or model.parameters_from_shape) / 1e9


@lru_cache(maxsize=4)
def _dense(_catalogue_of: object) -> tuple[Model, ...]:
    models = [one for one in _catalogue.models() if not one.is_moe and one.sizing_status == "complete"]
    return tuple(sorted(models, key=lambda one: (one.parameters_from_shape, one.id)))


def dense_models() -> tuple[Model, ...]:
    """All dense models of the catalogue, the smallest first."""
    return _dense(_catalogue.current())


def _thinned(models: list[Model]) -> tuple[Model, ...]:
    if len(models) <= _MOST_MODELS:
        return tuple(models)
    step = (len(models) - 1) / (_MOST_MODELS - 1)
    return tuple(models[round(i * step)] for i in range(_MOST_MODELS))


def _class(name: str, low: float, high: float, family: str) -> Models:
    found = []
    for one in dense_models():
        size = nominal_billions(one)
        if all(limit == int(limit) for limit in (low, high)):
            size = float(round(size)) if size >= 1 else size
        of_family = not family or (one.id.startswith(family) and not one.id[len(family) : len(family) + 1].isalpha())
        if low <= size <= high and of_family:
            found.append(one)
    if not found:
        kind = f"'{family}' model" if family else "dense model"
        raise UnresolvedError(f"the catalogue has no {kind} of the size '{name}'")
    options = _thinned(found)
    return Models(options, name, _class_note(name, options))


def _class_note(name: str, options: tuple[Model, ...]) -> str:
    if len(options) == 1:
        return ""
    if len(options) <= 4:
        return f"'{name}' stands for {', '.join(one.id for one in options)}."
    first, last = (f"{one.id} ({f.parameters(one.parameters_from_shape)})" for one in (options[0], options[-1]))
    return f"'{name}' stands for {len(options)} dense models from {first} to {last}."


def _one_model(name: str) -> Models:
    plain = name.lower()
    if plain in _catalogue.current().model_ids():
        return Models((_catalogue.model(plain),), name)
    two = _TWO_SIZES.fullmatch(plain)
    if two is not None:
        low, high = sorted((float(two[1]), float(two[2])))
        return _class(name, low, high, "")
    one = _ONE_SIZE.fullmatch(plain)
    if one is not None:
        try:
            return _class(name, float(one[2]), float(one[2]), one[1] or "")
        except UnresolvedError:
            if one[1] is None:
                raise
    if _NO_NAME.search(name):
        raise UnresolvedError(f"'{name}' is no name of the catalogue")
    try:
        return Models((_catalogue.model(name),), name)
    except UnknownNameError as error:
        raise UnresolvedError(_unknown(error)) from None
    except SizerError as error:
        raise UnresolvedError(str(error)) from None


def _able(group: Models, tokens: int | None) -> Models:
    """Of a class those that were trained for so many tokens, where there are any."""
    options = tuple(one for one in group.options if one.context_length >= (tokens or 0))
    if not options or options == group.options:
        return group
    note = _class_note(group.name, options)
    only = f"'{group.name}' stands for {options[0].id}." if len(options) == 1 else note
    return Models(options, group.name, f"Among those trained for {f.count(tokens or 0)} tokens, {only}")


def models(text: str, tokens: int | None = None) -> tuple[Models, ...]:
    """The models of a claim, several where it joins them with +. Raises UnresolvedError.

    tokens  a context that the claim states: of a size class, models that know no such context are left out
    """
    if not text:
        raise UnresolvedError("the claim names no model")
    parts = [part.strip() for part in text.split("+")]
    if len(parts) > 8 or not all(parts):
        raise UnresolvedError(f"'{text}' is no list of models")
    return tuple(_able(_one_model(part), tokens) for part in parts)


def quants(text: str, options: Iterable[Model]) -> tuple[str, ...]:
    """The number formats that a claim may mean, those with the fewest bits first. Raises UnresolvedError."""
    if not text:
        known = _core.quantizations()
        native = {one.native_quantization for one in options} - {None}
        extra = tuple(sorted(name for name in native if name in known and name not in USUAL))
        return (*extra, *USUAL)
    named = {name.lower(): name for name in _core.quantizations()}
    plain = text.strip().lower()
    if plain in named:
        return (named[plain],)
    width = re.sub(r"[^a-z0-9]", "", plain).replace("bits", "bit")
    if width in _WIDTHS:
        return _WIDTHS[width]
    if plain == "mxfp4":
        return ("MXFP4_MOE",)
    near = _core.nearest_names(text[:200], _core.quantizations())
    nearest = f" (nearest: {', '.join(near[:3])})" if near else ""
    raise UnresolvedError(f"'{text}' is no number format that is known{nearest}")
