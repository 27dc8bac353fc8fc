"""data/sources.json: every key that anything cites is there, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "data" / "sources.json"
LINKS = ROOT / "bindings/sizer/_combine.py"
# The headers that hold figures of their own name their sources as string literals.
HEADERS = sorted((ROOT / "libsizer" / "include" / "sizer").rglob("*.hpp"))


def cited(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "source" and isinstance(value, str):
                yield value
            else:
                yield from cited(value)
    elif isinstance(document, list):
        for value in document:
            yield from cited(value)


def test_sources_are_closed_both_ways() -> None:
    defined = json.loads(SOURCES.read_text(encoding="ascii"))
    used: set[str] = set()
    files = [p for folder in ("hardware", "models") for p in (ROOT / "data" / folder).rglob("*.json")]
    assert len(files) > 300
    for path in files:
        used |= set(cited(json.loads(path.read_text(encoding="ascii"))))
    for header in HEADERS:
        used |= set(re.findall(r'figure_kind::\w+, "([a-z0-9-]+)"', header.read_text(encoding="utf-8")))
    # The links that machines can be joined by, in the package.
    used |= set(re.findall(r'"(?:standard|measured)", "([a-z0-9-]+)"', LINKS.read_text(encoding="utf-8")))
    assert used <= set(defined), f"undefined: {sorted(used - set(defined))}"
    assert set(defined) <= used, f"unused: {sorted(set(defined) - used)}"


def test_sources_are_canonical_and_complete() -> None:
    sources = json.loads(SOURCES.read_text(encoding="ascii"))
    assert SOURCES.read_bytes() == (json.dumps(sources, indent=2, ensure_ascii=True) + "\n").encode("ascii")
    assert list(sources) == sorted(sources)
    for key, entry in sources.items():
        assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", key), key
        required = {"title", "publisher", "date"}
        assert required <= set(entry) <= required | {"url", "locator", "note"}, key
