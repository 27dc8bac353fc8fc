"""A printed device taken apart: the words that tell one model from another, and what is said beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .._records import Row

#: Makers, brands and fillers: they never tell two models apart.
_FILLERS = frozenset(
    "nvidia amd intel apple qualcomm geforce radeon tesla quadro instinct corporation advanced micro devices inc "
    "graphics gpu gpus card generation gen edition data center datacenter accelerator processor cpu only single dual "
    "quad socket sockets with and the oc mac mini studio macbook air imac laptop's desktop workstation "
    "rtx gtx rx hd platinum server system soc igpu dgpu memory ram unified core cores "
    "genoa milan rome turin bergamo granite rapids sapphire emerald amx ati modded macbookpro macbookair".split()
)
#: Words of a form factor. They choose between entries of one chip and never forbid one.
FORM_FACTORS = frozenset("sxm sxm2 sxm3 sxm4 sxm5 sxm6 pcie nvl hgx oam".split())
#: Series whose numbers may coincide.
_SERIES = frozenset("gtx rtx rx arc".split())
_MAKERS = {
    "nvidia": "nvidia", "geforce": "nvidia", "tesla": "nvidia", "quadro": "nvidia", "rtx": "nvidia", "gtx": "nvidia",
    "amd": "amd", "radeon": "amd", "ryzen": "amd", "epyc": "amd", "threadripper": "amd", "instinct": "amd",
    "rx": "amd", "intel": "intel", "xeon": "intel", "arc": "intel", "gaudi": "intel", "apple": "apple",
    "qualcomm": "qualcomm", "snapdragon": "qualcomm",
}  # fmt: skip

_JOINED = (
    (re.compile(r"\((?:r|tm|c)\)|[\u00ae\u2122]"), " "),
    (re.compile(r"@.*"), " "),
    (re.compile(r"(?<=max)\s?\+"), " "),
    (re.compile(r"\+"), " plus "),
    (re.compile(r"(?<=\d)plus\b"), " plus "),
    (re.compile(r"\bmax plus\b"), " max "),
    (re.compile(r"\b(rtx|gtx|rx|arc|xeon|epyc|ryzen)(?=\d)"), r"\1 "),
    (re.compile(r"\b(gtx|rtx|rx|geforce)(?=[a-z]?\d)"), r"\1 "),
    (re.compile(r"(?<=\d)(ti|super|xtx|xt|gre)\b"), r" \1"),
    (re.compile(r"\bti(?=super\b)"), "ti "),
    (re.compile(r"\b(\d{4}) d\b"), r"\1d"),
    (re.compile(r"\bgaudi ?(\d)\b"), r"gaudi \1"),
    (re.compile(r"\b([abhlvptkm]) (\d{2,4}[a-z]?)\b"), r"\1\2"),
    (re.compile(r"\bmi[- ](?=\d)"), "mi"),
    (re.compile(r"\bradeon vii\b"), "radeonvii"),
    (re.compile(r"\bnotebook\b|\bmobile\b"), " laptop "),
)
_MEMORY = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s?gi?b\b(?:\s?(?:ddr\dx?|lpddr\dx?|gddr\dx?|hbm\d?e?|vram))?")
_DATA_RATE = re.compile(r"\b(?:lp|mr)?d(?:dr\d?x?|imm)[-\s]?(\d{4,5})\b|\b(\d{4,5})\s?mt/?s\b")
_MEMORY_KIND = re.compile(r"\b(?:lp)?g?ddr\dx?\b|\bmrdimm\b|\bhbm\d?e?\b")
_CHANNELS = re.compile(r"\b(\d{1,2})[- ]?ch(?:annels?)?\b")
_CHANNEL_WORDS = {"single": 1, "dual": 2, "quad": 4, "octa": 8, "eight": 8, "twelve": 12}
_CHANNEL_WORD = re.compile(rf"\b({'|'.join(_CHANNEL_WORDS)})[- ]channel\b")
_GPU_CORES = re.compile(r"\b(\d{1,2})[- ]?c(?:ores?)?[- ]gpu\b|\bgpu (\d{1,2})[- ]?cores?\b|(?<!\S)(\d{1,2})c(?!\S)")
_CPU_CORES = re.compile(r"\b\d{1,3}[- ]?(?:cores?|c|threads?|t)\b(?![- ]?gpu)")
_COUNT = re.compile(r"^\s*(\d{1,2})\s?x\s+(?=\D)|\b(\d)\s?sockets?\b|\b(\d)[ps]\b(?= |$)")
_CPU = re.compile(r"\bcpu\b")
_HYBRID = re.compile(r"\bgpu\s?/\s?cpu\b|\bcpu\s?/\s?gpu\b|\bhybrid\b")
_WORD = re.compile(r"[a-z]*\d+[a-z0-9]*|[a-z]+")


@dataclass(frozen=True, kw_only=True)
class DeviceName(Row):
    """What a printed device says.

    words         the words that tell models apart
    form          form factors (SXM, PCIe)
    series        GTX, RTX, RX or Arc, where printed
    maker         nvidia, amd, intel, apple, qualcomm or None
    memory_gb     memory as printed, None when not
    gpu_cores     GPU cores of a chip, None when not printed
    channels      memory channels, data_rate their transfers in 10^6 per second
    count         the number before an "x": sockets or cards
    cpu           whether it says that the processor ran the model
    """

    words: frozenset[str]
    form: frozenset[str]
    series: frozenset[str]
    maker: str | None
    memory_gb: float | None
    gpu_cores: int | None
    channels: int | None
    data_rate: int | None
    count: int
    cpu: bool


def _first(found: re.Match[str] | None) -> str | None:
    return None if found is None else next((group for group in found.groups() if group), None)


@lru_cache(maxsize=8192)
def parse(printed: str) -> DeviceName:
    """Takes one name apart."""
    text = re.sub(r"max[- ]q\b", "maxq", printed.lower()).replace("_", " ").replace("-", " ")
    cpu = bool(_CPU.search(text)) and not _HYBRID.search(text)
    for pattern, replacement in _JOINED:
        text = pattern.sub(replacement, text)
    channel_word = _first(_CHANNEL_WORD.search(text))
    channels = _first(_CHANNELS.search(text))
    data_rate, memory = _first(_DATA_RATE.search(text)), _first(_MEMORY.search(text))
    count = _first(_COUNT.search(text))
    plain = re.sub(r"[()\[\],;/]", " ", text)
    cores = _first(_GPU_CORES.search(text)) or _first(_GPU_CORES.search(plain))
    for pattern in (_MEMORY, _DATA_RATE, _MEMORY_KIND, _CHANNELS, _CHANNEL_WORD, _COUNT, _GPU_CORES, _CPU_CORES):
        text = pattern.sub(" ", text)
    found = _WORD.findall(text)
    makers = {_MAKERS[word] for word in found if word in _MAKERS}
    return DeviceName(
        words=frozenset(word for word in found if word not in _FILLERS and word not in FORM_FACTORS),
        form=frozenset(word for word in found if word in FORM_FACTORS),
        series=frozenset(word for word in found if word in _SERIES),
        maker=makers.pop() if len(makers) == 1 else None,
        memory_gb=None if memory is None else float(memory),
        gpu_cores=None if cores is None else int(cores),
        channels=int(channels) if channels else _CHANNEL_WORDS[channel_word] if channel_word else None,
        data_rate=None if data_rate is None else int(data_rate),
        count=int(count) if count else 2 if re.search(r"\bdual[- ]socket\b", text) else 1,
        cpu=cpu,
    )


def pieces(printed: str) -> list[str]:
    """The printed name, then its parts: before the parenthesis, in it, and around "with" and slashes."""
    main = re.sub(r"[(\[].*?[)\]]", " ", printed)
    inside = [part for group in re.findall(r"[(\[](.*?)[)\]]", printed) for part in re.split(r"[,;/]", group)]
    around = re.split(r"\bw/|\bwith\b|/|,|;| \| ", main, flags=re.IGNORECASE)
    unique: dict[str, None] = {}
    for part in (printed, main, *around, *inside):
        if part.strip() and parse(part).words:
            unique.setdefault(part.strip())
    return list(unique)


def compatible(name: DeviceName, entry: DeviceName) -> bool:
    """Whether two names may be one model: the same words, and neither maker nor series against each other."""
    if name.words != entry.words:
        return False
    if name.maker and entry.maker and name.maker != entry.maker:
        return False
    return not (name.series and entry.series and name.series.isdisjoint(entry.series))
