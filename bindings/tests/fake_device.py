"""A device for tests: bandwidths of a machine with one cache, in no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sizer

MIB = 1024**2
GIB = 1024**3

CPU_KERNELS = (
    *("read", "copy", "write", "triad", "latency", "read_after_flush", "barrier"),
    *("matvec_f16", "matvec_q8_0", "matvec_q4_0", "matvec_q4_k", "attention_f16", "attention_q8_0"),
    *("attention_by_row_f16", "attention_by_row_q8_0"),
    *("gemm_f32", "gemm_bf16", "gemm_int8"),
)
GPU_KERNELS = (
    *("read", "copy", "write", "triad", "matvec_f16", "matvec_q8_0", "matvec_q4_0", "matvec_q4_k"),
    *("attention_f16", "attention_q8_0", "gemm_f32", "gemm_f16", "gemm_bf16", "gemm_fp8", "gemm_int8"),
    *("launch", "graph_launch", "host_to_device", "device_to_host"),
)
EVENTS = {"latency": 100_000, "barrier": 2_000, "launch": 1_000, "graph_launch": 1_000}


class FakeDevice:
    """Stands in for ``_core.KernelDevice``."""

    def __init__(
        self,
        *,
        name: str = "Fake CPU",
        backend: str = "cpu",
        threads: int = 2,
        cache: int = 32 * MIB,
        hidden_cache: int = 0,
        largest: int = 8 * GIB,
        gb_per_s: float = 20.0,
        cached: float = 4.0,
        spread: float = 0.002,
        refused: dict[str, str] | None = None,
        before: Callable[[str, int], None] | None = None,
    ) -> None:
        self.name = name
        self.backend = backend
        self.threads = threads
        self.last_level_cache_bytes = cache
        self.largest_working_set_bytes = largest
        self.calls: list[dict[str, Any]] = []
        self._hidden = max(hidden_cache, cache)
        self._gb_per_s = gb_per_s
        self._cached = cached
        self._spread = spread
        self._refused = refused or {}
        self._before = before

    def facts(self) -> dict[str, str]:
        more = {"threads": str(self.threads)} if self.backend == "cpu" else {"driver": "1.2.3"}
        return {"libsizer": sizer.__version__, "build": "optimised", **more}

    def kernels(self) -> list[dict[str, Any]]:
        names = CPU_KERNELS if self.backend == "cpu" else GPU_KERNELS
        return [{"name": one, "variant": "fake", "reason": self._refused.get(one)} for one in names]

    def _rate(self, kernel: str, size: int, threads: int) -> float:
        """Bytes a second: of the cache, of the memory, or of both by their shares."""
        factor = {"read": 1.0, "copy": 0.9, "write": 0.8, "triad": 0.85, "read_after_flush": 0.99}.get(kernel, 0.7)
        rate = self._gb_per_s * 1e9 * factor * (0.6 if threads == 1 else 1.0)
        if kernel == "read_after_flush":
            return rate
        share = min(1.0, max(0.0, (self._hidden / size - 0.25) / 0.75)) if size else 0.0
        return rate / (1 - share + share / self._cached)

    def run(
        self,
        *,
        kernel: str,
        working_set_bytes: int,
        threads: int,
        shape: Sequence[tuple[str, int]],
        budget_s: float,
        least_samples: int,
        most_samples: int,
        wanted_spread: float,
        variant: str,
    ) -> dict[str, Any]:
        self.calls.append({"kernel": kernel, "threads": threads, "size": working_set_bytes, "seconds": budget_s})
        if self._before is not None:
            self._before(kernel, len(self.calls))
        size = 0 if kernel.startswith("gemm") or (kernel in EVENTS and kernel != "latency") else working_set_bytes
        product = kernel.startswith("gemm")
        by_row = "by_row" in kernel  # counts bytes and events
        events = EVENTS.get(kernel, 1_000_000 if by_row else 0)
        moved = 0 if (events and not by_row) or product else size
        operations = 2e9 if product else moved * 2.0 if kernel.startswith(("matvec", "attention")) else 0.0
        median = 0.01 if not moved else moved / self._rate(kernel, size, threads)
        samples = [median * (1 + self._spread * k) for k in (-2, -1, 0, 1, 2)]
        assert least_samples <= most_samples
        assert wanted_spread > 0
        return {
            "kernel": kernel,
            "variant": variant or "fake",
            "threads": threads,
            "working_set_bytes": size,
            "shape": dict(shape),
            "moved_bytes": moved,
            "operations": operations,
            "events": events,
            "samples_s": samples,
            "median_s": median,
            "spread": self._spread,
            "discarded": 2,
            "verified": True,
            "largest_error": 0.0,
            "remarks": ["huge pages: 1024 of 1024 MiB"],
        }


def fake_gpu(**more: Any) -> FakeDevice:
    """A card of the catalogue."""
    given = {"name": "NVIDIA GeForce RTX 3090", "backend": "cuda", "threads": 0, "gb_per_s": 850.0, "cache": 6 * MIB}
    return FakeDevice(**{**given, **more})
