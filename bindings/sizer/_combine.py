"""One machine made of several: cards beside a processor, or boxes with a link between them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ._errors import InvalidValueError, UnknownNameError
from ._hardware import Hardware

#: Links: what they join, their name, the data rate of one direction (GB/s), the kind of the figure and its source. The
#: data rates of standards are upper bounds; a measurement of the very link is taken where there is one.
LINKS: dict[str, tuple[str, str, float, str, str]] = {
    "pcie-3.0-x4": ("host", "PCIe 3.0 x4", 3.94, "standard", "pcie-base-spec"),
    "pcie-3.0-x8": ("host", "PCIe 3.0 x8", 7.88, "standard", "pcie-base-spec"),
    "pcie-3.0-x16": ("host", "PCIe 3.0 x16", 15.75, "standard", "pcie-base-spec"),
    "pcie-4.0-x4": ("host", "PCIe 4.0 x4", 7.88, "standard", "pcie-base-spec"),
    "pcie-4.0-x8": ("host", "PCIe 4.0 x8", 15.75, "standard", "pcie-base-spec"),
    "pcie-4.0-x16": ("host", "PCIe 4.0 x16", 31.51, "standard", "pcie-base-spec"),
    "pcie-5.0-x4": ("host", "PCIe 5.0 x4", 15.75, "standard", "pcie-base-spec"),
    "pcie-5.0-x8": ("host", "PCIe 5.0 x8", 31.51, "standard", "pcie-base-spec"),
    "pcie-5.0-x16": ("host", "PCIe 5.0 x16", 63.02, "standard", "pcie-base-spec"),
    "1gbe": ("machines", "1 Gb/s Ethernet", 0.125, "standard", "ieee-802-3"),
    "10gbe": ("machines", "10 Gb/s Ethernet", 1.25, "standard", "ieee-802-3"),
    "25gbe": ("machines", "25 Gb/s Ethernet", 3.125, "standard", "ieee-802-3"),
    "50gbe": ("machines", "50 Gb/s Ethernet", 6.25, "standard", "ieee-802-3"),
    "usb4": ("machines", "USB4", 5.0, "standard", "thunderbolt-spec"),
    "thunderbolt-4": ("machines", "Thunderbolt 4", 5.0, "standard", "thunderbolt-spec"),
    "thunderbolt-5": ("machines", "Thunderbolt 5", 10.0, "standard", "thunderbolt-spec"),
    "connectx-7": ("machines", "ConnectX-7 QSFP 200 Gb/s", 23.74, "measured", "dgx-spark-playbooks-102"),
}

_ONE_PROCESSOR = "at most one processor: its RAM is what lies beside the cards"
_PART = re.compile(r"(?:(\d{1,3})\s*x\s+)?(.+)")


def link(name: str) -> dict[str, Any]:
    """A link as the catalogue's format has it. Raises UnknownNameError."""
    try:
        between, title, rate, kind, source = LINKS[name.strip().lower()]
    except KeyError:
        raise UnknownNameError("link", name, list(LINKS)) from None
    figure = {"value": rate, "unit": "GB/s", "per_direction": True, "kind": kind, "source": source}
    return {"between": between, "name": title, "bandwidth": figure}


def is_combination(name: str) -> bool:
    """Whether a name stands for several machines: "2x rtx-3090 + ryzen-7-9800x3d-ddr5-5200"."""
    return " + " in name or bool(re.match(r"\d{1,3}\s*x\s+\S", name))


def parts_of(name: str, find: Callable[[str], Hardware]) -> list[Hardware]:
    """The machines of such a name, each with its count."""
    found = []
    for text in name.split(" + "):
        match = _PART.fullmatch(text.strip())
        if match is None:
            raise InvalidValueError("hardware", repr(name), "names of machines with ' + ' between them")
        one = find(match[2].strip())
        count = int(match[1] or 1)
        if count < 1:
            raise InvalidValueError("hardware", repr(text.strip()), "a count of 1 or more")
        if count > 1:
            entry = one.to_dict()
            first = entry["devices"][0]
            if first["backend"] == "cpu":
                raise InvalidValueError("hardware", repr(text.strip()), _ONE_PROCESSOR)
            first["count"] = first["count"] * count
            entry.update(id=f"{count}x-{one.id}"[:120], name=f"{count} x {one.name}", kind="multi")
            one = Hardware.from_dict({**entry, "prices": _times(entry.get("prices", []), count)})
        found.append(one)
    return found


def _times(prices: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [{**price, "value": price["value"] * count} for price in prices]


def join(machines: list[Hardware], links: tuple[str, ...] = ()) -> Hardware:
    """One machine from several: cards (with the RAM of a processor among them, if there is one), or boxes.

    links  names of ``LINKS``: between host and cards (PCIe), between boxes. They stand before those of the parts

    The first machine's device is the first one. Raises InvalidValueError, UnknownNameError.
    """
    entries = [machine.to_dict() for machine in machines]
    if len(entries) == 1 and not links:
        return machines[0]
    cores = [entry for entry in entries if entry["devices"][0]["backend"] == "cpu"]
    boxes = [entry for entry in entries if entry["devices"][0]["backend"] != "cpu"]
    if len(cores) > 1:
        names = ", ".join(entry["id"] for entry in cores)
        raise InvalidValueError("hardware", names, _ONE_PROCESSOR)
    if cores and any(entry["devices"][0]["memory"]["unified"] for entry in boxes):
        raise InvalidValueError("hardware", cores[0]["id"], "no processor beside a machine with unified memory")
    own_ram = [entry["id"] for entry in boxes if "host_memory" in entry]
    if len(boxes) > 1 and own_ram:
        wanted = "cards beside one processor, or boxes with unified memory; a PC's own RAM cannot join another's"
        raise InvalidValueError("hardware", ", ".join(own_ram), wanted)
    first = boxes[0] if boxes else cores[0]
    combined = {
        key: value for key, value in first.items() if key not in ("prices", "power", "aliases", "claims", "notes")
    }
    combined["id"] = "-and-".join(entry["id"] for entry in entries)[:120]
    combined["name"] = " + ".join(_title(entry) for entry in entries)
    combined["devices"] = [device for entry in [*boxes, *cores] for device in entry["devices"]]
    if cores:
        combined["host_memory"] = cores[0]["devices"][0]["memory"]
    if len(boxes) > 1 or len(cores) < len(entries):
        combined["kind"] = "multi"
    wires = [link(name) for name in links]
    kinds = {wire["between"] for wire in wires}
    several_boxes = len(boxes) > 1 and any(entry["devices"][0]["memory"]["unified"] for entry in boxes)
    if (
        several_boxes
        and "machines" not in kinds
        and not any(wire["between"] == "machines" for entry in boxes for wire in entry.get("links", []))
    ):
        raise InvalidValueError("link", "nothing", "a link between the machines, such as 10gbe or thunderbolt-5")
    alike = len({entry["id"] for entry in boxes}) == 1
    for entry in boxes:
        for wire in entry.get("links", []):
            same = any(wire["name"] == other["name"] for other in wires)
            if wire["between"] == "devices" and not alike:  # a bridge of one maker joins no other card
                continue
            if wire["between"] not in kinds and not same and (several_boxes or wire["between"] != "machines"):
                wires.append({key: value for key, value in wire.items() if key != "max_linked"})
    if wires:
        combined["links"] = wires
    prices = [machine.price_usd for machine in machines]
    dates = [machine.price_date for machine in machines if machine.price_date]
    built = Hardware.from_dict(combined)
    if dates and all(price is not None for price in prices):
        return built.replace(price_usd=sum(price for price in prices if price is not None), price_date=min(dates)[:7])
    return built


def _title(entry: dict[str, Any]) -> str:
    count = entry["devices"][0]["count"]
    return f"{count} x {entry['name']}" if count > 1 and not entry["name"][:1].isdigit() else str(entry["name"])
