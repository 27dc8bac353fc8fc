"""What a comparison looks like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import formatting as f
from ._reports import context_labels, title
from ._results import Candidate, Comparison
from .display import Block, Heading, Table, Text

_HEADINGS = {
    "request": "Quickest",
    "decode": "Quickest decode",
    "ttft": "Quickest to the first token",
    "price": "Cheapest",
    "headroom": "Most spare memory",
}
_NAMED = 8


def _price(row: Candidate) -> str:
    """The price and its date, which is padded so that prices are one below the other."""
    if row.price_usd is None:
        return f"? {'':<8}"
    date = (row.price_date or "")[:7] + ("*" if row.price_kind == "launch" else "")
    return f"{f.usd(row.price_usd)} {date:<8}"


def _interval(low: float, high: float) -> str:
    """Whole numbers where there are two digits of them: the ends of an interval are known no better."""
    digits = 0 if low >= 9.95 else 1 if low >= 0.95 else 2
    return f"{low:,.{digits}f}-{high:,.{digits}f}"


def _figures(row: Candidate) -> tuple[str, ...]:
    """What makes two machines alike for a buyer."""
    return (
        f.significant(row.decode.tokens_per_s),
        f.significant(row.prefill.tokens_per_s),
        f"{row.memory.pools[0].available_bytes / f.GIB:.1f}",
    )


def _groups(rows: Iterable[Candidate]) -> dict[tuple[str, ...], list[Candidate]]:
    """Machines with the same figures, the cheapest of each group first."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for row in rows:
        groups.setdefault(_figures(row), []).append(row)
    for group in groups.values():
        group.sort(key=lambda row: (row.price_usd is None, row.price_usd or 0.0))
    return groups


def _collapsed(
    rows: Iterable[Candidate], groups: dict[tuple[str, ...], list[Candidate]]
) -> list[tuple[Candidate, int]]:
    """Every group once, where its first row stands, as its cheapest machine and how many are like it."""
    seen: set[tuple[str, ...]] = set()
    shown = []
    for row in rows:
        figures = _figures(row)
        if figures not in seen:
            seen.add(figures)
            shown.append((groups[figures][0], len(groups[figures]) - 1))
    return shown


def _fitting_table(rows: Sequence[tuple[Candidate, int]], sort: str) -> Table:
    cells = []
    for row, alike in rows:
        mark = "~" if row.decode.parameters_assumed else ""
        spare = f"{min(pool.headroom_bytes for pool in row.memory.pools if pool.available_known) / f.GIB:.1f}"
        cells.append(
            [
                row.id + (f" +{alike} alike" if alike else ""),
                mark + f.significant(row.decode.tokens_per_s),
                _interval(row.decode.low, row.decode.high),
                spare if sort == "headroom" else f.significant(row.prefill.tokens_per_s),
                f.short_duration(row.ttft_s),
                f.short_duration(row.request_s),
                _price(row),
                row.price_covers if row.price_usd is not None else "",
            ]
        )
    third = "spare GiB" if sort == "headroom" else "prefill"
    return Table(["machine", "decode", "80 %", third, "first", "all", f"price {'of':<8}", "buys"], cells, "lrrrrrrl")


def _lacking_table(rows: Sequence[Candidate]) -> Table:
    cells = []
    for row in rows:
        short = next((pool for pool in row.memory.pools if not pool.fits), row.memory.pools[0])
        cells.append(
            [
                row.id,
                f"{short.total_bytes / f.GIB:.1f}",
                f"{short.available_bytes / f.GIB:.1f}",
                f.count(row.largest_context) if row.largest_context else "none",
                _price(row),
                row.price_covers if row.price_usd is not None else "",
            ]
        )
    headers = ["machine", "needs GiB", "has GiB", "largest context that fits", f"price {'of':<8}", "buys"]
    return Table(headers, cells, "lrrrrl")


def _legend(c: Comparison) -> str:
    third = "the memory left" if c.sort == "headroom" else "prefill"
    return (
        f"Speeds in tok/s: decode behind the prompt (depth {f.count(c.depth + c.prompt_tokens)}) with its 80 % "
        f"interval, and {third}. 'first' is the time to the first token, 'all' that of the whole answer; the price "
        "buys the whole system, only the cards or only the CPU. '~': no measurement of this class of devices; '*': "
        "price at launch; '?': not known; '+2 alike': two more machines have the same figures, this is the cheapest."
    )


def _left_out(c: Comparison, rows: Sequence[Candidate], everything: bool) -> str:
    named = [row.id for row in (rows if everything else rows[:_NAMED])]
    more = f" and {len(rows) - len(named)} more" if len(named) < len(rows) else ""
    one = len(rows) == 1
    return (
        f"{len(rows)} machine{'' if one else 's'} {'is' if one else 'are'} left out because {c.engine} does not run on "
        f"{'it' if one else 'them'}: {', '.join(named)}{more}."
    )


def comparison(
    c: Comparison,
    *,
    limit: int | None = 10,
    lacking: int | None = 5,
    everything: bool = False,
    how: str = ".machines has them all",
) -> list[Block]:
    """The quickest machine at each price, ``limit`` by the chosen order, and ``lacking`` of those that do not fit.

    ``everything`` gives each machine its own row and names all that are left out; ``how`` is the way to the rest.
    """
    fitting = c.fitting
    rest = [row for row in c.machines if row.runs and not row.fits]
    left_out = [row for row in c.machines if not row.runs]
    groups = _groups(fitting)
    ranked = [(row, 0) for row in fitting] if everything else _collapsed(fitting, groups)
    shown = ranked[:limit]
    request = f"{f.count(c.prompt_tokens)} prompt tokens, {f.count(c.output_tokens)} output tokens"
    blocks: list[Block] = [
        Heading(f"{title(c)}; {request}"),
        *context_labels(c.context_labels),
        Text(f"It fits {len(fitting)} of {len(fitting) + len(rest)} machines.", "good" if fitting else "bad"),
    ]
    frontier = _collapsed(c.frontier, groups)
    if frontier and len(fitting) > 1:
        blocks += [Heading("Quickest at each price"), _fitting_table(frontier, "request")]
    if shown:
        blocks += [Heading(_HEADINGS[c.sort]), _fitting_table(shown, c.sort), Text(_legend(c), "faint")]
    more = len(fitting) - sum(1 + alike for _, alike in shown)
    if more:
        blocks.append(Text(f"{more} more fit{'s' if more == 1 else ''}: {how}.", "faint"))
    if rest and lacking != 0:
        blocks += [Heading("It does not fit"), _lacking_table(rest[:lacking])]
        if lacking is not None and lacking < len(rest):
            blocks.append(Text(f"{len(rest) - lacking} more do not fit.", "faint"))
    if left_out:
        blocks.append(Text(_left_out(c, left_out, everything), "faint"))
    return blocks
