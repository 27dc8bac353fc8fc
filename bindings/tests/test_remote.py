"""Files on servers: what is fetched, what is believed, and who gets the token. Every server runs on this machine."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import json
import os
import pickle
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sizer import DataError, InvalidValueError, SizerError, UnknownNameError
from sizer._remote import cache as remote_cache
from sizer._remote import hub
from sizer._remote import ollama_registry as ollama
from sizer._remote import progress as remote_progress
from sizer._remote import retry as remote_retry
from sizer._remote import transport as remote_transport
from sizer._remote.address import Address, Route, address, authorization, display_name, redirected
from sizer._remote.files import MissingFileError, RemoteFile, fetch_document, open_url, sibling

pytest.importorskip("requests")

_spec = importlib.util.spec_from_file_location("sizer_http_server", Path(__file__).with_name("http_server.py"))
assert _spec is not None and _spec.loader is not None
http_server = importlib.util.module_from_spec(_spec)
sys.modules["sizer_http_server"] = http_server
_spec.loader.exec_module(http_server)
Server, Content = http_server.Server, http_server.Content

KIB, MIB = 1024, 1024 * 1024
BLOCK = 256 * KIB
BYTES = random.Random(7).randbytes(3 * MIB + 12345)
TOKEN = "hf_secretsecret"
Handler = Any


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, token or cache of whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith(("HF_", "HUGGING", "SIZER_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIZER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(remote_retry, "_FIRST_PAUSE_S", 0.01)


def ranged(content: Any = None) -> Callable[[Handler], None]:
    kept = Content(BYTES) if content is None else content
    return lambda handler: handler.part(kept)


def dropping(content: Any, after: int) -> Callable[[Handler], None]:
    return lambda handler: handler.part(content, send=after)


def replying(status: int, data: bytes = b"", **headers: Any) -> Callable[[Handler], None]:
    return lambda handler: handler.reply(status, data, **headers)


def redirecting(location: str) -> Callable[[Handler], None]:
    return lambda handler: handler.redirect(location)


def gone(handler: Handler) -> None:
    handler.hang_up()


def in_turn(*answers: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """The first answer for the first request, and so on; the last one for all that follow."""
    waiting = list(answers)

    def answer(handler: Handler) -> None:
        chosen = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        chosen(handler)

    return answer


def quick(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.2) -> None:
    monkeypatch.setenv("SIZER_HTTP_TIMEOUT", str(seconds))


# --- what is fetched --------------------------------------------------------------------------------------------------


def test_small_reads_from_front_to_back_cost_few_requests_and_no_byte_twice() -> None:
    with Server(ranged()) as server, RemoteFile(server.url + "/model.gguf") as file:
        got = b"".join(file.read(at, 1000) for at in range(0, len(BYTES), 1000))
        assert got == BYTES
        assert server.ranges == [(0, BLOCK), (BLOCK, BLOCK + MIB), (BLOCK + MIB, len(BYTES))]
        assert server.sent == file.fetched == file.size == len(BYTES)


def _sent(server: Any, expected: int) -> int:
    """Bytes that the server has sent, once it has counted as many: it counts a piece after it was sent."""
    until = time.monotonic() + 10
    while server.sent < expected and time.monotonic() < until:
        time.sleep(0.01)
    return int(server.sent)


def test_a_read_fetches_one_block_beyond_what_is_asked_for_and_no_more() -> None:
    huge = Content(b"GGUF", size=40_000_000_000)
    with Server(ranged(huge)) as server, RemoteFile(server.url + "/model.gguf") as file:
        assert file.size == 40_000_000_000
        assert file.read(0, 6) == b"GGUF\0\0"
        assert _sent(server, BLOCK) == BLOCK
        file.read(39_999_999_990, 100)
        assert _sent(server, BLOCK + 10) == BLOCK + 10
        file.read(20_000_000_000, 3 * MIB)
        assert _sent(server, BLOCK + 10 + 3 * MIB) == BLOCK + 10 + 3 * MIB


def test_the_header_of_40_gb_costs_its_own_bytes_and_one_block() -> None:
    huge = Content(BYTES, size=40_000_000_000)
    with Server(ranged(huge)) as server, RemoteFile(server.url + "/model.gguf") as file:
        assert b"".join(file.read(at, 5000) for at in range(0, 3_000_000, 5000)) == BYTES[:3_000_000]
        assert server.sent <= 3_000_000 + 4 * MIB
        assert len(server.log) == 3


def test_reading_ends_with_the_file() -> None:
    with Server(ranged()) as server, RemoteFile(server.url) as file:
        assert file.read(len(BYTES) - 10, 100) == BYTES[-10:]
        assert file.read(len(BYTES), 1) == b""
        assert file.read(10**15, 1) == b""
        assert file.read(5, 0) == b""
        assert len(server.log) == 1
    with Server(ranged()) as server, RemoteFile(server.url + "/cold") as file:
        assert file.read(10**15, 1) == b""  # asks, and is told 416
        assert file.size == len(BYTES)


def test_wrong_arguments_are_named() -> None:
    with RemoteFile("http://127.0.0.1:1/x") as file:
        with pytest.raises(InvalidValueError, match=r"offset: got -1, expected at least 0"):
            file.read(-1, 1)
        with pytest.raises(InvalidValueError, match=r"length: got -5"):
            file.read(0, -5)
        with pytest.raises(TypeError, match="offset"):
            file.read("0", 1)  # type: ignore[arg-type]
    with pytest.raises(SizerError, match="is closed"):
        file.read(0, 1)


def test_skips_inside_the_read_ahead_keep_the_blocks_growing() -> None:
    huge = Content(b"", size=10**10)
    with Server(ranged(huge)) as server, RemoteFile(server.url) as file:
        file.read(0, 10)
        file.read(BLOCK + 1000, 10)
        file.read(5 * MIB, 10)
        file.read(10**9, 10)
        lengths = [stop - start for start, stop in server.ranges]
        assert lengths == [BLOCK, MIB, 4 * MIB, BLOCK]


def test_threads_share_a_file() -> None:
    with Server(ranged()) as server, RemoteFile(server.url) as file:
        found: dict[int, bytes] = {}

        def read(start: int) -> None:
            for at in range(start, len(BYTES), 40_000):
                found[at] = file.read(at, 10_000)

        threads = [threading.Thread(target=read, args=(10_000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert b"".join(found[at] for at in sorted(found)) == BYTES
        assert server.sent == len(BYTES)


def test_more_than_the_limit_is_an_error_and_is_not_fetched() -> None:
    huge = Content(b"", size=10**10)
    with Server(ranged(huge)) as server, RemoteFile(server.url + "/m", limit=MIB) as file:
        file.read(0, 10)
        with pytest.raises(
            DataError, match=r"/m at byte 262144: got 262,144 bytes fetched and more wanted, expected at"
        ):
            file.read(BLOCK, 2 * MIB)
        file.read(BLOCK, MIB - BLOCK)
        with pytest.raises(DataError, match="expected at most 1,048,576: download the file"):
            file.read(MIB, 1)
        assert server.sent == MIB


# --- servers without ranges -------------------------------------------------------------------------------------------


def test_a_server_without_ranges_is_read_up_to_what_is_wanted() -> None:
    huge = Content(BYTES, size=40_000_000_000)
    with Server(lambda handler: handler.whole(huge)) as server, RemoteFile(server.url) as file:
        assert file.read(0, 1000) == BYTES[:1000]
        assert file.size == 40_000_000_000
        assert file.read(MIB, 1000) == BYTES[MIB : MIB + 1000]
        assert file.fetched < 2 * (MIB + BLOCK) + 4 * MIB
        assert server.sent < 40 * MIB  # what the sockets of both sides hold
        with pytest.raises(DataError, match="the server takes no ranges, and what comes before exceeds"):
            file.read(39_000_000_000, 1)
        assert len(server.log) == 3


def test_a_server_without_ranges_and_without_a_length_ends_the_file_with_the_body() -> None:
    def answer(handler: Handler) -> None:
        handler.head(200, {"Connection": "close"})
        handler.body(b"short")

    with Server(answer) as server, RemoteFile(server.url) as file:
        assert file.read(0, 100) == b"short"
        assert file.size == 5
        assert file.read(2, 100) == b"ort"


def test_chunks_are_put_together() -> None:
    def answer(handler: Handler) -> None:
        handler.head(206, {"Transfer-Encoding": "chunked", "Content-Range": "bytes 0-9/10", "ETag": '"x"'})
        handler.wfile.write(b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n")

    with Server(answer) as server, RemoteFile(server.url) as file:
        assert file.read(0, 100) == b"0123456789"


def test_a_server_that_does_not_know_the_size_is_read_to_its_416() -> None:
    small = Content(b"0123456789")

    def answer(handler: Handler) -> None:
        start, stop = handler.wanted(small)
        if start >= 10:
            handler.reply(416)
        else:
            handler.part(small, Content_Range=f"bytes {start}-{stop - 1}/*")

    with Server(answer) as server, RemoteFile(server.url) as file:
        assert file.read(3, 100) == b"3456789"
        assert file.size is None
        assert file.read(10, 1) == b""


# --- servers that lie -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"Content_Range": None}, r"at Content-Range: got none, expected 'bytes 0-262143/SIZE'"),
        ({"Content_Range": "bytes 1-262144/3158073"}, r"got 'bytes 1-262144/3158073', expected 'bytes 0-262143'"),
        ({"Content_Range": "bytes 0-99/3158073"}, r"got 'bytes 0-99/3158073', expected 'bytes 0-262143'"),
        ({"Content_Range": "bytes 0-262143/100"}, r"got 'bytes 0-262143/100'"),
        ({"Content_Range": "bytes 5-3/4"}, r"got 'bytes 5-3/4'"),
        ({"Content_Range": "bytes 0-x/9"}, r"got 'bytes 0-x/9'"),
        ({"Content_Range": f"bytes 0-262143/{10**30}"}, r"at Content-Range: got"),
        ({"Content_Range": "\x1b[2J"}, r"got '\\x1b\[2J'"),
        ({"Content_Length": 100}, r"at Content-Length: got 100, expected 262,144"),
        ({"Content_Length": 0}, r"at Content-Length: got 0, expected 262,144"),
        ({"Content_Length": 300_000}, r"at Content-Length: got 300,000, expected 262,144"),
        ({"Content_Encoding": "gzip"}, r"at Content-Encoding: got 'gzip', expected identity"),
    ],
)
def test_an_answer_that_does_not_fit_the_question_is_an_error(changed: dict[str, Any], message: str) -> None:
    content = Content(BYTES)
    with Server(lambda handler: handler.part(content, **changed)) as server, RemoteFile(server.url + "/m") as file:
        with pytest.raises(DataError, match=message) as caught:
            file.read(0, 10)
        assert str(caught.value).startswith(f"{server.url}/m")
        assert len(server.log) == 1


def test_a_body_longer_than_its_range_is_an_error() -> None:
    def answer(handler: Handler) -> None:
        handler.head(206, {"Content-Range": "bytes 0-9/10", "Connection": "close"})
        handler.body(bytes(20))

    with (
        Server(answer) as server,
        RemoteFile(server.url) as file,
        pytest.raises(DataError, match="got a body of more bytes than the 10 that it states"),
    ):
        file.read(0, 10)


#: Behind an answer: what looks like the next one, what looks like a refusal, and what looks like nothing.
STRAY = {
    "answer": b"HTTP/1.1 206 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000),
    "other range": b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n" + bytes(10),
    "refusal": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    "garbage": bytes(1000) + b"\r\n",
    "end": b"",
}
stray_bytes = pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)


class Connections:
    """The requests of a server, by the connections they came over."""

    def __init__(self) -> None:
        self.of_requests: list[Any] = []

    def number(self, handler: Handler) -> int:
        """Which request of its connection this one is: 1, 2, ..."""
        self.of_requests.append(handler.client_address)
        return self.of_requests.count(handler.client_address)

    @property
    def shape(self) -> list[int]:
        """The connection of each request, numbered as they came."""
        seen = list(dict.fromkeys(self.of_requests))
        return [seen.index(one) for one in self.of_requests]


@stray_bytes
def test_bytes_behind_the_stated_length_are_not_taken_for_the_next_answer(
    stray: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, connections = Content(BYTES), Connections()
    sent = threading.Event()
    is_quiet = remote_transport._is_quiet

    def answer(handler: Handler) -> None:
        connections.number(handler)
        handler.part(content)
        handler.wfile.write(stray)
        if not stray:
            handler.connection.shutdown(socket.SHUT_RDWR)
        sent.set()

    def once_it_came(connection: Any) -> bool:
        assert sent.wait(30)
        sent.clear()
        assert select.select([connection.sock], [], [], 30)[0], "the bytes arrive"
        return is_quiet(connection)

    monkeypatch.setattr(remote_transport, "_is_quiet", once_it_came)
    with Server(answer) as server, RemoteFile(server.url, cache=False) as file:
        for at in (0, MIB, 2 * MIB):
            assert file.read(at, 100) == BYTES[at : at + 100]
        assert connections.shape == [0, 1, 2], "each connection is seen to be spoilt before it is used again"


@stray_bytes
def test_bytes_that_arrive_when_a_connection_is_used_again_are_not_taken_for_the_answer(stray: bytes) -> None:
    content, connections = Content(BYTES), Connections()

    def answer(handler: Handler) -> None:
        if connections.number(handler) > 1:  # a request has come: no look at the idle connection can see them
            handler.wfile.write(stray)
            handler.hang_up()
        else:
            handler.part(content)

    with Server(answer) as server, RemoteFile(server.url, cache=False) as file:
        for at in (0, MIB, 2 * MIB):
            assert file.read(at, 100) == BYTES[at : at + 100]
        assert connections.shape == [0, 0, 1, 1, 2], "asked again at once, over a new connection"


def test_an_answer_over_a_kept_connection_is_refused_when_a_new_one_brings_the_same() -> None:
    content, connections = Content(BYTES), Connections()

    def answer(handler: Handler) -> None:
        connections.number(handler)
        if handler.wanted(content)[0] == 0:
            handler.part(content)
        else:
            handler.part(content, Content_Range=None)

    with Server(answer) as server, RemoteFile(server.url, cache=False) as file:
        file.read(0, 100)
        with pytest.raises(DataError, match="at Content-Range: got none"):
            file.read(MIB, 100)
        assert connections.shape == [0, 0, 1]


def test_a_kept_connection_without_stray_bytes_is_used_again_and_a_busy_server_is_not_asked_twice() -> None:
    content, connections = Content(BYTES), Connections()

    def answer(handler: Handler) -> None:
        if connections.number(handler) < 3:
            handler.part(content)
        else:
            handler.reply(429, Retry_After=86400)

    with Server(answer) as server, RemoteFile(server.url, cache=False) as file:
        file.read(0, 100)
        file.read(MIB, 100)
        with pytest.raises(DataError, match="HTTP 429"):
            file.read(2 * MIB, 100)
        assert connections.shape == [0, 0, 0]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_body_that_always_ends_early_is_an_error_after_five_attempts(ranges: bool) -> None:
    def answer(handler: Handler) -> None:
        if ranges:
            handler.part(Content(b"", size=10**11), send=1000)
        else:
            handler.head(200, {"Content-Length": 10**11})
            handler.body(bytes(1000))
            handler.hang_up()

    with Server(answer) as server, RemoteFile(server.url + "/m") as file:
        message = r"/m: the connection ended (after 1,000 of [\d,]+ bytes|early); 5,000 bytes received, 5 attempts"
        with pytest.raises(DataError, match=message):
            file.read(0, 100_000)
        assert len(server.log) == 5


def test_an_empty_file_is_an_error() -> None:
    with (
        Server(replying(200)) as server,
        RemoteFile(server.url) as file,
        pytest.raises(DataError, match="at Content-Length: got 0, expected a file that is not empty"),
    ):
        file.read(0, 10)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (
            Content(BYTES, etag='"two"'),
            "got ETag '\"two\"', expected '\"one\"': the file changed while it was being read",
        ),
        (Content(BYTES + b"x"), "got a size of 3,158,074 bytes, expected 3,158,073"),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_an_error(later: Any, message: str) -> None:
    with Server(in_turn(ranged(), ranged(later))) as server, RemoteFile(server.url) as file:
        assert file.read(0, 10) == BYTES[:10]
        with pytest.raises(DataError, match=message):
            file.read(MIB, 10)


def test_416_inside_a_file_is_an_error() -> None:
    refuse = replying(416)
    with Server(in_turn(ranged(), refuse)) as server, RemoteFile(server.url) as file:
        file.read(0, 10)
        with pytest.raises(DataError, match="got HTTP 416 for byte 1,048,576"):
            file.read(MIB, 10)


def test_a_server_that_does_not_speak_http_is_an_error() -> None:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"\x00\xff" * 100 + b"\r\n")
        handler.hang_up()

    with (
        Server(answer) as server,
        RemoteFile(server.url) as file,
        pytest.raises(DataError, match=r"the connection failed \(.*5 attempts"),
    ):
        file.read(0, 10)


# --- servers that are slow, busy or gone ------------------------------------------------------------------------------


def stalling(handler: Handler) -> None:
    """A hundred bytes of what is asked for, and then nothing."""
    handler.part(Content(BYTES), send=100)
    handler.wait(5)


def test_a_server_that_sends_nothing_more_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    with Server(stalling) as server, RemoteFile(server.url + "/m") as file:
        started = time.monotonic()
        with pytest.raises(DataError, match=r"/m: the server stalled: .*; \d+ bytes received, 2 attempts"):
            file.read(0, 5000)
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "letters", [b"", b"HTTP/1.1 206 Partial Content\r\nETag: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
)
def test_a_server_that_does_not_finish_its_headers_is_given_up(letters: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.15)

    def answer(handler: Handler) -> None:
        for letter in letters * 10:
            handler.wfile.write(bytes([letter]))
            if not handler.wait(0.05):
                return
        handler.wait(5)

    with Server(answer) as server, RemoteFile(server.url + "/m") as file:
        started = time.monotonic()
        with pytest.raises(DataError, match=r"/m: the server (stalled|did not answer).*; 0 bytes received, 2 attempts"):
            file.read(0, 5000)
        assert time.monotonic() - started < 1.8


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.3)

    def answer(handler: Handler) -> None:
        start, stop = handler.wanted(Content(BYTES))
        handler.part(Content(BYTES), send=0)
        for at in range(start, stop):
            handler.body(BYTES[at : at + 1])
            if not handler.wait(0.02):
                return

    with Server(answer) as server, RemoteFile(server.url + "/m") as file:
        started = time.monotonic()
        message = r"/m: the server stalled: \d+ bytes in 0.3 s, expected 1024 a second; \d+ bytes received, 2 attempts$"
        with pytest.raises(DataError, match=message):
            file.read(0, 5000)
        assert time.monotonic() - started < 1.5


def test_small_reads_do_not_prolong_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, 0.5)
    with Server(stalling) as server, RemoteFile(server.url + "/m") as file:
        assert file.read(0, 50) == BYTES[:50]
        assert file.read(50, 50) == BYTES[50:100]
        with pytest.raises(DataError, match="bytes received, 2 attempts"):
            file.read(100, 50)
        assert server.ranges[1][0] == 100 and len(server.log) == 2


def test_a_dropped_connection_goes_on_behind_the_bytes_already_received() -> None:
    content = Content(BYTES)
    drop = dropping(content, 100_000)
    with Server(in_turn(drop, drop, ranged(content))) as server, RemoteFile(server.url) as file:
        assert file.read(0, 2 * MIB) == BYTES[: 2 * MIB]
        assert server.ranges == [(0, 2 * MIB), (100_000, 2 * MIB), (200_000, 2 * MIB)]
        assert server.sent == 2 * MIB == file.fetched


def test_read_ahead_that_fails_is_no_failure() -> None:
    content = Content(BYTES)
    drop = dropping(content, 1000)
    with Server(drop) as server, RemoteFile(server.url) as file:
        assert file.read(0, 1000) == BYTES[:1000]
        assert len(server.log) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again(status: int) -> None:
    busy = replying(status, b"busy", Retry_After="0")
    with Server(in_turn(busy, busy, ranged())) as server, RemoteFile(server.url) as file:
        assert file.read(0, 10) == BYTES[:10]
        assert len(server.log) == 3


def test_retry_after_is_kept() -> None:
    busy = replying(503, Retry_After="1")
    with Server(in_turn(busy, ranged())) as server, RemoteFile(server.url) as file:
        started = time.monotonic()
        assert file.read(0, 10) == BYTES[:10]
        assert 1.0 <= time.monotonic() - started < 1.9


@pytest.mark.parametrize("when", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(when: str) -> None:
    with Server(replying(429, Retry_After=when)) as server, RemoteFile(server.url) as file:
        with pytest.raises(DataError, match="HTTP 429: the server asks to come back in"):
            file.read(0, 10)
        assert len(server.log) == 1


def test_a_server_that_stays_busy_is_given_up_after_five_attempts() -> None:
    with Server(replying(503)) as server, RemoteFile(server.url) as file:
        with pytest.raises(DataError, match="HTTP 503: the server is busy; 0 bytes received, 5 attempts"):
            file.read(0, 10)
        assert len(server.log) == 5


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with RemoteFile(f"http://127.0.0.1:{closed.getsockname()[1]}/m?token=secret") as file:
            message = rf"/m\?\.\.\.: the connection failed \({os.strerror(errno.ECONNREFUSED)}\); .*5 attempts"
            with pytest.raises(DataError, match=message) as caught:
                file.read(0, 10)
            assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan", "inf"])
def test_a_wrong_timeout_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZER_HTTP_TIMEOUT", text)
    with pytest.raises(InvalidValueError, match="SIZER_HTTP_TIMEOUT"):
        RemoteFile("http://127.0.0.1:1/x")


def test_statuses_say_what_to_do() -> None:
    for status, message in ((404, "no such file"), (410, "no such file"), (500, "HTTP 500"), (204, "HTTP 204")):
        with Server(replying(status)) as server, RemoteFile(server.url) as file:
            with pytest.raises(DataError, match=message) as caught:
                file.read(0, 1)
            assert isinstance(caught.value, MissingFileError) == (status in (404, 410))
            assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)
            assert len(server.log) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_the_hub_names_the_variable_of_the_token(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = replying(status, X_Error_Message="Gated\x1b repo")
    with Server(answer) as server:
        with RemoteFile(server.url) as file, pytest.raises(DataError, match=r"USER:PASSWORD@HOST"):
            file.read(0, 1)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with RemoteFile(server.url) as file, pytest.raises(DataError, match=r"\(Gated\\x1b repo\): .*set HF_TOKEN to"):
            file.read(0, 1)


# --- the cache --------------------------------------------------------------------------------------------------------


def cache_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").iterdir())


def test_a_second_run_asks_for_the_missing_part_only() -> None:
    with Server(ranged()) as server:
        with RemoteFile(server.url + "/m") as file:
            file.read(0, 10)
        with RemoteFile(server.url + "/m") as file:
            assert file.read(0, MIB) == BYTES[:MIB]
        assert server.ranges == [(0, BLOCK), (BLOCK, MIB)]


def test_what_came_before_a_failure_is_kept() -> None:
    content = Content(BYTES)
    drop = dropping(content, 100_000)
    with Server(in_turn(drop, gone, gone, gone, gone, ranged(content))) as server:
        with RemoteFile(server.url) as file, pytest.raises(DataError, match="100,000 bytes received, 5 attempts"):
            file.read(0, MIB)
        with RemoteFile(server.url) as file:
            assert file.read(0, MIB) == BYTES[:MIB]
        assert server.ranges[-1] == (100_000, MIB)
        assert server.sent == MIB


def test_a_file_in_the_cache_costs_one_byte() -> None:
    with Server(ranged()) as server:
        for _ in range(3):
            with RemoteFile(server.url) as file:
                assert file.read(0, len(BYTES)) == BYTES
                assert file.size == len(BYTES)
        assert server.ranges == [(0, len(BYTES)), (0, 1), (0, 1)]


def test_a_changed_file_starts_again() -> None:
    other = Content(BYTES[::-1], etag='"two"')
    with Server(in_turn(ranged(), ranged(other))) as server:
        with RemoteFile(server.url) as file:
            file.read(0, 10)
        with RemoteFile(server.url) as file:  # confirmed by one byte
            assert file.read(0, 1000) == other.data[:1000]
        with RemoteFile(server.url) as file:
            assert file.read(0, MIB) == other.data[:MIB]
        assert server.ranges == [(0, BLOCK), (0, 1), (1, BLOCK + 1), (BLOCK + 1, MIB)] or server.ranges == [
            (0, BLOCK),
            (0, 1),
            (1, MIB + 1),
            (MIB + 1, MIB + 1 + BLOCK),
        ]


def test_a_change_found_while_fetching_the_missing_part_starts_again() -> None:
    other = Content(BYTES[::-1], etag='"two"')
    with Server(in_turn(ranged(), ranged(other))) as server:
        with RemoteFile(server.url) as file:
            file.read(0, 10)
        with RemoteFile(server.url) as file:
            assert file.read(0, MIB) == other.data[:MIB]
        assert server.sent <= BLOCK + MIB + BLOCK


def test_what_nobody_could_check_is_not_kept(tmp_path: Path) -> None:
    with Server(ranged(Content(BYTES, etag=""))) as server:
        with RemoteFile(server.url) as file:
            file.read(0, 10)
        assert not (tmp_path / "cache").exists()


def test_last_modified_serves_as_well() -> None:
    dated = Content(BYTES, etag="", headers={"Last-Modified": "Wed, 01 Jul 2026 10:00:00 GMT"})
    with Server(ranged(dated)) as server:
        for _ in range(2):
            with RemoteFile(server.url) as file:
                file.read(0, 10)
        assert server.ranges == [(0, BLOCK), (0, 1)]


@pytest.mark.parametrize("spoil", ["bytes", "shorter", "index", "gone", "other"])
def test_a_spoilt_cache_is_fetched_again(spoil: str, tmp_path: Path) -> None:
    with Server(ranged()) as server:
        with RemoteFile(server.url) as file:
            file.read(0, BLOCK)
        data, index = cache_files(tmp_path)
        assert data.read_bytes() == BYTES[:BLOCK]
        if spoil == "bytes":
            data.write_bytes(bytes(BLOCK))
        elif spoil == "shorter":
            data.write_bytes(BYTES[:1000])
        elif spoil == "index":
            index.write_text('{"schema_version": 1')
        elif spoil == "gone":
            data.unlink()
        else:
            index.write_text(index.read_text().replace("[[0,", "[[true,"))
        for _ in range(2):
            with RemoteFile(server.url) as file:
                assert file.read(0, BLOCK) == BYTES[:BLOCK]
        assert [seen for seen in server.ranges if seen != (0, 1)] == [(0, BLOCK), (0, BLOCK)]


def test_two_runs_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    with Server(ranged()) as server:
        with RemoteFile(server.url) as one, RemoteFile(server.url) as two:
            for at in range(0, len(BYTES), 300_000):
                assert one.read(at, 1000) == BYTES[at : at + 1000]
                assert two.read(len(BYTES) - at - 1000, 1000) == BYTES[len(BYTES) - at - 1000 : len(BYTES) - at]
        before = server.sent
        with RemoteFile(server.url) as file:
            assert file.read(0, len(BYTES)) == BYTES
        assert server.sent - before < BLOCK
        assert [path.suffix for path in cache_files(tmp_path)] == [".bytes", ".json"]


@pytest.mark.parametrize("folder", ["/dev/null", "/dev/null/x", "/proc/nothing/here", "a\tb/../\x01"])
def test_a_folder_that_cannot_be_used_is_no_error(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIZER_CACHE", folder)
    with Server(ranged()) as server:
        for _ in range(2):
            with RemoteFile(server.url) as file:
                assert file.read(0, 10) == BYTES[:10]


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote_cache, "LARGEST_FOLDER", 1000)
    with Server(ranged()) as server:
        with RemoteFile(server.url) as file:
            assert file.read(0, len(BYTES)) == BYTES
        with RemoteFile(server.url) as file:
            assert file.read(0, 10) == BYTES[:10]


def test_the_folder_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote_cache, "LARGEST_FOLDER", 3 * BLOCK)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "notes.json").write_text("somebody else's")
    left = folder / ("0" * 32 + ".abc.tmp")
    left.write_text("of a crash")
    os.utime(left, (1, 1))
    with Server(ranged()) as server:
        for number in range(5):
            with RemoteFile(f"{server.url}/{number}") as file:
                file.read(0, 10)
            for path in folder.iterdir():
                if path.stat().st_mtime > 10**9:
                    os.utime(path, (10**8 + number, 10**8 + number))
        assert sum(path.stat().st_size for path in folder.glob("*.bytes")) == 2 * BLOCK
        assert (folder / "notes.json").exists() and not left.exists()
        with RemoteFile(f"{server.url}/4") as file:
            file.read(0, 10)
        assert server.ranges[-1] == (0, 1)


def test_the_cache_names_no_address_and_belongs_to_the_user(tmp_path: Path) -> None:
    with Server(ranged()) as server, RemoteFile(server.url + "/m?token=secret") as file:
        file.read(0, 10)
        data, index = cache_files(tmp_path)
        assert "secret" not in index.read_text() and "127.0.0.1" not in index.read_text()
        if os.name == "posix":
            assert {path.stat().st_mode & 0o777 for path in (data, index)} == {0o600}


def test_the_cache_folder_follows_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIZER_CACHE")
    monkeypatch.setenv("HOME", "/nobody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert remote_cache.folder() == Path("/elsewhere/libsizer")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert remote_cache.folder() == Path("/nobody/.cache/libsizer")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert remote_cache.folder() == Path("/nobody/Library/Caches/libsizer")


# --- addresses, redirects and secrets ---------------------------------------------------------------------------------


def test_names_hide_passwords_queries_and_control_characters() -> None:
    assert display_name("https://user:pass@Host:443/a b/%C3?key=secret#x") == "https://host/a%20b/%C3?..."
    assert display_name("http://[::1]:80/\x1b") == "http://[::1]/%1B"
    with RemoteFile("https://user:pass@example.org:8443/m.gguf?sig=secret") as file:
        assert file.name == "https://example.org:8443/m.gguf?..."
        assert "secret" not in repr(file) and "pass" not in repr(file)


@pytest.mark.parametrize(
    "url",
    ["", "m.gguf", "ftp://x/y", "file:///etc/passwd", "http://", "http://x:port/", "http://[::1", "http://x/\r\nA: b"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidValueError, match="url"):
        open_url(url)


def test_a_password_of_the_address_is_sent_to_this_machine_but_over_plain_http_to_no_other() -> None:
    with Server(ranged()) as server, RemoteFile(f"http://user:p%40ss@127.0.0.1:{server.port}/m") as file:
        file.read(0, 1)
        assert server.log[0].headers["authorization"] == "Basic dXNlcjpwQHNz"
    with pytest.raises(InvalidValueError, match=r"a password for 'http://example.org/m', expected https") as caught:
        RemoteFile("http://user:pass@example.org/m")
    assert "pass@" not in str(caught.value)


def test_a_redirect_to_another_port_carries_no_secret_and_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(ranged()) as other, Server(redirecting(other.url + "/blob?sig=1")) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        with RemoteFile(server.url + "/m") as file:
            assert file.read(0, MIB) == BYTES[:MIB]
            assert file.read(MIB, MIB) == BYTES[MIB : 2 * MIB]
        assert [seen.headers.get("authorization") for seen in server.log] == [f"Bearer {TOKEN}"]
        assert [seen.headers.get("authorization") for seen in other.log] == [None, None]
        with RemoteFile(f"http://user:pass@127.0.0.1:{server.port}/m2") as file:
            file.read(0, 1)
        assert server.log[-1].headers["authorization"].startswith("Basic ")
        assert "authorization" not in other.log[-1].headers


def test_a_redirect_on_the_same_host_keeps_the_token_and_a_detour_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def hub(handler: Handler) -> None:
        if handler.path == "/m":
            handler.redirect("/n")
        elif handler.path == "/away":
            handler.redirect(other.url)
        else:
            handler.part(Content(BYTES))

    with Server(hub) as server, Server(lambda handler: handler.redirect(server.url + "/back")) as other:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        for path in ("/m", "/away"):
            with RemoteFile(server.url + path) as file:
                file.read(0, 1)
        seen = [(one.path, one.headers.get("authorization")) for one in server.log]
        bearer = f"Bearer {TOKEN}"
        assert seen == [("/m", bearer), ("/n", bearer), ("/away", bearer), ("/back", None)]


def test_an_address_behind_a_redirect_that_expires_is_asked_for_again() -> None:
    expired = replying(403)
    with (
        Server(in_turn(ranged(), expired, ranged())) as other,
        Server(redirecting(other.url)) as server,
        RemoteFile(server.url) as file,
    ):
        assert file.read(0, MIB) == BYTES[:MIB]
        assert file.read(MIB, MIB) == BYTES[MIB : 2 * MIB]
        assert (len(server.log), len(other.log)) == (2, 3)


def test_the_token_is_sent_to_the_hub_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = Address("https://x/", "")

    def sent(url: str) -> str | None:
        return authorization(Route(url), nobody)

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert sent("https://huggingface.co/a/b") == sent("https://hf.co/a") == f"Bearer {TOKEN}"
    for url in (
        "http://huggingface.co/a",
        "https://huggingface.co.evil.org/a",
        "https://evil.org/huggingface.co",
        "https://cdn-lfs.huggingface.co/a",
        "https://huggingface.co:8443/a",
        "http://127.0.0.1/a",
    ):
        assert sent(url) is None, url
    assert authorization(Route("https://huggingface.co/a", trusted=False), nobody) is None
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    assert sent("http://mirror.example/a") is None  # it would be readable on its way
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:99/")
    assert sent("http://127.0.0.1:99/a") == f"Bearer {TOKEN}"
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert sent("http://127.0.0.1:99/a") is None  # and here for the proxy
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert sent("http://127.0.0.1:99/a") == f"Bearer {TOKEN}"


def test_the_token_comes_from_the_variables_or_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def sent() -> str | None:
        return authorization(Route("https://huggingface.co/a"), Address("https://x/", ""))

    assert sent() is None
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "token").write_text("of-file\n")
    assert sent() == "Bearer of-file"
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "of-old-variable")
    assert sent() == "Bearer of-old-variable"
    monkeypatch.setenv("HF_TOKEN", " of-variable ")
    assert sent() == "Bearer of-variable"
    monkeypatch.setenv("HF_TOKEN", "two\nlines")
    with pytest.raises(InvalidValueError, match="HF_TOKEN") as caught:
        sent()
    assert "lines" not in str(caught.value)


def test_redirects_are_followed_to_safe_places_only() -> None:
    start = Route("https://huggingface.co/m")
    assert redirected(start, "/n?x=1") == Route("https://huggingface.co/n?x=1")
    assert redirected(start, "https://cdn.example/a") == Route("https://cdn.example/a", trusted=False)
    assert redirected(start, "https://u:p@cdn.example/a").url == "https://cdn.example/a"
    assert redirected(Route("https://hf.co/m"), "https://huggingface.co/m").trusted
    with pytest.raises(SizerError, match=r"redirects from https to 'http://huggingface.co/m'"):
        redirected(start, "http://huggingface.co/m")
    for location in ("file:///etc/passwd", "ftp://x/", "http://", "//x:port/", "https://x/\r\nA: b"):
        with pytest.raises(SizerError, match="expected an http"):
            redirected(start, location)


def test_five_redirects_are_followed_and_no_more() -> None:
    def answer(handler: Handler) -> None:
        left = int(handler.path[1:])
        handler.redirect(f"/{left - 1}") if left else handler.part(Content(BYTES))

    with Server(answer) as server:
        with RemoteFile(server.url + "/5") as file:
            assert file.read(0, 1) == BYTES[:1]
        with RemoteFile(server.url + "/6") as file, pytest.raises(DataError, match="got more than 5 redirects"):
            file.read(0, 1)


def test_a_netrc_file_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Server(ranged()) as server, RemoteFile(server.url) as file:
        file.read(0, 1)
        assert "authorization" not in server.log[0].headers


def test_requests_ask_for_plain_bytes_and_say_who_asks() -> None:
    with Server(ranged()) as server, RemoteFile(server.url) as file:
        file.read(0, 1)
        headers = server.log[0].headers
        assert headers["accept-encoding"] == "identity"
        assert headers["user-agent"].startswith("sizer/")
        assert "cookie" not in headers


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(ranged()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with RemoteFile("http://models.example/m.gguf") as file:
            assert file.read(0, 10) == BYTES[:10]
        assert [seen.path for seen in proxy.log] == ["http://models.example/m.gguf"]
        with Server(ranged()) as server:
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            with RemoteFile(server.url) as file:
                assert file.read(0, 10) == BYTES[:10]
        assert len(proxy.log) == 1


def test_a_page_of_the_hub_stands_for_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_url("https://huggingface.co/org/repo/blob/main/sub/m.gguf#x") as file:
        assert file.url == "https://huggingface.co/org/repo/resolve/main/sub/m.gguf"
    with open_url("https://example.org/org/repo/blob/main/m.gguf") as file:
        assert file.url == "https://example.org/org/repo/blob/main/m.gguf"
    for url in ("https://huggingface.co/org/Repo2.5", "https://huggingface.co/org/Repo2.5/tree/main"):
        with pytest.raises(InvalidValueError, match=r"a repository, expected hf:org/Repo2\.5"):
            open_url(url)


def test_siblings_lie_in_the_same_folder() -> None:
    url = "https://u:p@example.org/models/m-00001-of-00002.gguf?sig=1"
    with sibling(url, "m-00002-of-00002.gguf") as file:
        assert file.url == "https://u:p@example.org/models/m-00002-of-00002.gguf?sig=1"
    with sibling("https://huggingface.co/o/r/blob/main/a/x.gguf", "y #?.gguf") as file:
        assert file.url == "https://huggingface.co/o/r/resolve/main/a/y%20%23%3F.gguf"
    for name in ("", "..", "../x", "/x", "a//b", "a\\b", "x\n", "./x"):
        with pytest.raises(InvalidValueError, match="file"):
            sibling(url, name)


# --- around it --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("terminal", "progress"), [(True, True), (True, False), (False, True)])
def test_progress_is_shown_on_a_terminal_only(terminal: bool, progress: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(remote_progress, "_SECONDS", -1.0)
    with Server(ranged()) as server, RemoteFile(server.url + "/m.gguf?x=1", progress=progress) as file:
        file.read(0, 10)
        assert stream.getvalue() == ""  # less than a megabyte
        file.read(0, len(BYTES))
        assert ("header of m.gguf" in stream.getvalue()) == (terminal and progress)


def test_without_requests_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    with RemoteFile("https://example.org/m") as file, pytest.raises(SizerError, match="python3-requests"):
        file.read(0, 1)


def test_without_tqdm_files_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(remote_progress, "_SECONDS", -1.0)
    with Server(ranged()) as server, RemoteFile(server.url) as file:
        assert file.read(0, len(BYTES)) == BYTES


def test_importing_costs_no_requests() -> None:
    modules = "{'requests', 'urllib3', 'tqdm'}"
    program = f"import sys, sizer._remote.hub, sizer._remote.ollama_registry; print({modules} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


def test_offline_serves_the_cache_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(ranged()) as server:
        with RemoteFile(server.url) as file:
            file.read(0, 10)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with RemoteFile(server.url) as file:
            assert file.read(0, 1000) == BYTES[:1000]
            with pytest.raises(SizerError, match="HF_HUB_OFFLINE forbids the network"):
                file.read(MIB, 1)
        assert len(server.log) == 1


def test_a_file_that_nobody_closed_leaves_nothing_open() -> None:
    with Server(ranged()) as server:
        file = RemoteFile(server.url)
        file.read(0, 10)
        del file  # a socket left open would be a ResourceWarning, which is an error here


def test_small_documents_are_read_whole() -> None:

    def drop(handler: Handler) -> None:
        handler.head(200, {"Content-Length": 5})
        handler.hang_up()

    whole = replying(200, b"hello")
    with Server(in_turn(drop, whole)) as server:
        assert fetch_document(server.url, limit=5).content == b"hello"
        with pytest.raises(DataError, match="got 5 bytes, expected at most 4"):
            fetch_document(server.url, limit=4)

    def endless(handler: Handler) -> None:
        handler.head(200, {"Connection": "close"})
        handler.body(bytes(10**6))

    with Server(endless) as server, pytest.raises(DataError, match="got more bytes, expected at most 1,000"):
        fetch_document(server.url, limit=1000)


# --- the hub ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "repo", "revision", "wanted"),
    [
        ("hf:org/repo", "org/repo", "main", ""),
        ("hf:org/Repo-2.5_x:Q4_K_M", "org/Repo-2.5_x", "main", "Q4_K_M"),
        ("HF:org/repo@v1.0", "org/repo", "v1.0", ""),
        ("hf:org/repo@refs/pr/1:sub/a b.gguf", "org/repo", "refs/pr/1", "sub/a b.gguf"),
    ],
)
def test_names_of_the_hub(text: str, repo: str, revision: str, wanted: str) -> None:
    name = hub.parse(text)
    assert name == hub.HubName(repo, revision, wanted)
    assert hub.parse(str(name)) == name


@pytest.mark.parametrize(
    "text",
    "org/repo hf: hf:repo hf:a/b/c hf:../etc hf:a/.. hf:/b hf:a/b@ hf:a/b@../x hf:a/b@x//y hf:a/b:../x hf:a/b:/x "
    "hf:a/b:x:y hf:a/b?c hf:a/b#c hf:a/b\x00 hf:a--b/c hf:a/b:x\\y".split(" "),
)
def test_names_that_the_hub_cannot_have(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"expected hf:ORG/REPOSITORY"):
        hub.parse(text)


def listing(*names: str) -> bytes:
    return json.dumps([{"type": "file", "path": name, "size": 5, "oid": "x"} for name in names]).encode()


def test_the_listing_of_the_hub_has_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(handler: Handler) -> None:
        if "cursor" in handler.path:
            handler.reply(200, listing("b.gguf"))
            return
        entries = [{"type": "directory", "path": "sub", "size": 0}, {"type": "file", "path": "sub/a.gguf", "size": 7}]
        link = '<https://huggingface.co/api/models/o/r/tree/main?recursive=true&cursor=abc%3D>; rel="next"'
        handler.reply(200, json.dumps(entries).encode(), Link=link)

    with Server(answer) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        found = hub.list_files(hub.parse("hf:o/r@refs/pr/1"))
        assert found == [hub.HubFile("sub/a.gguf", 7), hub.HubFile("b.gguf", 5)]
        assert [seen.path for seen in server.log] == [
            "/api/models/o/r/tree/refs%2Fpr%2F1?recursive=true",
            "/api/models/o/r/tree/refs%2Fpr%2F1?recursive=true&cursor=abc%3D",
        ]
        assert {seen.headers["authorization"] for seen in server.log} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got '', expected JSON"),
        (b"<html>", "got '<html>', expected JSON"),
        pytest.param(b"[" * 100_000, "expected JSON", id="deep"),
        (b'{"error": 1}', "got a JSON dict, expected a list"),
        (b"[1]", "at /0: got '1', expected an object"),
        (listing("../x"), "at /0/path: got '../x'"),
        (listing("/etc/passwd"), "at /0/path"),
        (listing("a\x1b[2J"), r"at /0/path: got 'a\\x1b\[2J'"),
        (listing("a").replace(b"5", b"-5"), "at /0/size: got '-5'"),
        (listing("a").replace(b"5", b"true"), "at /0/size"),
        (listing("a").replace(b"5", b"1e999"), "at /0/size: got 'inf'"),
        pytest.param(listing("a").replace(b"5", b"9" * 5000), "expected JSON|at /0/size", id="many digits"),
        pytest.param(b" " * (17 * MIB), "expected at most 16,777,216", id="too long"),
    ],
)
def test_a_listing_that_makes_no_sense_is_an_error(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(replying(200, content)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(DataError, match=message):
            hub.list_files(hub.HubName("o/r"))


def test_endless_pages_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_MOST_PAGES", 5)
    more = replying(200, b"[]", Link='<?cursor=x>; rel="next"')
    with Server(more) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(DataError, match="more than 5 pages"):
            hub.list_files(hub.HubName("o/r"))
        assert len(server.log) == 5


def test_a_file_of_the_hub_is_read_through_its_cdn(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(ranged()) as cdn, Server(redirecting(cdn.url + "/x?sig=1")) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        name = hub.parse("hf:o/r")
        with hub.open_file(name, "sub/a b.gguf") as file:
            assert file.read(0, 4) == BYTES[:4]
        assert server.log[0].path == "/o/r/resolve/main/sub/a%20b.gguf"
        commit = hub.HubName("o/r", "0123456789" * 4)
        for _ in range(2):  # a commit never changes: the second run asks nobody
            with hub.open_file(commit, "m.gguf") as file:
                assert file.read(0, 4) == BYTES[:4] and file.size == len(BYTES)
        assert len(server.log) == 2


def test_a_missing_repository_and_a_wrong_endpoint_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(replying(404)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(MissingFileError, match="/api/models/o/r/tree/main"):
            hub.list_files(hub.HubName("o/r"))
    monkeypatch.setenv("HF_ENDPOINT", "huggingface.co")
    with pytest.raises(InvalidValueError, match="HF_ENDPOINT"):
        hub.list_files(hub.HubName("o/r"))


SHELF = [
    "README.md",
    "Model-BF16-00001-of-00002.gguf",
    "Model-BF16-00002-of-00002.gguf",
    "Model-IQ4_XS.gguf",
    "Model-Q4_K_M.gguf",
    "Model-Q8_0.gguf",
    "Model-UD-Q4_K_XL.gguf",
    "Model-UD-Q6_K.gguf",
    "Model.Q5_K_M.gguf",
    "Q3_K_L/model-00001-of-00003.gguf",
    "Q3_K_L/model-00002-of-00003.gguf",
    "Q3_K_L/model-00003-of-00003.gguf",
    "imatrix_unsloth.gguf",
    "mmproj-F16.gguf",
    "mtp-Model-Q8_0.gguf",
]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("Model-Q8_0.gguf", "Model-Q8_0.gguf"),
        ("model-q8_0.GGUF", "Model-Q8_0.gguf"),
        ("q8_0", "Model-Q8_0.gguf"),
        ("Q4_K_M", "Model-Q4_K_M.gguf"),
        ("IQ4_XS", "Model-IQ4_XS.gguf"),
        ("Q5_K_M", "Model.Q5_K_M.gguf"),
        ("bf16", "Model-BF16-00001-of-00002.gguf"),
        ("UD-Q4_K_XL", "Model-UD-Q4_K_XL.gguf"),
        ("Q4_K_XL", "Model-UD-Q4_K_XL.gguf"),
        ("Q6_K", "Model-UD-Q6_K.gguf"),
        ("Q3_K_L", "Q3_K_L/model-00001-of-00003.gguf"),
        ("Q3_K_L/model-00002-of-00003.gguf", "Q3_K_L/model-00001-of-00003.gguf"),
        ("mmproj-F16.gguf", "mmproj-F16.gguf"),
        ("mtp-Model-Q8_0.gguf", "mtp-Model-Q8_0.gguf"),
    ],
)
def test_a_quantisation_or_a_name_chooses_the_file(wanted: str, path: str) -> None:
    choice = hub.choose_gguf([hub.HubFile(name, 1) for name in SHELF], wanted)
    assert choice.path == path
    assert choice.note == ""


@pytest.mark.parametrize("wanted", ["Q4_XS", "Q4_K", "Q2_K", "K_L/model", "F16", ".*", "imatrix", "Mod"])
def test_a_choice_that_is_not_there_lists_what_is(wanted: str) -> None:
    with pytest.raises(UnknownNameError, match=r"no GGUF file of the repository has this name.*Model-Q4_K_M\.gguf"):
        hub.choose_gguf([hub.HubFile(name, 1) for name in SHELF], wanted)


def choice_of(*names: str) -> hub.GgufChoice:
    return hub.choose_gguf([hub.HubFile(name, 1) for name in names])


def test_without_a_quantisation_the_choice_is_that_of_llama_cpp() -> None:
    assert choice_of("a-Q2_K.gguf", "mmproj-a.gguf") == hub.GgufChoice(
        "a-Q2_K.gguf", ("a-Q2_K.gguf",), ("mmproj-a.gguf",), ""
    )
    found = hub.choose_gguf([hub.HubFile(name, 1) for name in SHELF])
    assert found.path == "Model-Q4_K_M.gguf"
    assert found.note.startswith("Model-Q4_K_M.gguf of 8 model files: ") and "llama.cpp" in found.note
    assert found.companions == ("mmproj-F16.gguf", "mtp-Model-Q8_0.gguf")
    assert choice_of("a-Q2_K.gguf", "a-Q8_0.gguf").path == "a-Q8_0.gguf"
    last = choice_of("a-Q2_K.gguf", "a-Q3_K_S.gguf")
    assert last.path == "a-Q2_K.gguf" and "neither Q4_K_M nor Q8_0" in last.note
    assert choice_of("UD/a-UD-Q4_K_M.gguf", "a-Q4_K_M.gguf").path == "a-Q4_K_M.gguf"


def test_the_parts_of_a_split_file_come_in_order() -> None:
    found = hub.choose_gguf([hub.HubFile(name, 1) for name in reversed(SHELF)], "Q3_K_L")
    assert found.parts == tuple(f"Q3_K_L/model-0000{n}-of-00003.gguf" for n in (1, 2, 3))
    assert found.path == found.parts[0]
    assert set(found.companions) == {"mmproj-F16.gguf", "mtp-Model-Q8_0.gguf"}


def test_a_repository_without_gguf_files_says_so() -> None:
    for names in ([], ["model.safetensors", "imatrix.gguf"], ["mmproj-F16.gguf"]):
        with pytest.raises(UnknownNameError, match="the repository has no GGUF file of a model"):
            choice_of(*names)


def test_a_downloaded_repository_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "hub" / "hub" / "models--o--r"
    snapshot = folder / "snapshots" / commit
    (snapshot / "sub").mkdir(parents=True)
    name = hub.parse("hf:o/r")
    assert hub.cached_snapshot(name) is None
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    (snapshot / "sub" / "m.gguf").write_bytes(b"GGUF")
    (snapshot / "broken.gguf").symlink_to("nowhere")
    assert hub.cached_snapshot(name) == snapshot
    assert hub.cached_snapshot(hub.HubName("o/r", commit)) == snapshot
    assert hub.snapshot_files(snapshot) == [hub.HubFile("sub/m.gguf", 4)]
    for other in ("hf:o/other", "hf:o/r@dev", f"hf:o/r@{'f' * 40}"):
        assert hub.cached_snapshot(hub.parse(other)) is None
    (folder / "refs" / "main").write_text("../../..")
    assert hub.cached_snapshot(name) is None
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub" / "hub"))
    monkeypatch.delenv("HF_HOME")
    assert hub.cached_snapshot(name) == snapshot


# --- Ollama's registry ------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[tuple[Any, dict[str, str], str]]:
    """A registry with one model, its blob on another host: the server, the parts of the name, the blob's digest."""
    params = b'{"num_ctx": 4096}'
    digest = "sha256:" + hashlib.sha256(params).hexdigest()

    def answer(handler: Handler) -> None:
        if handler.path == "/v2/library/qwen3/manifests/8b":
            handler.reply(200, b'{"schemaVersion": 2}')
        elif handler.path == "/v2/library/qwen3/manifests/gated":
            handler.reply(401, WWW_Authenticate='Bearer realm="https://x/token"')
        elif handler.path == f"/v2/library/qwen3/blobs/{digest}":
            handler.redirect(cdn.url + "/data")
        else:
            handler.reply(404)

    def blob(handler: Handler) -> None:
        handler.part(Content(params)) if "range" in handler.seen.headers else handler.reply(200, params)

    with Server(blob) as cdn, Server(answer) as server:
        host = f"127.0.0.1:{server.port}"
        yield server, {"scheme": "http", "host": host, "name_space": "library", "model": "qwen3", "tag": "8b"}, digest


def test_a_model_of_the_registry(registry: tuple[Any, dict[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    server, parts, digest = registry
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert ollama.ollama_manifest(parts) == '{"schemaVersion": 2}'
    assert server.log[0].headers["accept"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert "authorization" not in server.log[0].headers
    with ollama.ollama_blob(parts, digest) as file:
        assert file.read(0, 10) == b'{"num_ctx"'
    assert ollama.ollama_small_blob(parts, digest, 17) == '{"num_ctx": 4096}'
    with pytest.raises(DataError, match="got 17 bytes, expected 18 as in the manifest"):
        ollama.ollama_small_blob(parts, digest, 18)
    with pytest.raises(DataError, match="got 9,000,000 bytes, expected at most 1,048,576"):
        ollama.ollama_small_blob(parts, digest, 9_000_000)


def test_a_registry_that_refuses_or_swaps_a_blob_is_an_error(registry: tuple[Any, dict[str, str], str]) -> None:
    _, parts, digest = registry
    with pytest.raises(DataError, match="HTTP 401: the registry asks for a token, which sizer does not fetch"):
        ollama.ollama_manifest({**parts, "tag": "gated"})
    with pytest.raises(MissingFileError):
        ollama.ollama_manifest({**parts, "tag": "none"})
    with Server(replying(200, b"other bytes")) as wrong, pytest.raises(DataError, match="got bytes of sha256:"):
        ollama.ollama_small_blob({**parts, "host": f"127.0.0.1:{wrong.port}"}, digest, 11)
    for name, value in (("scheme", "file"), ("host", "a/b"), ("model", ".."), ("tag", ""), ("name_space", "a?b")):
        with pytest.raises(InvalidValueError, match=f"as the {name} of an Ollama model"):
            ollama.ollama_manifest({**parts, name: value})
    with pytest.raises(InvalidValueError, match="digest"):
        ollama.ollama_blob(parts, "sha256:../../x")


def test_addresses_are_checked_once() -> None:
    assert address("HTTPS://u:p@Example.org#x") == Address("https://Example.org/", "Basic dTpw")
