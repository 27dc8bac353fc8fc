"""What an object looks like, as blocks that display.py renders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from . import formatting as f
from .display import Block, Heading, Items, Table, Text

if TYPE_CHECKING:
    from ._hardware import Hardware
    from ._model import Model
    from ._model_file import ContextLabel, ModelFile, Tensor
    from ._results import Comparison, Estimate, Memory, Rate, Source


def title(asked: Estimate | Comparison) -> str:
    """What was asked for."""
    context = f"context {f.count(asked.context)}"
    if not asked.context_given:
        own = "file's" if asked.weights_from_file else "model's"
        context += f" (the {own} own, because none was given)"
    sequences = "" if asked.parallel == 1 else f", {asked.parallel} slots"
    return f"{asked.model_name}, {asked.quant}, {context}{sequences}, {asked.engine}"


def _host_clause(memory: Memory) -> str:
    """What lies in the host's RAM beside a device's own memory; "" when nothing does."""
    host = sum(pool.total_bytes for pool in memory.pools[1:])
    if not host:
        return ""
    size = f"{host / f.GIB:,.1f} GiB" if host >= 0.05 * f.GIB else f.byte_size(host)
    if not all(pool.available_known for pool in memory.pools[1:]):
        return f"{size} in the host's RAM (its size is not stated)"
    available = sum(pool.available_bytes for pool in memory.pools[1:])
    return f"{size} of {f.byte_size(available)} in the host's RAM"


def _verdict(memory: Memory) -> Text:
    device = memory.pools[0]
    host = _host_clause(memory)
    together = f" ({memory.devices} devices together)" if memory.devices > 1 else ""
    if memory.fits and device.name == "device":
        used, available = device.total_bytes / f.GIB, device.available_bytes / f.GIB
        plus = f", plus {host}" if host else ""
        return Text(f"It fits: {used:,.1f} of {available:,.1f} GiB of device memory{together}{plus}.", "good")
    if memory.fits:
        needed, available_text = f.byte_size(memory.total_bytes), f.byte_size(memory.available_bytes)
        left = f.byte_size(memory.headroom_bytes)
        return Text(f"It fits: it takes {needed} of {available_text} usable memory and leaves {left}.", "good")
    lacking = [
        f"it needs {f.byte_size(pool.total_bytes)} of {pool.name} memory{together if pool is device else ''}, "
        f"{f.byte_size(pool.available_bytes)} are usable, {f.byte_size(-pool.headroom_bytes)} are missing"
        for pool in memory.pools
        if not pool.fits
    ]
    more = f"; beside it {host}" if host and all(pool.fits for pool in memory.pools[1:]) else ""
    return Text(
        f"It does not fit: {' and '.join(lacking)}{more}. The speeds below are those of the same machine with more "
        "memory.",
        "bad",
    )


def _offload(e: Estimate) -> str | None:
    """How a part could lie in the host's RAM instead, where engine and machine allow it."""
    device, hosts = e.memory.pools[0], e.memory.pools[1:]
    if device.fits or not hosts or all(name != "n_gpu_layers" for name, _ in _core.engine_options(e.engine)):
        return None
    how = "the engine options n_gpu_layers and, for a mixture of experts, n_cpu_moe place it there"
    if not all(pool.available_known for pool in hosts):
        return f"a part in the host's RAM (its size is not stated): {how}"
    host = sum(pool.available_bytes for pool in hosts)
    if e.memory.total_bytes > device.available_bytes + host:
        return None
    return f"a part in the host's RAM ({f.byte_size(host)} usable): {how}"


def _remedies(e: Estimate) -> list[Block]:
    """What would fit."""
    if e.memory.fits:
        return []
    at = f"the context of {f.count(e.context)}"
    items = [
        f"no context fits at {e.quant}"
        if e.largest_context is None
        else f"at {e.quant}, a context of up to {f.count(e.largest_context)} tokens",
        f"no usual quantisation fits at {at}" if e.best_quantization is None else f"at {at}, {e.best_quantization}",
    ]
    offload = _offload(e)
    return [Heading("What would fit"), Items(items if offload is None else [*items, offload])]


def _kv_types(estimate: Estimate) -> str:
    k = str(estimate.engine_options.get("type_k", estimate.kv_type))
    v = str(estimate.engine_options.get("type_v", estimate.kv_type))
    return k if k == v else f"K {k}, V {v}"


def _parts(estimate: Estimate) -> list[tuple[str, str, str]]:
    """The parts of the memory that there are: label, attribute, what stands behind it."""
    memory = estimate.memory
    moment = f"largest in: {memory.compute_moment}" if memory.compute_moment else ""
    parts = [
        ("weights", "weights_bytes", estimate.quant + (", from the file" if estimate.weights_from_file else "")),
        ("KV cache", "kv_cache_bytes", f"{f.count(memory.kv_cells)} tokens, {_kv_types(estimate)}"),
        ("recurrent state", "recurrent_state_bytes", ""),
        ("compute buffer", "compute_buffer_bytes", moment),
        (
            "overhead",
            "overhead_bytes",
            ", ".join(f"{line.name} {f.byte_size(line.amount_bytes)}" for line in memory.overhead_lines),
        ),
    ]
    return [part for part in parts if getattr(memory, part[1]) or part[2]]


def _memory_table(estimate: Estimate) -> Table:
    memory = estimate.memory
    devices = f"on {memory.devices} devices together" if memory.devices > 1 else ""
    parts = _parts(estimate)
    sums = frozenset(range(len(parts), len(parts) + 3))
    total = memory.total_bytes
    if len(memory.pools) == 1:
        rows = [
            [label, f.gib(size), f.share(size, total), f.count(size), note]
            for label, size, note in ((label, getattr(memory, name), note) for label, name, note in parts)
        ]
        rows.append(["total", f.gib(total), "", f.count(total), ""])
        rows.append(["available", f.gib(memory.available_bytes), "", f.count(memory.available_bytes), devices])
        rows.append(["headroom", f.gib(memory.headroom_bytes), "", f.count(memory.headroom_bytes), ""])
        return Table(["memory", "GiB", "share", "bytes", "what"], rows, "lrrrl", sums)

    # Bytes of one memory are no room in the other: what is available is told of each.
    pools = memory.pools
    rows = [
        [label, *(f.gib(getattr(one, name)) for one in (*pools, memory)), f.count(getattr(memory, name)), note]
        for label, name, note in (*parts, ("total", "total_bytes", ""))
    ]
    known = [pool.available_known for pool in pools]
    rows.append(
        [
            "available",
            *(f.gib(pool.available_bytes) if pool.available_known else "not stated" for pool in pools),
            *("", "", devices),
        ]
    )
    rows.append(
        ["headroom", *(f.gib(p.headroom_bytes) if k else "" for p, k in zip(pools, known, strict=True)), "", "", ""]
    )
    headers = ["memory", *(f"{pool.name} GiB" for pool in pools), "all GiB", "bytes", "what"]
    return Table(headers, rows, "l" + "r" * (len(pools) + 2) + "l", sums)


def _interval(rate: Rate) -> str:
    return f"{f.significant(rate.low)} to {f.significant(rate.high)}"


def _speed_table(estimate: Estimate) -> Table:
    sequences = "" if estimate.batch == 1 else f", {estimate.batch} sequences together"
    behind = estimate.depth + estimate.prompt_tokens
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
            (f"decode behind the prompt (depth {f.count(behind)}){sequences}", estimate.decode_behind_prompt),
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
        f"{f.duration(first_step)}. Then {f.duration(estimate.decode_behind_prompt.time_s)} per token"
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


def context_labels(labels: Sequence[ContextLabel]) -> list[Block]:
    """What a label says of the context and what is true."""
    return [Text(f"Check the context: {label.sentence()}.", "bad") for label in labels]


def estimate(e: Estimate) -> list[Block]:
    """The whole answer."""
    blocks: list[Block] = [
        Heading(f"{title(e)}, on {e.hardware_name}"),
        _verdict(e.memory),
        *context_labels(e.context_labels),
        *_remedies(e),
        _memory_table(e),
        _speed_table(e),
        _first_token(e),
        *_terms(e.decode, "a decode step"),
    ]
    if e.prompt_tokens:
        blocks += _terms(e.prefill, "the prefill")
    if e.measurements:
        blocks += [Heading("Measured on it"), Items([f"{one.what}: {one.measured}" for one in e.measurements])]
    if e.assumptions:
        blocks += [Heading("Assumed"), Items([f"{one.what}: {one.why}" for one in e.assumptions])]
    if e.sources:
        blocks += [Heading("Sources"), Items([_source_line(source) for source in e.sources])]
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
    file = m.file
    return [
        Heading(m.name),
        *context_labels(m.context_labels),
        Table(["", ""], [[name, str(value)] for name, value in facts if value], "ll"),
        *([] if file is None else model_file(file)),
        Heading("Shape"),
        Table(["", ""], [[name, _value(value)] for name, value in m.shape.items()], "ll"),
    ]


def model_file(file: ModelFile) -> list[Block]:
    """The files of a model: what is in them, by part and by number format."""
    parts = file.parts[0] if len(file.parts) == 1 else f"{len(file.parts)} files, {file.parts[0]} the first"
    facts = [
        ("file", file.name if file.parts and file.parts[0] == file.name else f"{file.name} ({parts})"),
        ("format", file.format),
        ("calls itself", file.quantization),
        ("size", f"{f.byte_size(file.file_bytes)}, {f.count(file.file_bytes)} bytes"),
        (
            "tensors",
            f"{f.count(file.n_tensors)}, {f.count(file.tensor_bytes)} bytes, {file.bits_per_weight:.2f} bits a weight",
        ),
        ("parameters", f"{f.count(file.parameters)}, of which one token uses {f.count(file.active_parameters)}"),
        ("one token reads", f"{f.byte_size(file.active_bytes)}, {f.count(file.active_bytes)} bytes"),
        ("context in the file", f.count(file.stated_context)),
        ("Modelfile", ", ".join(f"{name} {f.count(value)}" for name, value in file.modelfile.items())),
        *(
            (one.role, f"{one.name}, {f.byte_size(one.tensor_bytes)}" + ("" if one.counted else ", not counted"))
            for one in file.companions
        ),
    ]
    total = file.tensor_bytes
    blocks: list[Block] = [
        Heading("File"),
        Table(["", ""], [[name, str(value)] for name, value in facts if value], "ll"),
    ]
    for title_, sizes in (("part", file.bytes_by_part), ("number format", file.bytes_by_format)):
        rows = [
            [name.replace("_", " "), f.gib(size), f.share(size, total), f.count(size)] for name, size in sizes.items()
        ]
        if rows:
            blocks.append(Table([title_, "GiB", "share", "bytes"], rows, "lrrr"))
    if file.notes:
        blocks += [Heading("Assumed"), Items(list(file.notes))]
    return blocks


def tensors(rows: Sequence[Tensor]) -> list[Block]:
    """Every tensor of a model's files."""
    cells = [
        [
            row.name,
            row.format,
            " x ".join(f.count(size) for size in row.shape),
            f.count(row.size_bytes),
            row.part.replace("_", " "),
            row.use,
        ]
        for row in rows
    ]
    return [Heading("Tensors"), Table(["tensor", "format", "shape", "bytes", "part", "a token reads"], cells, "lllrll")]


def _one_of(item: Any, number: int) -> str:
    """What an element of a list is told apart by."""
    if isinstance(item, dict) and "threads" in item:
        threads = item["threads"]
        return f"{threads} thread{'s' if threads > 1 else ''}" if threads else ""
    if isinstance(item, dict) and "head_dim" in item:
        return f"{item['type']}, {item['kv_heads']} x {item['head_dim']}, group {item['group']}"
    return str(number)


def _figures(entry: Any, path: str = "") -> list[list[str]]:
    """Every figure below an entry: what, value, kind, source, note."""
    if isinstance(entry, list):
        if len(entry) == 1:
            return _figures(entry[0], path)
        return [
            row
            for number, item in enumerate(entry, 1)
            for row in _figures(item, f"{path} {_one_of(item, number)}".strip())
        ]
    if not isinstance(entry, dict):
        return []
    if "value" in entry and "unit" in entry:
        note = next((entry[key] for key in ("rule", "formula", "why", "method", "note") if key in entry), "")
        if "date" in entry:
            note = f"{entry['type']} {entry['date']}" + (f"; {note}" if note else "")
        return [[path, f"{_value(entry['value'])} {entry['unit']}", entry["kind"], entry["source"], note]]
    types = path.endswith(("weights", "kv cache"))  # whose names keep what they are written with
    return [
        row
        for key, item in entry.items()
        for row in _figures(item, f"{path} {key if types else key.replace('_', ' ')}".strip())
    ]


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
