"""Models and machines by name or file: the embedded catalogue and the files of SIZER_CATALOGUE."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import _core, _files, _local_file
from ._arguments import described, text
from ._combine import is_combination, join, parts_of
from ._errors import DataError, InvalidValueError, WrongTypeError
from ._hardware import Hardware
from ._model import Model
from ._results import Source, Validation

#: A name or a path.
Name = str | os.PathLike[str]

#: Files and folders of catalogue entries that are added to the embedded ones, separated as in PATH.
ENVIRONMENT_VARIABLE = "SIZER_CATALOGUE"
_LARGEST_FILE = 16 * 1024 * 1024

#: The ``format`` of a file that ``sizer measure`` wrote.
PROFILE_FORMAT = "sizer-profile"


@lru_cache(maxsize=4)
def _with_files(paths: str) -> _core.Catalogue:
    catalogue = _core.Catalogue.embedded()
    for path in paths.split(os.pathsep):
        if path:
            catalogue = catalogue.with_file(path)
    return catalogue


def current() -> _core.Catalogue:
    """The embedded catalogue and the user's own entries. Files are read once per value of the variable."""
    return _with_files(os.environ.get(ENVIRONMENT_VARIABLE, ""))


def _path(field: str, name: Any) -> Path | None:
    """The path that a name stands for, or None when it is the name of an entry."""
    if isinstance(name, os.PathLike):
        return Path(os.fspath(name))
    name = text(field, name)
    if "\0" in name:
        raise InvalidValueError(field, "a null character", "a name")
    path = Path(name)
    if path.suffix.lower() in (".json", ".gguf", ".safetensors") or name.startswith((".", "~", os.sep)):
        return path.expanduser()
    # "publisher/model" is a name unless such a file exists.
    return path if "/" in name and path.exists() else None


def read_text(path: Path) -> str:
    """The text of a catalogue file. Raises DataError."""
    return _local_file.read_text(path, _LARGEST_FILE, "a catalogue entry")


def is_profile(path: Path) -> bool:
    """Whether a file was written by ``sizer measure``."""
    try:
        values = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("format") == PROFILE_FORMAT


def _is_entry(path: Path) -> bool:
    """Whether a .json file is an entry of a catalogue, and not a Hugging Face config."""
    try:
        head = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return True  # the catalogue's reader says where it breaks
    known = isinstance(head, dict) and "schema_version" not in head
    return not (known and any(key in head for key in ("model_type", "architectures", "text_config")))


def model(name: Name, *, mmproj: str | None = None) -> Model:
    """A model by its catalogue id or alias, from a JSON entry, or from its own files.

    name    an id or alias (case, spaces, dots, dashes and underscores do not matter); a path of a GGUF file (any part
            of a split one), of a config.json or .safetensors file or their folder, of a JSON entry;
            ``ollama:NAME[:TAG]`` (of the store on this machine, or else the registry);
            ``hf:ORG/REPO[@REVISION][:FILE or quantisation]`` (of the hub's cache, or else the hub);
            ``https://...`` of a .gguf, .safetensors or config.json file. Over the network only headers are fetched
    mmproj  the projector (images, sound) of a GGUF model that is loaded with it: its path, or its name beside the model

    Files have their exact bytes in ``.file``; where one states another context than the model was trained for,
    ``.context_labels`` says so.

    Raises UnknownNameError with the nearest ids, DataError for a bad file.
    """
    if mmproj is not None:
        mmproj = text("mmproj", mmproj)
    if isinstance(name, str) and _files.is_address(name):
        return _files.load(text("model", name), current(), mmproj)
    path = _path("model", name)
    if path is not None:
        if path.suffix.lower() == ".json" and not path.is_dir() and _is_entry(path):
            return Model._wrap(_core.Model.from_json(read_text(path), str(path)))
        return _files.load(path, current(), mmproj)
    if mmproj is not None:
        raise InvalidValueError("mmproj", repr(mmproj), f"nothing: '{name}' is a name of the catalogue, not a file")
    return Model._wrap(current().model(str(name)))


def hardware(name: Name) -> Hardware:
    """A machine by its catalogue id or alias, from a JSON entry or a profile of ``sizer measure``, or "this", the one
    that this runs on, or several with " + " between them: "2x rtx-3090 + ryzen-7-9800x3d-ddr5-5200" (``sizer.combine``
    takes links as well).

    Raises UnknownNameError with the nearest ids, DataError for a bad file, SizerError when too little is known of this
    machine.
    """
    if isinstance(name, str) and is_combination(name):
        return join(parts_of(name, hardware))
    path = _path("hardware", name)
    if path is not None:
        return Hardware._wrap(_core.Machine.from_json(read_text(path), str(path)))
    if isinstance(name, str) and name.strip().lower() == "this":
        from ._detect import look

        return Hardware._wrap(look(None, None).machine(current()))
    return Hardware._wrap(current().machine(str(name)))


def as_model(value: Model | Name) -> Model:
    """A Model as it is, anything else looked up."""
    if isinstance(value, Model):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise WrongTypeError("model", described(value), "a name, a path or a sizer.Model")
    return model(value)


def as_hardware(value: Hardware | Name) -> Hardware:
    """A Hardware as it is, anything else looked up."""
    if isinstance(value, Hardware):
        return value
    if not isinstance(value, (str, os.PathLike)):
        raise WrongTypeError("hardware", described(value), "a name, a path or a sizer.Hardware")
    return hardware(value)


def combine(machines: Sequence[Hardware | Name] | Name, links: Sequence[str] = ()) -> Hardware:
    """One machine from several: cards beside a processor, whose RAM then holds what they do not; or boxes with a link.

    machines  names or objects, in the order of the devices; or a name with " + " in it
    links     names of links, such as "10gbe", "thunderbolt-5", "connectx-7" (between boxes) or "pcie-4.0-x4" (between
              the RAM and the cards); they stand before those that the machines state

    Raises InvalidValueError and UnknownNameError, naming the known links.
    """
    if not isinstance(links, (str, Sequence)):
        raise WrongTypeError("links", described(links), "a list of names of links")
    wires = tuple(text("links", one) for one in ([links] if isinstance(links, str) else links))
    if not isinstance(machines, (str, os.PathLike, Sequence)):
        raise WrongTypeError("machines", described(machines), "a name, or a list of machines")
    if isinstance(machines, str):
        found = parts_of(machines, hardware) if is_combination(machines) else [hardware(machines)]
    elif isinstance(machines, os.PathLike):
        found = [hardware(machines)]
    else:
        found = [as_hardware(one) for one in machines]
    if not found:
        raise InvalidValueError("machines", "none", "at least one machine")
    return join(found, wires)


def models() -> list[Model]:
    """All models of the catalogue, by id."""
    catalogue = current()
    return [Model._wrap(catalogue.model(name)) for name in catalogue.model_ids()]


def hardware_list() -> list[Hardware]:
    """All machines of the catalogue, by id."""
    catalogue = current()
    return [Hardware._wrap(catalogue.machine(name)) for name in catalogue.machine_ids()]


#: The same list by its other name.
machines = hardware_list


def source(key: str) -> Source:
    """What stands behind a source key; only the key itself when no catalogue file describes it."""
    found = current().source(key)
    return (
        Source(key=key) if found is None else Source(key=key, **{name: value or None for name, value in found.items()})
    )


def validate(path: Name) -> Validation:
    """Checks a catalogue file (model, hardware, not_sold or sources) and lists everything that is wrong in it.

    Of a profile of ``sizer measure`` it names the first thing.

    The result is true when the file is good. Raises DataError when it cannot be read at all.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongTypeError("path", described(path), "a path")
    where = Path(path)
    content = read_text(where)
    if f'"{PROFILE_FORMAT}"' in content and is_profile(where):
        from ._measure import Profile

        try:
            Profile.read(where)
        except DataError as error:
            return Validation(file=str(where), ok=False, what="profile", problems=(str(error),))
        return Validation(file=str(where), ok=True, what="profile", problems=())
    checked = _core.validate_json(content, str(where))
    return Validation(file=str(where), ok=checked["ok"], what=checked["what"], problems=tuple(checked["problems"]))
