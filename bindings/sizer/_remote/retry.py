"""When a request is tried again, and what its failures mean."""

from __future__ import annotations

import email.utils
import http.client
import math
import os
import random
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._errors import DataError, InvalidValueError
from .address import requests_module, shown

_CONNECT_S, _READ_S, _FIRST_PAUSE_S = 10.0, 30.0, 0.5
_RETRIES = 4
#: Of those retries: a server that said nothing, or next to nothing, for 30 s gets one more chance, not four.
STALL_COST = 3


class MissingFileError(DataError):
    """The server has no such file."""


class Unavailable(Exception):  # noqa: N818 - no error yet: the request may be tried again
    """A request failed in a way that may pass."""

    def __init__(self, reason: str, *, cost: int = 1, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.cost = cost
        self.pause_s = pause_s


@dataclass(frozen=True)
class Timeouts:
    """Seconds. SIZER_HTTP_TIMEOUT is how long a server may say nothing; the others scale with it."""

    connect: float
    read: float
    first_pause: float

    @classmethod
    def of_environment(cls) -> Timeouts:
        """Raises InvalidValueError."""
        text = os.environ.get("SIZER_HTTP_TIMEOUT", "").strip() or str(_READ_S)
        try:
            read = float(text)
        except ValueError:
            read = math.nan
        if not 0.001 <= read <= 86400:
            raise InvalidValueError("SIZER_HTTP_TIMEOUT", f"'{shown(text)}'", "seconds, 0.001 to 86400 (default: 30)")
        scale = read / _READ_S
        return cls(_CONNECT_S * scale, read, _FIRST_PAUSE_S * min(1.0, scale))


class Patience:
    """How often a request is tried, and how long between."""

    def __init__(self, name: str, timeouts: Timeouts) -> None:
        self._name = name
        self._first_pause = timeouts.first_pause
        self._spent = 0
        self._attempts = 0

    def renew(self) -> None:
        """After a good stretch the count starts again."""
        self._spent = self._attempts = 0

    def after(self, trouble: Unavailable, received: int, *, pause: bool = True) -> None:
        """Waits before the next attempt. Raises DataError when there is none."""
        self._attempts += 1
        self._spent += trouble.cost
        if self._spent > _RETRIES:
            times = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts"
            raise DataError(self._name, "", f"{trouble}; {received:,} bytes received, {times}")
        seconds = trouble.pause_s
        if seconds is None:  # spread out, so that many who were cut off at once do not come back at once
            seconds = self._first_pause * 2 ** (self._attempts - 1) * random.uniform(0.5, 1.5)
        time.sleep(seconds if pause else 0)


def retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header, a number or a date."""
    if not text:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", text):
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, as requests and urllib3 wrap them."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 20:
        this = waiting.pop(0)
        if isinstance(this, BaseException) and not any(this is other for other in found):
            found.append(this)
            yield this
            waiting += [getattr(this, "reason", None), *this.args, this.__cause__, this.__context__]


def as_trouble(error: Exception, name: str) -> Exception:
    """Unavailable for what may pass, DataError for what will not. Their own texts hold whole addresses."""
    requests = requests_module()
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"the server's certificate is not trusted ({shown(cause.verify_message)})"
            return DataError(name, "", problem + "; REQUESTS_CA_BUNDLE names other authorities")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Unavailable("no connection in time")
    if isinstance(error, (requests.exceptions.Timeout, ReadTimeoutError, TimeoutError)):
        return Unavailable("the server stalled: nothing came in time", cost=STALL_COST)
    if any(isinstance(cause, http.client.IncompleteRead) for cause in causes):
        return Unavailable("the connection ended early")
    passing = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, HTTPError)
    if isinstance(error, (*passing, http.client.HTTPException, ConnectionError, ssl.SSLError)):
        through = "no connection through the proxy" if isinstance(error, requests.exceptions.ProxyError) else None
        # A name that nobody knows may be a network that is just coming up, but most often it is a typing error.
        unknown = any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes)
        cost = STALL_COST if unknown else 1
        return Unavailable(f"{through or 'the connection failed'} ({_innermost(causes)})", cost=cost)
    if isinstance(error, (OSError, ValueError)):  # a bad address, a bundle of certificates that is not there
        kind = type(error).__name__
        return DataError(name, "", f"cannot be asked for: {kind if '://' in str(error) else shown(error, 160)}")
    return error


def is_garbled(error: Exception) -> bool:
    """Whether a server gave no HTTP answer: other bytes, or an end of the connection."""
    gone = (http.client.HTTPException, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
    return any(isinstance(cause, gone) for cause in _causes(error))


def _innermost(causes: list[BaseException]) -> str:
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror and not hasattr(cause, "request"):
            return shown(cause.strerror)
    return type(causes[-1]).__name__
