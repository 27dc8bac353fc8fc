"""One request and its answer, on a thread of its own, so that no server can hold the caller."""

from __future__ import annotations

import http.client
import os
import queue
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from .. import _core
from .._errors import DataError, SizerError
from .address import (
    TOKEN_VARIABLES,
    Address,
    Origin,
    Route,
    authorization,
    is_hub,
    is_offline,
    origin,
    redirected,
    requests_module,
    shown,
)
from .retry import STALL_COST, MissingFileError, Timeouts, Unavailable, as_trouble, is_garbled, retry_after

#: Bytes per second, over the time of a read, below which a server counts as stalled.
_LOWEST_RATE = 1024
_LONGEST_WAIT_S = 60.0
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (429, 502, 503, 504)
_CHUNK = 64 * 1024
_CHUNKS_AHEAD = 2  #: what the thread reads before anybody asks


# --- the thread -------------------------------------------------------------------------------------------------------


class _Silence(Exception):  # noqa: N818 - a fact, judged by the caller
    """Nothing came in time."""


def _reader(raw: Any) -> Callable[[int], bytes]:
    """Reads what has come, at most so many bytes; b"" at the end. A read() would wait for all of them."""
    if hasattr(raw, "read1"):  # urllib3 from 2.1 on
        return lambda n: raw.read1(n, decode_content=False) or b""
    return lambda n: raw._fp.read1(n) or b""


class _Transfer:
    """Sends one request and reads its answer, a few chunks ahead of whoever wants it."""

    def __init__(self, send: Callable[[], Any], keep: Callable[[Any], None]) -> None:
        self._keep = keep
        self._items: queue.Queue[Any] = queue.Queue(_CHUNKS_AHEAD)
        self._stopped = threading.Event()
        self._response: Any = None
        self._thread = threading.Thread(target=self._work, args=(send,), name="sizer-http", daemon=True)
        self._thread.start()

    def next(self, seconds: float) -> Any:
        """The response, then chunks, then b""; or raises what went wrong."""
        try:
            item = self._items.get(timeout=max(0.001, seconds))
        except queue.Empty:
            raise _Silence from None
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Ends it at once where the connection can be reached; else the thread ends by its own timeouts."""
        self._stopped.set()
        if self._thread.is_alive():
            with suppress(queue.Empty):  # wakes a thread that waits for room
                while True:
                    self._items.get_nowait()
            self._thread.join(0.05)
            if self._thread.is_alive():
                with suppress(OSError, AttributeError):
                    self._response.raw.connection.sock.shutdown(socket.SHUT_RDWR)
                self._thread.join(0.2)

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=0.2)
                return True
        return False

    def _work(self, send: Callable[[], Any]) -> None:
        try:
            response = self._response = send()
        except BaseException as error:  # for the thread that asked
            self._put(error)
            return
        try:
            if self._put(response):
                self._pass_on(response.raw)
        except Exception as error:
            self._put(error)
        finally:
            response.close()

    def _pass_on(self, raw: Any) -> None:
        read = _reader(raw)
        connection = raw.connection  # which newer releases of urllib3 let go of with the last byte
        while True:
            chunk = read(_CHUNK)
            if not chunk:  # read to its end: the connection may serve the next request
                with suppress(AttributeError, OSError, http.client.HTTPException):
                    raw._fp.read(1)
                if connection is not None:
                    self._keep(connection)
                raw.release_conn()
            if not self._put(chunk) or not chunk:
                return


# --- an answer --------------------------------------------------------------------------------------------------------


class Reply:
    """The answer to a request. Use it in a `with`."""

    def __init__(self, transfer: _Transfer, response: Any, route: Route, name: str, timeouts: Timeouts) -> None:
        self.status = int(response.status_code)
        self.headers: Mapping[str, str] = response.headers
        self.route = route
        self.name = name
        self._transfer = transfer
        self._window = timeouts.read

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self._transfer.close()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises Unavailable when it stops coming, or comes too slowly."""
        waited, received = 0.0, 0
        while True:
            before = time.monotonic()
            chunk: bytes | None = None
            try:
                chunk = self._transfer.next(self._window - waited)
            except _Silence:
                pass
            except Exception as error:
                raise as_trouble(error, self.name) from None
            if chunk == b"":
                return
            waited += time.monotonic() - before  # and not the time that the caller takes
            received += len(chunk or b"")
            if waited >= self._window:
                if received < _LOWEST_RATE * self._window:
                    slow = f"the server stalled: {received:,} bytes in {self._window:g} s"
                    raise Unavailable(f"{slow}, expected {_LOWEST_RATE} a second", cost=STALL_COST)
                waited, received = 0.0, 0
            if chunk is not None:
                yield chunk

    def content_length(self) -> int | None:
        """Bytes of the body, if the server says. Raises DataError for what is no number."""
        text = self.headers.get("Content-Length")
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,18}", text.strip()):
            raise DataError(self.name, "Content-Length", f"got '{shown(text)}', expected a number of bytes")
        return int(text)

    def check_encoding(self) -> None:
        """Raises DataError for a compressed body, in which no offset is that of the file."""
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise DataError(self.name, "Content-Encoding", f"got '{shown(encoding)}', expected identity, as asked for")

    def failure(self) -> Exception:
        """What a status other than success means: Unavailable, or a DataError."""
        status = f"HTTP {self.status}"
        if self.status in _BUSY:
            return self._busy(status)
        said = self.headers.get("X-Error-Message") or ""
        more = f" ({shown(said, 160)})" if said else ""
        if self.status in (401, 403):
            return DataError(self.name, "", f"{status}{more}: {self._permission()}")
        if self.status in (404, 410):
            return MissingFileError(self.name, "", f"{status}{more}: the server has no such file")
        return DataError(self.name, "", f"{status}{more}, expected a file")

    def _busy(self, status: str) -> Exception:
        pause = retry_after(self.headers.get("Retry-After"))
        if pause is not None and pause > _LONGEST_WAIT_S:
            return DataError(self.name, "", f"{status}: the server asks to come back in {pause:,.0f} s")
        return Unavailable(f"{status}: the server is busy", pause_s=pause)

    def _permission(self) -> str:
        if is_hub(self.route.url):
            return (
                f"no such repository, or it asks for permission: set {TOKEN_VARIABLES[0]} to a token of an account "
                "that may read it (huggingface.co/settings/tokens) and accept the model's licence on its page"
            )
        if "bearer" in self.headers.get("WWW-Authenticate", "").lower():
            return "the registry asks for a token, which sizer does not fetch; pull the model and name its local copy"
        return "the server asks for permission: https://USER:PASSWORD@HOST/PATH, or a local copy of the file"


# --- a client ---------------------------------------------------------------------------------------------------------


class Client:
    """Asks for one file, one request at a time, over connections that it keeps."""

    def __init__(self, start: Address, timeouts: Timeouts) -> None:
        self._start = start
        self._timeouts = timeouts
        self._session: Any = None
        self._kept: dict[Origin, Any] = {}  # connections whose last answer was read to its end
        self._doubtful = False

    @property
    def doubtful(self) -> bool:
        """Whether the last answer came over a kept connection, so that it may be what was left of the one before.

        A server that is busy has said so to whoever asked; it is not asked again to make sure.
        """
        return self._doubtful

    def close(self) -> None:
        """Closes its connections."""
        self._kept = {}
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def get(self, route: Route, headers: Mapping[str, str]) -> Reply:
        """The answer behind all redirects. Raises Unavailable, DataError."""
        if is_offline():
            raise SizerError(f"{self._start.name}: HF_HUB_OFFLINE forbids the network, and no local copy has this")
        name = self._start.name
        for _ in range(_MOST_REDIRECTS + 1):
            reply = self._send(route, headers)
            location = reply.headers.get("Location")
            if reply.status not in _REDIRECTS or not location:
                return reply
            with reply:
                with suppress(UnicodeError):  # http.client takes UTF-8 for Latin-1
                    location = location.encode("latin-1").decode("utf-8")
                try:
                    route = redirected(route, location)
                except SizerError as error:
                    raise DataError(name, "", str(error)) from None
        raise DataError(name, "", f"got more than {_MOST_REDIRECTS} redirects")

    def _send(self, route: Route, headers: Mapping[str, str]) -> Reply:
        """One GET, which may be asked twice: where a kept connection gives no answer, at once over a new one."""
        connection = self._kept.pop(origin(route.url), None)
        if connection is not None and not _is_quiet(connection):
            connection.close()  # the session opens it anew
            connection = None
        return self._send_over(route, headers, kept=connection is not None)

    def _send_over(self, route: Route, headers: Mapping[str, str], *, kept: bool) -> Reply:
        self._doubtful = False
        session = self._session = self._session or self._new_session()
        secret = authorization(route, self._start)

        def with_secret(request: Any) -> Any:  # as `auth`, so that requests looks into no ~/.netrc
            if secret is not None:
                request.headers["Authorization"] = secret
            return request

        options = {"timeout": (self._timeouts.connect, self._timeouts.read), "verify": _authorities()}

        def send() -> Any:
            return session.get(
                route.url, headers=dict(headers), auth=with_secret, stream=True, allow_redirects=False, **options
            )

        connections, server = self._kept, origin(route.url)
        transfer = _Transfer(send, lambda connection: connections.update({server: connection}))
        try:
            # The sockets have timeouts of their own; this is for a server that sends its headers letter by letter.
            response = transfer.next(self._timeouts.connect + 2 * self._timeouts.read)
        except _Silence:
            self._session, self._kept = None, {}  # its thread may still use it
            transfer.close()
            raise Unavailable("the server did not answer in time", cost=STALL_COST) from None
        except Exception as error:
            transfer.close()
            if kept and is_garbled(error):
                self.close()
                return self._send_over(route, headers, kept=False)
            raise as_trouble(error, self._start.name) from None
        except BaseException:
            transfer.close()
            raise
        reply = Reply(transfer, response, route, self._start.name, self._timeouts)
        self._doubtful = kept and reply.status not in _BUSY
        return reply

    @staticmethod
    def _new_session() -> Any:
        from http.cookiejar import DefaultCookiePolicy

        session = requests_module().Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.clear()
        # A compressed body has other offsets than the file.
        session.headers.update(
            {"User-Agent": f"sizer/{_core.__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        )
        return session


def _is_quiet(connection: Any) -> bool:
    """Whether it is open and nothing has come behind the last answer: that would be taken for the next one."""
    sock = connection.sock
    if sock is None:
        return False
    try:
        decrypted = sock.pending() if hasattr(sock, "pending") else 0  # TLS: what no look at the socket shows
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            return not decrypted and not selector.select(timeout=0)
    except (OSError, ValueError):  # closed meanwhile
        return False


def _authorities() -> str | bool:
    """SSL_CERT_FILE, which requests does not look at; True leaves it to requests and its own variables."""
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    return os.environ.get("SSL_CERT_FILE") or True
