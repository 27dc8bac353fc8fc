"""A server on this machine that behaves, or misbehaves, as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

STEP = 16 * 1024


@dataclass
class Seen:
    """A request and what was sent for it."""

    path: str
    headers: dict[str, str]
    sent: int = 0

    @property
    def range(self) -> tuple[int, int] | None:
        """First byte and the one behind the last, as asked for."""
        text = self.headers.get("range", "")
        if not text.startswith("bytes="):
            return None
        first, _, last = text[len("bytes=") :].partition("-")
        return int(first), int(last) + 1


@dataclass
class Content:
    """A file: some bytes, and zeros up to its size."""

    data: bytes
    size: int = -1
    etag: str = '"one"'
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.size = len(self.data) if self.size < 0 else self.size

    def part(self, start: int, stop: int) -> bytes:
        known = self.data[start:stop]
        return known + bytes(stop - start - len(known))


class Handler(BaseHTTPRequestHandler):
    """What an answer is written with."""

    protocol_version = "HTTP/1.1"
    server: Any
    seen: Seen

    def do_GET(self) -> None:
        self.seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()})
        self.server.log.append(self.seen)
        self.server.answer(self)

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, status: int, headers: dict[str, Any]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def body(self, data: bytes) -> None:
        for start in range(0, len(data), STEP):
            part = data[start : start + STEP]
            self.wfile.write(part)
            self.seen.sent += len(part)

    def reply(self, status: int, data: bytes = b"", **headers: Any) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, {"Content-Length": len(data), **named})
        self.body(data)

    def redirect(self, location: str, status: int = 302) -> None:
        self.reply(status, b"moved", Location=location)

    def hang_up(self) -> None:
        self.close_connection = True

    def wait(self, seconds: float) -> bool:
        """False when the test is over."""
        return not self.server.over.wait(seconds)

    def wanted(self, content: Content) -> tuple[int, int]:
        """The range that is asked for, within the file."""
        asked = self.seen.range
        assert asked is not None, "no range asked for"
        return asked[0], min(asked[1], content.size)

    def part(self, content: Content, send: int | None = None, **changed: Any) -> None:
        """A range as it should be answered, or only ``send`` bytes of it, or with other headers."""
        start, stop = self.wanted(content)
        if start >= content.size:
            self.reply(416, b"", Content_Range=f"bytes */{content.size}")
            return
        headers = {
            "Content-Length": stop - start,
            "Content-Range": f"bytes {start}-{stop - 1}/{content.size}",
            "ETag": content.etag,
            **content.headers,
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        self.head(206, {name: value for name, value in headers.items() if value is not None})
        self.body(content.part(start, stop if send is None else start + send))
        if send is not None:
            self.hang_up()

    def whole(self, content: Content, **changed: Any) -> None:
        """All of the file, whatever was asked for."""
        headers = {"Content-Length": content.size, "ETag": content.etag, **changed}
        self.head(200, {name: value for name, value in headers.items() if value is not None})
        for start in range(0, content.size, STEP):
            self.body(content.part(start, min(start + STEP, content.size)))


Answer = Callable[[Handler], None]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that has read enough hangs up."""


class Server:
    """Serves until the `with` ends."""

    def __init__(self, answer: Answer) -> None:
        self._listener: Any = _Listener(("127.0.0.1", 0), Handler)
        self._listener.answer = answer
        self._listener.log = []
        self._listener.over = threading.Event()
        self.port: int = self._listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.over.set()
        self._listener.shutdown()
        self._thread.join()
        with suppress(OSError):
            self._listener.server_close()

    @property
    def log(self) -> list[Seen]:
        return list(self._listener.log)

    @property
    def ranges(self) -> list[tuple[int, int] | None]:
        return [seen.range for seen in self.log]

    @property
    def sent(self) -> int:
        return sum(seen.sent for seen in self.log)
