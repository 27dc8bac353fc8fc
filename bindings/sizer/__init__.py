"""Sizes hardware for running language models: what memory, how fast, which machine.

>>> import sizer
>>> e = sizer.estimate(model="qwen3-coder-30b-a3b", hardware="dgx-spark", quant="Q4_K_M", context=262144)
>>> e.memory.kv_cache_bytes
25769803776

``model`` and ``hardware`` look names up, ``estimate`` answers for one machine, ``compare`` for many, ``sweep`` over a
grid; ``plan`` says how to run a model on a machine, ``place`` several at once; ``largest_context``,
``best_quantization``, ``planned_context``, ``most_users`` and ``least_machines`` ask the other way round;
``diagnose`` tells settings from hardware limits. Plain numbers with the unit in the name: bytes, seconds, tokens per
second, dollars; GB is 10^9 bytes and GiB is 2^30. All objects are immutable and may be shared between threads. Errors
are SizerError and its subclasses; "does not fit" is an answer, not an error.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from . import _core
except ImportError as _error:  # a source tree without the compiled part
    raise ImportError(
        "the compiled part of sizer is missing: build it with CMake and put <build>/python on PYTHONPATH, "
        "or install the package with `pip install .`"
    ) from _error

if TYPE_CHECKING:
    from ._accuracy import Accuracy, accuracy
    from ._audit import Audit, AuditedClaim, Claim, Computed, audit
    from ._calibrate import Calibrated, calibrate
    from ._catalogue import combine, hardware, hardware_list, machines, model, models, source, validate
    from ._core import engines, kv_types, quantizations
    from ._detect import CatalogueMatch, DetectedCpu, DetectedGpu, DetectedMemory, DetectedOs, Detection, Fact, detect
    from ._diagnose import Diagnosis, Finding, diagnose
    from ._errors import DataError, DeviceError, InvalidValueError, SizerError, UnknownNameError, WrongTypeError
    from ._estimate import best_quantization, compare, estimate, largest_context
    from ._hardware import Hardware
    from ._measure import (
        DeviceProfile,
        KernelDevice,
        KernelInfo,
        LeftOut,
        Measurement,
        Plateau,
        Profile,
        kernel_device,
        measure,
    )
    from ._model import Model
    from ._plan import (
        Change,
        Goals,
        Handover,
        LeastMachine,
        Load,
        Plan,
        Resident,
        Residents,
        Setup,
        Site,
        Speculation,
        handover,
        least_machines,
        most_users,
        place,
        plan,
        planned_context,
        speculate,
    )
    from ._results import (
        Assumption,
        Candidate,
        Comparison,
        Estimate,
        Memory,
        OverheadLine,
        Pool,
        Rate,
        Source,
        Term,
        UsedMeasurement,
        Validation,
    )
    from ._roofline import Ceiling, roofline_ceiling
    from ._sweep import Sweep, sweep
    from ._work import decode_work, prefill_work

__version__ = _core.__version__

__all__ = [
    "Accuracy",
    "Assumption",
    "Audit",
    "AuditedClaim",
    "Calibrated",
    "Candidate",
    "CatalogueMatch",
    "Ceiling",
    "Change",
    "Claim",
    "Comparison",
    "Computed",
    "DataError",
    "DetectedCpu",
    "DetectedGpu",
    "DetectedMemory",
    "DetectedOs",
    "Detection",
    "DeviceError",
    "DeviceProfile",
    "Diagnosis",
    "Estimate",
    "Fact",
    "Finding",
    "Goals",
    "Handover",
    "Hardware",
    "InvalidValueError",
    "KernelDevice",
    "KernelInfo",
    "LeastMachine",
    "LeftOut",
    "Load",
    "Measurement",
    "Memory",
    "Model",
    "OverheadLine",
    "Plan",
    "Plateau",
    "Pool",
    "Profile",
    "Rate",
    "Resident",
    "Residents",
    "Setup",
    "Site",
    "SizerError",
    "Source",
    "Speculation",
    "Sweep",
    "Term",
    "UnknownNameError",
    "UsedMeasurement",
    "Validation",
    "WrongTypeError",
    "__version__",
    "accuracy",
    "audit",
    "best_quantization",
    "calibrate",
    "combine",
    "compare",
    "decode_work",
    "detect",
    "diagnose",
    "engines",
    "estimate",
    "handover",
    "hardware",
    "hardware_list",
    "kernel_device",
    "kv_types",
    "largest_context",
    "least_machines",
    "machines",
    "measure",
    "model",
    "models",
    "most_users",
    "place",
    "plan",
    "planned_context",
    "prefill_work",
    "quantizations",
    "roofline_ceiling",
    "source",
    "speculate",
    "sweep",
    "validate",
]

#: Where each name lives. A module is loaded when one of its names is first used, so that `import sizer` costs little.
_HOMES = {
    "_accuracy": ("Accuracy", "accuracy"),
    "_audit": ("Audit", "AuditedClaim", "Claim", "Computed", "audit"),
    "_calibrate": ("Calibrated", "calibrate"),
    "_catalogue": ("combine", "hardware", "hardware_list", "machines", "model", "models", "source", "validate"),
    "_core": ("engines", "kv_types", "quantizations"),
    "_detect": (
        *("CatalogueMatch", "DetectedCpu", "DetectedGpu", "DetectedMemory", "DetectedOs", "Detection", "Fact"),
        "detect",
    ),
    "_diagnose": ("Diagnosis", "Finding", "diagnose"),
    "_errors": ("DataError", "DeviceError", "InvalidValueError", "SizerError", "UnknownNameError", "WrongTypeError"),
    "_estimate": ("best_quantization", "compare", "estimate", "largest_context"),
    "_hardware": ("Hardware",),
    "_measure": (
        *("DeviceProfile", "KernelDevice", "KernelInfo", "LeftOut", "Measurement", "Plateau", "Profile"),
        *("kernel_device", "measure"),
    ),
    "_model": ("Model",),
    "_plan": (
        *("Change", "Goals", "Handover", "LeastMachine", "Load", "Plan", "Resident", "Residents", "Setup", "Site"),
        *("Speculation", "handover", "least_machines", "most_users", "place", "plan", "planned_context", "speculate"),
    ),
    "_results": (
        *("Assumption", "Candidate", "Comparison", "Estimate", "Memory", "OverheadLine", "Pool", "Rate", "Source"),
        *("Term", "UsedMeasurement", "Validation"),
    ),
    "_roofline": ("Ceiling", "roofline_ceiling"),
    "_sweep": ("Sweep", "sweep"),
    "_work": ("decode_work", "prefill_work"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Loads the module that a name lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sizer' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
