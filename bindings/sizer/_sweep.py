"""Estimates over a grid, as NumPy arrays. NumPy is imported on the first call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import _arguments, _core
from ._arguments import described
from ._catalogue import as_hardware, as_model
from ._errors import InvalidValueError, UnknownNameError, WrongTypeError

if TYPE_CHECKING:
    from . import display

_DEFAULTS: dict[str, Any] = {
    "quant": None,
    "context": None,
    "kv_type": "f16",
    "parallel": None,
    "batch": 1,
    "prompt_tokens": None,
    "output_tokens": None,
    "depth": 0,
    "engine": None,
    "ubatch": None,
    "flash_attention": True,
    "engine_options": None,
}
_LARGEST_GRID = 10_000_000
_SHOWN_CELLS = 20


class Sweep(Mapping[str, Any]):
    """Arrays by name, all of the shape of the grid.

    ``dims`` are the names of the axes in the order they were given and ``coords`` their values; ``shape`` is the
    shape of every array. Names of arrays: the parts of memory (``weights_bytes``, ... ``total_bytes``,
    ``headroom_bytes``, ``fits``), ``decode_tokens_per_s``, ``decode_low``, ``decode_high``,
    ``decode_ceiling_tokens_per_s``, the same for ``prefill``, ``ttft_s`` and ``tpot_s``.
    """

    def __init__(self, coords: Mapping[str, tuple[Any, ...]], arrays: Mapping[str, Any]) -> None:
        self.coords = dict(coords)
        self.dims = tuple(coords)
        self.shape = tuple(len(values) for values in coords.values())
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Any:
        try:
            return self._arrays[name]
        except KeyError:
            raise UnknownNameError("sweep", str(name), _core.nearest_names(str(name), list(self._arrays))) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def to_dict(self) -> dict[str, Any]:
        """Lists instead of arrays, with the ``schema_version``."""
        return {
            "schema_version": 1,
            "coords": {name: list(values) for name, values in self.coords.items()},
            "arrays": {name: values.tolist() for name, values in self._arrays.items()},
        }

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {len(values)}" for name, values in self.coords.items())
        return f"Sweep({axes})"

    def _repr_html_(self) -> str:
        from . import display

        return display.to_html(self._blocks())

    def _blocks(self) -> list[display.Block]:
        """The grid as a table of its first cells, a cell a row."""
        from . import display
        from . import formatting as f

        shown: dict[str, tuple[str, Callable[[Any], str]]] = {
            "total_bytes": ("total GiB", f.gib),
            "fits": ("fits", lambda fits: "yes" if fits else "no"),
            "decode_tokens_per_s": ("decode tok/s", f.significant),
            "prefill_tokens_per_s": ("prefill tok/s", f.significant),
            "ttft_s": ("first token", f.short_duration),
        }
        cells = math.prod(self.shape)
        rows = [
            [f.count(value) if type(value) is int else str(value) for value in values]
            + [write(self._arrays[name].flat[cell].item()) for name, (_, write) in shown.items()]
            for cell, values in enumerate(itertools.islice(itertools.product(*self.coords.values()), _SHOWN_CELLS))
        ]
        headers = [*self.dims, *(header for header, _ in shown.values())]
        blocks: list[display.Block] = [
            display.Heading(repr(self)),
            display.Table(headers, rows, "l" * len(self.dims) + "r" * len(shown)),
        ]
        if cells > len(rows):
            blocks.append(display.Text(f"{cells - len(rows):,} more cells.", "faint"))
        return blocks


def _is_axis(value: Any) -> bool:
    if isinstance(value, (str, bytes, Mapping)):
        return False
    return getattr(value, "ndim", 1) > 0 and hasattr(value, "__iter__") and hasattr(value, "__len__")


def sweep(model: Any, hardware: Any, **options: Any) -> Sweep:
    """``estimate`` over every combination of the lists among its arguments.

    Each of ``model``, ``hardware`` and the options of ``estimate`` may be a list (or a one-dimensional array); it
    becomes an axis::

        s = sizer.sweep("qwen3-coder-30b-a3b", "dgx-spark", context=[8192, 65536, 262144], batch=[1, 4])
        s["decode_tokens_per_s"].shape == (3, 2)

    The numbers are those of ``estimate``, cell by cell; the loop runs without Python's lock. Raises what ``estimate``
    raises, for the first bad cell.
    """
    import numpy

    for name in options:
        if name not in _DEFAULTS:
            raise UnknownNameError("sweep", name, _core.nearest_names(name, list(_DEFAULTS)) or list(_DEFAULTS))
    axes: dict[str, tuple[Any, ...]] = {}
    for name, value in (("model", model), ("hardware", hardware), *options.items()):
        if not _is_axis(value):
            continue
        if getattr(value, "ndim", 1) != 1:
            raise WrongTypeError(name, described(value), "a list, or an array of one dimension")
        axes[name] = tuple(value.tolist() if hasattr(value, "tolist") else value)
        if not axes[name]:
            raise InvalidValueError(name, "an empty list", "at least one value")

    models = [as_model(one)._entry for one in axes.get("model", (model,))]
    machines = [as_hardware(one)._entry for one in axes.get("hardware", (hardware,))]
    option_axes = {name: values for name, values in axes.items() if name in _DEFAULTS}
    shape = [len(values) for values in axes.values()]
    cells = 1
    for length in shape:
        cells *= length
    if cells > _LARGEST_GRID:
        raise InvalidValueError("sweep", f"{cells:,} cells", f"at most {_LARGEST_GRID:,}")

    requests = [
        _arguments.request(**{**_DEFAULTS, **options, **dict(zip(option_axes, values, strict=True))})
        for values in itertools.product(*option_axes.values())
    ]
    model_column: list[_core.Model] = []
    machine_column: list[_core.Machine] = []
    request_column: list[_core.Request] = []
    for position in itertools.product(*(range(length) for length in shape)):
        at = dict(zip(axes, position, strict=True))
        index = 0
        for name, values in option_axes.items():
            index = index * len(values) + at[name]
        model_column.append(models[at.get("model", 0)])
        machine_column.append(machines[at.get("hardware", 0)])
        request_column.append(requests[index])
    columns = _core.sweep(model_column, machine_column, request_column)
    arrays = {name: numpy.ascontiguousarray(values.reshape(shape)) for name, values in columns.items()}
    names = {"model": lambda one: as_model(one).id, "hardware": lambda one: as_hardware(one).id}
    coords = {name: tuple(map(names[name], values)) if name in names else values for name, values in axes.items()}
    return Sweep(coords, arrays)
