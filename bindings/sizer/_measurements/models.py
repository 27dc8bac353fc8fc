"""The model behind a printed name: from the catalogue, or shaped by its family and its parameter count."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .. import _core
from .._catalogue import current
from .._model import Model
from .._records import Row
from .formats import bits_of_file
from .model_name import ModelName, forms, parse, stated_active
from .model_shapes import made_up, scaled
from .row import LOOKED_AT, NOTES_LOOKED_AT, MeasuredRow, NoMatch

#: A model whose parameters differ by more from what the row states is another model.
VETO = 0.12
#: Half of the last digit that parameters are printed with, in 10^9.
_LAST_DIGIT = 0.005
#: How much larger or smaller a relative may be that is scaled.
_SCALED = 2.3
#: Sizes that a printed type rounds to.
_ROUNDED = 0.04


@dataclass(frozen=True, kw_only=True)
class ModelMatch(Row):
    """A printed model as a shape.

    how    how it was found, or what it was made from
    exact  whether the catalogue has this very shape
    """

    model: Model
    how: str
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Known(Row):
    """A model of the catalogue and its names, taken apart."""

    model: Model
    names: tuple[ModelName, ...]
    plain_names: frozenset[str]
    params_b: float


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower().rsplit("/", 1)[-1])


@lru_cache(maxsize=4)
def _known(catalogue: _core.Catalogue) -> tuple[Known, ...]:
    found = []
    for entry in catalogue.model_ids():
        model = Model._wrap(catalogue.model(entry))
        texts = [model.id, model.name, model.hf_repo or "", *model.aliases]
        names = {parse(text): None for text in texts if text}
        found.append(
            Known(
                model=model,
                names=tuple(name for name in names if name.words),
                plain_names=frozenset(_plain(text) for text in texts if text),
                params_b=(model.parameters_total or model.parameters_from_shape) / 1e9,
            )
        )
    return tuple(found)


def known() -> tuple[Known, ...]:
    """The models that the catalogue has now."""
    return _known(current())


def _contiguous(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Whether one list stands within the other, in one piece or at least in order."""
    rest = iter(long)
    return all(token in rest for token in short)


def _in_one_piece(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    width = len(short)
    return any(long[start : start + width] == short for start in range(len(long) - width + 1))


def _vetoed(one: Known, params: float | None) -> bool:
    return params is not None and abs(math.log(one.params_b / params)) > math.log(1 + VETO)


def _off(one: Known, params: float | None) -> float:
    return 0.0 if params is None else round(abs(math.log(one.params_b / params)), 3)


def _same(name: ModelName, text: str, params: float | None) -> Known | None:
    """The entry one of whose names has the very tokens."""
    plain = _plain(text)
    fitting = [
        one
        for one in known()
        if not _vetoed(one, params) and any(set(name.tokens) == set(other.tokens) for other in one.names)
    ]
    if not fitting:
        return None
    return min(
        fitting, key=lambda one: (plain not in one.plain_names, _off(one, params), len(one.model.id), one.model.id)
    )


_ACTIVE = re.compile(r"\d+(?:\.\d+)?\s?B(?:illion)?\s+active", re.IGNORECASE)
_TYPE = re.compile(r"\s*([a-z][\w.\-]*?) (\d+(?:\.\d+)?)([bmtBMT])\b(?:\.[aA](\d+(?:\.\d+)?)[bB])?")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _roomiest(found: Known, architecture: str) -> Known:
    """Of the entries of one shape, which a type cannot tell apart, the one of the longest context and plainest name."""

    def sizes(one: Known) -> tuple[object, ...]:
        shape = one.model.shape
        fields = ("family", "n_layers", "d_model", "vocab_size", "n_heads", "n_kv_heads", "mixers", "sliding_window")
        return (one.model.parameters_from_shape, *(str(shape.get(field)) for field in fields))

    wanted = sizes(found)
    enough = 2 * found.model.context_length
    alike = [found, *(one for one in known() if sizes(one) == wanted and one.model.context_length >= enough)]
    start = re.match(r"[a-z]*", architecture)
    word = start.group() if start else ""
    return min(
        alike,
        key=lambda one: (not one.model.id.startswith(word), -one.model.context_length, len(one.model.id), one.model.id),
    )


def _type_name(text: str, params: float | None) -> Known | None:
    """What llama-bench's type stands for ("qwen3moe 30B.A3B"): an architecture, a size, and the parameters printed."""
    found = _TYPE.match(text.lower())
    if not found:
        return None
    architecture, number, unit, active = found.groups()
    size = float(number) * {"m": 1e-3, "b": 1.0, "t": 1e3}[unit]
    fitting = []
    for one in known():
        if _letters(one.model.family) != _letters(architecture):
            continue
        if active and abs(math.log(one.model.active_parameters_from_shape / 1e9 / float(active))) > 0.35:
            continue
        near = _off(one, params) <= _ROUNDED if params else abs(one.params_b - size) <= max(0.6, size * _ROUNDED)
        if near:
            fitting.append(one)
    if not fitting:
        return None
    start = _letters(architecture)
    nearest = min(
        fitting,
        key=lambda one: (
            _off(one, params),
            not any(name.startswith(start) for name in one.plain_names),
            len(one.model.id),
            one.model.id,
        ),
    )
    return _roomiest(nearest, architecture)


def _sizes_agree(name: ModelName, other: ModelName) -> bool:
    if name.size_b and other.size_b:
        return abs(math.log(name.size_b / other.size_b)) < 0.1
    return True


def _base(name: ModelName, params: float | None) -> Known | None:
    """The entry whose name stands within the printed one: the base of a fine-tune, or the same with more words."""
    best: tuple[tuple[float, ...], Known] | None = None
    for one in known():
        if _vetoed(one, params):
            continue
        for other in one.names:
            # "llama3" alone is a tag's default and no part of a name.
            if not other.words or not (other.sizes or len(other.tokens) >= 3) or not _sizes_agree(name, other):
                continue
            if name.sizes and not other.sizes and params is None:
                continue
            if _contiguous(other.tokens, name.tokens):
                piece = _in_one_piece(other.tokens, name.tokens)
                rank = (len(other.tokens), float(piece), -_off(one, params), -len(one.model.id))
                if best is None or rank > best[0]:
                    best = (rank, one)
    return None if best is None else best[1]


def _less_said(name: ModelName, params: float | None) -> Known | None:
    """The entry whose name has all that is printed and more: the printed one leaves out a version or a size."""
    best: tuple[tuple[float, ...], Known] | None = None
    if not name.words or (not name.sizes and params is None and len(name.tokens) < 2):
        return None
    for one in known():
        # The parameters tell whether what is left out is a version of another shape.
        if _off(one, params) > _ROUNDED:
            continue
        for other in one.names:
            if _contiguous(name.tokens, other.tokens):
                missing = len(other.tokens) - len(name.tokens)
                rank = (-float(missing), -_off(one, params), -len(one.model.id))
                if best is None or rank > best[0]:
                    best = (rank, one)
    return None if best is None else best[1]


def _without_dates(name: ModelName) -> ModelName | None:
    """The name without a month or a revision such as 2507, or None when it has none."""
    dates = [token for token in name.tokens if re.fullmatch(r"\d{4}|\d{8}", token)]
    return name.replace(tokens=tuple(token for token in name.tokens if token not in dates)) if dates else None


def _mentioned(row: MeasuredRow) -> Iterable[str]:
    """Repositories and files that the notes name."""
    yield from re.findall(r"\b(?:file|repo)\s+([\w.\-]+/[\w.\-]+|[\w.\-]*\d[\w.\-]*)", row.notes)
    yield from re.findall(r"\b[\w\-]+/([\w.\-]+(?:GGUF|gguf))\b", row.notes)


def _relative(names: Iterable[ModelName], params: float, moe: bool) -> Known | None:
    """The entry of the same family that is nearest in version and size, near enough to be scaled."""
    for name in names:
        versions = {token for token in name.tokens if re.fullmatch(r"\d+(?:\.\d+)?", token)}
        majors = {token.split(".")[0] for token in versions}
        for word in name.words:
            family = [
                (
                    bool(versions) and versions.isdisjoint(one.names[0].tokens),
                    bool(majors) and majors.isdisjoint(token.split(".")[0] for token in one.names[0].tokens),
                    one,
                )
                for one in known()
                if one.model.is_moe == moe
                and one.names[0].words[0] == word
                and 1 / _SCALED < one.params_b / params < _SCALED
            ]
            if family:
                return min(family, key=lambda found: (found[:2], _off(found[2], params), found[2].model.id))[2]
    return None


def _parameters(row: MeasuredRow, names: Iterable[ModelName]) -> tuple[float | None, str]:
    """Parameters in 10^9 as the row states them, else as its file's size implies, else as its name says."""
    if row.params_b is not None:
        return row.params_b, "stated"
    bits = bits_of_file(row.quant, row.engine)
    size = next((name.size_b for name in names if name.size_b), None)
    if row.file_size_gib is not None and bits is not None:
        implied = row.file_size_gib * 1024**3 * 8 / bits / 1e9
        if size is None or abs(math.log(implied / size)) > 0.25:
            return (implied, "by the size of its file") if size is None else (size, "by its name")
    return size, "by its name"


def find_model(row: MeasuredRow) -> ModelMatch | NoMatch:
    """The model that a row names.

    Tried in this order: the very name in the catalogue, with what a parenthesis or the notes name in full; the type
    that llama-bench prints; the base of a fine-tune; a name that leaves something out. An entry whose parameters are
    more than 12 % off those of the row is never taken. Then a relative of the same family scaled to the parameters,
    and last a shape made up from them.
    """
    if not row.model.strip():
        return NoMatch(reason="no model stated")
    # Of the rest of the row nothing counts but what the notes name, so that the rows of a table are looked up once.
    row = row.replace(
        model=row.model[:LOOKED_AT],
        quant=row.quant[:LOOKED_AT],
        arch_hint=row.arch_hint[:LOOKED_AT],
        notes=row.notes[:NOTES_LOOKED_AT],
    )
    active = _ACTIVE.search(row.notes)
    mentions = [f"file {text}" for text in dict.fromkeys(_mentioned(row))]
    key = MeasuredRow(
        id="",
        device="",
        test="tg",
        tokens_per_s=1.0,
        model=row.model,
        params_b=row.params_b,
        file_size_gib=None if row.params_b is not None else row.file_size_gib,
        arch_hint=row.arch_hint,
        quant=row.quant,
        engine=row.engine,
        notes="; ".join([*mentions, active.group() if active else ""]),
    )
    return _find(key, current())


@lru_cache(maxsize=4096)
def _find(row: MeasuredRow, catalogue: _core.Catalogue) -> ModelMatch | NoMatch:
    texts = forms(row.model)
    names = [parse(text) for text in texts]
    params = row.params_b
    bare = _TYPE.match(row.model) is not None and len(texts) == 1
    mentioned = _mentioned_model(row, names)
    if bare and mentioned is not None:
        return mentioned
    for text, name in zip(texts, names, strict=True):
        found = _same(name, text, params)
        if found and bare and _off(found, params) > _ROUNDED and _type_name(text, params):
            break  # another entry of the type has the very parameters
        if found:
            of_type = bare and _letters(text).startswith(_letters(found.model.family))
            found = _roomiest(found, text.lower().strip()) if of_type else found
            return ModelMatch(model=found.model, how=f"the catalogue's {found.model.id}", exact=True)
    if mentioned is not None:
        return mentioned
    for text in texts:
        found = _type_name(text, params)
        if found:
            return ModelMatch(model=found.model, how=f"the type of the catalogue's {found.model.id}", exact=True)
    for name in names:
        shorter = _without_dates(name)
        for rule, said in ((_base, "a model on the shape of"), (_less_said, "a short name of")):
            for one in (name, shorter):
                found = None if one is None else rule(one, params)
                if found:
                    return ModelMatch(model=found.model, how=f"{said} the catalogue's {found.model.id}", exact=True)
    return _shaped(row, names)


def _mentioned_model(row: MeasuredRow, names: list[ModelName]) -> ModelMatch | None:
    """The model whose repository or file the notes name, if it is of the size that the row states."""
    for text in _mentioned(row):
        found = _same(parse(text), text, row.params_b)
        if found and _agrees(found, names):
            how = f"the catalogue's {found.model.id}, which the notes name"
            return ModelMatch(model=found.model, how=how, exact=True)
    return None


def _agrees(found: Known, names: list[ModelName]) -> bool:
    """Whether a model that the notes name has the size of what is printed."""
    sizes = [name.size_b for name in names if name.size_b]
    return not sizes or abs(math.log(found.params_b / sizes[0])) < 0.25


def _shaped(row: MeasuredRow, names: list[ModelName]) -> ModelMatch | NoMatch:
    params, source = _parameters(row, names)
    if params is None or params <= 0:
        return NoMatch(reason=f"model '{row.model}' is not in the catalogue and no parameter count is known")
    active = next((name.active_b for name in names if name.active_b), None) or stated_active(row.arch_hint, row.notes)
    experts = next((name.experts for name in names if name.experts), None)
    words = f"{row.arch_hint} {row.model}".lower()
    moe = active is not None or experts is not None or "moe" in words
    moe = moe or ("dense" not in words and _family_of_mixtures(names))
    if active is not None and active >= params * 0.95:
        active, moe = None, False
    printed = row.model.strip()[:200].encode("utf-8", "replace").decode("utf-8")
    name = f"{printed} ({params:.4g}B, shape assumed)"
    told = f"{params:.4g} billion parameters ({source})"
    relative = _relative(names, params, moe)
    if relative is not None and (active is None or _active_near(relative, active)):
        model = scaled(relative.model, name, params)
        if model is not None and (active is None or _near(model.active_parameters_from_shape / 1e9, active)):
            return ModelMatch(model=model, how=f"{relative.model.id} scaled to {told}", exact=False)
    twin = None if row.params_b is None else _as_many(row.params_b, active, moe)
    if twin is not None:
        return ModelMatch(model=twin, how=f"the shape of {twin.id}, which has as many: {told}", exact=False)
    models = [one.model for one in known()]
    model = made_up(name, params, active, experts, moe, models)
    if model is None:
        return NoMatch(reason=f"model '{row.model}' is not in the catalogue and no shape has {told}")
    kind = "mixture of experts" if moe else "dense decoder"
    return ModelMatch(model=model, how=f"a {kind} made up of {told}", exact=False)


def _as_many(params: float, active: float | None, moe: bool) -> Model | None:
    """An entry whose parameters are the stated ones to the last printed digit: most likely its shape was taken."""
    alike = [
        one
        for one in known()
        if params >= 1
        and abs(one.params_b - params) <= _LAST_DIGIT
        and one.model.is_moe == moe
        and (active is None or _active_near(one, active))
    ]
    return min(alike, key=lambda one: (_off(one, params), len(one.model.id))).model if alike else None


def _family_of_mixtures(names: list[ModelName]) -> bool:
    """Whether all models that begin with the same words are mixtures of experts."""
    starts = {name.words[:2] for name in names if name.words}
    family = [one.model.is_moe for one in known() if any(other.words[:2] in starts for other in one.names[:1])]
    return len(family) > 1 and all(family)


def _active_near(one: Known, active: float) -> bool:
    return _near(one.model.active_parameters_from_shape / 1e9, active, 0.3)


def _near(one: float, other: float, most: float = 0.15) -> bool:
    return abs(math.log(one / other)) < most
