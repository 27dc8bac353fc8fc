"""What is known of a file: bytes at their places, with gaps between."""

from __future__ import annotations

from bisect import bisect_right


class Pieces:
    """Bytes of a file by their offsets, without overlap."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._data: list[bytes] = []

    def gap(self, start: int, stop: int) -> tuple[int, int] | None:
        """The first run of bytes in [start, stop) that is missing."""
        at = bisect_right(self._starts, start) - 1
        while at >= 0 and at < len(self._starts) and self._starts[at] <= start:
            start = max(start, self._starts[at] + len(self._data[at]))
            at += 1
        if start >= stop:
            return None
        following = bisect_right(self._starts, start)
        return start, min(stop, self._starts[following]) if following < len(self._starts) else stop

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop), all of which are there."""
        at = bisect_right(self._starts, start) - 1
        found = []
        while start < stop:
            offset = start - self._starts[at]
            part = self._data[at][offset : offset + stop - start]
            found.append(part)
            start += len(part)
            at += 1
        return found[0] if len(found) == 1 else b"".join(found)

    def add(self, offset: int, data: bytes) -> list[tuple[int, bytes]]:
        """Adds what is new of these bytes and returns it."""
        added = []
        end = offset + len(data)
        while (missing := self.gap(offset, end)) is not None:
            part = data[missing[0] - end + len(data) : missing[1] - end + len(data)]
            at = bisect_right(self._starts, missing[0])
            self._starts.insert(at, missing[0])
            self._data.insert(at, part)
            added.append((missing[0], part))
            offset = missing[1]
        return added
