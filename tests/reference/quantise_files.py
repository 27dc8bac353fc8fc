"""Weigh what a real quantiser writes: the rows of `tests/golden/data/quantised_files.csv`.

A maker script writes F16 files with random weights, `llama_model_quantize` of llama.cpp turns each into every recipe,
and the package `gguf` reads the tensors of the result. Nothing of libsizer takes part, except with --check.

    pip install gguf llama-cpp-python
    python3 quantise_files.py MAKER.py OUT.csv --work SCRATCH          small models, one or two minutes each
    python3 quantise_files.py MAKER.py OUT.csv --work SCRATCH --models s.llama-1b --recipes Q4_0,Q4_K_M
    python3 quantise_files.py FOLDER OUT.csv                           the *.gguf files of a folder instead
    python3 quantise_files.py MAKER.py --shapes                        metadata of the small models, for the C++ test
    python3 quantise_files.py MAKER.py OUT.csv --check                 compare the rows with the Python module sizer

MAKER.py has one function per architecture that returns an object with the tensors and the keys of a file, `MODELS`
(name to function), and `write(model, path, type, sparse)`. SMALL below calls those functions with small widths: layers,
experts and divisibility decide the types, not the width. Rows already in OUT.csv stay and are not made again.

A recipe named "X+imatrix" is made with an importance matrix of ones; recipes below 3 bits exist only so.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import importlib.util
import json
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = ("architecture", "name", "recipe", "tensor_bytes", "bytes_by_type", "file_bytes")

PLAIN = (
    "F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 IQ4_NL IQ4_XS Q3_K_L Q3_K_M Q3_K_S IQ3_M "
    "IQ3_S Q2_K MXFP4_MOE TQ1_0 TQ2_0 Q1_0"
).split()
WITH_IMATRIX = "Q5_0 Q4_0 IQ4_NL IQ4_XS IQ3_XS IQ3_XXS Q2_K_S IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S".split()
RECIPES = (*PLAIN, *(f"{name}+imatrix" for name in WITH_IMATRIX))

# ----------------------------------------------------------------------------------------------------------- the models


def phi3(maker: Any, name: str, layers: int, d: int, heads: int, kv: int, ff: int, vocab: int) -> Any:
    """Phi-3: query, key and value in one matrix, gate and up in another."""
    width = d // heads
    m = maker.M("phi3", name, n_layer=layers, d_model=d, vocab=vocab, tied_embeddings=False)
    maker.common(m, layers, d, 4096, vocab, ff=ff, heads=heads, kv=kv, hk=width, hv=width, rot=width)
    maker.head(m, d, vocab, False)
    for i in range(layers):
        maker.norm(m, i, "attn_norm", d)
        m.add(f"blk.{i}.attn_qkv.weight", [d, (heads + 2 * kv) * width])
        m.add(f"blk.{i}.attn_output.weight", [heads * width, d])
        maker.norm(m, i, "ffn_norm", d)
        m.add(f"blk.{i}.ffn_up.weight", [d, 2 * ff])
        m.add(f"blk.{i}.ffn_down.weight", [ff, d])
    return m


def falcon(maker: Any, name: str, layers: int, d: int, heads: int, vocab: int) -> Any:
    """Falcon 7B: one key-value head, query, key and value in one matrix, LayerNorm, no gate."""
    width = d // heads
    m = maker.M("falcon", name, n_layer=layers, d_model=d, vocab=vocab, tied_embeddings=False)
    eps = "attention.layer_norm_epsilon"
    maker.common(m, layers, d, 2048, vocab, ff=4 * d, heads=heads, kv=1, hk=width, hv=width, rot=width, eps_key=eps)
    maker.head(m, d, vocab, False)
    m.add("output_norm.bias", [d], typ="F32", init="zero")
    for i in range(layers):
        maker.norm(m, i, "attn_norm", d)
        m.add(f"blk.{i}.attn_norm.bias", [d], typ="F32", init="zero")
        m.add(f"blk.{i}.attn_qkv.weight", [d, (heads + 2) * width])
        m.add(f"blk.{i}.attn_output.weight", [d, d])
        m.add(f"blk.{i}.ffn_up.weight", [d, 4 * d])
        m.add(f"blk.{i}.ffn_down.weight", [4 * d, d])
    return m


OWN = {"phi3": phi3, "falcon": falcon}

# name -> function, arguments, keyword arguments. The maker's functions say what the arguments are.
SMALL: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    # every head its own key and value; rows of 704 are whole blocks of 32 and not of 256
    "q.llama-mha": ("llama", (12, 256, 4, 4, 704, 2048), {}),
    # rows of 1000 are no whole blocks at all
    "q.llama-odd": ("llama", (16, 256, 8, 2, 1000, 2048), {"tied": True}),
    # 80 layers with grouped heads is what llama.cpp calls 70B
    "q.llama-80": ("llama", (80, 256, 8, 1, 256, 1024), {}),
    # 8 experts have rules of their own
    "q.mixtral": ("llama", (16, 256, 8, 2, 256, 1024), {"experts": 8, "used": 2}),
    "q.qwen3": ("qwen3", (14, 256, 8, 2, 64, 768, 2048), {}),
    "q.qwen3moe": ("qwen3", (12, 256, 8, 1, 64, 128, 2048), {"tied": False, "experts": 16, "used": 4}),
    "q.qwen3next": ("qwen3next", (12, 256, 4, 1, 64, 16, 16, 4, 128, 128, 64, 2, 4), {"vocab": 2048}),
    "q.qwen35": (
        "qwen3next",
        (16, 256, 4, 1, 64, 16, 0, 0, 0, 0, 64, 2, 4),
        {"vocab": 2048, "arch": "qwen35", "ff": 768},
    ),
    "q.gemma2": ("gemma2", (14, 384, 4, 2, 64, 1024), {"vocab": 2048}),
    "q.gemma3": ("gemma3", (18, 320, 4, 1, 64, 768, 512), {"vocab": 2048}),
    "q.phi3": ("phi3", (16, 256, 4, 4, 512, 2048), {}),
    "q.falcon": ("falcon", (16, 320, 5, 2048), {}),
    "q.falcon-whole": ("falcon", (32, 256, 4, 1024), {}),
    "q.cohere2": ("cohere2", (12, 256, 8, 2, 768), {"vocab": 2048}),
    "q.deepseek2": ("deepseek2", (10, 256, 4, 128, 128, 64, 32, 64, 512, 16, 4, 1, 128, 1, 2048), {}),
    "q.deepseek2-lite": ("deepseek2", (27, 256, 4, 0, 128, 64, 32, 64, 704, 6, 2, 2, 96, 1, 1024), {}),
    "q.glm4moe": ("glm4moe", (10, 256, 8, 1, 32, 16, 512, 128, 16, 4, 1, 1), {"vocab": 2048}),
    "q.minimax-m2": ("minimaxm2", (10, 256, 8, 2, 32, 16, 128, 16, 4), {"vocab": 2048}),
    "q.gpt-oss": ("gptoss", (8, 320, 8, 2, 64, 160, 16, 4), {"vocab": 2048}),
    "q.llama4": ("llama4", (12, 256, 4, 2, 64, 512, 256, 4, 1, 2), {"vocab": 2048}),
    "q.granite-h": ("granitehybrid", (16, {3, 7, 11, 15}, 384, 6, 2, 64, 16, 4, 256, 64, 12), {"vocab": 2048}),
    "q.falcon-h1": ("falconh1", (12, 320, 5, 1, 64, 640, 512, 64, 8, 2), {"vocab": 2048}),
    "q.nemotron-h": ("nemotronh", ("M-M-M*-M-M-M*-M-", 256, 4, 2, 64, 768, 512, 64, 8, 2), {"vocab": 2048}),
    "q.kimi-linear": ("kimilinear", (12, {3, 7, 11}, 256, 4, 64, 128, 64, 32, 64, 512, 16, 4, 128), {"vocab": 2048}),
    "q.lfm2": ("lfm2", (16, {2, 5, 8, 10, 12, 14}, 256, 8, 2, 768), {"vocab": 2048}),
    "q.mamba2": ("mamba2m", (16, 256, 512, 64, 8, 1), {"vocab": 2048}),
    "q.mamba": ("mamba1", (12, 256, 16, 16), {"vocab": 2048}),
}


def load_maker(path: Path) -> Any:
    """The maker script as a module."""
    spec = importlib.util.spec_from_file_location("maker", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(maker: Any, name: str) -> Any:
    """A model of SMALL or of the maker's own list."""
    if name not in SMALL:
        return maker.build(name)
    function, arguments, options = SMALL[name]
    if function in OWN:
        return OWN[function](maker, name, *arguments, **options)
    return getattr(maker, function)(name, *arguments, **options)


def entry_of(model: Any) -> dict[str, Any]:
    """What libsizer gets to know of a model, as in llamacpp_shapes.json: keys, and three facts of the tensor list."""
    facts = {key: model.hp[key] for key in ("tied_embeddings", "qkv_bias", "qk_norm") if key in model.hp}
    keys = {f"{model.arch}.{key}": value for key, value in model.kv if not isinstance(value, float)}
    return {"gguf_architecture": model.arch, "shape": facts, "gguf_hparams": keys}


def shapes_text(maker: Any) -> str:
    """The entries of SMALL, keys without the architecture's name, in lines of at most 120 characters."""
    lines = []
    for name in SMALL:
        model = build(maker, name)
        entry = {"architecture": model.arch, **entry_of(model)["shape"]}
        entry["keys"] = {key: value for key, value in model.kv if not isinstance(value, float)}
        whole = f"{json.dumps(name)}: {json.dumps(entry)},"
        lines += textwrap.wrap(whole, 120, break_long_words=False, break_on_hyphens=False)
    return "{\n" + "\n".join(lines).removesuffix(",") + "\n}"


# -------------------------------------------------------------------------------------------------------- the quantiser


class Quantiser:
    """llama_model_quantize, called in this process."""

    def __init__(self, threads: int) -> None:
        """Loads the library of llama-cpp-python."""
        import llama_cpp

        self._lib = llama_cpp
        self._threads = threads
        self._messages: list[str] = []

        @llama_cpp.llama_log_callback
        def keep(level: int, text: bytes, _: Any) -> None:
            if level >= 3:  # warnings and errors
                self._messages.append(text.decode(errors="replace").strip())

        self._keep = keep  # ctypes does not hold it
        llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

    def file_type(self, recipe: str) -> int:
        """llama_ftype of a recipe."""
        name = "LLAMA_FTYPE_ALL_F32" if recipe == "F32" else f"LLAMA_FTYPE_MOSTLY_{recipe}"
        return int(getattr(self._lib, name))

    def run(self, source: Path, target: Path, recipe: str) -> None:
        """Writes `target`. Raises RuntimeError with the library's last messages."""
        name, _, marked = recipe.partition("+")
        options = self._lib.llama_model_quantize_default_params()
        options.nthread = self._threads
        options.ftype = self.file_type(name)
        held = self._importance(source) if marked else None
        if held is not None:
            options.imatrix = ctypes.cast(held[0], type(options.imatrix))
        self._messages.clear()
        if self._lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(options)) != 0:
            raise RuntimeError(" ".join(self._messages[-4:]))

    def _importance(self, source: Path) -> tuple[Any, list[Any]]:
        """An importance matrix of ones for every matrix, and what must outlive it."""
        import gguf

        shapes = [(t.name, [int(n) for n in t.shape]) for t in gguf.GGUFReader(source).tensors if len(t.shape) > 1]
        table = (self._lib.llama_model_imatrix_data * (len(shapes) + 1))()  # the last one is empty
        held = []
        for slot, (name, shape) in zip(table, shapes, strict=False):
            size = shape[0] * (shape[2] if len(shape) > 2 else 1)
            ones = (ctypes.c_float * size)(*([1.0] * size))
            held.append(ones)
            slot.name, slot.data, slot.size = name.encode(), ones, size
        return table, held


def weigh(path: Path) -> tuple[int, dict[str, int]]:
    """Tensor bytes of a file, in all and by ggml type."""
    import gguf

    by_type: Counter[str] = Counter()
    for tensor in gguf.GGUFReader(path).tensors:
        by_type[tensor.tensor_type.name] += int(tensor.n_bytes)
    return sum(by_type.values()), dict(sorted(by_type.items()))


# ------------------------------------------------------------------------------------------------------------ the table

Rows = dict[tuple[str, str], dict[str, str]]


def read_rows(path: Path) -> Rows:
    """Rows by name and recipe."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["name"], row["recipe"]): row for row in csv.DictReader(file)}


def write_rows(path: Path, rows: Rows) -> None:
    """All rows, by name and then in the order of RECIPES."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows, key=lambda key: (key[0], RECIPES.index(key[1]))))


def quantise(
    quantiser: Quantiser, source: Path, name: str, architecture: str, recipes: list[str], work: Path, keep: list[str]
) -> Iterator[dict[str, str]]:
    """The rows of one F16 file. Files whose recipe is not in `keep` are removed."""
    for recipe in recipes:
        target = work / f"{name}.{recipe}.gguf"
        start = time.monotonic()
        try:
            quantiser.run(source, target, recipe)
            total, by_type = weigh(target)
            print(f"{name} {recipe}: {total:,} bytes in {time.monotonic() - start:.1f} s", flush=True)
            yield {
                "architecture": architecture,
                "name": name,
                "recipe": recipe,
                "tensor_bytes": str(total),
                "bytes_by_type": ";".join(f"{key}:{value}" for key, value in by_type.items()),
                "file_bytes": str(target.stat().st_size),
            }
        except RuntimeError as problem:
            print(f"{name} {recipe}: refused: {problem}", flush=True)
        if recipe not in keep:
            target.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------- against libsizer


def check(maker: Any, rows: Rows) -> int:
    """Prints rows whose total the Python module sizer predicts differently; returns how many."""
    import sizer

    wrong = 0
    models: dict[str, Any] = {}
    for (name, recipe), row in rows.items():
        if name not in models:
            entry = entry_of(build(maker, name))
            models[name] = sizer.Model.from_gguf_metadata(
                {"general.architecture": entry["gguf_architecture"], **entry["gguf_hparams"]},
                name=name,
                **entry["shape"],
            )
        estimate = sizer.estimate(model=models[name], hardware="rtx-4090", quant=recipe, context=512)
        if estimate.memory.weights_bytes != int(row["tensor_bytes"]):
            wrong += 1
            off = estimate.memory.weights_bytes - int(row["tensor_bytes"])
            print(f"{name} {recipe}: {off:+,} bytes of {int(row['tensor_bytes']):,} ({row['bytes_by_type']})")
    print(f"{len(rows) - wrong} of {len(rows)} totals are exact")
    return wrong


def parsed_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="maker script, or folder of F16 files")
    parser.add_argument("output", type=Path, nargs="?", help="CSV file; its rows stay")
    parser.add_argument("--work", type=Path, default=Path(), help="folder for the files made (default: here)")
    parser.add_argument("--models", help="names with commas between (default: the small ones)")
    parser.add_argument("--recipes", help="names with commas between (default: all)")
    parser.add_argument("--keep", default="", help="recipes whose files stay, with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", action="store_true", help="print the small models' metadata")
    parser.add_argument("--check", action="store_true", help="compare the rows with the module sizer, make none")
    options = parser.parse_args()
    if options.output is None and not options.shapes:
        parser.error("no output file")
    if (options.shapes or options.check) and options.source.is_dir():
        parser.error("this needs a maker script")
    return options


def main() -> int:
    """Runs what the command line asks for."""
    options = parsed_arguments()
    recipes = options.recipes.split(",") if options.recipes else list(RECIPES)
    if options.shapes:
        print(shapes_text(load_maker(options.source)))
        return 0
    rows = read_rows(options.output)
    if options.check:
        return 1 if check(load_maker(options.source), rows) else 0

    quantiser = Quantiser(options.threads)
    keep = options.keep.split(",")
    maker = None if options.source.is_dir() else load_maker(options.source)
    wanted = options.models.split(",") if options.models else None
    names = wanted or ([path.stem for path in sorted(options.source.glob("*.gguf"))] if maker is None else list(SMALL))
    for name in names:
        missing = [recipe for recipe in recipes if (name, recipe) not in rows]
        if not missing:
            continue
        if maker is None:
            import gguf

            source = options.source / f"{name}.gguf"
            architecture = str(gguf.GGUFReader(source).fields["general.architecture"].contents())
        else:
            model = build(maker, name)
            architecture = model.arch
            source = options.work / f"{name}.gguf"
            if not source.exists():
                maker.write(model, source, "F16", False)
        for row in quantise(quantiser, source, name, architecture, missing, options.work, keep):
            rows[name, row["recipe"]] = row
            write_rows(options.output, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
