"""What an object looks like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import formatting as f
from .display import Block, Heading, Items, Table, Text

if TYPE_CHECKING:
    from ._hardware import Hardware
    from ._model import Model
    from ._results import Candidate, Comparison, Estimate, Memory, Rate, Source


def _title(asked: Estimate | Comparison) -> str:
    sequences = "" if asked.parallel == 1 else f", {asked.parallel} slots"
    return f"{asked.model_name}, {asked.quant}, context {f.count(asked.context)}{sequences}, {asked.engine}"


def _verdict(memory: Memory) -> Text:
    needed, available = f.byte_size(memory.total_bytes), f.byte_size(memory.available_bytes)
    if memory.fits:
        left = f.byte_size(memory.headroom_bytes)
        return Text(f"It fits: it takes {needed} of {available} usable memory and leaves {left}.", "good")
    short = [pool for pool in memory.pools if not pool.fits]
    lacking = " and ".join(f"{f.byte_size(-pool.headroom_bytes)} of {pool.name} memory" for pool in short)
    return Text(
        f"It does not fit: it needs {needed}, {available} are usable, {lacking} are missing. The speeds below "
        "are those of the same machine with more memory.",
        "bad",
    )


def _kv_types(estimate: Estimate) -> str:
    k = str(estimate.engine_options.get("type_k", estimate.kv_type))
    v = str(estimate.engine_options.get("type_v", estimate.kv_type))
    return k if k == v else f"K {k}, V {v}"


def _memory_table(estimate: Estimate) -> Table:
    memory = estimate.memory
    tokens = f"{f.count(memory.kv_cells)} tokens, {_kv_types(estimate)}"
    overhead = ", ".join(f"{line.name} {f.byte_size(line.amount_bytes)}" for line in memory.overhead_lines)
    devices = f"on {memory.devices} devices together" if memory.devices > 1 else ""
    parts = [
        ("weights", memory.weights_bytes, estimate.quant),
        ("KV cache", memory.kv_cache_bytes, tokens),
        ("recurrent state", memory.recurrent_state_bytes, ""),
        (
            "compute buffer",
            memory.compute_buffer_bytes,
            f"largest in: {memory.compute_moment}" if memory.compute_moment else "",
        ),
        ("overhead", memory.overhead_bytes, overhead),
    ]
    total = memory.total_bytes
    rows = [
        [name, f.gib(size), f.share(size, total), f.count(size), note] for name, size, note in parts if size or note
    ]
    first_sum = len(rows)
    rows.append(["total", f.gib(total), "", f.count(total), ""])
    rows.append(["available", f.gib(memory.available_bytes), "", f.count(memory.available_bytes), devices])
    rows.append(["headroom", f.gib(memory.headroom_bytes), "", f.count(memory.headroom_bytes), ""])
    return Table(["memory", "GiB", "share", "bytes", "what"], rows, "lrrrl", frozenset(range(first_sum, len(rows))))


def _pool_table(memory: Memory) -> list[Block]:
    if len(memory.pools) < 2:
        return []
    rows = [
        [
            pool.name,
            f.gib(pool.total_bytes),
            f.gib(pool.available_bytes) if pool.available_known else "not stated",
            f.gib(pool.headroom_bytes) if pool.available_known else "",
        ]
        for pool in memory.pools
    ]
    return [Table(["memory of the", "needed GiB", "available GiB", "headroom GiB"], rows, "lrrr")]


def _interval(rate: Rate) -> str:
    return f"{f.significant(rate.low)} to {f.significant(rate.high)}"


def _speed_table(estimate: Estimate) -> Table:
    sequences = "" if estimate.batch == 1 else f", {estimate.batch} sequences together"
    rows = [
        [
            what,
            f.significant(rate.tokens_per_s),
            _interval(rate),
            f.significant(rate.ceiling_tokens_per_s),
            rate.bound,
        ]
        for what, rate in (
            (f"decode at depth {f.count(estimate.depth)}{sequences}", estimate.decode),
            (f"prefill of {f.count(estimate.prompt_tokens)} tokens", estimate.prefill),
        )
        if rate is estimate.decode or estimate.prompt_tokens
    ]
    return Table(["speed", "tok/s", "80 % interval", "ceiling", "bound by"], rows, "lrrrl")


def _first_token(estimate: Estimate) -> Text:
    prompt = estimate.prefill.time_s
    first_step = max(estimate.ttft_s - prompt, 0.0)
    if not estimate.prompt_tokens:
        return Text(f"First token after {f.duration(estimate.ttft_s)}, one decode step: there is no prompt.")
    sentence = (
        f"First token after {f.duration(estimate.ttft_s)}: {f.count(estimate.prompt_tokens)} prompt tokens at "
        f"{f.rate(estimate.prefill.tokens_per_s)} take {f.duration(prompt)}, the first decode step "
        f"{f.duration(first_step)}. Then {f.duration(estimate.tpot_s)} per token"
    )
    return Text(sentence + (" of each sequence." if estimate.batch > 1 else "."))


def _terms(rate: Rate, title: str) -> list[Block]:
    shown = [term for term in rate.terms if term.seconds > 0]
    if not shown:
        return []
    rows = [[term.name, f.duration(term.seconds), f.share(term.seconds, rate.time_s), term.bound] for term in shown]
    return [Table([f"{title} ({f.duration(rate.time_s)})", "time", "share", "bound by"], rows, "lrrl")]


def _source_line(source: Source) -> str:
    parts = [part for part in (source.title, source.publisher, source.date, source.url) if part]
    return f"{source.key}: {', '.join(parts)}" if parts else source.key


def estimate(e: Estimate) -> list[Block]:
    """The whole answer."""
    blocks: list[Block] = [
        Heading(f"{_title(e)}, on {e.hardware_name}"),
        _verdict(e.memory),
        _memory_table(e),
        *_pool_table(e.memory),
        _speed_table(e),
        _first_token(e),
        *_terms(e.decode, "a decode step"),
    ]
    if e.prompt_tokens:
        blocks += _terms(e.prefill, "the prefill")
    if e.assumptions:
        blocks += [Heading("Assumed"), Items([f"{one.what}: {one.why}" for one in e.assumptions])]
    if e.sources:
        blocks += [Heading("Sources"), Items([_source_line(source) for source in e.sources])]
    return blocks


def _price(row: Candidate) -> tuple[str, str]:
    if row.price_usd is None:
        return "?", ""
    return f.usd(row.price_usd), (row.price_date or "")[:7] + ("*" if row.price_kind == "launch" else "")


def _fitting_table(rows: Sequence[Candidate]) -> Table:
    cells = []
    for row in rows:
        price, date = _price(row)
        mark = "~" if row.decode.parameters_assumed else ""
        cells.append(
            [
                row.name,
                f"{row.memory.headroom_bytes / f.GIB:.1f}",
                mark + f.significant(row.decode.tokens_per_s),
                f"{f.significant(row.decode.low)}-{f.significant(row.decode.high)}",
                f.significant(row.prefill.tokens_per_s),
                f.short_duration(row.ttft_s),
                f.short_duration(row.request_s),
                price,
                date,
            ]
        )
    headers = ["machine", "spare GiB", "decode", "80 %", "prefill", "1st token", "all", "price", "of"]
    return Table(headers, cells, "lrrrrrrrl")


def _lacking_table(rows: Sequence[Candidate]) -> Table:
    cells = [
        [
            row.name,
            f"{row.memory.total_bytes / f.GIB:.1f}",
            f"{row.memory.available_bytes / f.GIB:.1f}",
            f.count(row.largest_context) if row.largest_context else "none",
            *_price(row),
        ]
        for row in rows
    ]
    return Table(["machine", "needs GiB", "has GiB", "largest context that fits", "price", "of"], cells, "lrrrrl")


def comparison(c: Comparison, *, limit: int | None = None, lacking: int | None = None) -> list[Block]:
    """Machines that fit, at most ``limit`` of them, then at most ``lacking`` of those that do not."""
    fitting = c.fitting
    rest = [row for row in c.machines if not row.fits]
    shown = fitting[:limit]
    request = f"{f.count(c.prompt_tokens)} prompt tokens, {f.count(c.output_tokens)} output tokens"
    behind = f.count(c.depth + c.prompt_tokens)
    blocks: list[Block] = [
        Heading(f"{_title(c)}; {request}"),
        Text(f"It fits {len(fitting)} of {len(c.machines)} machines.", "good" if fitting else "bad"),
    ]
    if shown:
        blocks += [
            _fitting_table(shown),
            Text(
                f"Speeds in tok/s: decode behind the prompt (depth {behind}) with its 80 % interval, and prefill. "
                "'1st token' is the time until it, 'all' the time for the whole answer. '~': no measurement of this "
                "class of devices; '*': price at launch; '?': not known.",
                "faint",
            ),
        ]
    if len(shown) < len(fitting):
        blocks.append(Text(f"{len(fitting) - len(shown)} more fit.", "faint"))
    if rest and lacking != 0:
        blocks += [Heading("It does not fit"), _lacking_table(rest[:lacking])]
        if lacking is not None and lacking < len(rest):
            blocks.append(Text(f"{len(rest) - lacking} more do not fit.", "faint"))
    return blocks


def models(rows: Sequence[Model]) -> list[Block]:
    """The list of models."""
    cells = []
    for m in rows:
        active = f.parameters(m.parameters_active or m.active_parameters_from_shape) if m.is_moe else ""
        total = m.parameters_total or m.parameters_from_shape
        cells.append([m.id, f.parameters(total), active, str(m.n_layers), f.count(m.context_length), m.family])
    return [
        Table(["model", "parameters", "active", "layers", "context", "family"], cells, "lrrrrl"),
        _found(rows, "model"),
    ]


def hardware_list(rows: Sequence[Hardware]) -> list[Block]:
    """The list of machines."""
    cells = []
    for h in rows:
        count = f"{h.device_count} x " if h.device_count > 1 else ""
        cells.append(
            [
                h.id,
                count + f"{h.memory_bytes / f.GIB:.0f}",
                count + f"{h.usable_bytes / f.GIB:.1f}",
                f"{h.bandwidth_gb_per_s:,.0f}",
                h.backend,
                f.usd(h.price_usd),
                (h.price_date or "")[:7] + ("*" if h.price_kind == "launch" else ""),
            ]
        )
    headers = ["machine", "GiB", "usable GiB", "GB/s", "backend", "price", "of"]
    return [Table(headers, cells, "lrrrlrl"), _found(rows, "machine")]


def _found(rows: Sequence[Any], what: str) -> Text:
    return Text(f"{len(rows)} {what}{'' if len(rows) == 1 else 's'}.", "faint")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f.count(value)
    if isinstance(value, float):
        return f"{value:,g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(item)}" for key, item in value.items())
    if isinstance(value, list):
        if all(isinstance(item, list) and len(item) == 2 for item in value):
            return ", ".join(f"{count} x {kind}" for kind, count in value)
        return ", ".join(_value(item) for item in value)
    return str(value)


def model(m: Model) -> list[Block]:
    """One model: what it is, and its shape."""
    entry = m.to_dict()
    stated = entry["architecture"]
    facts = [
        ("id", m.id),
        ("also called", ", ".join(m.aliases)),
        ("publisher", m.publisher),
        ("license", m.license),
        ("Hugging Face", m.hf_repo),
        ("released", m.released),
        ("released in", m.native_quantization),
        ("parameters", f.parameters(m.parameters_total) if m.parameters_total else None),
        ("active parameters", f.parameters(m.parameters_active) if m.parameters_active else None),
        ("shape from", f"{stated['source']} ({stated['kind']})"),
        ("note on the shape", stated.get("note")),
        ("sizing", m.sizing_status if m.sizing_note is None else f"{m.sizing_status}: {m.sizing_note}"),
        ("notes", m.notes),
    ]
    return [
        Heading(m.name),
        Table(["", ""], [[name, str(value)] for name, value in facts if value], "ll"),
        Heading("Shape"),
        Table(["", ""], [[name, _value(value)] for name, value in m.shape.items()], "ll"),
    ]


def _figures(entry: Any, path: str = "") -> list[list[str]]:
    """Every figure below an entry: what, value, kind, source, note."""
    if isinstance(entry, list):
        if len(entry) == 1:
            return _figures(entry[0], path)
        return [row for number, item in enumerate(entry, 1) for row in _figures(item, f"{path} {number}".strip())]
    if not isinstance(entry, dict):
        return []
    if "value" in entry and "unit" in entry:
        note = next((entry[key] for key in ("rule", "formula", "why", "method", "note") if key in entry), "")
        if "date" in entry:
            note = f"{entry['type']} {entry['date']}" + (f"; {note}" if note else "")
        return [[path, f"{_value(entry['value'])} {entry['unit']}", entry["kind"], entry["source"], note]]
    return [row for key, item in entry.items() for row in _figures(item, f"{path} {key}".strip().replace("_", " "))]


def hardware(h: Hardware) -> list[Block]:
    """One machine: what it is, and every figure with its kind and source."""
    entry = h.to_dict()
    facts = [
        ("id", h.id),
        ("also called", ", ".join(h.aliases)),
        ("vendor", h.vendor),
        ("kind", h.kind),
        ("released", str(h.release_year) if h.release_year else None),
        (
            "devices",
            "; ".join(f"{d['count']} x {d['name']} ({d['backend']}, {d['device_class']})" for d in entry["devices"]),
        ),
        ("memory", h._entry.memory_type + (", unified" if h.unified else "")),
        ("links", ", ".join(one["name"] for one in entry.get("links", []))),
        ("notes", h.notes),
    ]
    rows = [
        row
        for key in ("devices", "host_memory", "links", "power", "prices")
        for row in _figures(entry.get(key), _label(key))
    ]
    blocks: list[Block] = [
        Heading(h.name),
        Table(["", ""], [[name, str(value)] for name, value in facts if value], "ll"),
        Table(["figure", "value", "kind", "source", "how"], rows, "lrlll"),
    ]
    if "claims" in entry:
        claims = [
            f"Said: {one['claim'].rstrip('.')}. True: {one['truth'].rstrip('.')} ({one['source']})."
            for one in entry["claims"]
        ]
        blocks += [Heading("Claims"), Items(claims)]
    return blocks


def _label(key: str) -> str:
    return {"devices": "", "host_memory": "host", "links": "link", "prices": "price"}.get(key, key)


def validations(results: Sequence[Any]) -> list[Block]:
    """What `sizer validate` found."""
    blocks: list[Block] = []
    for one in results:
        if one.ok:
            blocks.append(Text(f"{one.file}: a good {one.what} entry.", "good"))
        else:
            blocks += [
                Text(f"{one.file}: {len(one.problems)} problem(s) in this {one.what} entry.", "bad"),
                Items(one.problems),
            ]
    return blocks
