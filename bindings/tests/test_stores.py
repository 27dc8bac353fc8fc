"""Models on this machine: the folders of other programs, built by the tests."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sizer
from sizer._stores import folders as store_paths
from sizer._stores import models as stores
from sizer._stores.models import LocalModel, OllamaFiles, find_local_models, resolve_ollama

Call = Callable[..., Any]

GGUF = b"GGUF" + bytes(20)
KINDS = "application/vnd.ollama.image."
VARIABLES = (
    "OLLAMA_MODELS LLAMA_CACHE HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME XDG_CACHE_HOME LOCALAPPDATA USERPROFILE"
).split()

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and permissions as Unix has them")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without models, on Linux, whatever the machine of the test has."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setattr(store_paths, "_system", lambda: "linux")
    monkeypatch.setattr(store_paths, "OLLAMA_SERVICE_FOLDERS", ())
    return folder


def _write(path: Path, data: bytes = GGUF) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class Ollama:
    """A store that a test fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def blob(self, data: bytes, kind: str = "model", *, separator: str = "-", **changes: Any) -> dict[str, Any]:
        self.count += 1
        digest = f"{self.count:064x}"
        _write(self.folder / "blobs" / f"sha256{separator}{digest}", data)
        return {"mediaType": KINDS + kind, "digest": f"sha256:{digest}", "size": len(data), **changes}

    def path(self, layer: dict[str, Any]) -> str:
        return str(self.folder / "blobs" / layer["digest"].replace(":", "-"))

    def add(self, where: str, *layers: dict[str, Any]) -> Path:
        manifest = {"schemaVersion": 2, "config": {"digest": ""}, "layers": list(layers)}
        return _write(self.folder / "manifests" / where, json.dumps(manifest).encode())


@pytest.fixture
def ollama(home: Path) -> Ollama:
    return Ollama(home / ".ollama" / "models")


def _models() -> dict[str, LocalModel]:
    found = find_local_models()
    names = {model.name: model for model in found}
    assert len(names) == len(found)
    return names


# --- folders ----------------------------------------------------------------------------------------------------------


def test_default_folders(home: Path) -> None:
    assert stores.ollama_folders() == [home / ".ollama/models"]
    assert stores.lm_studio_folders() == [home / ".lmstudio/models", home / ".cache/lm-studio/models"]
    assert stores.llama_cpp_folders() == [home / ".cache/llama.cpp"]
    assert stores.hugging_face_folders() == [home / ".cache/huggingface/hub"]


def test_folders_of_other_systems(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_paths, "OLLAMA_SERVICE_FOLDERS", ("/usr/share/ollama/.ollama/models",))
    assert Path("/usr/share/ollama/.ollama/models") in stores.ollama_folders()
    monkeypatch.setattr(store_paths, "_system", lambda: "darwin")
    assert stores.llama_cpp_folders() == [home / "Library/Caches/llama.cpp"]
    assert stores.ollama_folders() == [home / ".ollama/models"]
    monkeypatch.setattr(store_paths, "_system", lambda: "win32")
    assert stores.llama_cpp_folders() == []
    monkeypatch.setenv("LOCALAPPDATA", str(home / "AppData"))
    assert stores.llama_cpp_folders() == [home / "AppData" / "llama.cpp"]


def test_variables_come_first_and_are_read_at_every_call(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert stores.llama_cpp_folders() == [home / "xdg/llama.cpp"]
    assert stores.hugging_face_folders() == [home / "xdg/huggingface/hub"]
    for name, value, expected in (
        ("HF_HOME", "hf", home / "hf/hub"),
        ("HUGGINGFACE_HUB_CACHE", "old", home / "old"),
        ("HF_HUB_CACHE", "new", home / "new"),
    ):
        monkeypatch.setenv(name, f"$HOME/{value}" if os.name == "posix" else str(home / value))
        assert stores.hugging_face_folders() == [expected]
    monkeypatch.setenv("OLLAMA_MODELS", "~/elsewhere")
    assert stores.ollama_folders() == [home / "elsewhere"]
    monkeypatch.setenv("LLAMA_CACHE", str(home / "llama"))
    assert stores.llama_cpp_folders() == [home / "llama"]
    monkeypatch.setenv("OLLAMA_MODELS", "")
    assert stores.ollama_folders() == [home / ".ollama/models"]


def test_lm_studio_says_where_it_went(home: Path) -> None:
    moved = home / "disk" / "lms"
    _write(home / ".lmstudio-home-pointer", f"{moved}\n".encode())
    assert stores.lm_studio_folders()[0] == moved / "models"
    _write(moved / "settings.json", json.dumps({"downloadsFolder": str(home / "big")}).encode())
    assert stores.lm_studio_folders()[:2] == [home / "big", moved / "models"]


@pytest.mark.parametrize("settings", [b"", b"[" * 5000, b"\xff", b"[]", b'{"downloadsFolder": 7}', b"x" * 70000])
def test_bad_settings_of_lm_studio_are_left(home: Path, settings: bytes) -> None:
    _write(home / ".lmstudio" / "settings.json", settings)
    _write(home / ".lmstudio-home-pointer", b"relative/path")
    assert stores.lm_studio_folders() == [home / ".lmstudio/models", home / ".cache/lm-studio/models"]
    _write(home / ".lmstudio-home-pointer", b"/a\0b")
    _write(home / ".lmstudio" / "settings.json", b'{"downloadsFolder": "/a\\u0000b"}')
    assert stores.lm_studio_folders() == [home / ".lmstudio/models", home / ".cache/lm-studio/models"]


def test_a_user_without_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", staticmethod(nobody))
    assert find_local_models() == []
    assert stores.store_folders() == []


# --- Ollama -----------------------------------------------------------------------------------------------------------


def test_ollama_names_its_files_by_hash(ollama: Ollama) -> None:
    model, projector = ollama.blob(GGUF), ollama.blob(GGUF * 2, "projector")
    parameters = ollama.blob(b'{"num_ctx": 131072, "num_gpu": -1, "stop": ["x"]}', "params")
    manifest = ollama.add(
        "registry.ollama.ai/library/qwen3-coder/30b", ollama.blob(b"T", "template"), model, projector, parameters
    )
    found = resolve_ollama("qwen3-coder:30b")
    assert found == OllamaFiles(
        name="ollama:qwen3-coder:30b",
        manifest=str(manifest),
        models=(ollama.path(model),),
        projectors=(ollama.path(projector),),
        adapters=(),
        drafts=(),
        parameters={"num_ctx": 131072},
    )
    for name in ("ollama:qwen3-coder:30b", "library/qwen3-coder:30b", "Qwen3-Coder:30B"):
        again = resolve_ollama(name)
        assert again is not None
        assert again.models == found.models
    assert resolve_ollama("qwen3-coder") is None
    row = _models()["ollama:qwen3-coder:30b"]
    assert (row.store, row.path, row.file_bytes, row.format) == ("ollama", ollama.path(model), len(GGUF), "gguf")
    assert row.companions == (ollama.path(projector),)
    assert row.problem is None


def test_ollama_names_show_what_is_not_default(ollama: Ollama) -> None:
    layer = ollama.blob(GGUF)
    ollama.add("registry.ollama.ai/library/a/latest", layer)
    ollama.add("registry.ollama.ai/me/b/latest", layer)
    ollama.add("hf.co/org/C-GGUF/Q4_K_M", layer)
    assert list(_models()) == ["ollama:a:latest", "ollama:hf.co/org/C-GGUF:Q4_K_M", "ollama:me/b:latest"]
    for name in ("a", "me/b", "hf.co/org/C-GGUF:Q4_K_M", "ollama:hf.co/org/C-GGUF:Q4_K_M"):
        found = resolve_ollama(name)
        assert found is not None
        assert found.name in _models()


def test_ollama_split_model_adapter_and_draft(ollama: Ollama) -> None:
    parts = [ollama.blob(GGUF * n) for n in (1, 2, 3)]
    adapter, draft = ollama.blob(GGUF, "adapter"), ollama.blob(GGUF, "draft")
    ollama.add("registry.ollama.ai/library/a/x", *parts, adapter, draft)
    found = resolve_ollama("a:x")
    assert found is not None
    assert found.models == tuple(map(ollama.path, parts))
    assert (found.adapters, found.drafts) == ((ollama.path(adapter),), (ollama.path(draft),))
    assert _models()["ollama:a:x"].file_bytes == 6 * len(GGUF)


@posix
def test_ollama_blobs_of_older_releases(ollama: Ollama) -> None:
    layer = ollama.blob(GGUF, separator=":")
    ollama.add("registry.ollama.ai/library/a/x", layer)
    found = resolve_ollama("a:x")
    assert found is not None
    assert found.models == (str(ollama.folder / "blobs" / layer["digest"]),)


def test_ollama_first_folder_wins(ollama: Ollama, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_paths, "OLLAMA_SERVICE_FOLDERS", (str(home / "service"),))
    service = Ollama(home / "service")
    service.add("registry.ollama.ai/library/a/x", service.blob(GGUF * 9))
    found = resolve_ollama("a:x")
    assert found is not None
    assert found.manifest.startswith(str(service.folder))
    ollama.add("registry.ollama.ai/library/a/x", ollama.blob(GGUF))
    found = resolve_ollama("a:x")
    assert found is not None
    assert found.manifest.startswith(str(ollama.folder))
    assert _models()["ollama:a:x"].file_bytes == len(GGUF)


@pytest.mark.parametrize(
    "manifest, problem",
    [
        (b"", "not JSON"),
        (b"\xff{}", "UTF-8"),
        (b'{"layers": {}}', "/layers"),
        (b'{"layers": null}', "no weights"),
        (b'{"layers": [], "layers": []}', "twice"),
        (b"[" * 100_000, "nesting"),
        (
            json.dumps({"layers": [{"mediaType": KINDS + "model", "digest": "sha256:../../x", "size": 1}]}).encode(),
            "64",
        ),
    ],
)
def test_ollama_broken_manifest(ollama: Ollama, manifest: bytes, problem: str) -> None:
    where = _write(ollama.folder / "manifests/registry.ollama.ai/library/bad/x", manifest)
    ollama.add("registry.ollama.ai/library/good/x", ollama.blob(GGUF))
    with pytest.raises(sizer.DataError, match=problem) as caught:
        resolve_ollama("bad:x")
    assert caught.value.file == str(where)
    models = _models()
    assert models["ollama:good:x"].problem is None
    assert problem in (models["ollama:bad:x"].problem or "")


def test_ollama_blob_missing_or_of_another_size(ollama: Ollama) -> None:
    missing, short = ollama.blob(GGUF), ollama.blob(GGUF, size=len(GGUF) + 1)
    Path(ollama.path(missing)).unlink()
    for name, layer, problem in (("missing", missing, "No such file"), ("short", short, "which has 24")):
        manifest = ollama.add(f"registry.ollama.ai/library/{name}/x", ollama.blob(b"{}", "params"), layer)
        with pytest.raises(sizer.DataError, match=problem) as caught:
            resolve_ollama(name + ":x")
        assert caught.value.file == str(manifest)
        assert caught.value.where == "/layers/1"
        assert ollama.path(layer) in caught.value.problem
        row = _models()[f"ollama:{name}:x"]
        assert problem in (row.problem or "")
        assert row.file_bytes == layer["size"]


def test_ollama_bad_parameters_name_their_file(ollama: Ollama) -> None:
    parameters = ollama.blob(b'{"num_ctx": "many"}', "params")
    ollama.add("registry.ollama.ai/library/a/x", ollama.blob(GGUF), parameters)
    with pytest.raises(sizer.DataError, match="/num_ctx") as caught:
        resolve_ollama("a:x")
    assert caught.value.file == ollama.path(parameters)


def test_ollama_models_of_safetensors_are_told_apart(ollama: Ollama) -> None:
    ollama.add("registry.ollama.ai/library/mlx/x", *(ollama.blob(b"12345678", "tensor") for _ in range(3)))
    with pytest.raises(sizer.DataError, match="safetensors model of 3 tensors"):
        resolve_ollama("mlx:x")
    row = _models()["ollama:mlx:x"]
    assert (row.format, row.file_bytes) == ("safetensors", 24)
    assert "GGUF" in (row.problem or "")


def test_ollama_blob_that_is_no_gguf_file(ollama: Ollama) -> None:
    ollama.add("registry.ollama.ai/library/a/x", ollama.blob(b"version https://git-lfs"))
    assert "expected b'GGUF'" in (_models()["ollama:a:x"].problem or "")


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../x", "../../../../etc/passwd", "a:..", "a:../x", "x/../y", "a/../b:c", "/etc/passwd", "C" + ":\\x"),
        *("C:/x/y", "a\\b", "a\0b", "a:\0", "-x", ".x", "a b", "", "ollama:", "a" * 81, "a/b/c/d", "ftp://h/a/b"),
        "\udcff",
    ],
)
def test_ollama_names_cannot_leave_the_store(ollama: Ollama, name: str) -> None:
    _write(ollama.folder / "secret", b"{}")
    with pytest.raises(sizer.InvalidValueError) as caught:
        resolve_ollama(name)
    assert caught.value.field == "model"


def test_ollama_entries_with_strange_names(ollama: Ollama) -> None:
    layer = ollama.blob(GGUF)
    ollama.add("registry.ollama.ai/library/good/x", layer)
    strange = ollama.add("registry.ollama.ai/library/not a name/x", layer)
    ollama.add("registry.ollama.ai/library/good/.DS_Store", layer)
    _write(ollama.folder / "manifests/registry.ollama.ai/too-high", b"{}")
    models = _models()
    assert list(models) == [str(strange), "ollama:good:x"]
    assert "takes no such name" in (models[str(strange)].problem or "")


# --- folders of files -------------------------------------------------------------------------------------------------


def test_lm_studio(home: Path) -> None:
    top = home / ".lmstudio" / "models"
    one = _write(top / "org/Vision-GGUF/Vision-Q4_K_M.gguf")
    two = _write(top / "org/Vision-GGUF/Vision-Q8_0.gguf", GGUF * 2)
    projector = _write(top / "org/Vision-GGUF/mmproj-Vision-F16.gguf")
    parts = [_write(top / f"org/Big-GGUF/Big-0000{n}-of-00003.gguf") for n in (1, 2, 3)]
    for left in ("x.gguf.part", "downloading_y.gguf.part", "imatrix.gguf", "README.md", ".cache/z.gguf"):
        _write(top / "org/Vision-GGUF" / left)
    models = _models()
    assert list(models) == sorted(map(str, (parts[0], one, two)))
    assert models[str(parts[0])].file_bytes == 3 * len(GGUF)
    assert models[str(parts[0])].companions == ()
    assert models[str(one)].companions == models[str(two)].companions == (str(projector),)
    assert {model.store for model in models.values()} == {"lm-studio"}
    assert all(model.problem is None for model in models.values())


def test_parts_that_are_missing(home: Path) -> None:
    top = home / ".lmstudio/models/org"
    _write(top / "a/A-00001-of-00003.gguf")
    _write(top / "a/A-00003-of-00003.gguf")
    _write(top / "b/B-00002-of-00004.gguf")
    _write(top / "c/C-00007-of-00002.gguf")
    _write(top / "d/D-00001-of-99999.gguf")
    problems = [model.problem for model in find_local_models()]
    assert problems == [
        "part 2 of 3 is missing",
        "part 1 of 4 is missing, and 2 more",
        "a part is numbered 7 of 2",
        "part 2 of 99999 is missing, and 99997 more",
    ]


def test_files_that_are_no_models(home: Path) -> None:
    top = home / ".lmstudio/models/org/x"
    _write(top / "empty.gguf", b"")
    _write(top / "pointer.gguf", b"version https://git-lfs.github.com/spec/v1")
    assert [model.problem for model in find_local_models()] == [
        "empty.gguf begins with b'', expected b'GGUF'",
        "pointer.gguf begins with b'vers', expected b'GGUF'",
    ]


def test_safetensors_in_a_folder(home: Path) -> None:
    top = home / ".lmstudio/models/mlx"
    _write(top / "whole/model.safetensors", b"12345678")
    _write(top / "whole/consolidated.safetensors", b"1234")
    _write(top / "whole/config.json", b"{}")
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for folder in ("split", "lacks"):
        for name in names:
            _write(top / folder / name, b"12345678")
        index = {"weight_map": {"a": names[0], "b": names[1], "c": names[0]}}
        _write(top / folder / "model.safetensors.index.json", json.dumps(index).encode())
        _write(top / folder / "config.json", b"{}")
    (top / "lacks" / names[1]).rename(top / "lacks" / (names[1] + ".part"))
    _write(top / "adapter/adapter_model.safetensors")
    _write(top / "bare/model.safetensors")
    _write(top / "other/weights.safetensors")
    models = {Path(name).name: model for name, model in _models().items()}
    assert sorted(models) == ["bare", "lacks", "other", "split", "whole"]
    assert (models["whole"].format, models["whole"].file_bytes, models["whole"].problem) == ("safetensors", 8, None)
    assert (models["split"].file_bytes, models["split"].problem) == (16, None)
    assert models["lacks"].problem == names[1] + " is missing"
    assert "config.json" in (models["bare"].problem or "")
    assert "neither" in (models["other"].problem or "")


@pytest.mark.parametrize("index", [b"", b"[]", b'{"weight_map": {"a": "../x"}}', b'{"weight_map": 7}', b"[" * 100_000])
def test_a_bad_index_of_safetensors(home: Path, index: bytes) -> None:
    _write(home / ".lmstudio/models/x/model.safetensors.index.json", index)
    assert [model.problem for model in find_local_models()] == ["model.safetensors.index.json cannot be read"]


def test_llama_cpp_cache(home: Path) -> None:
    top = home / ".cache/llama.cpp"
    one = _write(top / "org_Vision-GGUF_Vision-Q4_K_M.gguf")
    two = _write(top / "org_Other-GGUF_Other-Q4_K_M.gguf")
    projector = _write(top / "org_Vision-GGUF_mmproj-F16.gguf")
    _write(top / "manifest=org=Vision-GGUF=latest.json", b"{}")
    _write(top / "org_New-GGUF_New.gguf.downloadInProgress")
    _write(top / "deeper/not-here.gguf")
    models = _models()
    assert list(models) == [str(two), str(one)]
    assert models[str(one)].companions == (str(projector),)
    assert models[str(two)].companions == ()
    assert models[str(one)].store == "llama.cpp"


def _cached(hub: Path, repository: str, commit: str, files: dict[str, bytes], *, ref: str | None = "main") -> Path:
    """A repository as the hub's client caches it: files that link to blobs."""
    folder = hub / ("models--" + repository.replace("/", "--"))
    for number, (name, data) in enumerate(files.items()):
        blob = _write(folder / "blobs" / f"{commit}{number}", data)
        link = folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if ref:
        _write(folder / "refs" / ref, commit.encode())
    return folder / "snapshots" / commit


@posix
def test_hub_cache(home: Path) -> None:
    hub = home / ".cache/huggingface/hub"
    old = _cached(hub, "org/Repo-GGUF", "a" * 40, {"old.gguf": GGUF}, ref=None)
    parts = {f"Q8_0/m-0000{n}-of-00002.gguf": GGUF for n in (1, 2)}
    new = _cached(hub, "org/Repo-GGUF", "b" * 40, {"m.gguf": GGUF * 2, "mmproj-F16.gguf": GGUF, **parts})
    os.utime(old, (2e9, 2e9))
    checkpoint = _cached(
        hub,
        "org/Repo",
        "c" * 40,
        {"model.safetensors": b"12345678", "config.json": b"{}", "unet/model.safetensors": b"1234"},
        ref="refs-of-others",
    )
    _cached(hub, "gpt2", "d" * 40, {"model.safetensors": b"1", "config.json": b"{}"}, ref=None)
    _cached(hub, "org/tokenizer-only", "e" * 40, {"config.json": b"{}"})
    _write(hub / "models--org--Repo-GGUF/blobs/f.incomplete")
    models = _models()
    assert list(models) == [
        "hf:gpt2",
        "hf:org/Repo",
        "hf:org/Repo-GGUF:m.gguf",
        "hf:org/Repo-GGUF:Q8_0/m-00001-of-00002.gguf",
    ]
    model = models["hf:org/Repo-GGUF:m.gguf"]
    assert (model.path, model.file_bytes) == (str(new / "m.gguf"), 2 * len(GGUF))
    assert model.companions == (str(new / "mmproj-F16.gguf"),)
    assert models["hf:org/Repo-GGUF:Q8_0/m-00001-of-00002.gguf"].file_bytes == 2 * len(GGUF)
    assert (models["hf:org/Repo"].path, models["hf:org/Repo"].file_bytes) == (str(checkpoint), 8)
    assert {model.store for model in models.values()} == {"hugging-face"}


@posix
def test_hub_cache_that_lacks_a_blob_or_was_tampered_with(home: Path) -> None:
    hub = home / ".cache/huggingface/hub"
    snapshot = _cached(hub, "org/Repo-GGUF", "a" * 40, {"m.gguf": GGUF})
    (snapshot / "m.gguf").resolve().unlink()
    _write(home / "outside" / "x.gguf")
    _write(hub / "models--org--evil" / "refs" / "main", b"../../../../../outside")
    (hub / "models--org--evil" / "snapshots").mkdir()
    _cached(hub, "a/b/c", "b" * 40, {"n.gguf": GGUF})
    models = _models()
    assert models["hf:org/Repo-GGUF:m.gguf"].problem == "m.gguf leads to no file"
    assert len(models) == 2
    assert any(name.endswith("n.gguf") and not name.startswith("hf:") for name in models)


@posix
def test_llama_cpp_with_the_layout_of_the_hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CACHE", str(home / "llama"))
    snapshot = _cached(home / "llama", "org/Repo-GGUF", "a" * 40, {"m.gguf": GGUF})
    assert [(model.store, model.name) for model in find_local_models()] == [("llama.cpp", str(snapshot / "m.gguf"))]
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "llama"))
    assert [model.name for model in find_local_models()] == ["hf:org/Repo-GGUF:m.gguf"]


@posix
def test_nothing_in_a_folder_can_hang_or_raise(home: Path) -> None:
    top = home / ".lmstudio" / "models"
    good = _write(top / "org/m/good.gguf")
    (top / "org" / "loop").symlink_to(top)
    (top / "org" / "m" / "self.gguf").symlink_to("self.gguf")
    (top / "org" / "m" / "gone.gguf").symlink_to("nowhere")
    os.mkfifo(top / "org" / "m" / "pipe.gguf")
    os.mkfifo(home / ".lmstudio" / "settings.json")
    _write(top / "1/2/3/4/5/6/7/8/deep.gguf")
    store = home / ".ollama/models/manifests/registry.ollama.ai/library/m"
    store.mkdir(parents=True)
    os.mkfifo(store / "pipe")
    (store / "loop").symlink_to("loop")
    with pytest.raises(sizer.DataError):
        resolve_ollama("m:pipe")
    models = _models()
    assert models[str(good)].problem is None
    assert models[str(top / "org/m/self.gguf")].problem == "self.gguf leads to no file"
    assert models[str(top / "org/m/gone.gguf")].problem == "gone.gguf leads to no file"
    assert sorted(models) == sorted(
        ["ollama:m:loop", *(str(top / "org/m" / name) for name in ("good.gguf", "self.gguf", "gone.gguf"))]
    )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind root")
def test_folders_that_may_not_be_read(home: Path, run: Call) -> None:
    top = home / ".lmstudio" / "models"
    good = _write(top / "org/a/good.gguf")
    listed = _write(top / "org/b/listed-only.gguf").parent
    closed = _write(top / "org/c/closed.gguf").parent
    secret = _write(top / "org/d/secret.gguf")
    shut = home / ".cache" / "lm-studio" / "models"
    shut.mkdir(parents=True)
    listed.chmod(0o400)
    closed.chmod(0o000)
    secret.chmod(0o000)
    shut.chmod(0o000)
    try:
        models = _models()
        out = run("models", "--local").out
    finally:
        for path in (listed, closed, shut):
            path.chmod(0o700)
    assert models[str(good)].problem is None
    assert "Permission denied" in (models[str(secret)].problem or "")
    assert str(closed / "closed.gguf") not in models
    assert "Not looked into" in out
    assert "Permission denied" in out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs file names that are not UTF-8")
def test_file_names_that_are_not_utf8_or_steer_a_terminal(home: Path, run: Call) -> None:
    top = home / ".lmstudio" / "models" / "org" / "m"
    _write(top / os.fsdecode(b"bad\xff.gguf"))
    _write(top / "red\x1b[31m\n.gguf")
    _write(Path(os.fsdecode(os.fsencode(home / ".ollama/models/manifests/registry.ollama.ai/library/m/") + b"/\xff")))
    problems = {model.problem for model in find_local_models()}
    assert "its name is not UTF-8" in problems
    assert "\x1b" not in run("models", "--local").out
    json.dumps(run("models", "--local", "--json").json, ensure_ascii=False).encode()


# --- results and the command line -------------------------------------------------------------------------------------


def test_records(ollama: Ollama) -> None:
    manifest = ollama.add("registry.ollama.ai/library/a/x", ollama.blob(GGUF), ollama.blob(GGUF, "projector"))
    os.utime(manifest, (1.7e9, 1.7e9))
    row, files = _models()["ollama:a:x"], resolve_ollama("a:x")
    assert row.modified == "2023-11-14"
    assert files is not None
    assert LocalModel.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    assert OllamaFiles.from_dict(json.loads(json.dumps(files.to_dict()))) == files
    assert pickle.loads(pickle.dumps(row)) == row
    with pytest.raises(AttributeError):
        row.name = "other"  # type: ignore[misc]


def test_dates_that_cannot_be(home: Path) -> None:
    path = _write(home / ".lmstudio/models/a/b/c.gguf")
    os.utime(path, (0, 0))
    assert [model.modified for model in find_local_models()] == [None]


def test_command_lists_models(ollama: Ollama, home: Path, run: Call) -> None:
    ollama.add("registry.ollama.ai/library/qwen3-coder/30b", ollama.blob(GGUF), ollama.blob(GGUF, "projector"))
    _write(home / ".lmstudio/models/org/m/Other-00001-of-00002.gguf")
    result = run("models", "--local")
    assert result.code == 0
    for text in (
        "store",
        "ollama:qwen3-coder:30b",
        "24 B",
        "gguf + 1",
        "~/.lmstudio",
        "part 2 of 2 is missing",
        "2 models.",
    ):
        assert text in result.out
    everything = run("models", "--local", "--json")
    assert everything.code == 0
    assert everything.json["schema_version"] == 1
    assert sorted(everything.json) == ["models", "schema_version"]
    assert [model["store"] for model in everything.json["models"]] == ["ollama", "lm-studio"]
    listed = {key: value for key, value in find_local_models()[0].to_dict().items() if key != "schema_version"}
    shown = everything.json["models"][0]
    assert "expected 2 or 3" in shown["problem"], "that header is no GGUF header"
    assert {**shown, "problem": None} == listed
    some = run("models", "--local", "--match", "CODER", "--json")
    assert [model["name"] for model in some.json["models"]] == ["ollama:qwen3-coder:30b"]


def test_command_without_models_says_where_it_looked(home: Path, run: Call) -> None:
    (home / ".ollama/models").mkdir(parents=True)
    result = run("models", "--local")
    assert result.code == 0
    assert "No model was found" in result.out
    assert "ollama: ~/.ollama/models\n" in result.out
    assert "hugging-face: ~/.cache/huggingface/hub (not there)" in result.out
    none = run("models", "--local", "--match", "x")
    assert none.code == 0
    assert "with 'x' in its name" in none.out
    assert run("models", "--local", "--json").json == {"schema_version": 1, "models": []}


@pytest.mark.parametrize("other", ["qwen3-coder-30b-a3b", "--family=llama"])
def test_command_refuses_what_does_not_go_together(home: Path, run: Call, other: str) -> None:
    result = run("models", "--local", other)
    assert result.code == 2
    assert "--local" in result.err
