"""Files on HTTP servers, of which only the parts are fetched that somebody reads."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from .._arguments import integer
from .._errors import DataError, InvalidValueError, SizerError
from .address import Route, address, display_name, is_hub, is_offline, shown
from .cache import Entry, Version
from .pieces import Pieces
from .progress import Progress
from .retry import MissingFileError, Patience, Timeouts, Unavailable
from .transport import Client, Reply

__all__ = ["Document", "MissingFileError", "RemoteFile", "fetch_document", "open_url", "sibling"]

_MIB = 1024 * 1024
#: Bytes that one file may cost: twenty times the longest header known.
LARGEST_FETCH = 256 * _MIB
#: Bytes of a request, while requests follow each other through the file.
_BLOCKS = (_MIB // 4, _MIB, 4 * _MIB)
#: Endings that tell a file of a hub from a repository.
_FILES = (".gguf", ".safetensors", ".json")
_KEPT_AT_ONCE = 4 * _MIB
#: A download that came so far has earned new attempts.
_GOOD_STRETCH = _MIB
#: Statuses with which the address behind a redirect says that its time is over.
_EXPIRED = (400, 401, 403, 404, 410)


def _close(client: Client, progress: Progress, entry: Entry | None) -> None:
    progress.close()
    client.close()
    if entry is not None:
        entry.close()


class RemoteFile:
    """Random access to a file on an HTTP server. Threads may share it; a `with` closes its connection.

    ``limit`` is how many bytes it may fetch in all. ``immutable`` says that the address never gives other bytes: what
    is in the cache then needs no question to the server.

    Reading raises DataError when the server does not answer, refuses, or contradicts itself; MissingFileError, which is
    a DataError, when there is no such file.
    """

    def __init__(
        self,
        url: str,
        *,
        limit: int = LARGEST_FETCH,
        progress: bool = True,
        cache: bool = True,
        immutable: bool = False,
    ) -> None:
        start = address(url)
        self.url = url  #: as given, with any password
        self.name = start.name  #: for messages
        self._limit = limit
        timeouts = Timeouts.of_environment()
        self._client = Client(start, timeouts)
        self._patience = Patience(start.name, timeouts)
        self._gained = self._troubled_at = 0  # bytes that were new; those when a request last failed
        self._start = self._route = Route(start.url)
        self._immutable = immutable
        self._entry = Entry(start.url, immutable=immutable) if cache else None
        self._progress = Progress(shown(self.name.partition("?")[0].rpartition("/")[2] or self.name, 40), progress)
        self._lock = threading.RLock()
        self._pieces = Pieces()
        self._loaded = False
        self._version: Version | None = None
        self._confirmed = False  # the server (or nobody, for what cannot change) has stated the version in this run
        self._end: int | None = None  # no bytes from here on: the size, or what a server without a size has shown
        self._fetched = 0
        self._block = -1
        self._last_stop: int | None = None
        self._finish = weakref.finalize(self, _close, self._client, self._progress, self._entry)

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RemoteFile({self.name!r})"

    def close(self) -> None:
        """Closes the connection and the cache. Nothing can be read afterwards."""
        with self._lock:
            self._finish()

    @property
    def size(self) -> int | None:
        """Bytes in all, or None when the server does not say. The first look asks the server."""
        with self._lock:
            self._load()
            if self._version is None:
                self._fetch(0, 1)
            elif not self._confirmed:
                self._confirm()
            return None if self._version is None else self._version.size

    @property
    def fetched(self) -> int:
        """Bytes that came from the server so far."""
        return self._fetched

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from ``offset`` on; fewer only at the end of the file."""
        offset, length = integer("offset", offset), integer("length", length)
        if offset < 0 or length < 0:
            raise InvalidValueError("offset" if offset < 0 else "length", str(min(offset, length)), "at least 0")
        with self._lock:
            self._load()
            while True:
                stop = offset + length if self._end is None else min(offset + length, self._end)
                if stop <= offset:
                    return b""
                missing = self._pieces.gap(offset, stop)
                if missing is not None:
                    self._fetch(*missing)
                elif not self._confirmed:
                    self._confirm()
                else:
                    return self._pieces.read(offset, stop)

    # --- the cache ---

    def _load(self) -> None:
        if not self._finish.alive:
            raise SizerError(f"{self.name}: is closed")
        if self._loaded or self._entry is None:
            return
        self._loaded = True
        for offset, data in self._entry.load(self._limit):
            self._pieces.add(offset, data)
        self._version = self._entry.version
        if self._version is not None and self._immutable:
            self._confirmed = True
            self._end = self._version.size

    def _confirm(self) -> None:
        """Asks for one byte, to learn whether the cache holds what the server has."""
        if is_offline() and self._version is not None:  # nobody can be asked, and nobody wants to
            self._confirmed = True
            self._end = self._version.size
            return
        self._attempts(lambda: self._exchange(0, 1, 1), lambda: not self._confirmed)

    def _meet(self, seen: Version) -> None:
        """Compares what an answer says of the file with what is known. Raises DataError when it has changed."""
        if self._version is not None and self._confirmed:
            difference = self._version.difference(seen)
            if difference is not None:
                raise DataError(self.name, "", f"{difference}: the file changed while it was being read")
            self._version = self._version.filled(seen)
        elif self._version is not None and self._version.proves(seen):
            self._version = self._version.filled(seen)
        else:
            self._pieces = Pieces()
            self._version = seen
            if self._entry is not None:
                self._entry.start(seen)
        self._confirmed = True
        if self._version.size is not None:
            self._end = self._version.size

    def _keep(self, offset: int, data: bytes) -> None:
        for start, part in self._pieces.add(offset, data):
            self._gained += len(part)
            if self._entry is not None:
                self._entry.add(start, part)

    # --- the network ---

    def _fetch(self, start: int, wanted: int) -> None:
        """Fetches [start, wanted) and, with it, up to one block beyond."""
        near = self._last_stop is not None and 0 <= start - self._last_stop <= _BLOCKS[-1]
        self._block = min(self._block + 1, len(_BLOCKS) - 1) if near else 0
        stop = max(wanted, start + _BLOCKS[self._block])
        beyond = self._pieces.gap(start, stop)
        stop = beyond[1] if beyond is not None else stop
        self._last_stop = stop

        def missing() -> tuple[int, int] | None:
            return self._pieces.gap(start, wanted if self._end is None else min(wanted, self._end))

        def step() -> None:
            at = missing()
            if at is not None:
                self._exchange(at[0], stop if self._end is None else min(stop, self._end), at[1])

        self._attempts(step, lambda: missing() is not None)

    def _attempts(self, step: Callable[[], None], unfinished: Callable[[], bool]) -> None:
        try:
            while unfinished():
                try:
                    step()
                except Unavailable as trouble:
                    if self._gained - self._troubled_at >= _GOOD_STRETCH:
                        self._patience.renew()
                    self._troubled_at = self._gained
                    # Also when only read-ahead is missing: a server that drips must not get by on small reads.
                    self._patience.after(trouble, self._fetched, pause=unfinished())
                else:
                    self._patience.renew()
        except BaseException:
            self._progress.close()
            raise

    def _exchange(self, start: int, stop: int, wanted: int) -> None:
        """One request for [start, stop), of which [start, wanted) is needed."""
        room = self._limit - self._fetched
        if wanted - start > room:
            raise self._too_much(start)
        stop = min(stop, start + room)
        fetched, confirmed = self._fetched, self._confirmed
        try:
            self._ask(start, stop, wanted)
        except DataError:
            # What a server sent too much behind one answer may have been taken for the next.
            if not self._client.doubtful or self._fetched != fetched:
                raise
            self._client.close()
            if self._confirmed and not confirmed:  # by that answer
                self._version, self._confirmed, self._end, self._pieces = None, False, None, Pieces()
            self._ask(start, stop, wanted)

    def _ask(self, start: int, stop: int, wanted: int) -> None:
        with self._client.get(self._route, {"Range": f"bytes={start}-{stop - 1}"}) as reply:
            if reply.status == 206:
                self._take_range(reply, start, stop)
            elif reply.status == 200:
                self._take_whole(reply, stop, wanted)
            elif reply.status == 416:
                self._take_end(reply, start)
            elif self._route != self._start and reply.status in _EXPIRED:
                self._route = self._start
                raise Unavailable(f"HTTP {reply.status} behind a redirect", pause_s=0.0)
            else:
                raise reply.failure()
            self._route = reply.route

    def _too_much(self, start: int) -> DataError:
        got = f"{self._fetched:,} bytes fetched and more wanted"
        return DataError(self.name, f"byte {start}", f"got {got}, expected at most {self._limit:,}: download the file")

    @staticmethod
    def _version_of(reply: Reply, size: int | None) -> Version:
        etag, modified = reply.headers.get("ETag", ""), reply.headers.get("Last-Modified", "")
        return Version(shown(etag, 512), shown(modified, 80), size)

    def _take_range(self, reply: Reply, start: int, stop: int) -> None:
        reply.check_encoding()
        text = reply.headers.get("Content-Range", "")
        asked = f"bytes {start}-{stop - 1}"
        match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", text.strip(), re.IGNORECASE)
        if match is None:
            got = f"got '{shown(text)}'" if text else "got none"
            raise DataError(self.name, "Content-Range", f"{got}, expected '{asked}/SIZE'")
        first, last = int(match[1]), int(match[2])
        size = None if match[3] == "*" else int(match[3])
        self._meet(self._version_of(reply, size))
        # A range ends early at the end of the file only; without a size nobody knows where that is.
        ends = range(start, stop) if self._end is None else range(min(stop, self._end) - 1, min(stop, self._end))
        if first != start or last < first or last not in ends:
            raise DataError(self.name, "Content-Range", f"got '{shown(text)}', expected '{asked}'")
        length = reply.content_length()
        if length is not None and length != last + 1 - first:
            expected = f"expected {last + 1 - first:,} as in '{shown(text)}'"
            raise DataError(self.name, "Content-Length", f"got {length:,}, {expected}")
        self._receive(reply, first, last + 1, exact=True)
        if self._end is None and last + 1 < stop:
            self._end = last + 1

    def _take_whole(self, reply: Reply, stop: int, wanted: int) -> None:
        """The whole file instead of a range: from its start to what is wanted, and no further."""
        reply.check_encoding()
        length = reply.content_length()
        if length == 0:
            raise DataError(self.name, "Content-Length", "got 0, expected a file that is not empty")
        self._meet(self._version_of(reply, length))
        room = self._limit - self._fetched
        if self._end is not None:
            stop, wanted = min(stop, self._end), min(wanted, self._end)
        if wanted > room:
            problem = f"the server takes no ranges, and what comes before exceeds the {self._limit:,} bytes allowed"
            raise DataError(self.name, f"byte {wanted}", problem + ": download the file")
        stop = min(stop, room)
        received = self._receive(reply, 0, stop, exact=False)
        if received < stop:
            if length is not None:
                raise Unavailable(f"the connection ended after {received:,} of {length:,} bytes")
            self._end = received
            self._meet(Version(size=received))

    def _take_end(self, reply: Reply, start: int) -> None:
        """The server says that nothing lies at ``start``."""
        match = re.fullmatch(r"bytes \*/(\d{1,18})", reply.headers.get("Content-Range", "").strip(), re.IGNORECASE)
        size = int(match[1]) if match else None
        self._meet(Version(size=size))
        if self._version is not None and self._version.size is not None and self._version.size > start:
            got = f"got HTTP 416 for byte {start:,}, expected it in a file of {self._version.size:,} bytes"
            raise DataError(self.name, "", got)
        self._end = start if self._end is None else min(self._end, start)

    def _receive(self, reply: Reply, position: int, stop: int, *, exact: bool) -> int:
        """Keeps the body, which starts at ``position``, up to ``stop``. Returns where it ended."""
        first = position
        pending = bytearray()
        try:
            for chunk in reply.chunks():
                self._fetched += len(chunk)
                self._progress.add(len(chunk))
                if exact and position + len(chunk) > stop:
                    raise DataError(self.name, "", f"got a body of more bytes than the {stop - first:,} that it states")
                part = chunk[: stop - position]
                pending += part
                position += len(part)
                if len(pending) >= _KEPT_AT_ONCE:
                    self._keep(position - len(pending), bytes(pending))
                    pending.clear()
                if position >= stop and not exact:
                    break
        finally:  # what came before a failure, or Ctrl-C, needs not come again
            if pending:
                self._keep(position - len(pending), bytes(pending))
        if exact and position < stop:
            raise Unavailable(f"the connection ended after {position - first:,} of {stop - first:,} bytes")
        return position


# --- small files, read whole ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """A small file and the headers that came with it."""

    name: str
    content: bytes
    headers: Mapping[str, str]


def fetch_document(url: str, *, limit: int, accept: str = "*/*") -> Document:
    """A whole file of at most ``limit`` bytes. Raises DataError, MissingFileError."""
    start = address(url)
    timeouts = Timeouts.of_environment()
    client = Client(start, timeouts)
    patience = Patience(start.name, timeouts)
    try:
        while True:
            content = bytearray()
            try:
                with client.get(Route(start.url), {"Accept": accept}) as reply:
                    if reply.status != 200:
                        raise reply.failure()
                    reply.check_encoding()
                    length = reply.content_length()
                    for chunk in () if (length or 0) > limit else reply.chunks():
                        content += chunk
                        if len(content) > limit:
                            break
                    if len(content) > limit or (length or 0) > limit:
                        got = f"got {length:,} bytes" if length else "got more bytes"
                        raise DataError(start.name, "", f"{got}, expected at most {limit:,}")
                    if length is not None and len(content) < length:
                        raise Unavailable(f"the connection ended after {len(content):,} of {length:,} bytes")
                    return Document(start.name, bytes(content), reply.headers)
            except Unavailable as trouble:
                patience.after(trouble, len(content))
    finally:
        client.close()


# --- addresses --------------------------------------------------------------------------------------------------------


def open_url(url: str, *, progress: bool = True) -> RemoteFile:
    """A file by its address; a page of huggingface.co that shows a file stands for the file."""
    start = address(url)
    given = urlsplit(url.partition("#")[0])
    steps = given.path.split("/")
    if not is_hub(start.url):
        return RemoteFile(url, progress=progress)
    if len(steps) > 5 and steps[3] == "blob":
        steps[3] = "resolve"
    elif (len(steps) == 3 and not steps[2].endswith(_FILES)) or steps[3:4] == ["tree"]:
        name = shown("/".join(steps[1:3]))
        raise InvalidValueError("url", f"'{start.name}', a repository", f"hf:{name}, or the address of a file")
    # A full commit hash stands for the same bytes for ever.
    immutable = len(steps) > 5 and steps[3] == "resolve" and re.fullmatch(r"[0-9a-f]{40}", steps[4]) is not None
    resolved = urlunsplit((given.scheme, given.netloc, "/".join(steps), given.query, ""))
    return RemoteFile(resolved, progress=progress, immutable=immutable)


def sibling(url: str, name: str, *, progress: bool = True) -> RemoteFile:
    """The file of that name in the same folder. Raises InvalidValueError for a name that leaves it."""
    parts = name.split("/")
    if not name or len(name) > 1024 or re.search(r"[\x00-\x1f\x7f\\]", name) or {"", ".", ".."} & set(parts):
        raise InvalidValueError("file", f"'{shown(name)}'", f"the name of a file beside {display_name(url)}")
    address(url)
    given = urlsplit(url)
    path = given.path.rpartition("/")[0] + "/" + quote(name)
    return open_url(urlunsplit((given.scheme, given.netloc, path, given.query, "")), progress=progress)
