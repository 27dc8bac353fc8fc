"""The files that a model was read from, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._records import Nested, Record, Row, each


@dataclass(frozen=True, kw_only=True)
class ContextLabel(Row):
    """A context length that a file or a Modelfile states beside the one that the model was trained for."""

    where: str  #: what states it
    tokens: int  #: what it states
    trained_tokens: int  #: what the model was trained for
    trained_by: str  #: who says so
    effect: str  #: "caps" (fewer tokens than trained for) or "stretches" (more)

    def sentence(self) -> str:
        """The label and the truth, both numbers."""
        verb = "caps" if self.effect == "caps" else "stretches"
        return (
            f"{self.where} {verb} the context {'at' if verb == 'caps' else 'to'} {self.tokens:,} tokens; "
            f"the model was trained for {self.trained_tokens:,} ({self.trained_by})"
        )


@dataclass(frozen=True, kw_only=True)
class Companion(Row):
    """Another file that a runtime may load beside a model."""

    role: str  #: "projector" (mmproj) or "draft" (multi-token prediction)
    name: str
    tensor_bytes: int
    counted: bool  #: its tensors are among the model's


@dataclass(frozen=True, kw_only=True)
class Tensor(Row):
    """One tensor of a model's files."""

    name: str
    format: str  #: as the file names it: "Q4_K", "BF16", "F8_E4M3"
    shape: tuple[int, ...]  #: elements, the fastest dimension first
    size_bytes: int
    part: str  #: embedding, output, attention, recurrent, dense, shared_expert, routed_expert, mtp or vision
    use: str  #: what a decoded token reads of it: whole, row, tied (whole, and a row), expert or unused
    layer: int | None  #: block it belongs to


@dataclass(frozen=True, kw_only=True)
class ModelFile(Record):
    """What a model's files hold, exact to the byte."""

    name: str  #: as the user named it
    format: str  #: "gguf" or "safetensors"
    parts: tuple[str, ...]  #: names of the files
    file_bytes: int  #: of all files, headers included
    quantization: str | None  #: what the file calls itself; None: it does not say
    n_tensors: int
    tensor_bytes: int
    parameters: int  #: weights in all tensors
    active_parameters: int  #: weights that one token uses
    active_bytes: int  #: bytes that one token reads at batch 1
    bits_per_weight: float
    token_embedding_bytes: int
    output_head_bytes: int
    bytes_by_format: Mapping[str, int] = field(hash=False)  #: the largest first
    bytes_by_part: Mapping[str, int] = field(hash=False)
    bytes_by_layer: tuple[int, ...]  #: one per block, those of multi-token prediction last
    companions: tuple[Companion, ...]
    stated_context: int  #: tokens that the file states
    context_labels: tuple[ContextLabel, ...]  #: empty: nothing states another context than the trained one
    modelfile: Mapping[str, int] = field(hash=False)  #: num_ctx, num_gpu and num_batch, those that are stated
    notes: tuple[str, ...]  #: what was taken for granted
    _nested: ClassVar[Nested] = {
        "parts": tuple,
        "bytes_by_format": dict,
        "bytes_by_part": dict,
        "bytes_by_layer": tuple,
        "companions": each(Companion.build),
        "context_labels": each(ContextLabel.build),
        "modelfile": dict,
        "notes": tuple,
    }


def build_tensor(row: tuple[Any, ...]) -> Tensor:
    """A tensor as the compiled part gives it."""
    name, number_format, shape, size, part, use, layer = row
    dimensions = list(shape)
    while len(dimensions) > 1 and dimensions[-1] == 1:
        dimensions.pop()
    return Tensor(
        name=name,
        format=number_format,
        shape=tuple(dimensions),
        size_bytes=size,
        part=part,
        use=use,
        layer=None if layer < 0 else layer,
    )
