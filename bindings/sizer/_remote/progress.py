"""A line on the terminal while much is fetched."""

from __future__ import annotations

import sys
import time
from typing import Any

#: Below these nothing is shown.
_BYTES, _SECONDS = 1024 * 1024, 0.5


class Progress:
    """A line on the terminal while much is fetched; nothing where nobody looks at one, or tqdm is not installed."""

    def __init__(self, name: str, wanted: bool) -> None:
        self._name = name
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._started: float | None = None
        self._bytes = 0
        self._bar: Any = None

    def add(self, count: int) -> None:
        """Counts bytes that have come."""
        if not self._wanted:
            return
        self._bytes += count
        now = time.monotonic()
        self._started = self._started or now
        if self._bar is not None:
            self._bar.update(count)
        elif self._bytes > _BYTES and now - self._started > _SECONDS:
            self._open()

    def close(self) -> None:
        """Takes the line away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _open(self) -> None:
        try:
            from tqdm import tqdm
        except ImportError:
            self._wanted = False
            return
        what = f"header of {self._name}"
        self._bar = tqdm(
            desc=what, initial=self._bytes, unit="B", unit_scale=True, unit_divisor=1024, leave=False, file=sys.stderr
        )
