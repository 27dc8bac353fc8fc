"""Models from their own files: paths, Ollama, the hub, URLs; and what every report says of them."""

from __future__ import annotations

import copy
import importlib.util
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer

_spec = importlib.util.spec_from_file_location("sizer_model_files", Path(__file__).with_name("model_files.py"))
assert _spec is not None and _spec.loader is not None
files_of = sys.modules.setdefault(_spec.name, importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(files_of)
gguf = files_of.gguf
MACHINE = "rtx-3090"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without models, and no way to the network but this machine's own servers."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("SIZER_CACHE", str(folder / "sizer"))
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A Llama of one block in Q8_0."""
    path = tmp_path / "tiny-Q8_0.gguf"
    gguf.write_gguf(path, gguf.llama_keys(), gguf.LLAMA_TENSORS)
    return path


def qwen3_coder(path: Path, context: int, **keys: Any) -> Path:
    """The header of Qwen3-Coder-30B-A3B with a context of its label's own; three tensors stand for all."""
    metadata = {
        "general.architecture": "qwen3moe",
        "general.name": "Qwen3 Coder 30B A3B Instruct",
        "general.file_type": 15,
        "qwen3moe.block_count": 48,
        "qwen3moe.context_length": context,
        "qwen3moe.embedding_length": 2048,
        "qwen3moe.feed_forward_length": 6144,
        "qwen3moe.attention.head_count": 32,
        "qwen3moe.attention.head_count_kv": 4,
        "qwen3moe.attention.key_length": 128,
        "qwen3moe.attention.value_length": 128,
        "qwen3moe.expert_count": 128,
        "qwen3moe.expert_used_count": 8,
        "qwen3moe.expert_feed_forward_length": 768,
        **keys,
    }
    tensors = {
        "token_embd.weight": (gguf.Q8_0, (2048, 151936)),
        "output_norm.weight": (gguf.F32, (2048,)),
        "output.weight": (gguf.Q8_0, (2048, 151936)),
    }
    gguf.write_gguf(path, metadata, tensors)
    return path


# --- exact bytes ------------------------------------------------------------------------------------------------------


def test_a_file_has_the_bytes_of_its_tensors(tiny: Path) -> None:
    # 2 x 64 x 96 + 2 x 64 x 64 + 2 x 64 x 32 + 3 x 64 x 128 weights at 34 bytes per 32, and 3 x 64 at 4 bytes.
    expected = (2 * 64 * 96 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128) * 34 // 32 + 3 * 64 * 4
    model = sizer.model(tiny)
    file = model.file
    assert file is not None
    assert file.tensor_bytes == expected == sum(tensor.size_bytes for tensor in model.tensors)
    assert sum(file.bytes_by_part.values()) == sum(file.bytes_by_format.values()) == expected
    assert file.file_bytes == tiny.stat().st_size
    assert (file.format, file.quantization, file.n_tensors) == ("gguf", "Q8_0", 12)
    assert model.tensors[4]["name"] == "blk.0.attn_q.weight"
    assert (model.tensors[4].layer, model.tensors[4].part, model.tensors[0].layer) == (0, "attention", None)
    answer = sizer.estimate(model, MACHINE)
    assert answer.memory.weights_bytes == expected
    assert answer.weights_from_file and answer.quant == "Q8_0"
    assert answer.context == 4096


def test_the_files_own_tensors_beat_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mixed.gguf"
    tensors = {**gguf.LLAMA_TENSORS, "output.weight": (gguf.F16, (64, 96))}
    expected = gguf.write_gguf(path, gguf.llama_keys(), tensors)
    answer = sizer.estimate(path, MACHINE, quant="Q4_K_M")
    assert answer.memory.weights_bytes == expected
    assert any("Q4_K_M was asked for" in one.why for one in answer.assumptions)
    recipe = sizer.estimate(sizer.model(path).without_file(), MACHINE, quant="Q8_0")
    assert recipe.memory.weights_bytes == expected - 64 * 96 * 2 + 64 * 96 * 34 // 32
    assert not recipe.weights_from_file


def test_models_with_files_are_values(tiny: Path) -> None:
    model = sizer.model(tiny)
    again = pickle.loads(pickle.dumps(model))
    assert again == model == copy.deepcopy(model)
    assert again.file == model.file and again.tensors == model.tensors
    assert sizer.estimate(again, MACHINE) == sizer.estimate(model, MACHINE)
    assert model.without_file() != model
    assert model.without_file().file is None


def test_compare_sweep_and_the_reverse_questions_take_files(tiny: Path) -> None:
    weights = sizer.model(tiny).file.tensor_bytes  # type: ignore[union-attr]
    rows = sizer.compare(tiny, machines=[MACHINE, "dgx-spark"])
    assert {row.memory.weights_bytes for row in rows} == {weights}
    grid = sizer.sweep(str(tiny), MACHINE, context=[1024, 4096])
    assert grid["weights_bytes"].tolist() == [weights, weights]
    assert sizer.largest_context(tiny, MACHINE) == 4096


def test_every_part_of_a_split_file_stands_for_all(tmp_path: Path) -> None:
    total = files_of.write_split(tmp_path, "m", 5, 9)
    for number in (1, 2, 3):
        file = sizer.model(tmp_path / f"m-0000{number}-of-00003.gguf").file
        assert file is not None
        assert (file.tensor_bytes, file.n_tensors, len(file.parts)) == (total, 12, 3)
    assert sizer.model(tmp_path).file is not None
    (tmp_path / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(sizer.DataError, match=r"m-00002-of-00003\.gguf: no such file"):
        sizer.model(tmp_path / "m-00001-of-00003.gguf")


def test_a_projector_beside_a_model_is_told_and_counted_on_request(tiny: Path, tmp_path: Path) -> None:
    projector = tmp_path / "mmproj-F16.gguf"
    keys = {"general.architecture": "clip", "general.type": "mmproj"}
    size = gguf.write_gguf(projector, keys, {"v.patch_embd.weight": (gguf.F16, (14, 14, 3, 64))})
    alone = sizer.estimate(tiny, MACHINE)
    assert any(one.what == "projector" and "not counted" in one.why for one in alone.assumptions)
    for given in (str(projector), projector.name):
        model = sizer.model(tiny, mmproj=given)
        assert model.file is not None
        assert model.file.bytes_by_part["vision"] == size
        both = sizer.estimate(model, MACHINE)
        assert both.memory.weights_bytes == alone.memory.weights_bytes + size
        assert both.memory.pools[0].weights_bytes == alone.memory.pools[0].weights_bytes + size
        assert both.decode == alone.decode, "an encoder is not read by a decode step"
    with pytest.raises(sizer.DataError, match="is a projector"):
        sizer.model(projector)
    with pytest.raises(sizer.InvalidValueError, match="mmproj"):
        sizer.model("llama-3.1-8b", mmproj="x.gguf")


def test_an_unknown_architecture_has_exact_weights_and_says_what_is_assumed(tmp_path: Path) -> None:
    keys = {key.replace("llama.", "brandnew."): value for key, value in gguf.llama_keys().items()}
    keys["general.architecture"] = "brandnew"
    path = tmp_path / "new.gguf"
    expected = gguf.write_gguf(path, keys, gguf.LLAMA_TENSORS)
    model = sizer.model(path)
    answer = sizer.estimate(model, MACHINE)
    assert answer.memory.weights_bytes == expected
    # Keys and values: 2 heads of 16 elements each, 2 bytes, one layer.
    assert answer.memory.kv_bytes_per_token == 2 * 2 * 16 * 2
    assert any("'brandnew' is not known" in one.why for one in answer.assumptions)
    assert model.sizing_status == "partial"
    assert model.to_dict()["architecture"]["kind"] == "assumed"


# --- the label --------------------------------------------------------------------------------------------------------


def test_a_label_that_caps_the_context_is_told_with_both_numbers(tmp_path: Path, run: Callable[..., Any]) -> None:
    path = qwen3_coder(tmp_path / "model.gguf", 131072)
    model = sizer.model(path)
    (label,) = model.context_labels
    assert (label.tokens, label.trained_tokens, label.effect) == (131072, 262144, "caps")
    assert "qwen3-coder-30b-a3b" in label.trained_by
    answer = sizer.estimate(model, MACHINE)
    assert answer.context == 131072, "what a runtime gives by itself"
    assert answer.context_labels == (label,)
    assert sizer.Estimate.from_dict(answer.to_dict()) == answer
    assert sizer.estimate(model, MACHINE, context=262144).context == 262144, "the model can do it"
    for arguments in (
        ("models", str(path)),
        ("estimate", str(path), "--on", MACHINE),
        ("compare", str(path), "--on", MACHINE),
    ):
        shown = " ".join(run(*arguments).out.split())
        assert "131,072" in shown and "262,144" in shown and "caps the context" in shown
        plain = json.dumps(run(*arguments, "--json").json)
        assert "131072" in plain and "262144" in plain
    assert "caps the context" in answer._repr_html_()


def test_a_label_that_stretches_the_context_is_told(tmp_path: Path) -> None:
    (label,) = sizer.model(qwen3_coder(tmp_path / "m.gguf", 1048576)).context_labels
    assert (label.tokens, label.trained_tokens, label.effect) == (1048576, 262144, "stretches")
    scaled = gguf.llama_keys(
        context_length=131072, **{"llama.rope.scaling.type": "yarn", "llama.rope.scaling.original_context_length": 4096}
    )
    path = tmp_path / "scaled.gguf"
    gguf.write_gguf(path, scaled, gguf.LLAMA_TENSORS)
    (label,) = sizer.model(path).context_labels
    assert (label.tokens, label.trained_tokens, label.effect) == (131072, 4096, "stretches")


def test_a_true_label_is_not_mentioned(tmp_path: Path, tiny: Path) -> None:
    assert sizer.model(qwen3_coder(tmp_path / "m.gguf", 262144)).context_labels == ()
    assert sizer.model(tiny).context_labels == (), "nobody knows what it was trained for"


# --- Ollama -----------------------------------------------------------------------------------------------------------


def _projector(tmp_path: Path) -> bytes:
    path = tmp_path / "projector"
    gguf.write_gguf(path, {"general.architecture": "clip"}, {"mm.0.weight": (gguf.F16, (64, 64))})
    return path.read_bytes()


def test_an_ollama_model_with_its_modelfile(home: Path, tiny: Path, tmp_path: Path) -> None:
    blobs = {
        "model": tiny.read_bytes(),
        "projector": _projector(tmp_path),
        "params": json.dumps({"num_ctx": 1024, "num_gpu": 1, "num_batch": 128, "stop": ["<|end|>"]}).encode(),
    }
    files_of.write_ollama(home / ".ollama/models", "tiny/1b", blobs)

    model = sizer.model("ollama:tiny:1b")
    file = model.file
    assert file is not None
    assert file.modelfile == {"num_ctx": 1024, "num_gpu": 1, "num_batch": 128}
    assert file.bytes_by_part["vision"] == 64 * 64 * 2
    (label,) = model.context_labels
    assert (label.where, label.tokens, label.trained_tokens) == ("num_ctx of the Modelfile", 1024, 4096)
    answer = sizer.estimate("ollama:tiny:1b", MACHINE)
    assert (answer.engine, answer.context, answer.ubatch) == ("ollama", 1024, 128)
    assert answer.memory.weights_bytes == file.tensor_bytes
    everything = sizer.estimate("ollama:tiny:1b", MACHINE, engine_options={"n_gpu_layers": -1})
    assert everything.memory.pools[0].weights_bytes > answer.memory.pools[0].weights_bytes, (
        "num_gpu 1 is the head alone"
    )
    assert sizer.estimate("ollama:tiny:1b", MACHINE, engine="llama.cpp").context == 4096, "no Modelfile there"


# --- servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def http_server() -> ModuleType:
    pytest.importorskip("requests")
    return files_of.load("http_server")  # type: ignore[no-any-return]


def serving(contents: dict[str, Any]) -> Callable[[Any], None]:
    """Answers paths (without a query) with files, and ranges of them with ranges; anything else is not there."""

    def answer(handler: Any) -> None:
        content = contents.get(handler.path.partition("?")[0])
        if content is None:
            handler.reply(404)
        elif handler.seen.range is None:
            handler.whole(content)
        else:
            handler.part(content)

    return answer


def test_a_url_costs_the_header_and_not_the_file(tmp_path: Path, http_server: ModuleType) -> None:
    """40 GB of zeros behind a header of 5 MB."""
    path = tmp_path / "big.gguf"
    vocabulary = [f"token number {number:06d}" for number in range(150_000)]
    tensors = {**gguf.LLAMA_TENSORS, "blk.0.ffn_up.weight": (gguf.F16, (64, 312_500_000))}
    expected = gguf.write_gguf(path, gguf.llama_keys(**{"tokenizer.ggml.tokens": vocabulary}), tensors)
    assert path.stat().st_size > 40e9
    with path.open("rb") as file:
        header = file.read(8 << 20)
    content = http_server.Content(header, size=path.stat().st_size)
    with http_server.Server(serving({"/big.gguf": content})) as server:
        model = sizer.model(server.url + "/big.gguf")
        assert server.sent < 8 << 20
    assert model.file is not None
    assert model.file.tensor_bytes == expected
    assert model.file.file_bytes == path.stat().st_size
    assert sizer.estimate(model, MACHINE).memory.weights_bytes == expected


def test_a_url_of_a_split_file_finds_its_parts(tmp_path: Path, http_server: ModuleType) -> None:
    total = files_of.write_split(tmp_path, "m", 5)
    contents = {f"/dir/{path.name}": http_server.Content(path.read_bytes()) for path in tmp_path.glob("m-*.gguf")}
    with http_server.Server(serving(contents)) as server:
        file = sizer.model(server.url + "/dir/m-00001-of-00002.gguf").file
        assert file is not None and file.tensor_bytes == total
        del contents["/dir/m-00002-of-00002.gguf"]
        with pytest.raises(sizer.DataError, match="m-00002-of-00002"):
            sizer.model(server.url + "/dir/m-00001-of-00002.gguf?fresh")


def _hub(monkeypatch: pytest.MonkeyPatch, http_server: ModuleType, files: dict[str, bytes]) -> Any:
    """A hub of one repository, org/repo."""
    listing = [{"type": "file", "path": path, "size": len(data)} for path, data in files.items()]
    contents = {f"/org/repo/resolve/main/{path}": http_server.Content(data) for path, data in files.items()}
    contents["/api/models/org/repo/tree/main"] = http_server.Content(json.dumps(listing).encode())
    server = http_server.Server(serving(contents))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_a_repository_of_gguf_files(
    tiny: Path, tmp_path: Path, http_server: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.gguf"
    gguf.write_gguf(other, gguf.llama_keys(**{"general.file_type": 1}), {"token_embd.weight": (gguf.F16, (64, 96))})
    files = {
        "m-Q8_0.gguf": tiny.read_bytes(),
        "m-F16.gguf": other.read_bytes(),
        "mmproj-F16.gguf": _projector(tmp_path),
        "README.md": b"#",
    }
    with _hub(monkeypatch, http_server, files):
        chosen = sizer.model("hf:org/repo")
        assert chosen.file is not None
        assert chosen.file.quantization == "Q8_0"
        assert any("no quantisation was named" in note for note in chosen.file.notes)
        assert [one.name for one in chosen.file.companions] == ["mmproj-F16.gguf"]
        assert sizer.model("hf:org/repo:F16").file.quantization == "F16"  # type: ignore[union-attr]
        counted = sizer.model("hf:org/repo:m-Q8_0.gguf", mmproj="mmproj-F16.gguf").file
        assert counted is not None and counted.bytes_by_part["vision"] == 64 * 64 * 2
        with pytest.raises(sizer.UnknownNameError, match="m-Q8_0"):
            sizer.model("hf:org/repo:Q2_K")


def test_a_checkpoint_in_a_folder(tmp_path: Path) -> None:
    files, expected = files_of.checkpoint()
    folder = tmp_path / "Tiny-1B"
    files_of.write_files(folder, files)
    for path in (folder, folder / "config.json", folder / "model-00001-of-00002.safetensors"):
        model = sizer.model(path)
        assert model.file is not None
        assert (model.file.tensor_bytes, model.file.format, model.file.quantization) == (
            expected,
            "safetensors",
            "BF16",
        )
        assert sum(model.file.bytes_by_part.values()) == expected
    answer = sizer.estimate(folder, MACHINE)
    assert (answer.engine, answer.memory.weights_bytes, answer.weights_from_file) == ("vllm", expected, True)
    converted = sizer.estimate(folder, MACHINE, engine="llama.cpp", quant="F16")
    assert not converted.weights_from_file
    # A conversion to F16 keeps the norms in F32.
    assert converted.memory.weights_bytes == expected + 3 * 64 * 2
    assert any("does not load safetensors" in one.why for one in converted.assumptions)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(sizer.DataError, match="model-00002-of-00002"):
        sizer.model(folder)


def test_a_config_alone_is_a_shape(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(files_of.CONFIG))
    answer = sizer.estimate(path, MACHINE, quant="F16")
    assert not answer.weights_from_file
    assert answer.engine == "llama.cpp"
    assert answer.memory.weights_bytes == 2 * (2 * 96 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64) + 3 * 64 * 4


def test_a_repository_of_safetensors(http_server: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    files, expected = files_of.checkpoint()
    with _hub(monkeypatch, http_server, files):
        model = sizer.model("hf:org/repo")
    assert model.file is not None
    assert (model.file.tensor_bytes, model.file.name) == (expected, "org/repo")


def test_a_repository_in_the_hubs_cache_needs_no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("XDG_CACHE_HOME")
    files, expected = files_of.checkpoint()
    files_of.write_hub(home / ".cache/huggingface/hub", "org/repo", files)
    assert sizer.model("hf:org/repo").file.tensor_bytes == expected  # type: ignore[union-attr]
    with pytest.raises(sizer.SizerError, match="HF_HUB_OFFLINE"):
        sizer.model("hf:org/other")


def test_a_model_of_ollamas_registry(tiny: Path, http_server: ModuleType) -> None:
    pytest.importorskip("requests")
    blobs = {"model": tiny.read_bytes(), "params": b'{"num_ctx": 2048}'}
    contents = {f"/v2/me/tiny/blobs/{files_of.digest(data)}": http_server.Content(data) for data in blobs.values()}
    contents["/v2/me/tiny/manifests/1b"] = http_server.Content(files_of.manifest(blobs).encode())
    with http_server.Server(serving(contents)) as server:
        model = sizer.model(f"ollama:{server.url}/me/tiny:1b")
        with pytest.raises(sizer.DataError):
            sizer.model(f"ollama:{server.url}/me/other:1b")
    assert model.file is not None
    assert model.file.modelfile == {"num_ctx": 2048}
    assert model.file.n_tensors == 12
    assert any("not on this machine" in note for note in model.file.notes)


@pytest.mark.parametrize("name", ["https://example.invalid/page", "http://127.0.0.1:9/model.bin"])
def test_an_address_of_something_else_is_refused(name: str) -> None:
    with pytest.raises(sizer.InvalidValueError, match=r"\.gguf"):
        sizer.model(name)


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_shows_files(tiny: Path, run: Callable[..., Any]) -> None:
    shown = run("models", str(tiny), "--tensors")
    assert shown.code == 0
    assert "blk.0.ffn_down.weight" in shown.out and "Q8_0" in shown.out
    plain = run("models", str(tiny), "--tensors", "--json").json
    assert plain["file"]["tensor_bytes"] == sum(row["size_bytes"] for row in plain["tensors"])
    assert run("estimate", str(tiny), "--on", MACHINE, "--json").json["weights_from_file"] is True
    broken = tiny.with_name("broken.gguf")
    broken.write_bytes(tiny.read_bytes()[:200])
    failed = run("estimate", str(broken), "--on", MACHINE)
    assert failed.code == 3
    assert "broken.gguf at byte" in failed.err
