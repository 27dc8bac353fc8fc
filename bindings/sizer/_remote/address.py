"""Addresses of files on servers: what is shown of them, where they may lead, and which secret goes with which."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from .._errors import InvalidValueError, SizerError

_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192
_DEFAULT_HUB = "https://huggingface.co"
_HUB_HOSTS = ("huggingface.co", "hf.co")
#: In the order in which they are looked at.
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LARGEST_TOKEN = 4096

Origin = tuple[str, str, int]


def shown(text: object, longest: int = 80) -> str:
    """Text of a server as a message may hold it: ASCII, one line, short."""
    plain = ascii(str(text))[1:-1]
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("no http(s) address")
    _ = parts.port  # raises ValueError for one that is no number
    return parts


def display_name(url: str) -> str:
    """An address for messages: without credentials, the values of its query, and what a terminal would act on."""
    try:
        parts = _split(url)
    except ValueError:
        return shown(url.partition("?")[0].rpartition("@")[2])
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    return shown(f"{parts.scheme}://{host}{port}{path}{'?...' if parts.query else ''}", 400)


def origin(url: str) -> Origin:
    """Scheme, host and port."""
    parts = _split(url)
    return parts.scheme, (parts.hostname or "").lower().rstrip("."), parts.port or _PORTS[parts.scheme]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def requests_module() -> Any:
    """The package requests, which nothing but this needs."""
    try:
        import requests
    except ImportError:
        raise SizerError(
            "reading from a server needs the Python package requests: `apt install python3-requests` "
            "or `pip install requests`"
        ) from None
    return requests


def may_carry_secrets(url: str) -> bool:
    """True over https, and to this machine itself unless a proxy stands between."""
    scheme, host, _ = origin(url)
    if scheme == "https":
        return True
    if not _is_loopback(host):
        return False
    utilities = requests_module().utils
    return not utilities.select_proxy(url, utilities.get_environ_proxies(url))


@dataclass(frozen=True)
class Address:
    """An http(s) address, its user name and password apart."""

    url: str  #: without user name, password and fragment
    basic: str  #: value of an Authorization header for this origin; "" without one

    @property
    def name(self) -> str:
        """For messages."""
        return display_name(self.url)


def address(url: Any) -> Address:
    """Checks an address. Raises InvalidValueError."""
    if not isinstance(url, str):
        raise InvalidValueError("url", type(url).__name__, "a string")
    if len(url) > _LONGEST or re.search(r"[\x00-\x1f\x7f\\]", url):
        raise InvalidValueError("url", shown(display_name(url)), f"at most {_LONGEST} characters, none of control")
    try:
        parts = _split(url)
    except ValueError:
        raise InvalidValueError("url", f"'{display_name(url)}'", "http://HOST/PATH or https://HOST/PATH") from None
    basic = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = "Basic " + base64.b64encode(pair.encode(errors="replace")).decode("ascii")
    plain = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
    if basic and not may_carry_secrets(plain):
        raise InvalidValueError("url", f"a password for '{display_name(plain)}'", "https, which hides it on its way")
    return Address(plain, basic)


# --- the Hugging Face hub ---------------------------------------------------------------------------------------------


def hub_endpoint() -> str:
    """Where the hub is: HF_ENDPOINT, else huggingface.co. Without a slash at its end."""
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _DEFAULT_HUB
    try:
        parts = _split(endpoint)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("more than an address")
    except ValueError:
        raise InvalidValueError("HF_ENDPOINT", f"'{display_name(endpoint)}'", "https://HOST") from None
    return endpoint


def is_hub(url: str) -> bool:
    """True for huggingface.co and HF_ENDPOINT."""
    scheme, host, port = origin(url)
    return (scheme == "https" and port == 443 and host in _HUB_HOSTS) or (scheme, host, port) == origin(hub_endpoint())


def is_offline() -> bool:
    """True when HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in ("1", "ON", "YES", "TRUE")


def hub_home() -> Path | None:
    """Folder of the hub's own tools: HF_HOME, else the user's cache folder."""
    given = os.environ.get("HF_HOME", "").strip()
    try:
        if given:
            return Path(given).expanduser()
        cache = os.environ.get("XDG_CACHE_HOME", "").strip()
        return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface"
    except RuntimeError:  # no home folder
        return None


def hub_token() -> str | None:
    """The user's token: of the environment, else of the file that `hf auth login` writes."""
    for variable in TOKEN_VARIABLES:
        value = os.environ.get(variable, "").strip()
        if value:
            return _checked_token(variable, value)
    stated = os.environ.get("HF_TOKEN_PATH", "").strip()
    home = hub_home()
    path = Path(stated) if stated else home / "token" if home else None
    if path is None:
        return None
    try:
        with path.expanduser().open("rb") as file:
            value = file.read(_LARGEST_TOKEN).decode("ascii", errors="replace").strip()
    except (OSError, RuntimeError, ValueError):
        return None
    return _checked_token(str(path), value) if value else None


def _checked_token(where: str, value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value) or len(value) > _LARGEST_TOKEN:  # the value itself stays out of messages
        raise InvalidValueError(where, "characters that no token has", "a token, one word of ASCII")
    return value


# --- hops -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """Where a request goes next."""

    url: str
    trusted: bool = True  #: no redirect has left the host that was named, so its secrets may go along


def redirected(route: Route, location: str) -> Route:
    """The route behind a Location header. Raises SizerError with the reason why it is not followed."""
    target = location
    try:
        if re.search(r"[\x00-\x1f\x7f\\]", location) or len(location) > _LONGEST:
            raise ValueError("unfit characters")
        target = urljoin(route.url, location)
        parts = _split(target)
        target = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
        same = origin(target) == origin(route.url) or (is_hub(target) and is_hub(route.url))
    except ValueError:
        raise SizerError(f"the server redirects to '{display_name(target)}', expected an http(s) address") from None
    if parts.scheme == "http" and route.url.startswith("https:"):
        raise SizerError(f"the server redirects from https to '{display_name(target)}', which is not followed")
    return Route(target, route.trusted and same)


def authorization(route: Route, start: Address) -> str | None:
    """Value of the Authorization header for this hop, if one may be sent there."""
    if not route.trusted or not may_carry_secrets(route.url):
        return None
    if start.basic:
        return start.basic if origin(route.url) == origin(start.url) else None
    token = hub_token() if is_hub(route.url) else None
    return f"Bearer {token}" if token else None
