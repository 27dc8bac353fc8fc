"""Writes the recorded machines of tests/golden/data/machines, which detection is tested with.

Each is laid out as the kernel (or macOS) shows a machine, from the facts of a public record that README.md there names:
what a record has as the output of lscpu or dmidecode stands here as the files that these programs read.

    python3 tests/reference/machines.py
"""

from __future__ import annotations

import struct
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "data" / "machines"
Files = dict[str, str]

ZEN5_FLAGS = (
    "fpu vme de pse tsc msr sse sse2 ht syscall nx pni ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes xsave avx f16c "
    "rdrand lahf_lm topoext bmi1 avx2 bmi2 avx512f avx512dq avx512cd avx512bw avx512vl avx_vnni avx512_bf16 avx512_vnni"
)
PI_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
I7_1360P_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht syscall "
    "nx pdpe1gb rdtscp lm constant_tsc rep_good nopl xtopology tsc_reliable nonstop_tsc cpuid pni pclmulqdq vmx ssse3 "
    "fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand hypervisor lahf_lm "
    "abm 3dnowprefetch bmi1 avx2 smep bmi2 erms adx smap clflushopt clwb sha_ni avx_vnni umip gfni vaes vpclmulqdq"
)
VM_FLAGS = (
    "fpu vme de pse tsc msr sse sse2 ss ht syscall nx lm constant_tsc pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 "
    "x2apic movbe popcnt aes xsave avx f16c rdrand hypervisor lahf_lm bmi1 avx2 bmi2 avx512f avx512dq avx512cd "
    "avx512bw avx512vl avx_vnni avx512_bf16 avx512_vnni amx_bf16 avx512_fp16 amx_tile amx_int8"
)


def cpuinfo(model: str, vendor: str, flags: str, cores: int, threads: int = 1, sockets: int = 1) -> str:
    """x86's /proc/cpuinfo: the first threads of all cores, then the second ones."""
    blocks = []
    for thread in range(threads):
        for core in range(cores * sockets):
            number = thread * cores * sockets + core
            blocks.append(
                f"processor\t: {number}\nvendor_id\t: {vendor}\nmodel name\t: {model}\n"
                f"physical id\t: {core // cores}\nsiblings\t: {cores * threads}\ncore id\t\t: {core % cores}\n"
                f"cpu cores\t: {cores}\nflags\t\t: {flags}\n"
            )
    return "\n".join(blocks)


def caches(sizes: dict[str, tuple[int, str, str, str]]) -> Files:
    """Caches of the first CPU: level, type, size, and the CPUs that share it."""
    files = {}
    for index, (level, kind, size, shared) in sizes.items():
        place = f"sys/devices/system/cpu/cpu0/cache/{index}/"
        files |= {
            place + "level": str(level),
            place + "type": kind,
            place + "size": size,
            place + "shared_cpu_list": shared,
        }
    return files


def smbios(dimms: list[tuple[str, str, int, int, int, int, int]]) -> str:
    """Types 16 and 17 of an SMBIOS table: locator, bank, MiB (0: empty), width, type, rated and configured MT/s."""
    array = struct.pack("<BBHBBBIHHQ", 16, 23, 0x11, 3, 3, 3, 0x80000000, 0xFFFE, len(dimms), 128 << 30) + b"\0\0"
    table = array
    for number, (locator, bank, mib, width, kind, rated, configured) in enumerate(dimms):
        size = 0x7FFF if mib >= 0x7FFF else mib
        body = struct.pack("<HHHHHBBBBBHH", 0x11, 0xFFFE, width, width, size, 9, 0, 1, 2, kind, 0x80, rated)
        body += bytes(4) + b"\2" + struct.pack("<IHHHH", mib if size == 0x7FFF else 0, configured, 1100, 1100, 1100)
        table += struct.pack("<BBH", 17, 4 + len(body), 0x20 + number) + body
        table += locator.encode() + b"\0" + bank.encode() + b"\0\0"
    table += struct.pack("<BBH", 127, 4, 0xFEFF) + b"\0\0"
    text = table.hex()
    return "\n".join(text[i : i + 100] for i in range(0, len(text), 100))


def meminfo(total_kib: int, available_kib: int) -> str:
    return f"MemTotal:       {total_kib} kB\nMemFree:        {available_kib} kB\nMemAvailable:   {available_kib} kB\n"


def ryzen() -> Files:
    slots = [("DIMM 0", 0), ("DIMM 1", 16384)]
    dimms = [
        (locator, f"P0 CHANNEL {channel}", size, 64, 0x22 if size else 2, 4800, 6000 if size else 0)
        for channel in "AB"
        for locator, size in slots
    ]
    files = {
        "proc/cpuinfo": cpuinfo("AMD Ryzen 7 9800X3D 8-Core Processor", "AuthenticAMD", ZEN5_FLAGS, 8, 2),
        "proc/meminfo": meminfo(31_996_000, 27_450_000),
        "proc/self/status": "Name:\tsizer\nCpus_allowed_list:\t0-15\n",
        "proc/self/cgroup": "0::/user.slice/user-1000.slice\n",
        "sys/fs/cgroup/user.slice/memory.max": "max",
        "proc/sys/kernel/osrelease": "6.12.0-generic",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n',
        "sys/class/dmi/id/sys_vendor": "ASUS",
        "sys/class/dmi/id/product_name": "System Product Name",
        "sys/class/dmi/id/board_vendor": "ASUSTeK COMPUTER INC.",
        "sys/class/dmi/id/board_name": "TUF GAMING B850-PLUS WIFI",
        "sys/devices/system/cpu/online": "0-15",
        "sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq": "4700",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "0",
        "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages": "0",
        "sys/devices/system/node/node0/cpulist": "0-15",
        "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:       31996000 kB\n",
        "sys/firmware/dmi/tables/DMI hex": smbios(dimms),
    }
    for number in range(16):
        folder = f"sys/devices/system/cpu/cpu{number}/"
        files[folder + "topology/physical_package_id"] = "0"
        files[folder + "topology/core_cpus_list"] = f"{number % 8},{number % 8 + 8}"
        files[folder + "cpufreq/cpuinfo_max_freq"] = "5200000"
        place = folder + "cache/index"
        shared = f"{number % 8},{number % 8 + 8}"
        for index, level, kind, size, by in (
            (0, 1, "Data", "48K", shared),
            (1, 1, "Instruction", "32K", shared),
            (2, 2, "Unified", "1024K", shared),
            (3, 3, "Unified", "98304K", "0-15"),
        ):
            files |= {
                f"{place}{index}/level": str(level),
                f"{place}{index}/type": kind,
                f"{place}{index}/size": size,
                f"{place}{index}/shared_cpu_list": by,
            }
    return files


def epyc() -> Files:
    return {
        "proc/cpuinfo": cpuinfo("AMD EPYC 9375F 32-Core Processor", "AuthenticAMD", ZEN5_FLAGS, 32, 1, 2),
        "proc/meminfo": meminfo(1_547_299 * 1024, 1_363_926 * 1024),
        "proc/self/status": "Cpus_allowed_list:\t0-63\n",
        "proc/self/cgroup": "0::/\n",
        "proc/sys/kernel/osrelease": "6.17.2-2-pve",
        "sys/devices/system/cpu/online": "0-63",
        "sys/devices/system/node/node0/cpulist": "0-31",
        "sys/devices/system/node/node0/meminfo": f"Node 0 MemTotal: {773_271 * 1024} kB\n",
        "sys/devices/system/node/node1/cpulist": "32-63",
        "sys/devices/system/node/node1/meminfo": f"Node 1 MemTotal: {774_028 * 1024} kB\n",
    }


def raspberry_pi() -> Files:
    block = (
        f"processor\t: %d\nBogoMIPS\t: 108.00\nFeatures\t: {PI_FEATURES}\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n"
    )
    files = {
        "proc/cpuinfo": "".join(block % i for i in range(4)) + "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        "proc/meminfo": meminfo(8_245_000, 7_600_000),
        "proc/self/status": "Cpus_allowed_list:\t0-3\n",
        "proc/self/cgroup": "0::/user.slice\n",
        "proc/sys/kernel/osrelease": "6.1.47-v8_16k+",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/online": "0-3",
    }
    for number in range(4):
        folder = f"sys/devices/system/cpu/cpu{number}/"
        files[folder + "topology/physical_package_id"] = "0"
        files[folder + "topology/core_cpus_list"] = str(number)
        files[folder + "cpufreq/cpuinfo_max_freq"] = "2400000"
    return files


def strix_halo() -> Files:
    dimms = [
        (f"DIMM {i % 2}", f"P0 CHANNEL {channel}", 16384, 32, 0x23, 8532, 8000) for i, channel in enumerate("ABCDEFGH")
    ]
    card = "sys/class/drm/card1/device/"
    node = "sys/class/kfd/kfd/topology/nodes/"
    return {
        "proc/cpuinfo": cpuinfo("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", "AuthenticAMD", ZEN5_FLAGS, 16, 2),
        "proc/meminfo": meminfo(127_500_000, 120_000_000),
        "proc/self/status": "Cpus_allowed_list:\t0-31\n",
        "proc/self/cgroup": "0::/user.slice\n",
        "proc/sys/kernel/osrelease": "7.1.0",
        "etc/os-release": 'PRETTY_NAME="NixOS 26.11"\n',
        "sys/class/dmi/id/sys_vendor": "ASUSTeK COMPUTER INC.",
        "sys/class/dmi/id/product_name": "ROG Flow Z13 GZ302EA_GZ302EA",
        "sys/devices/system/cpu/online": "0-31",
        "sys/firmware/dmi/tables/DMI hex": smbios(dimms),
        card + "uevent": "DRIVER=amdgpu\nPCI_CLASS=38000\nPCI_ID=1002:1586\nPCI_SLOT_NAME=0000:c3:00.0\n",
        card + "revision": "0xd1",
        card + "mem_info_vram_total": "4294967296",
        card + "mem_info_vram_used": "171118592",
        card + "mem_info_gtt_total": "103079215104",
        card + "current_link_speed": "16.0 GT/s PCIe",
        card + "current_link_width": "16",
        card + "max_link_speed": "16.0 GT/s PCIe",
        card + "max_link_width": "16",
        "sys/class/drm/card1-eDP-1/status": "connected",
        "sys/class/drm/card1-DP-1/status": "disconnected",
        "usr/share/libdrm/amdgpu.ids": (
            "# List of AMDGPU IDs\n1.0.0\n"
            "1586,\tC1,\tAMD Radeon 8060S Graphics\n1586,\tC2,\tAMD Radeon 8050S Graphics\n"
            "1586,\tD1,\tAMD Radeon 8060S Graphics\n1586,\tD2,\tAMD Radeon 8050S Graphics\n"
        ),
        node + "0/properties": "cpu_cores_count 32\nsimd_count 0\nlocation_id 0\ngfx_target_version 0\n",
        node + "1/properties": (
            "cpu_cores_count 0\nsimd_count 80\ndevice_id 5510\nlocation_id 49920\ndomain 0\ngfx_target_version 110501\n"
        ),
    }


def wsl() -> Files:
    return {
        "proc/cpuinfo": cpuinfo("13th Gen Intel(R) Core(TM) i7-1360P", "GenuineIntel", I7_1360P_FLAGS, 8, 2),
        "proc/meminfo": meminfo(7_967_000, 7_000_000),
        "proc/self/status": "Cpus_allowed_list:\t0-15\n",
        "proc/self/cgroup": "0::/init.scope\n",
        "proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\n',
        "sys/devices/system/cpu/online": "0-15",
    }


def container() -> Files:
    return {
        "proc/cpuinfo": cpuinfo("Intel(R) Xeon(R) Platinum 8480+", "GenuineIntel", VM_FLAGS, 56, 2),
        "proc/meminfo": meminfo(527_900_000, 500_000_000),
        "proc/self/status": "Cpus_allowed_list:\t4-7\n",
        "proc/self/cgroup": "0::/kubepods.slice/pod1/c1\n",
        "sys/fs/cgroup/kubepods.slice/pod1/c1/memory.max": "max",
        "sys/fs/cgroup/kubepods.slice/pod1/c1/cpu.max": "250000 100000",
        "sys/fs/cgroup/kubepods.slice/pod1/memory.max": "131072000",
        "sys/fs/cgroup/kubepods.slice/pod1/cpu.max": "max 100000",
        "proc/sys/kernel/osrelease": "6.8.0-45-generic",
        ".dockerenv": "",
        "sys/devices/system/cpu/online": "0-111",
    }


def virtual_machine() -> Files:
    return {
        "proc/cpuinfo": cpuinfo("Intel(R) Xeon(R) Processor", "GenuineIntel", VM_FLAGS, 2),
        "proc/meminfo": meminfo(24_684_084, 22_432_988),
        "proc/self/status": "Cpus_allowed_list:\t0-1\n",
        "proc/self/cgroup": "8:pids:/\n4:memory:/process_api/64c1\n2:cpuacct:/\n1:cpu:/\n0::/\n",
        "sys/fs/cgroup/unified/cgroup.procs": "1",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "sys/fs/cgroup/memory/process_api/64c1/memory.limit_in_bytes": "24000000000",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "proc/sys/kernel/osrelease": "6.18.44-fc-v669",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "sys/devices/system/cpu/online": "0-1",
        **caches(
            {
                "index0": (1, "Data", "48K", "0"),
                "index1": (1, "Instruction", "32K", "0"),
                "index2": (2, "Unified", "2048K", "0"),
                "index3": (3, "Unified", "107520K", "0-1"),
            }
        ),
    }


def apple() -> Files:
    return {
        "commands/sysctl": (
            "kern.ostype: Darwin\nkern.osrelease: 25.4.0\nkern.osproductversion: 26.4\nkern.hv_vmm_present: 0\n"
            "hw.model: Mac16,9\nhw.memsize: 68719476736\nhw.packages: 1\nhw.physicalcpu: 16\nhw.logicalcpu: 16\n"
            "hw.perflevel0.physicalcpu: 12\nhw.perflevel1.physicalcpu: 4\nhw.perflevel0.l1icachesize: 196608\n"
            "hw.perflevel0.l1dcachesize: 131072\nhw.perflevel0.l2cachesize: 16777216\nhw.perflevel0.cpusperl2: 6\n"
            "hw.optional.AdvSIMD: 1\nhw.optional.arm.FEAT_FP16: 1\nhw.optional.arm.FEAT_DotProd: 1\n"
            "hw.optional.arm.FEAT_I8MM: 1\nhw.optional.arm.FEAT_BF16: 1\nhw.optional.arm.FEAT_SME: 1\n"
            "machdep.cpu.brand_string: Apple M4 Max\niogpu.wired_limit_mb: 0\n"
        ),
        "commands/system_profiler": (
            "Graphics/Displays:\n\n    Apple M4 Max:\n\n      Chipset Model: Apple M4 Max\n      Type: GPU\n"
            "      Bus: Built-In\n      Total Number of Cores: 40\n      Vendor: Apple (0x106b)\n"
            "      Metal Support: Metal 4\n      Displays:\n        Display:\n          Resolution: 3840 x 2160\n"
        ),
    }


MACHINES = {
    "ryzen-9800x3d": ryzen,
    "epyc-9375f-two-sockets": epyc,
    "raspberry-pi-5": raspberry_pi,
    "strix-halo": strix_halo,
    "wsl": wsl,
    "container-cgroup-v2": container,
    "virtual-machine": virtual_machine,
    "apple-m4-max": apple,
}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, files in MACHINES.items():
        parts = [f"=== {path}\n{text}" + ("" if text.endswith("\n") else "\n") for path, text in files().items()]
        (FOLDER / f"{name}.txt").write_text("".join(parts), encoding="ascii")


if __name__ == "__main__":
    main()
