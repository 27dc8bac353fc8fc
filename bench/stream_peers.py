#!/usr/bin/env python3
"""Our read, copy and triad beside STREAM, BabelStream and likwid-bench: same threads, same working sets, in turns.

    PYTHONPATH=build/release/python python3 bench/stream_peers.py --stream ./stream --babelstream ./omp-stream \\
        --likwid-bench likwid-bench [--threads 1,2] [--rounds 5]

Each tool is left out when it is not named. STREAM (stream.c, John McCalpin) is built with arrays of 2^26 doubles:

    gcc -O3 -march=native -fopenmp -mcmodel=medium -DSTREAM_ARRAY_SIZE=67108864 -DNTIMES=10 stream.c -o stream

BabelStream is its OpenMP program, likwid-bench Debian's package `likwid`. Every tool's best rate of a round is taken,
as STREAM and BabelStream print it (likwid-bench prints the mean of its loop); the table has the median of the rounds.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

import sizer

ARRAY = 2**26 * 8
#: Kernel: bytes of its arrays.
WORKING_SET = {"read": 2 * ARRAY, "copy": 2 * ARRAY, "triad": 3 * ARRAY}
LIKWID = {
    "read": ("load_avx512", "load_avx", "load_sse", "load"),
    "copy": ("copy_mem_avx512", "copy_mem_avx", "copy_mem_sse", "copy_avx512", "copy_avx"),
    "triad": ("stream_mem_avx512", "stream_mem_avx", "stream_mem_sse", "stream_avx512", "stream_avx"),
}

Rates = dict[tuple[str, str], float]


def environment(threads: int) -> dict[str, str]:
    """Threads of OpenMP, one a core."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}


def output_of(command: list[str], threads: int) -> str:
    """What a program prints; stops with its own words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment(threads), check=False)
    if done.returncode != 0:
        sys.exit(f"stream_peers: {' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def ours(device: sizer.KernelDevice, threads: int) -> Rates:
    """The best sample of each kernel."""
    rates = {}
    for kernel, size in WORKING_SET.items():
        run = device.run(kernel, working_set_bytes=size, threads=threads, seconds=1.0, least_samples=9)
        rates["libsizer", kernel] = run.moved_bytes / min(run.samples_s) / 1e9
    return rates


def stream(path: str, threads: int) -> Rates:
    """STREAM has no kernel that only reads."""
    text = output_of([path], threads)
    found = {name: float(rate) for name, rate in re.findall(r"^(Copy|Triad):\s+([0-9.]+)", text, re.MULTILINE)}
    return {("STREAM", kernel.lower()): rate / 1e3 for kernel, rate in found.items()}


def babelstream(path: str, threads: int) -> Rates:
    """Its dot product reads two arrays."""
    text = output_of([path, "-s", str(2**26), "-n", "10"], threads)
    names = {"Copy": "copy", "Triad": "triad", "Dot": "read"}
    found = re.findall(r"^(Copy|Triad|Dot)\s+([0-9.]+)", text, re.MULTILINE)
    return {("BabelStream", names[name]): float(rate) / 1e3 for name, rate in found}


def likwid(path: str, threads: int) -> Rates:
    """Every width of its kernels; the processor lacks those that fail."""
    rates = {}
    for kernel, tests in LIKWID.items():
        for test in tests:
            command = [path, "-t", test, "-w", f"S0:{WORKING_SET[kernel] // 2**20}MB:{threads}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found = re.search(r"^MByte/s:\s+([0-9.]+)", done.stdout, re.MULTILINE)
            if done.returncode == 0 and found:
                rates[f"likwid-bench {test}", kernel] = float(found[1]) / 1e3
    return rates


def main() -> int:
    """Runs in turns and prints the table; 1 when one of ours is below 0.97 of the best."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stream", metavar="PROGRAM")
    parser.add_argument("--babelstream", metavar="PROGRAM")
    parser.add_argument("--likwid-bench", metavar="PROGRAM")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    peers: list[tuple[str, Callable[[str, int], Rates]]] = []
    for path, tool in ((options.stream, stream), (options.babelstream, babelstream), (options.likwid_bench, likwid)):
        if path is not None:
            found = shutil.which(path)
            if found is None:
                sys.exit(f"stream_peers: {path} is no program")
            peers.append((found, tool))

    device = sizer.kernel_device("cpu")
    short = False
    print("| threads | kernel | tool | GB/s, median of rounds | least | most | libsizer over it |")
    print("|---|---|---|---|---|---|---|")
    for threads in map(int, options.threads.split(",")):
        rounds: list[Rates] = []
        for _ in range(options.rounds):
            one = ours(device, threads)
            for path, tool in peers:
                one.update(tool(path, threads))
            rounds.append(one)
        table = {key: [one[key] for one in rounds if key in one] for key in rounds[0]}
        for kernel in WORKING_SET:
            own = statistics.median(table["libsizer", kernel])
            rows = sorted((key for key in table if key[1] == kernel), key=lambda key: -statistics.median(table[key]))
            for tool_name, _ in rows:
                rates = table[tool_name, kernel]
                middle = statistics.median(rates)
                print(
                    f"| {threads} | {kernel} | {tool_name} | {middle:.2f} | {min(rates):.2f} | {max(rates):.2f} | "
                    f"{own / middle:.3f} |"
                )
            best = statistics.median(table[rows[0]])
            short = short or own < 0.97 * best
    verdict = "At least one kernel is below" if short else "Every kernel is at least at"
    print(f"\n{verdict} 0.97 of the best peer")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
