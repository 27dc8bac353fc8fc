"""The rules of the house, read from the sources: who may include whom, which files exist, what they are made of.

Needs pytest and the standard library only. Each check also has to find enough to check: a renamed folder must fail, not
pass with nothing looked at.

    python3 tests/hygiene/test_includes.py --update    writes the lists of headers and sources in the CMakeLists.txt
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "libsizer" / "include"
PUBLIC = INCLUDE / "sizer"
SOURCES = ROOT / "libsizer" / "src"
BINDINGS = ROOT / "bindings" / "src"
GOLDEN = ROOT / "tests" / "golden"

# The layers of the core, lowest first. A header includes its own layer and those below, never one above.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("version.hpp", "error.hpp", "detail/", "names.hpp", "units.hpp", "sourced.hpp", "fwd.hpp"),
    ("hardware/", "model/", "engine/", "workload.hpp"),
    ("memory/",),
    ("placement/",),
    ("speed/",),
    ("estimate.hpp",),
    ("decide/", "sweep.hpp"),
    ("sizer.hpp",),
)
CORE_FOLDERS = ("hardware/", "model/", "engine/", "memory/", "placement/", "speed/", "decide/")
# Files, clocks and devices live here: these read the values above and nothing of the core reads them.
OUTER = ("catalog/", "probe/")
TOP_LEVEL = {
    "sizer.hpp",
    "fwd.hpp",
    "version.hpp",
    "units.hpp",
    "error.hpp",
    "sourced.hpp",
    "names.hpp",
    "workload.hpp",
    "estimate.hpp",
    "sweep.hpp",
}
EIGEN_ONLY_IN = {"sweep.hpp", "speed/calibration.hpp"}
# Eigen costs every includer a second, so what names it, or includes what names it, is asked for by name.
EIGEN_BY_NAME = EIGEN_ONLY_IN | {"speed/machine_fit.hpp"}
BOOST_ONLY_IN = {"units.hpp"}

STANDARD = frozenset(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
    clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint
    cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
    functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view
    strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility
    valarray variant vector version
    """.split()
)
# A pure function of values has no clock, file, thread or console.
IMPURE = {
    "chrono",
    "condition_variable",
    "csignal",
    "cstdio",
    "ctime",
    "filesystem",
    "fstream",
    "future",
    "iostream",
    "mutex",
    "random",
    "shared_mutex",
    "syncstream",
    "thread",
}
# A reader takes a path, so the outer headers may name one.
IMPURE_OUTER = IMPURE - {"filesystem"}

INCLUDE_LINE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(?:<([^>]+)>|\"([^\"]+)\")", re.MULTILINE)


def tracked_files() -> list[Path]:
    """Files that belong to the project: what git tracks or would add; without git, everything but build outputs."""
    try:
        listing = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
        ).stdout.decode()
        files = [ROOT / name for name in listing.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        skipped = {"build", "dist", ".git", ".venv", "__pycache__"}
        files = [p for p in ROOT.rglob("*") if not skipped & set(p.relative_to(ROOT).parts)]
    return sorted(p for p in files if p.is_file())


def includes(path: Path) -> list[str]:
    return [m.group(1) or m.group(2) for m in INCLUDE_LINE.finditer(path.read_text(encoding="utf-8"))]


def public_headers() -> dict[str, Path]:
    """Public headers by their path below sizer/."""
    return {p.relative_to(PUBLIC).as_posix(): p for p in sorted(PUBLIC.rglob("*.hpp"))}


def is_outer(name: str) -> bool:
    return name.startswith(OUTER)


def layer_of(name: str) -> int | None:
    """Index in LAYERS; None for the outer folders."""
    if is_outer(name):
        return None
    for index, members in enumerate(LAYERS):
        for member in members:
            if name == member or (member.endswith("/") and name.startswith(member)):
                return index
    raise AssertionError(f"sizer/{name}: in no layer; top-level headers are {', '.join(sorted(TOP_LEVEL))}")


def header_breaches(name: str, included: list[str]) -> list[str]:
    """What is wrong with the includes of one public header. Pure, so that the rules themselves are tested below."""
    breaches = []
    own = layer_of(name)
    umbrella = name == "sizer.hpp"
    for what in included:
        if what.startswith("sizer/"):
            target = what.removeprefix("sizer/")
            if umbrella:
                continue
            other = layer_of(target)
            if own is None:
                if target == "sizer.hpp":
                    breaches.append(f"{name}: includes the umbrella {what}")
            elif other is None:
                breaches.append(f"{name}: a pure header includes {what}")
            elif other > own:
                breaches.append(f"{name}: includes {what}, which is a layer above it")
        elif what.startswith("boost/"):
            if name not in BOOST_ONLY_IN:
                breaches.append(f"{name}: includes {what}; only {', '.join(sorted(BOOST_ONLY_IN))} names Boost")
        elif what.startswith(("Eigen/", "unsupported/Eigen")):
            if name not in EIGEN_ONLY_IN:
                breaches.append(f"{name}: includes {what}; only {', '.join(sorted(EIGEN_ONLY_IN))} name Eigen")
        elif what in STANDARD:
            if what in (IMPURE_OUTER if own is None else IMPURE):
                breaches.append(f"{name}: includes <{what}>, which a public header of its layer must not")
        else:
            breaches.append(f"{name}: includes <{what}>, which is neither standard, Boost.Units, Eigen nor libsizer")
    return breaches


# --- the rules find what they are for ---------------------------------------------------------------------------------


def test_a_header_that_breaks_a_rule_is_found() -> None:
    for name, include in [
        ("units.hpp", "sizer/model/architecture.hpp"),
        ("model/architecture.hpp", "sizer/memory/weights.hpp"),
        ("memory/weights.hpp", "sizer/speed/decode.hpp"),
        ("placement/placement.hpp", "sizer/speed/decode.hpp"),
        ("speed/decode.hpp", "sizer/decide/compare.hpp"),
        ("speed/decode.hpp", "sizer/catalog/catalog.hpp"),
        ("estimate.hpp", "sizer/catalog/catalog.hpp"),
        ("decide/audit.hpp", "sizer/probe/cpu.hpp"),
        ("speed/decode.hpp", "chrono"),
        ("memory/weights.hpp", "fstream"),
        ("model/architecture.hpp", "filesystem"),
        ("hardware/machine.hpp", "thread"),
        ("speed/decode.hpp", "Eigen/Core"),
        ("hardware/machine.hpp", "boost/units/quantity.hpp"),
        ("catalog/catalog.hpp", "nlohmann/json.hpp"),
        ("catalog/gguf.hpp", "unistd.h"),
        ("probe/cpu.hpp", "windows.h"),
    ]:
        assert header_breaches(name, [include]), f"{name} may include {include}?"


def test_a_header_that_keeps_the_rules_passes() -> None:
    for name, include in [
        ("units.hpp", "boost/units/quantity.hpp"),
        ("units.hpp", "sizer/detail/count.hpp"),
        ("memory/weights.hpp", "sizer/model/architecture.hpp"),
        ("sweep.hpp", "Eigen/Core"),
        ("speed/calibration.hpp", "Eigen/Dense"),
        ("catalog/catalog.hpp", "sizer/hardware/machine.hpp"),
        ("catalog/catalog.hpp", "filesystem"),
        ("sizer.hpp", "sizer/catalog/catalog.hpp"),
    ]:
        assert not header_breaches(name, [include])


def test_an_include_line_is_found_however_it_is_written(tmp_path: Path) -> None:
    source = tmp_path / "x.hpp"
    source.write_text('#include <a>\n#  include "b/c.hpp" // why\n\t#include <d>\n// #include <not_this>\n')
    assert includes(source) == ["a", "b/c.hpp", "d"]


# --- the sources keep the rules ---------------------------------------------------------------------------------------


def test_every_layer_includes_only_layers_below() -> None:
    headers = public_headers()
    breaches = []
    seen = 0
    for name, path in headers.items():
        found = includes(path)
        seen += len(found)
        breaches += header_breaches(name, found)
    assert len(headers) >= 12, f"only {len(headers)} public headers found"
    assert seen >= 40, f"only {seen} includes found"
    assert not breaches, "\n".join(breaches)


def test_included_headers_exist() -> None:
    headers = public_headers()
    missing = []
    for path in [*headers.values(), *SOURCES.rglob("*.cpp"), *SOURCES.rglob("*.hpp")]:
        for what in includes(path):
            if what.startswith("sizer/") and what.removeprefix("sizer/") not in headers:
                missing.append(f"{path.relative_to(ROOT)}: {what}")
    assert not missing, "\n".join(missing)


def test_top_level_headers_are_the_known_ones() -> None:
    found = {name for name in public_headers() if "/" not in name}
    assert {"units.hpp", "error.hpp", "version.hpp"} <= found
    assert found <= TOP_LEVEL, f"new top-level headers: {sorted(found - TOP_LEVEL)}; put them into a layer's folder"


def test_the_umbrella_includes_every_core_header() -> None:
    umbrella = PUBLIC / "sizer.hpp"
    assert umbrella.is_file(), "libsizer/include/sizer/sizer.hpp is missing"
    reached: set[str] = set()
    to_read = ["sizer.hpp"]
    while to_read:
        name = to_read.pop()
        if name in reached:
            continue
        reached.add(name)
        assert (PUBLIC / name).is_file(), f"sizer/{name} is included and missing"
        to_read += [w.removeprefix("sizer/") for w in includes(PUBLIC / name) if w.startswith("sizer/")]
    own_way = {n for n in public_headers() if n in EIGEN_BY_NAME or is_outer(n)}
    missing = set(public_headers()) - reached - own_way
    assert not missing, f"not reached from sizer.hpp: {sorted(missing)}"
    assert not reached & EIGEN_BY_NAME, f"sizer.hpp brings in Eigen by {sorted(reached & EIGEN_BY_NAME)}"


def test_headers_are_guarded_and_described() -> None:
    for name, path in public_headers().items():
        text = path.read_text(encoding="utf-8")
        assert text.count("#pragma once") == 1, f"{name}: #pragma once"
        assert "/// @file" in text, f"{name}: no '/// @file' that says what it is for"


def test_the_library_never_reaches_into_tests_or_bindings() -> None:
    for path in [*SOURCES.rglob("*.cpp"), *SOURCES.rglob("*.hpp")]:
        for what in includes(path):
            assert not what.startswith(("pybind11", "doctest", "Python.h", "..")), f"{path.name}: {what}"


def test_bindings_use_only_the_public_headers() -> None:
    for path in [*BINDINGS.rglob("*.cpp"), *BINDINGS.rglob("*.hpp")]:
        for what in includes(path):
            assert not what.startswith("sizer/detail/"), f"{path.name}: {what} may change at any time"
            assert "nlohmann" not in what, f"{path.name}: {what}"


# --- the build knows the files ----------------------------------------------------------------------------------------


# The module with the CUDA kernels is built where there is a CUDA compiler; cmake/Cuda.cmake lists its sources.
CUDA_MODULE = ("src/cuda_module.cpp",)


def files_on_disk() -> dict[tuple[Path, str], list[str]]:
    """The lists of the CMakeLists.txt files as they should be, by file and variable."""
    libsizer = ROOT / "libsizer"
    headers = [f"include/sizer/{name}" for name in public_headers()]
    outer = tuple(f"include/sizer/{folder}" for folder in OUTER)

    def sources(folder: Path) -> list[str]:
        found = (p.relative_to(folder.parent).as_posix() for p in folder.rglob("*.cpp"))
        return sorted(name for name in found if name not in CUDA_MODULE and not name.startswith("src/probe/cuda/"))

    return {
        (libsizer / "CMakeLists.txt", "SIZER_CORE_HEADERS"): [h for h in headers if not h.startswith(outer)],
        (libsizer / "CMakeLists.txt", "SIZER_CATALOG_HEADERS"): [h for h in headers if h.startswith(outer)],
        (libsizer / "CMakeLists.txt", "SIZER_CATALOG_SOURCES"): sources(SOURCES),
        (BINDINGS.parent / "CMakeLists.txt", "SIZER_PYTHON_SOURCES"): sources(BINDINGS),
    }


def list_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"^set\({name}\n([^)]*)\)", re.MULTILINE)


def test_the_build_lists_every_header_and_source() -> None:
    for (path, name), expected in files_on_disk().items():
        block = list_pattern(name).search(path.read_text(encoding="utf-8"))
        assert block, f"{path.relative_to(ROOT)}: no set({name} ...)"
        listed = block.group(1).split()
        missing = sorted(set(expected) - set(listed))
        gone = sorted(set(listed) - set(expected))
        assert not missing, f"{name} lacks {missing} (tests/hygiene/test_includes.py --update adds them)"
        assert not gone, f"{name} names {gone}, which do not exist"
        assert len(listed) == len(set(listed)), f"{name} names a file twice"


# --- what the files are made of ---------------------------------------------------------------------------------------

CODE = {".hpp", ".cpp", ".cu", ".py", ".pyi", ".cmake", ".in", ".json", ".toml", ".sh", ".txt"}


def code_files() -> list[Path]:
    files = [p for p in tracked_files() if p.suffix in CODE]
    assert len(files) >= 40, f"only {len(files)} source files found"
    return files


def test_sources_are_ascii_with_unix_lines() -> None:
    for path in code_files():
        content = path.read_bytes()
        where = path.relative_to(ROOT)
        assert content.isascii(), f"{where}: a character outside ASCII"
        assert b"\r" not in content, f"{where}: a carriage return"
        if GOLDEN not in path.parents:  # kept as their sources wrote them
            assert not content or content.endswith(b"\n"), f"{where}: no line feed at the end"


def test_no_file_names_a_place_on_one_machine() -> None:
    # Joined here so that this file passes its own test.
    places = ["/" + folder + "/" for folder in ("home", "root", "Users", "work", "mnt")] + ["C:" + "\\"]
    pattern = re.compile("|".join(rf"(?<![\w.}}\])/~-]){re.escape(place)}" for place in places).encode())
    looked_at = 0
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        looked_at += 1
        hit = pattern.search(content)
        if hit:
            line = content.count(b"\n", 0, hit.start()) + 1
            raise AssertionError(f"{path.relative_to(ROOT)}:{line}: {hit.group().decode()}")
    assert looked_at >= 40


def update_lists() -> None:
    for (path, name), files in files_on_disk().items():
        body = "".join(f"    {f}\n" for f in files)
        text = path.read_text(encoding="utf-8")
        path.write_text(list_pattern(name).sub(f"set({name}\n{body})", text), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(__doc__)
    update_lists()
