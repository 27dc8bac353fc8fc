"""The weight format behind a printed quantisation: a recipe that the library knows, exact or the nearest by size."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from .. import _core
from .._records import Row
from .row import LOOKED_AT, NoMatch

#: Engines that load the weights as published (safetensors) and not GGUF files.
PUBLISHED_WEIGHTS = frozenset(["vllm", "tensorrt-llm", "deepspeed", "sglang", "mlx", "exllamav2", "exllamav3"])
_GIB = 1024**3

#: Bits per weight of ik_llama.cpp's own block formats (its ggml-common.h: bytes of a block over its weights).
_IK_BITS = {
    "iq1_s_r4": 1.5, "iq1_m_r4": 1.75, "iq1_kt": 1.75, "iq2_kt": 2.125, "iq2_ks": 2.1875, "iq2_k": 2.375,
    "iq2_kl": 2.6875, "iq3_kt": 3.125, "iq3_ks": 3.1875, "iq3_k": 3.4375, "iq4_kss": 4.0, "iq4_kt": 4.0, "iq4_ks": 4.25,
    "iq4_k": 4.5, "iq5_ks": 5.25, "iq5_k": 5.5, "iq6_k": 6.625, "q6_0": 6.5, "q8_kv": 8.125, "q8_k": 9.125,
}  # fmt: skip
#: Bits per weight of the blocks that most weights of a recipe have.
_BLOCK_BITS = {
    "IQ1_S": 1.5625, "IQ1_M": 1.75, "IQ2_XXS": 2.0625, "IQ2_XS": 2.3125, "IQ2_S": 2.5, "IQ2_M": 2.7, "Q2_K": 2.96,
    "Q2_K_S": 2.75, "IQ3_XXS": 3.0625, "IQ3_XS": 3.3, "IQ3_S": 3.4375, "IQ3_M": 3.66, "Q3_K_S": 3.4375, "Q3_K_M": 3.85,
    "Q3_K_L": 4.2, "IQ4_XS": 4.25, "IQ4_NL": 4.5, "Q4_0": 4.5, "Q4_1": 5.0, "Q4_K_S": 4.55, "Q4_K_M": 4.83,
    "Q5_0": 5.5, "Q5_1": 6.0, "Q5_K_S": 5.5, "Q5_K_M": 5.69, "Q6_K": 6.5625, "Q8_0": 8.5, "F16": 16.0, "BF16": 16.0,
    "F32": 32.0, "MXFP4_MOE": 4.5, "MXFP4_F16": 4.8, "MXFP4_BF16": 4.8, "NVFP4": 4.5, "HF_BF16": 16.0, "FP8": 8.25,
    "FP8_TENSOR": 8.25, "AWQ": 4.5, "GPTQ": 4.5, "MLX-4BIT": 4.5, "MLX-6BIT": 6.5, "MLX-8BIT": 8.5, "TQ1_0": 1.6875,
    "TQ2_0": 2.0625,
}  # fmt: skip
#: Recipes that a number of bits chooses from, and those that a printed IQ format does.
_BY_BITS = (
    *("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K_M", "Q3_K_L"),
    *("IQ4_XS", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0", "F16"),
)
_IQ = (*(name for name in _BY_BITS if name.startswith("IQ")), "Q5_K_S", "Q6_K", "Q8_0")
#: The recipe of so many bits a weight, by the kind of engine.
_PLAIN_BITS = {2: "Q2_K", 3: "Q3_K_M", 4: "Q4_K_M", 5: "Q5_K_M", 6: "Q6_K", 8: "Q8_0"}
_MLX_BITS = {2: "MLX-4BIT", 3: "MLX-4BIT", 4: "MLX-4BIT", 5: "MLX-6BIT", 6: "MLX-6BIT", 8: "MLX-8BIT"}
_MLC_BITS = {3: "Q3_K_S", 4: "Q4_0", 8: "Q8_0"}
_SERVER_BITS = {2: "AWQ", 3: "AWQ", 4: "AWQ", 8: "FP8_TENSOR"}
#: What MLX adds to each weight: a scale and a bias of 16 bits a group of 64.
_MLX_GROUP = 64


@dataclass(frozen=True, kw_only=True)
class FormatMatch(Row):
    """A printed format as a recipe of the library.

    quant          one of ``sizer.quantizations()``
    approximate    whether the printed format only resembles it: the file's size, where printed, decides the bytes
    how            the rule that chose it
    """

    quant: str
    approximate: bool
    how: str


def _match(quant: str, how: str, *, approximate: bool = False) -> FormatMatch:
    return FormatMatch(quant=quant, approximate=approximate, how=how)


@lru_cache(maxsize=1)
def _recipes() -> dict[str, str]:
    """The library's names by their letters and digits."""
    return {_key(name): name for name in _core.quantizations()}


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def nearest_by_bits(bits: float, among: tuple[str, ...] = _BY_BITS) -> str:
    """The recipe whose bits per weight come nearest."""
    return min(among, key=lambda name: abs(math.log(_BLOCK_BITS[name] / bits)))


def bits_of(quant: str) -> float | None:
    """Bits per weight that most weights of a recipe have, None for recipes without such a figure."""
    return _BLOCK_BITS.get(quant)


def bits_of_file(printed: str, engine: str) -> float | None:
    """Bits per weight of a printed format, None when it is not known."""
    found = find_format(printed, engine)
    return None if isinstance(found, NoMatch) else bits_of(found.quant)


def _cleaned(printed: str) -> str:
    """The format alone: without the packager's prefixes, the engine's name and remarks."""
    text = printed.strip().lower()
    inner = re.search(r"\((q\d\w*|iq\d\w*|fp?\d+|bf16)\)", text)
    if "default" in text:
        text = inner.group(1) if inner else re.sub(r"ollama|default|[()]", " ", text).strip() or "default"
    text = re.sub(r"\((?:ollama|llama|imatrix|gguf).*?\)", "", text)
    text = re.sub(r"^(?:gguf|imatrix|imat|i1)[-_ ]+|[-_ ](?:gguf|imatrix|imat|qat)$", "", text.strip())
    text = re.sub(r"^(i?q\d\w*|tq\d\w*)\s*(?:mix)?\s*-\s*[\d.]+\s?bpw.*$", r"\1", text)
    text = re.sub(r"\s*-\s*(small|medium|large)$", lambda found: "_" + found.group(1)[0], text)
    return text.strip()


def _from_gguf(text: str) -> FormatMatch | None:
    """A recipe of llama.cpp, a packager's variant of one, or a format of ik_llama.cpp."""
    packager = re.match(r"(ud|smol|dq|apex)[-_]", text)
    text = text[packager.end() :] if packager else text
    text = re.sub(r"_r[48]$|(?<=q4_0)_[48]_[48]$", "", text)
    bits = _IK_BITS.get(text)
    if bits is not None:
        among = _IQ if text.startswith("iq") else _BY_BITS
        return _match(nearest_by_bits(bits, among), f"nearest to {bits:g} bits a weight", approximate=True)
    text = {"q2_k_m": "q2_k", "q4_k": "q4_k_m", "q5_k": "q5_k_m", "q3_k": "q3_k_m", "q8": "q8_0"}.get(text, text)
    recipe = _recipes().get(_key(text))
    if recipe is not None and re.match(r"i?q\d|tq\d", text):
        said = f"{packager.group(1).upper()} variant of {recipe}" if packager else f"the recipe {recipe}"
        return _match(recipe, said, approximate=packager is not None)
    larger = re.match(r"q(\d)_k_(?:xl|l|xxl|p|h\w*)$", text)
    if larger:
        recipe = _PLAIN_BITS.get(int(larger.group(1)))
        if recipe is not None:
            return _match(recipe, f"{recipe} with some tensors of more bits", approximate=True)
    return None


def _sixteen_bits(text: str, engine: str) -> FormatMatch | None:
    plain = _key(text)
    if plain in ("fp16", "f16", "half", "float16", "bf16", "bfloat16", "16bit", "mlxbf16", "mlxfp16", "none"):
        if engine in PUBLISHED_WEIGHTS:
            return _match("HF_BF16", "the published weights of 16 bits")
        return _match("BF16" if "b" in plain[:2] else "F16", "weights of 16 bits")
    if plain in ("fp32", "f32", "allf32"):
        return _match("F32", "weights of 32 bits")
    return None


def _of_bits(bits: float, engine: str, *, sure: bool, said: str) -> FormatMatch:
    """The recipe of a number of bits, as the engine stores them."""
    whole = round(bits)
    if engine == "mlx":
        recipe = _MLX_BITS.get(whole, nearest_by_bits(bits + 0.5))
        return _match(recipe, said, approximate=not sure or f"{whole}BIT" not in recipe)
    if bits != whole:
        return _match(nearest_by_bits(bits), f"nearest to {bits:g} bits a weight", approximate=True)
    table = _SERVER_BITS if engine in PUBLISHED_WEIGHTS else _MLC_BITS if engine == "mlc-llm" else _PLAIN_BITS
    recipe = table.get(whole, nearest_by_bits(bits))
    return _match(recipe, said, approximate=True)


def _of_server(text: str, engine: str) -> FormatMatch | None:
    """Formats of published checkpoints: FP8, FP4, AWQ, GPTQ, integers."""
    plain = _key(text)
    if "mxfp4" in plain:
        if "taggedf16" in plain or "f16" in plain.replace("bf16", ""):
            return _match("MXFP4_F16", "MXFP4 experts, the rest F16")
        if "bf16" in plain or engine in PUBLISHED_WEIGHTS - {"mlx"}:
            return _match("MXFP4_BF16", "MXFP4 experts, the rest BF16 as published")
        if engine == "mlx":
            return _match("MLX-4BIT", "MXFP4 of MLX", approximate=True)
        return _match("MXFP4_MOE", "MXFP4 experts, the rest Q8_0")
    if "nvfp4" in plain or plain == "fp4":
        return _match("NVFP4", "NVFP4", approximate=plain == "fp4")
    if "fp8" in plain or "e4m3" in plain or plain in ("w8a8fp", "8bitfp"):
        per_tensor = any(word in plain for word in ("static", "dynamic", "tensor", "channel"))
        return _match("FP8_TENSOR" if per_tensor else "FP8", "FP8")
    if plain.startswith(("mxfp8", "mxfp6")):
        return _match("FP8", "nearest to 8 bits a weight", approximate=True)
    int8 = "int8" in plain or "w8a" in plain
    if "awq" in plain and not int8:
        return _match("AWQ", "AWQ of 4 bits")
    if ("gptq" in plain or "autoround" in plain or plain.startswith("w4a") or "int4" in plain) and not int8:
        return _match(
            "GPTQ", "integers of 4 bits in groups", approximate=engine not in ("vllm", "sglang", "tensorrt-llm")
        )
    if int8 or plain in ("bnb8bit", "llmint8"):
        return _match("FP8_TENSOR", "integers of 8 bits, as many bytes as FP8", approximate=True)
    if "nf4" in plain or "bnb" in plain:
        return _match("AWQ", "4 bits in groups", approximate=True)
    if re.match(r"q4f(16|32)", plain):
        return _match("GPTQ", "integers of 4 bits in groups", approximate=True)
    return None


def _of_mlx(text: str) -> FormatMatch | None:
    found = re.match(
        r"(?:mlx[-_ ]*)?(?:q|int)?(\d)(?:[-_ ]?bits?)?(?:[-_ ]+(?:g|gs|group)[-_ ]?(\d+))?(?:[-_ ]?dwq)?$", text
    )
    if not found:
        return None
    group = int(found.group(2) or _MLX_GROUP)
    return _of_bits(
        int(found.group(1)), "mlx", sure=group == _MLX_GROUP, said=f"{found.group(1)} bits in groups of {group}"
    )


def _by_file(file_size_gib: float | None, params_b: float | None) -> FormatMatch | None:
    if not file_size_gib or not params_b:
        return None
    bits = file_size_gib * _GIB * 8 / (params_b * 1e9)
    if not 1 <= bits <= 40:
        return None
    return _match(nearest_by_bits(bits), f"nearest to the file's {bits:.2f} bits a weight", approximate=True)


def find_format(
    printed: str, engine: str, file_size_gib: float | None = None, params_b: float | None = None
) -> FormatMatch | NoMatch:
    """The library's recipe for a printed format.

    printed        as a source prints it: "UD-Q4_K_XL", "MLX 4bit", "awq-int4", "EXL2 4.0 bpw"
    engine         the engine (see ``engines``): it decides what "FP16" or "4-bit" is
    file_size_gib  2^30 bytes of the weights, with params_b the bits of a format that no rule knows
    params_b       parameters in 10^9
    """
    text = _cleaned(printed[:LOOKED_AT])
    if text in ("default", "") and engine == "ollama":
        return _match("Q4_K_M", "Ollama's default", approximate=not text)
    if text:
        for found in (_sixteen_bits(text, engine), _from_gguf(text), _of_mlx(text) if engine == "mlx" else None):
            if found is not None:
                return found
        found = _of_server(text, engine)
        if found is not None:
            return found
        # A mix that names its parts ("IQ2_XXS/Q2_K mix"): the first is that of most weights.
        part = re.match(r"(i?q\d_\w+?)[/ +]", text)
        found = _from_gguf(part.group(1)) if part else None
        if found is not None:
            return found.replace(approximate=True)
        bits = re.search(r"(\d+(?:\.\d+)?)\s?(?:bpw|[-_ ]?bits?\b)", text) or re.match(r"(?:q|int)(\d)\b", text)
        if bits and 1 <= float(bits.group(1)) <= 32:
            number = float(bits.group(1))
            if "bpw" in text:
                said = f"nearest to {number:g} bits a weight"
                return _match(nearest_by_bits(number), said, approximate=True)
            return _of_bits(number, engine, sure=False, said=f"{number:g} bits a weight")
    by_file = _by_file(file_size_gib, params_b)
    if by_file is not None:
        return by_file
    stated = text and text not in ("not stated", "unknown", "default", "n/a", "?")
    return NoMatch(reason=f"weight format '{printed}' without a recipe" if stated else "weight format not stated")
