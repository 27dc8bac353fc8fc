"""Users' own entries: paths, SIZER_CATALOGUE, validate."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sizer


def _write(path: Path, entry: dict[str, Any]) -> Path:
    path.write_text(json.dumps(entry))
    return path


def test_names_are_forgiving() -> None:
    assert sizer.model("Qwen3-Coder-30B-A3B") == sizer.model("qwen3 coder 30b_a3b")
    assert sizer.hardware("DGX Spark") == sizer.hardware("dgx-spark")


def test_every_alias_finds_its_entry() -> None:
    for one in sizer.models():
        for alias in one.aliases:
            assert sizer.model(alias) == one
    for machine in sizer.machines():
        for alias in machine.aliases:
            assert sizer.hardware(alias) == machine


def test_entries_from_files(tmp_path: Path) -> None:
    model, machine = sizer.model("llama-3.1-8b"), sizer.hardware("dgx-spark")
    model_file = _write(tmp_path / "model.json", model.to_dict())
    machine_file = _write(tmp_path / "machine.json", machine.to_dict())
    assert sizer.model(model_file) == model
    assert sizer.model(str(model_file)) == model
    assert sizer.hardware(machine_file) == machine
    assert sizer.estimate(model=model_file, hardware=str(machine_file), context=4096).model == model.id


def test_files_of_the_wrong_kind(tmp_path: Path) -> None:
    machine = _write(tmp_path / "machine.json", sizer.hardware("dgx-spark").to_dict())
    with pytest.raises(sizer.DataError) as caught:
        sizer.model(machine)
    assert caught.value.file == str(machine)
    with pytest.raises(sizer.DataError, match="folder without a model"):
        sizer.model(tmp_path)
    with pytest.raises(sizer.DataError, match="no such file"):
        sizer.model("some.gguf")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b'{"schema_version": 2}', b"[" * 100_000, b"\0"],
)
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "entry.json"
    path.write_bytes(content)
    for read in (sizer.model, sizer.hardware):
        with pytest.raises(sizer.DataError) as caught:
            read(path)
        assert caught.value.file == str(path)
    if content != b"\xff\xfe":
        assert not sizer.validate(path)


def test_the_environment_adds_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    _write(folder / "box.json", sizer.hardware("dgx-spark").replace(id="my-box", name="My box", aliases=[]).to_dict())
    tiny = sizer.model("llama-3.1-8b").replace(id="my-model", name="My model", aliases=[])
    file = _write(tmp_path / "model.json", tiny.to_dict())
    before = len(sizer.machines())
    monkeypatch.setenv("SIZER_CATALOGUE", os.pathsep.join([str(folder), str(file)]))
    assert sizer.hardware("my-box").name == "My box"
    assert sizer.model("my model") == tiny
    assert len(sizer.machines()) == before + 1
    monkeypatch.setenv("SIZER_CATALOGUE", str(tmp_path / "missing.json"))
    with pytest.raises(sizer.DataError):
        sizer.hardware("dgx-spark")
    monkeypatch.delenv("SIZER_CATALOGUE")
    assert len(sizer.machines()) == before


def _no_source(entry: dict[str, Any]) -> None:
    del entry["devices"][0]["memory"]["sold"]["source"]


def _wrong_unit(entry: dict[str, Any]) -> None:
    entry["devices"][0]["memory"]["sold"]["unit"] = "gigs"


def _nan(entry: dict[str, Any]) -> None:
    entry["devices"][0]["memory"]["bandwidth_spec"]["value"] = float("nan")


def _unknown_key(entry: dict[str, Any]) -> None:
    entry["devices"][0]["memmory"] = {}


@pytest.mark.parametrize(
    ("spoil", "told"), [(_no_source, "source"), (_wrong_unit, "gigs"), (_nan, "JSON"), (_unknown_key, "memmory")]
)
def test_validate_tells_what_is_wrong(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], told: str) -> None:
    entry = sizer.hardware("dgx-spark").to_dict()
    spoil(entry)
    result = sizer.validate(_write(tmp_path / "entry.json", entry))
    assert not result
    assert any(told in problem for problem in result.problems)
    with pytest.raises(sizer.SizerError):
        sizer.Hardware.from_dict(entry)


def test_every_source_of_a_machine_is_described() -> None:
    named = {source for row in sizer.compare("llama-3.1-8b", context=4096) for source in row.sources}
    missing = sorted(key for key in named if sizer.source(key).title is None)
    assert not missing
