"""Numbers as people read them. GiB is 2^30 bytes and GB is 10^9; which one is meant is always written."""

from __future__ import annotations

KIB = 1024
MIB = 1024**2
GIB = 1024**3


def byte_size(n: float) -> str:
    """Bytes in the unit that leaves one to four digits before the point: ``'24.3 GiB'``, ``'598.5 MiB'``, ``'0 B'``."""
    magnitude = abs(n)
    if magnitude >= 1000 * GIB:
        return f"{n / GIB:,.0f} GiB"
    if magnitude >= GIB:
        return f"{n / GIB:.1f} GiB"
    if magnitude >= MIB:
        return f"{n / MIB:.1f} MiB"
    if magnitude >= KIB:
        return f"{n / KIB:.1f} KiB"
    return f"{n:.0f} B"


def gib(n: float) -> str:
    """Bytes in GiB with two decimals, for columns: ``'24.31'``."""
    return f"{n / GIB:,.2f}"


def bandwidth(bytes_per_s: float) -> str:
    """``'273 GB/s'`` (10^9 bytes per second)."""
    return f"{significant(bytes_per_s / 1e9)} GB/s"


def significant(value: float) -> str:
    """Three significant digits without exponent: ``'1,234'``, ``'54.3'``, ``'0.0123'``."""
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:,.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    if magnitude >= 0.9995:
        return f"{value:.2f}"
    if magnitude == 0:
        return "0"
    return f"{value:.3g}"


def rate(tokens_per_s: float) -> str:
    """``'54.3 tok/s'``."""
    return f"{significant(tokens_per_s)} tok/s"


def duration(seconds: float) -> str:
    """``'12 ms'``, ``'3.4 s'``, ``'2 min 26 s'``, ``'1 h 12 min'``, ``'3 days'``."""
    if seconds < 0.9995e-3:
        return f"{significant(seconds * 1e6)} us"
    if seconds < 0.9995:
        return f"{significant(seconds * 1e3)} ms"
    if seconds < 119.5:
        return f"{significant(seconds)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds / 86400:,.0f} days"


def count(n: int) -> str:
    """``'262,144'``."""
    return f"{n:,}"


def parameters(n: int | None) -> str:
    """``'30.5 B'`` (10^9 parameters), ``'270 M'``; ``'?'`` when not known."""
    if n is None:
        return "?"
    if n >= 999_500_000:
        return f"{significant(n / 1e9)} B"
    return f"{significant(n / 1e6)} M"


def usd(amount: float | None) -> str:
    """``'$3,999'``; ``'?'`` when not known."""
    return "?" if amount is None else f"${amount:,.0f}"


def share(part: float, whole: float) -> str:
    """``'12 %'``; ``''`` of nothing."""
    if whole <= 0:
        return ""
    percent = 100 * part / whole
    return "<1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"


def short_duration(seconds: float) -> str:
    """A duration for a column: ``'12 ms'``, ``'3.4 s'``, ``'2m 26s'``, ``'1h 12m'``, ``'3d 4h'``."""
    if seconds < 119.5:
        return duration(seconds)
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}h {minutes % 60}m"
    hours = round(seconds / 3600)
    return f"{hours // 24:,}d {hours % 24}h"
