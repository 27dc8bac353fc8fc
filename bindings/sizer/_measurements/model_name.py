"""A printed model taken apart: family words and versions, sizes, and what is said beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .._records import Row

#: Words of publishers, of training stages and of packaging: they do not change the shape.
_FILLERS = frozenset(
    "instruct it chat hf base gguf text preview latest meta nvidia google openai microsoft inst pt mlx community "
    "awq gptq qat imatrix autoround dynamic static ud i smol exl marlin dwq ggml org repo thinking model dense moe "
    "unsloth bartowski the bnb unquantized quantized official assumed nominal default ollama lm studio safetensors "
    "abliterated uncensored heretic quant quants bit bits bpw group g size medium small large xl".split()
)
#: Fillers that are part of some names: left out only where a format is taken off.
_KEPT = frozenset(["small", "medium", "large", "dense", "moe", "it", "g", "i", "size", "studio", "base", "text"])
_WITHOUT = _FILLERS - _KEPT

_FORMAT = re.compile(
    r"(?<![a-z0-9])(?:ud[-_])?(?:i1[-_])?(?:smol[-_])?"
    r"(?:q\d_k\s?-\s?(?:small|medium|large)|iq\d_[a-z]+(?:_r\d)?(?:\s?-\s?[\d.]+ bpw)?"
    r"|q\d(?:_[0-9klsmx]+)*|q\d+(?=[-_. ]|$)|t?q\d_\d|mxfp[48](?:[-_ ]moe)?|nvfp4|bf16|fp16|f16|f32|fp32|fp8"
    r"|awq(?:[-_]int4)?|gptq(?:[-_]int[48])?|int[48]|w\d+a\d+|\d+[-_ ]?bits?|[\d.]+bpw|exl[23]|g\d+|qat|gguf)"
    r"(?![a-z0-9])"
)
_PART = re.compile(r"-\d{5}-of-\d{5}|\.gguf$|\.safetensors$")
_TOKEN = re.compile(
    r"(?P<experts>\d+x\d+(?:\.\d+)?b)(?![a-z0-9])"
    r"|(?P<active>a\d+(?:\.\d+)?[bm])(?![a-z0-9])"
    r"|(?P<effective>e\d+b)(?![a-z0-9])"
    r"|(?P<size>\d+(?:\.\d+)?[bmt])(?![a-z0-9])"
    r"|(?P<context>\d+k)(?![a-z0-9])"
    r"|v?(?P<number>\d+(?:\.\d+)*)"
    r"|(?P<word>[a-z]+)"
)
#: Words that name no family: sizes in words and versions of training.
_NO_FAMILY = frozenset(["v", "r", "b", "dpo", "sft", "rlhf"])
_ACTIVE = re.compile(r"(\d+(?:\.\d+)?)\s?b(?:illion)?\s+active", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ModelName(Row):
    """What a printed model says.

    tokens        words, versions and sizes in their order, without fillers
    size_b        its size in 10^9 parameters, None when not printed
    active_b      parameters of one token in 10^9, None when not printed
    experts       experts of an "8x7B", None without
    """

    tokens: tuple[str, ...]
    size_b: float | None
    active_b: float | None
    experts: int | None

    @property
    def words(self) -> tuple[str, ...]:
        """The words alone, the first of which is mostly the family."""
        return tuple(token for token in self.tokens if token.isalpha() and token not in _NO_FAMILY)

    @property
    def sizes(self) -> tuple[str, ...]:
        """The tokens that are sizes."""
        return tuple(token for token in self.tokens if re.fullmatch(r"(?:\d+x|a|e)?\d+(?:\.\d+)?[bmt]", token))


_UNIT = {"m": 1e-3, "b": 1.0, "t": 1e3}


@lru_cache(maxsize=8192)
def parse(printed: str) -> ModelName:
    """Takes one name apart: a repository, a file, a tag, a type as llama-bench prints it."""
    text = printed.lower().strip()
    text = _PART.sub(" ", text).rsplit("/", 1)[-1]
    text = _FORMAT.sub(" ", text)
    text = re.sub(r"(?<=\d)_(?=\d)", ".", text)
    tokens: list[str] = []
    size: float | None = None
    active: float | None = None
    experts: int | None = None
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match.group(match.lastgroup or 0)
        if kind == "context" or (kind == "word" and token in _WITHOUT):
            continue
        if kind == "word" and token == "v":
            continue
        if kind == "experts":
            count, _, each = token[:-1].partition("x")
            experts = int(count) if int(count) <= 1024 else None
            size = size or int(count) * float(each) * 0.85  # attention and embedding are not repeated
        elif kind == "active":
            active = float(token[1:-1]) * _UNIT[token[-1]]
        elif kind == "effective":
            size = size or 2 * float(token[1:-1])  # as much again is embeddings of the layers
        elif kind == "size":
            size = size or float(token[:-1]) * _UNIT[token[-1]]
        tokens.append(token)
    return ModelName(tokens=tuple(tokens), size_b=size, active_b=active, experts=experts)


def forms(printed: str) -> list[str]:
    """The name, then what it is without the parenthesis; before both what a parenthesis names in full."""
    inside = [part.strip() for part in re.findall(r"\((.*?)\)", printed)]
    main = re.sub(r"\(.*?\)", " ", printed).strip()
    named = [part for part in inside if len(parse(part).words) >= 1 and re.search(r"\d", part)]
    return list(dict.fromkeys([*named, printed, main]))


def stated_active(*texts: str) -> float | None:
    """Active parameters in 10^9 that a remark states: "1T, 32B active", "A3B"."""
    for text in texts:
        found = _ACTIVE.search(text)
        if found:
            return float(found.group(1))
        name = parse(text)
        if name.active_b:
            return name.active_b
    return None
