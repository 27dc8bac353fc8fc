"""The engine, backend and build behind what a source prints of its software."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from .._records import Row
from .device_name import parse
from .row import LOOKED_AT, NOTES_LOOKED_AT

#: Part of a printed engine -> engine. The first that is found wins.
_ENGINES = {
    "ik_llama": "ik_llama.cpp", "ik-llama": "ik_llama.cpp", "ollama": "ollama", "llama.cpp": "llama.cpp",
    "llama-cpp": "llama.cpp", "llamacpp": "llama.cpp", "llama-bench": "llama.cpp", "llama-server": "llama.cpp",
    "koboldcpp": "llama.cpp", "llamafile": "llama.cpp", "lm studio": "lm-studio", "lm-studio": "lm-studio",
    "lmstudio": "lm-studio", "gpt4all": "llama.cpp", "ipex-llm": "llama.cpp", "vllm": "vllm", "mlx": "mlx",
    "exllamav3": "exllamav3", "exllama v3": "exllamav3", "exllama": "exllamav2", "tabbyapi": "exllamav2",
    "tensorrt": "tensorrt-llm", "trt-llm": "tensorrt-llm", "trtllm": "tensorrt-llm", "nim": "tensorrt-llm",
    "mlc": "mlc-llm", "sglang": "sglang", "deepspeed": "deepspeed", "optimum-habana": "deepspeed", "tgi": "vllm",
    "text-generation-inference": "vllm", "lmdeploy": "vllm", "aphrodite": "vllm", "ds4": "ds4",
}  # fmt: skip
#: Engine -> the library's engine that is nearest in what it loads and how it runs.
_LIBRARY = {
    "llama.cpp": "llama.cpp", "ollama": "ollama", "lm-studio": "lm-studio", "vllm": "vllm", "mlx": "mlx",
    "ik_llama.cpp": "llama.cpp", "ds4": "llama.cpp", "mlc-llm": "llama.cpp", "exllamav2": "llama.cpp",
    "exllamav3": "llama.cpp", "tensorrt-llm": "vllm", "sglang": "vllm", "deepspeed": "vllm", "unknown": "llama.cpp",
}  # fmt: skip

BACKENDS = ("cuda", "rocm", "vulkan", "metal", "sycl", "cpu", "hpu")
_BACKEND_WORDS = (
    ("cuda", "cuda"), ("cublas", "cuda"), ("rocm", "rocm"), ("hip", "rocm"), ("vulkan", "vulkan"), ("radv", "vulkan"),
    ("amdvlk", "vulkan"), ("metal", "metal"), ("mtl", "metal"), ("mps", "metal"), ("sycl", "sycl"),
    ("oneapi", "sycl"), ("level zero", "sycl"), ("ipex", "sycl"), ("xpu", "sycl"), ("hpu", "hpu"), ("habana", "hpu"),
)  # fmt: skip
_PROCESSOR_WORDS = ("cpu", "blas", "avx", "neon", "kleidi", "zdnn", "amx")
#: Variants of a backend that are worth telling apart.
_VARIANTS = {"amdvlk": "AMDVLK", "radv": "RADV", "rocwmma": "rocWMMA", "rpc": "RPC", "coopmat": "coopmat"}

#: Before this build (September 2024) llama.cpp's kernels were slower, and flash attention off unless asked for.
FIRST_NEW_BUILD = 3700
_FIRST_NEW_MONTH = (2024, 9)
#: Builds that llama.cpp can have; what lies beyond is no build number.
_BUILDS = range(100, 100_000)
_YEARS = range(2023, 2100)
#: Build numbers of llama.cpp by year and month, to read a date as a build.
_BUILD_BY_MONTH = (
    (2023.8, 1400), (2024.08, 1850), (2024.42, 2830), (2025.0, 4400), (2025.25, 4980), (2025.5, 5800), (2025.66, 6150),
    (2025.83, 6780), (2026.0, 7430), (2026.17, 7941), (2026.42, 9190), (2026.7, 10250),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Software(Row):
    """What ran a model.

    engine           llama.cpp, ollama, ik_llama.cpp, lm-studio, vllm, mlx, tensorrt-llm, sglang, deepspeed,
                     exllamav2, exllamav3, mlc-llm, ds4 or "unknown"
    library_engine   the nearest of ``sizer.engines()``; None where none makes sense
    backend          cuda, rocm, vulkan, metal, sycl, cpu or hpu
    variants         words of the backend: AMDVLK, RADV, rocWMMA, RPC, coopmat
    build_number     llama.cpp's build number, None when not printed
    old_build        llama.cpp before build 3700, anything before September 2024
    release_year     year that the version states; None without one
    """

    engine: str
    library_engine: str | None
    backend: str
    variants: tuple[str, ...]
    build_number: int | None
    old_build: bool
    release_year: int | None


def engine_of(printed: str) -> str:
    """The engine, or "unknown"."""
    text = printed.lower()
    # "llama.cpp or Ollama": the first one named.
    places = [(text.find(part), order, engine) for order, (part, engine) in enumerate(_ENGINES.items()) if part in text]
    if not places:
        return "unknown"
    # "ollama" ends in "llama"; "ik_llama.cpp" holds "llama.cpp": what begins first is meant.
    return min(places)[2]


def library_engine_of(engine: str) -> str | None:
    """The nearest engine that the library has."""
    return _LIBRARY.get(engine)


def backend_of(printed: str, device: str, engine: str = "") -> str:
    """The backend: by its own words, else the usual one of the engine and of the device's maker."""
    text = printed.lower()
    for word, backend in _BACKEND_WORDS:
        if word in text:
            return backend
    name = parse(device)
    if "gpu" not in text and (any(word in text for word in _PROCESSOR_WORDS) or name.cpu):
        return "cpu"
    for word, backend in _BACKEND_WORDS:
        if word in engine.lower():
            return backend
    if "mlx" in engine.lower():
        return "metal"
    if "gaudi" in device.lower():
        return "hpu"
    own = {"nvidia": "cuda", "apple": "metal"}.get(name.maker or "")
    if own:
        return own
    if engine_of(engine) in ("vllm", "sglang", "tensorrt-llm", "deepspeed", "exllamav2", "exllamav3"):
        return {"amd": "rocm", "intel": "sycl"}.get(name.maker or "", "cuda")
    if name.maker in ("amd", "intel") or "gpu" in text:
        return "vulkan"
    if re.search(r"raspberry|orange pi|radxa|rockchip|\bampere", device.lower()):
        return "cpu"
    return "cuda" if re.search(r"\b(?:dgx|gb10|jetson)\b", device.lower()) else "vulkan"


def variants_of(*texts: str) -> tuple[str, ...]:
    """Words of the backend that are worth telling apart."""
    text = " ".join(texts).lower()
    return tuple(word for part, word in _VARIANTS.items() if re.search(rf"(?<![a-z]){part}", text))


def build_of(version: str) -> int | None:
    """The build number in "b4321", "4426e298 (2824)", "build: 4321", "b6123-g1234abc"; None when there is none."""
    for pattern in (r"\((\d{3,5})\)", r"\bb(\d{3,5})\b", r"\b(?:build|version)[: ]+(\d{3,5})\b", r"^\s*(\d{4,5})\s*$"):
        found = re.search(pattern, version.lower())
        if (
            found
            and int(found.group(1)) in _BUILDS
            and not (pattern != r"\bb(\d{3,5})\b" and int(found.group(1)) in _YEARS)
        ):
            return int(found.group(1))
    return None


def date_of(version: str) -> tuple[int, int] | None:
    """Year and month that a version states ("2024-03", "2024-03-03", "late 2023", "20240303"); None without a month."""
    found = re.search(r"\b(20[2-9]\d)[-/.](0[1-9]|1[0-2])(?:\b|[-/.])", version) or re.search(
        r"\b(20[2-9]\d)(0[1-9]|1[0-2])[0-3]\d\b", version
    )
    if found:
        return int(found.group(1)), int(found.group(2))
    years = [int(year) for year in re.findall(r"\b(20[2-9]\d)\b", version)]
    # A year alone settles the question only where all of it is old.
    return (max(years), 12) if years and max(years) < _FIRST_NEW_MONTH[0] else None


def year_of(version: str) -> int | None:
    """The year that a version states; None without one."""
    found = re.search(r"\b(20[2-9]\d)(?:\b|[-/.0-1])", version)
    return int(found.group(1)) if found and int(found.group(1)) in _YEARS else None


def build_at(version: str) -> int | None:
    """The build of llama.cpp that was new at the date of a version; None without a date."""
    year = year_of(version)
    if year is None:
        return None
    month = re.search(r"\b20[2-9]\d[-/.]?(0[1-9]|1[0-2])", version)
    when = year + int(month.group(1) if month else 6) / 12
    if when <= _BUILD_BY_MONTH[0][0]:
        return _BUILD_BY_MONTH[0][1]
    for (start, low), (end, high) in pairwise(_BUILD_BY_MONTH):
        if when <= end:
            return round(low + (high - low) * (when - start) / (end - start))
    return None


def is_old(engine: str, version: str, notes: str = "") -> bool:
    """Whether it ran before autumn 2024, by its build, its date, or its own words."""
    if re.search(r"\bold build\b", notes.lower()):
        return True
    date = date_of(version)
    if date is not None:
        return date < _FIRST_NEW_MONTH
    build = build_of(version)
    # ik_llama.cpp counts its own builds, which stayed near 3700 since it left llama.cpp.
    return engine in ("llama.cpp", "ollama", "unknown") and build is not None and build < FIRST_NEW_BUILD


def find_software(engine: str, version: str, backend: str, device: str, notes: str = "") -> Software:
    """What a row says of engine, version and backend."""
    engine, version, backend = engine[:LOOKED_AT], version[:LOOKED_AT], backend[:LOOKED_AT]
    device, notes = device[:LOOKED_AT], notes[:NOTES_LOOKED_AT]
    found = engine_of(engine)
    return Software(
        engine=found,
        library_engine=library_engine_of(found),
        backend=backend_of(backend, device, engine),
        variants=variants_of(backend, engine),
        build_number=build_of(version) if found in ("llama.cpp", "ollama", "ik_llama.cpp", "lm-studio") else None,
        old_build=is_old(found, version, notes),
        release_year=year_of(version),
    )
