"""The model catalogue: format, names, sources, shapes, and parameter counts against published totals."""
from __future__ import annotations

import importlib.util
import json
import pathlib

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "data" / "models"
SCHEMA = ROOT / "data" / "schema" / "model.schema.json"
FILES = sorted(MODELS.rglob("*.json"))
TOLERANCE = 0.005  # of the published total; the acceptance line of the catalogue

# Names that documents of the project use. Each must resolve.
MISSION_NAMES = """qwen3-coder-30b-a3b llama-3-8b llama-70b llama-3.1-405b qwen3-30b-a3b qwen2.5-7b llama-3.1-8b
mistral-7b-v0.3 llama-3.2-3b llama-3.2-1b deepseek-coder-33b qwen2.5-coder-14b codellama-13b codellama-7b
deepseek-coder-6.7b phi-3.5-mini 3b 7b 13b 34b 70b""".split()
GENERIC = {"3b": "llama-3.2-3b", "7b": "mistral-7b-v0.3", "13b": "llama-2-13b", "34b": "yi-34b", "70b": "llama-3.1-70b",
           "llama-70b": "llama-3.1-70b"}
# Published models among the shapes that the memory rules were checked on.
CHECKED_SHAPES = """llama-3.1-8b llama-3.1-70b llama-2-7b mixtral-8x7b qwen3-32b qwen3-30b-a3b gemma-2-27b gemma-3-4b
deepseek-v2-lite gpt-oss-20b qwen3-next-80b-a3b qwen3.5-27b granite-4.0-h-tiny falcon-h1-34b nemotron-h-8b mamba2-2.7b
llama-4-scout glm-4.5-air lfm2-1.2b kimi-linear-48b""".split()
# Labels of public measurements and load logs, lower case, blanks as hyphens.
MEASURED_NAMES = """codellama-34b deepseek-r1-671b deepseek-r1-distill-qwen-14b deepseek-r1-distill-qwen-7b
deepseek-v4-flash-0731 devstral-2-123b-instruct-2512 glm-4.5-air glm-4.6 glm-4.7-flash gemma-4-12b-it kimi-dev-72b
kimi-k2-instruct llama-13b llama-3.1-70b llama-3.2-3b-instruct llama-33b llama-7b llama-3-70b-instruct
llama-3.3-70b-instruct llama-4-scout-17b-16e-instruct llama2-13b llama2-70b llama2-7b meta-llama-3-70b meta-llama-3-8b
minimax-m2 minimax-m2.7 ministral-3-14b-instruct-2512 ministral-3-8b-instruct-2512 mistral-instruct-7b
mistral-7b-instruct-v0.2 mistral-7b-instruct-v0.3 mistral-small-3.1-24b-instruct-2503 mixtral-8x7b-v0.1
nvidia-nemotron-3-super-120b-a12b nemotron-3-nano-30b-a3b nemotron-4b qwen/qwen3-30b-a3b-instruct-2507
qwen/qwen3-4b-instruct-2507 qwen3-235b-a22b-instruct-2507 qwen3-coder-30b-a3b-instruct qwen3-next-80b-a3b-instruct
qwen3.5-122b qwen3.6-27b qwen3.6-35b-a3b tinyllama-1.1b deepseek2-30b.a3b deepseek2-671b dots.llm1.inst gemma-3-12b-it
gemma3-4b gpt-oss-120b gpt-oss:20b llama-1b qwen2-7b qwen3moe-30b.a3b bitnet-b1.58-2b-4t command-a-111b
deepseek-coder-v2-lite deepseek-r1-0528-qwen3-8b deepseek-v3 glm-4.5 glm-z1-32b-0414 gemma-4-e4b ling-1t
llama-3.1-nemotron-ultra-253b mistral-nemo-12b moonlight-16b-a3b qwen2.5-3b qwen2.5-coder-7b qwen3-coder-480b-a35b
qwen3.5-35b-a3b llama-30b kimi-k2.5 glm-5.1 glm-5.2 qwen3.5-0.8b qwen3.5-2b qwen3.5-9b qwen3.5-397b-a17b phi-2
gemma-1.1-2b-it gemma-2-9b-it qwen2-1.5b-instruct poolside/laguna-s-2.1-int4 nemotron-3-nano:4b""".split()


def load(path):
    def once(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"{path}: a member is given twice"
        return dict(pairs)

    return json.loads(path.read_text(encoding="ascii"), object_pairs_hook=once)


def load_reference():
    spec = importlib.util.spec_from_file_location("parameters", ROOT / "tests" / "reference" / "parameters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PARAMETERS = load_reference()
CATALOGUE = {path.stem: load(path) for path in FILES}
NAMES = {}
for _model in CATALOGUE.values():
    for _name in [_model["id"], *_model["aliases"]]:
        NAMES.setdefault(_name, []).append(_model["id"])
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_there_are_enough_models():
    assert len(FILES) >= 80
    assert len(CATALOGUE) == len(FILES), "two files have the same stem"


def test_schema_is_valid_and_describes_every_field():
    schema = load(SCHEMA)
    jsonschema.Draft7Validator.check_schema(schema)

    def walk(node, where):
        for name, member in node.get("properties", {}).items():
            assert member.get("description"), f"{where}.{name} has no description"
            walk(member, f"{where}.{name}")
        if "properties" in node:
            assert node.get("additionalProperties") is False, where

    walk(schema, "model")


@each_file
def test_file_is_valid_and_canonical(path):
    model = CATALOGUE[path.stem]
    jsonschema.validate(model, load(SCHEMA), cls=jsonschema.Draft7Validator)
    assert model["id"] == path.stem
    assert path.read_bytes() == (json.dumps(model, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def test_names_are_unique_and_lower_case():
    twice = {name: owners for name, owners in NAMES.items() if len(owners) > 1}
    assert not twice
    assert all(name == name.lower() for name in NAMES)
    for model in CATALOGUE.values():
        if "hf_repo" in model:
            assert model["hf_repo"].lower() in model["aliases"], model["id"]


@pytest.mark.parametrize("name", MISSION_NAMES + CHECKED_SHAPES + MEASURED_NAMES)
def test_name_resolves(name):
    assert name in NAMES


def test_generic_sizes_mean_one_model():
    assert {name: NAMES[name][0] for name in GENERIC} == GENERIC
    for name, target in GENERIC.items():
        assert f'"{name}"' in CATALOGUE[target]["notes"], "the file does not say why it stands for this name"


@each_file
def test_shape_is_consistent(path):
    model = CATALOGUE[path.stem]
    arch, n = model["architecture"], model["architecture"]["n_layers"]
    for field in ("mixers", "feed_forwards"):
        assert sum(count for _, count in arch[field]) <= n, field
    for field in ("n_heads", "n_kv_heads", "d_ff"):
        assert len(arch.get(field, [0])) in (1, n), field
    mixers, kinds = PARAMETERS.expand(arch["mixers"], n), PARAMETERS.expand(arch["feed_forwards"], n)
    windowed = bool({"sliding", "chunked"} & set(mixers))
    assert windowed <= ("sliding_window" in arch)
    assert ("latent" in mixers) == ("latent" in arch)
    assert ("moe" in kinds) == ("experts" in arch)
    recurrent = {"mamba1", "mamba2", "gated_delta_net", "kimi_delta", "short_conv", "full_and_mamba2"}
    assert bool(recurrent & set(mixers)) == ("recurrent" in arch)
    if "dense" in kinds:
        assert "d_ff" in arch
    for i, mixer in enumerate(mixers):
        if mixer in ("full", "sliding", "chunked", "full_and_mamba2"):
            heads, kv_heads = PARAMETERS.pick(arch["n_heads"], i), PARAMETERS.pick(arch["n_kv_heads"], i)
            assert (heads == 0) == (kv_heads == 0)
            assert heads == 0 or heads % kv_heads == 0
    if "experts" in arch:
        assert arch["experts"]["n_experts_per_token"] <= arch["experts"]["n_experts"]
        assert ("n_shared_experts" in arch["experts"]) == ("d_ff_shared" in arch["experts"])
    if arch["kind"] == "assumed":
        assert arch["note"], "an assumed shape says why"


@each_file
def test_published_total_follows_from_the_shape(path):
    model = CATALOGUE[path.stem]
    main, prediction = PARAMETERS.count(model["architecture"])
    total = model.get("parameters", {}).get("total")
    if model["sizing"]["status"] == "partial":
        pytest.skip("the shape is partial: " + model["sizing"]["why"])
    if total is None:
        pytest.skip("no precise total is published")
    assert main + prediction == pytest.approx(total["value"], rel=TOLERANCE)


def test_most_models_have_a_published_total():
    with_total = [m for m in CATALOGUE.values() if "total" in m.get("parameters", {})]
    assert len(with_total) >= 0.85 * len(CATALOGUE)
    assert len({m["architecture"]["family"] for m in with_total}) >= 35


def test_latent_cache_of_glm_flash():
    """47 layers of 512 + 64 elements in f16: the figure that llama.cpp's cache has."""
    arch = CATALOGUE["glm-4.7-flash"]["architecture"]
    assert arch["n_layers"] * (arch["latent"]["kv_lora_rank"] + arch["latent"]["qk_rope_head_dim"]) * 2 == 54144
