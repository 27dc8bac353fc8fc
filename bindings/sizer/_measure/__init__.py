"""Measuring: the kernels one by one, and the profile of a machine that estimates can be made for."""

from __future__ import annotations

from .kernels import KernelDevice, KernelInfo, Measurement, kernel_device
from .plateau import Plateau
from .profile import DeviceProfile, LeftOut, Profile
from .run import measure

__all__ = [
    "DeviceProfile",
    "KernelDevice",
    "KernelInfo",
    "LeftOut",
    "Measurement",
    "Plateau",
    "Profile",
    "kernel_device",
    "measure",
]
