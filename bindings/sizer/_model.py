"""What a model is, as one immutable object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, final

from . import _core
from ._arguments import described, entry_json, integer, text
from ._errors import InvalidValueError, UnknownNameError, WrongTypeError
from ._model_file import ContextLabel, ModelFile, Tensor, build_tensor

#: Fields of a model's shape, as the catalogue's "architecture" object has them.
SHAPE_FIELDS = (
    "family",
    "n_layers",
    "n_mtp_layers",
    "d_model",
    "vocab_size",
    "context_length",
    "tied_embeddings",
    "n_heads",
    "n_kv_heads",
    "d_ff",
    "head_dim_k",
    "head_dim_v",
    "sliding_n_heads",
    "sliding_n_kv_heads",
    "sliding_head_dim_k",
    "sliding_head_dim_v",
    "sliding_window",
    "n_kv_shared_layers",
    "mixers",
    "feed_forwards",
    "latent",
    "experts",
    "recurrent",
    "indexer_head_dim",
    "indexer_n_heads",
    "indexer_n_layers",
    "per_layer_embedding",
    "features",
)

_ID = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")


def checked_id(value: Any) -> str:
    """An id as catalogue files have them."""
    name = text("id", value)
    if not _ID.fullmatch(name) or len(name) > 128:
        raise InvalidValueError("id", repr(name), "lower case letters and digits with single dashes or dots between")
    return name


def id_from_name(name: str, fallback: str) -> str:
    """An id made of a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:128].strip("-") or fallback


def as_json(field: str, value: Any) -> Any:
    """A shape field as JSON has it; the types inside are checked by the reader of the shape."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if hasattr(value, "__index__"):
        return integer(field, value)
    if isinstance(value, float):
        raise WrongTypeError(field, described(value), "an integer")
    if isinstance(value, Mapping):
        return {str(key): as_json(f"{field}.{key}", item) for key, item in value.items() if item is not None}
    if hasattr(value, "__iter__"):
        return [as_json(field, item) for item in value]
    raise WrongTypeError(field, described(value), "a number, a list or a dict")


def shape_json(fields: Mapping[str, Any]) -> str:
    """Shape fields as the catalogue's reader takes them. Raises UnknownNameError for a field that no shape has."""
    for field in fields:
        if field not in SHAPE_FIELDS:
            raise UnknownNameError("model", field, _core.nearest_names(field, SHAPE_FIELDS) or SHAPE_FIELDS)
    return json.dumps({field: as_json(field, value) for field, value in fields.items() if value is not None})


@final
class Model:
    """A language model: its shape, layer by layer, and where the figures come from. Immutable.

    From the catalogue or a file: ``sizer.model(name)``. By its shape::

        sizer.Model(name="My 8B", family="llama", n_layers=32, d_model=4096, n_heads=32, n_kv_heads=8, d_ff=14336,
                    vocab_size=128256, context_length=131072)

    Shape fields (counts of elements, layers or tokens; all integers unless said otherwise): ``family`` (GGUF
    architecture name, default "llama"), ``n_layers``, ``n_mtp_layers``, ``d_model``, ``vocab_size``,
    ``context_length`` (tokens the model was trained for), ``tied_embeddings`` (bool), ``n_heads``, ``n_kv_heads`` and
    ``d_ff`` (one value, or a list of one per layer), ``head_dim_k``, ``head_dim_v``, ``sliding_window`` and the heads
    of sliding layers (``sliding_n_heads``, ``sliding_n_kv_heads``, ``sliding_head_dim_k``, ``sliding_head_dim_v``),
    ``n_kv_shared_layers``, ``mixers`` and ``feed_forwards`` (patterns such as ``[("sliding", 5), ("full", 1)]``,
    repeated over the layers), ``latent``, ``experts``, ``recurrent`` and ``features`` (dicts), ``indexer_head_dim``,
    ``indexer_n_heads``, ``indexer_n_layers``, ``per_layer_embedding``.

    Raises InvalidValueError, WrongTypeError or UnknownNameError naming the field.
    """

    __slots__ = ("_entry",)
    _entry: _core.Model

    def __init__(self, *, id: str | None = None, name: str | None = None, **shape: Any) -> None:
        if name is not None:
            name = text("name", name)
        model_id = checked_id(id) if id is not None else id_from_name(name or "", "custom-model")
        entry = _core.Model.from_shape(id=model_id, name=name or model_id, shape_json=shape_json(shape))
        object.__setattr__(self, "_entry", entry)

    @classmethod
    def _wrap(cls, entry: _core.Model) -> Model:
        self = object.__new__(cls)
        object.__setattr__(self, "_entry", entry)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Model is immutable; use model.replace({name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Model is immutable")

    @property
    def id(self) -> str:
        """Name in the catalogue."""
        return self._entry.id

    @property
    def name(self) -> str:
        """Name as the publisher writes it."""
        return self._entry.name

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that ``sizer.model`` finds it by."""
        return tuple(self._entry.aliases)

    @property
    def publisher(self) -> str | None:
        """Who trained and published it."""
        return self._entry.publisher or None

    @property
    def license(self) -> str | None:
        """Licence of the weights."""
        return self._entry.license or None

    @property
    def hf_repo(self) -> str | None:
        """Repository on Hugging Face."""
        return self._entry.hf_repo or None

    @property
    def released(self) -> str | None:
        """YYYY-MM or YYYY-MM-DD."""
        return self._entry.released or None

    @property
    def native_quantization(self) -> str | None:
        """Number format that the publisher released the weights in."""
        return self._entry.native_quantization or None

    @property
    def notes(self) -> str | None:
        """What else is worth knowing."""
        return self._entry.notes or None

    @property
    def sizing_status(self) -> str:
        """``complete``, or ``partial`` when a field that sizing needs is missing or taken from a sibling."""
        return self._entry.sizing_status

    @property
    def sizing_note(self) -> str | None:
        """Why the sizing is partial."""
        return self._entry.sizing_note or None

    @property
    def parameters_total(self) -> int | None:
        """Published parameter count; None when not known."""
        return self._entry.parameters_total

    @property
    def parameters_active(self) -> int | None:
        """Published count of parameters that one token uses; None when not known."""
        return self._entry.parameters_active

    @property
    def parameters_from_shape(self) -> int:
        """Weights that the shape implies, all tensors counted."""
        return self._entry.parameters_from_shape()[0]

    @property
    def active_parameters_from_shape(self) -> int:
        """Weights that one token uses, by the shape."""
        return self._entry.parameters_from_shape()[1]

    @property
    def family(self) -> str:
        """GGUF ``general.architecture``."""
        return self._entry.family

    @property
    def n_layers(self) -> int:
        """Decoder blocks, without those of multi-token prediction."""
        return self._entry.n_layers

    @property
    def context_length(self) -> int:
        """Tokens that the model was trained for."""
        return self._entry.context_length

    @property
    def is_moe(self) -> bool:
        """Whether it is a mixture of experts."""
        return self._entry.is_moe

    @property
    def shape(self) -> dict[str, Any]:
        """The shape fields that are set, a fresh dict."""
        return dict(json.loads(self._entry.shape_json()))

    @property
    def layers(self) -> list[dict[str, Any]]:
        """One dict per layer: mixer, feed_forward, owns_kv_cache, n_heads, n_kv_heads, head_dim_k, head_dim_v, d_ff."""
        return self._entry.layers()

    def to_dict(self) -> dict[str, Any]:
        """The entry in the catalogue's file format, with its ``schema_version``."""
        return dict(json.loads(self._entry.to_json()))

    @property
    def file(self) -> ModelFile | None:
        """The files that it was read from, exact to the byte; None for the catalogue's entries and shapes."""
        plain = _core.model_file(self._entry)
        return None if plain is None else ModelFile.build(plain)

    @property
    def tensors(self) -> list[Tensor]:
        """Every tensor of its files, in their order; empty for the catalogue's entries and shapes."""
        return [build_tensor(row) for row in _core.model_tensors(self._entry)]

    @property
    def context_labels(self) -> tuple[ContextLabel, ...]:
        """Where its files state another context than it was trained for."""
        file = self.file
        return () if file is None else file.context_labels

    def without_file(self) -> Model:
        """The same shape without its files: sized by the recipe of any quantisation."""
        return self.from_dict(self.to_dict())

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Model:
        """Reads what ``to_dict`` gives, or a catalogue file. Raises DataError."""
        return cls._wrap(_core.Model.from_json(entry_json("model", entry), "dict"))

    @classmethod
    def from_gguf_metadata(
        cls,
        metadata: Mapping[str, Any],
        *,
        id: str | None = None,
        name: str | None = None,
        tied_embeddings: bool | None = None,
        qkv_bias: bool | None = None,
        qk_norm: bool | None = None,
    ) -> Model:
        """The model that a GGUF file's metadata describes.

        metadata          the file's keys and values (``{"general.architecture": "llama", ...}``)
        tied_embeddings   what only the file's tensor list tells: there is no ``output.weight``
        qkv_bias, qk_norm the same of the attention's biases and head norms; None: as the family has them

        Raises DataError naming a key that is missing or out of range.
        """
        found = metadata.get("general.name")
        label = name if name is not None else found if isinstance(found, str) and found else "GGUF model"
        entry = _core.Model.from_gguf_metadata(
            id=checked_id(id) if id is not None else id_from_name(label, "gguf-model"),
            name=label,
            metadata=dict(metadata),
            tied_embeddings=tied_embeddings,
            qkv_bias=qkv_bias,
            qk_norm=qk_norm,
        )
        return cls._wrap(entry)

    def replace(self, **changes: Any) -> Model:
        """The same model with shape fields, ``id``, ``name`` or other entry fields changed; None removes one.

        The result has no files: their tensors are those of the shape they were written with.
        """
        entry = self.to_dict()
        for field, value in changes.items():
            target = entry["architecture"] if field in SHAPE_FIELDS else entry
            if value is None:
                target.pop(field, None)
            else:
                target[field] = as_json(field, value)
        if any(field in SHAPE_FIELDS for field in changes):
            # Reads the shape alone first, so that an error names the field and not a place in a file.
            shape = {field: value for field, value in entry["architecture"].items() if field in SHAPE_FIELDS}
            _core.Model.from_shape(id="model", name="model", shape_json=json.dumps(shape))
        return self.from_dict(entry)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._entry == other._entry

    def __hash__(self) -> int:
        return hash(self._entry)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickle, (self._entry,))

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        return self

    def __repr__(self) -> str:
        return f"Model({self.id!r}: {self.name}, {self.n_layers} layers, context {self.context_length:,})"

    def _repr_html_(self) -> str:
        from . import _reports, display

        return display.to_html(_reports.model(self))


def _unpickle(entry: _core.Model) -> Model:
    return Model._wrap(entry)
