"""Printed names of devices, models, weight formats and engines, mapped by rule: also those that no table lists."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sizer
from sizer._measurements import (
    DeviceMatch,
    FormatMatch,
    MeasuredRow,
    ModelMatch,
    NoMatch,
    find_device,
    find_format,
    find_model,
    find_software,
)
from sizer._measurements.device_entries import entries
from sizer._measurements.engines import build_of, date_of


def device(printed: str, bandwidth: float | None = None, backend: str = "") -> DeviceMatch:
    found = find_device(printed, bandwidth, backend)
    assert isinstance(found, DeviceMatch), found
    return found


def model(printed: str, params: float | None = None, **values: Any) -> ModelMatch:
    found = find_model(named(printed, params, **values))
    assert isinstance(found, ModelMatch), found
    return found


def named(printed: str, params: float | None = None, **values: Any) -> MeasuredRow:
    plain: dict[str, Any] = {"id": "1", "device": "d", "test": "tg", "tokens_per_s": 1.0, "engine": "llama.cpp"}
    return MeasuredRow(**{**plain, "model": printed, "params_b": params, **values})


def quant(printed: str, engine: str = "llama.cpp", **values: Any) -> FormatMatch:
    found = find_format(printed, engine, **values)
    assert isinstance(found, FormatMatch), found
    return found


# --- devices of the catalogue -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "bandwidth", "backend", "expected"),
    [
        ("NVIDIA Tesla T4", 320, "CUDA", "t4-16gb"),
        ("NVIDIA V100 32GB", 900, "CUDA", "v100-32gb-sxm2"),
        ("Tesla P100-PCIE-16GB", 732, "CUDA", "p100-16gb-pcie"),
        ("NVIDIA GeForce RTX 4090", None, "CUDA", "rtx-4090-24gb"),
        ("RTX4090", None, "", "rtx-4090-24gb"),
        ("NVIDIA GeForce RTX 3060 Ti", 448, "CUDA", "rtx-3060-ti-8gb"),
        ("NVIDIA RTX 4070 Ti SUPER 16GB", 672, "CUDA", "rtx-4070-ti-super-16gb"),
        ("NVIDIA RTX 4070 Ti 12GB", 504, "CUDA", "rtx-4070-ti-12gb"),
        ("NVIDIA GeForce RTX 3080 12GB", 912, "CUDA", "rtx-3080-12gb"),
        ("NVIDIA GeForce RTX 2070 with Max-Q Design", 384, "CUDA", None),
        ("NVIDIA A100 80GB PCIe", 1935, "CUDA", "a100-80gb-pcie"),
        ("NVIDIA A100-SXM4-80GB", 2039, "CUDA", "a100-80gb-sxm"),
        ("NVIDIA H100 80GB HBM3", 3350, "CUDA", "h100-80gb-sxm"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 1792, "CUDA", "rtx-pro-6000-blackwell-96gb"),
        ("Intel Arc A770 16GB", 560, "SYCL", "arc-a770-16gb"),
        ("Intel(R) Arc(TM) A770 Graphics", 560, "Vulkan", "arc-a770-16gb"),
        ("AMD Radeon RX 7900 XTX", 960, "ROCm", "rx-7900-xtx-24gb"),
        ("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 256, "Vulkan", "framework-desktop-395-128gb"),
        ("AMD Ryzen AI Max+ 395 (Strix Halo, CPU)", 256, "CPU", "ryzen-ai-max-395-cpu-128gb"),
        ("Apple M3 Max (30c GPU)", 300, "Metal", "apple-m3-max-30c-36gb"),
        ("Apple M2 Ultra (76c GPU)", 800, "Metal", "apple-m2-ultra-76c-192gb"),
        ("Apple M1 (8c GPU)", 68, "Metal", "apple-m1-8c-16gb"),
        ("Apple M2 Max", 400, "CPU", "apple-m2-max-cpu-64gb"),
        ("AMD Ryzen 9 7950X (DDR5-3600, CPU)", 57.6, "CPU", "ryzen-9-7950x-ddr5-3600"),
        ("2x Intel Xeon Gold 6138 12ch DDR4-2666 (CPU)", 256, "CPU", "xeon-gold-6138-2s-ddr4-2666"),
        ("Raspberry Pi 5 16GB", 17.1, "CPU", "raspberry-pi-5-16gb"),
        ("NVIDIA GB10", 273, "CUDA", "dgx-spark-gb10-128gb"),
        ("AMD Instinct MI50 16GB", 1024, "ROCm", "instinct-mi50-16gb"),
        ("NVIDIA GeForce RTX 3060 8GB", 240, "CUDA", "rtx-3060-8gb"),
        ("NVIDIA RTX 2060 SUPER 8GB", 448, "CUDA", "rtx-2060-super-8gb"),
        ("NVIDIA RTX 3050 8GB", 224, "CUDA", "rtx-3050-8gb"),
        ("NVIDIA RTX 4080 Laptop 12GB", 432, "CUDA", "rtx-4080-laptop-12gb"),
        ("NVIDIA GeForce GTX 1660 SUPER 6GB", 336, "CUDA", "gtx-1660-super-6gb"),
        ("NVIDIA Quadro RTX 8000 48GB", 672, "CUDA", "quadro-rtx-8000-48gb"),
        ("NVIDIA RTX PRO 4000 Blackwell 24GB", 672, "CUDA", "rtx-pro-4000-blackwell-24gb"),
        ("NVIDIA RTX A4500 20GB", 640, "CUDA", "rtx-a4500-20gb"),
        ("NVIDIA A30 24GB", 933, "CUDA", "a30-24gb"),
        ("AMD RX 6600 8GB", 224, "Vulkan", "rx-6600-8gb"),
        ("AMD Radeon Pro W6800 32GB", 512, "ROCm", "radeon-pro-w6800-32gb"),
        ("AMD Radeon RX 580 8GB", 256, "Vulkan", "rx-580-8gb"),
        ("AMD Radeon VII 16GB", 1024, "ROCm", "radeon-vii-16gb"),
        ("AMD Radeon 780M", 89.6, "Vulkan", "radeon-780m-ddr5-5600-32gb"),
        ("Intel Arc B570 10GB", 380, "Vulkan", "arc-b570-10gb"),
        ("Apple M1 Pro (14c GPU, 16GB)", 200, "Metal", "apple-m1-pro-14c-16gb"),
        ("AMD EPYC 9754 12ch DDR5-4800 (CPU)", 460.8, "CPU", "epyc-9754-12ch-ddr5-4800"),
        ("AMD Ryzen 7 5800X (DDR4-3200, CPU)", 51.2, "CPU", "ryzen-7-5800x-ddr4-3200"),
        ("AMD Ryzen 9 7950X", None, "CPU", "ryzen-9-7950x-ddr5-6000"),  # as the catalogue's plain name
        ("Qualcomm Snapdragon X Elite", None, "CPU", "snapdragon-x-elite-32gb"),
        ("Jetson Orin Nano 8GB", 68, "CUDA", "jetson-orin-nano-8gb"),
    ],
)
def test_a_printed_device_is_found(printed: str, bandwidth: float | None, backend: str, expected: str | None) -> None:
    found = device(printed, bandwidth, backend)
    if expected is not None:
        assert (found.hardware.id, found.exact) == (expected, True)
    else:  # "Design" is a word that no entry has
        assert found.hardware.device_class == "nvidia_consumer"


def test_apple_m3_pro_is_found_whatever_its_memory() -> None:
    assert device("Apple M3 Pro (18c GPU)", 150, "Metal").hardware.id.startswith("apple-m3-pro-18c-")


def test_every_machine_of_one_device_is_found_by_its_own_name() -> None:
    for entry in entries():
        found = device(entry.hardware.name, entry.hardware.bandwidth_gb_per_s, "CPU" if entry.on_processor else "")
        assert found.hardware.bandwidth_gb_per_s == entry.hardware.bandwidth_gb_per_s, entry.hardware.id
        assert found.hardware.device_class == entry.hardware.device_class, entry.hardware.id


def test_other_memory_of_the_same_card_is_not_exact_and_keeps_its_rates() -> None:
    found = device("AMD Instinct MI50 24GB", 1024, "ROCm")  # sold with 16 and 32
    assert not found.exact and "24 GB" in found.how
    assert found.hardware.memory_bytes == 24 * 1024**3
    assert found.hardware.bandwidth_gb_per_s == 1024
    assert found.hardware.device_class == sizer.hardware("instinct-mi50-32gb").device_class


def test_a_stated_bandwidth_that_differs_is_taken() -> None:
    found = device("NVIDIA GeForce RTX 3060 10GB", 290, "CUDA")  # sold with 8 and 12
    assert not found.exact
    assert found.hardware.bandwidth_gb_per_s == 290 and found.hardware.memory_bytes == 10 * 1024**3


def test_cores_that_differ_scale_the_rates_and_not_the_bandwidth() -> None:
    full, found = sizer.hardware("apple-m1-pro-16c-32gb"), device("Apple M1 Pro (15c GPU)", 200, "Metal")
    rates = [one.to_dict()["devices"][0]["compute"]["fp16"]["value"] for one in (full, found.hardware)]
    assert rates[1] / rates[0] == pytest.approx(15 / 16, rel=1e-3)
    assert found.hardware.bandwidth_gb_per_s == full.bandwidth_gb_per_s and not found.exact


@pytest.mark.parametrize("bandwidth", [None, 409.6])
def test_two_sockets_are_not_one(bandwidth: float | None) -> None:
    one, found = sizer.hardware("epyc-7742-8ch-ddr4-3200"), device("2x AMD EPYC 7742 (CPU)", bandwidth, "CPU")
    assert not found.exact and "2 sockets" in found.how
    assert found.hardware.bandwidth_gb_per_s == pytest.approx(2 * one.bandwidth_gb_per_s)
    rates = [machine.to_dict()["devices"][0]["compute"]["fp32"]["value"] for machine in (one, found.hardware)]
    assert rates[1] == pytest.approx(2 * rates[0])


# --- devices that the catalogue lacks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "bandwidth", "backend", "device_class"),
    [
        ("NVIDIA RTX 4075 10GB", 448, "CUDA", "nvidia_consumer"),
        ("NVIDIA RTX 2065 SUPER 8GB", 448, "CUDA", "nvidia_consumer"),
        ("NVIDIA RTX 3055 8GB", 224, "CUDA", "nvidia_consumer"),
        ("NVIDIA RTX 4085 Laptop 12GB", 432, "CUDA", "nvidia_consumer"),
        ("NVIDIA GeForce GTX 1680 SUPER 6GB", 336, "CUDA", "nvidia_legacy"),
        ("NVIDIA Quadro RTX 7000 48GB", 672, "CUDA", "nvidia_workstation"),
        ("NVIDIA RTX 7000 Ada 40GB", 800, "CUDA", "nvidia_workstation"),
        ("NVIDIA RTX PRO 7000 Blackwell 24GB", 672, "CUDA", "nvidia_workstation"),
        ("NVIDIA RTX A4700 24GB", 640, "CUDA", "nvidia_workstation"),
        ("NVIDIA A35 24GB", 933, "CUDA", "nvidia_datacenter"),
        ("NVIDIA H150 96GB", 3600, "CUDA", "nvidia_datacenter"),
        ("AMD RX 6610 8GB", 224, "Vulkan", "amd_rdna"),
        ("AMD Radeon Pro W6850 32GB", 512, "ROCm", "amd_rdna"),
        ("AMD Radeon RX 585 8GB", 256, "Vulkan", "amd_gcn"),
        ("AMD Radeon RX Vega 60 8GB", 450, "Vulkan", "amd_gcn"),
        ("AMD Instinct MI55 16GB", 1024, "ROCm", "amd_gcn"),
        ("AMD Instinct MI310X 192GB", 5000, "ROCm", "amd_cdna"),
        ("AMD Radeon 770M", 89.6, "Vulkan", "amd_apu"),
        ("AMD Radeon Vega 9", 38.4, "Vulkan", "amd_apu"),
        ("Intel Arc B575 10GB", 380, "Vulkan", "intel_arc"),
        ("Intel Core Ultra 7 199H (Arc iGPU)", 120, "SYCL", "intel_igpu"),
        ("Apple M9 Max", 700, "Metal", "apple_max"),
        ("AMD EPYC 9759 12ch DDR5-4800 (CPU)", 460.8, "CPU", "cpu_server"),
        ("AMD Ryzen 7 5805X (DDR4-3200, CPU)", 51.2, "CPU", "cpu_desktop"),
        ("Orange Pi 99 Plus 16GB", 34, "CPU", "cpu_sbc"),
        ("Jetson Orin Pico 8GB", 68, "CUDA", "nvidia_jetson"),
    ],
)
def test_an_unknown_device_is_built_from_its_bandwidth_in_its_family(
    printed: str, bandwidth: float, backend: str, device_class: str
) -> None:
    found = device(printed, bandwidth, backend)
    assert not found.exact and "built from" in found.how
    assert found.hardware.bandwidth_gb_per_s == pytest.approx(bandwidth)
    assert found.hardware.device_class == device_class
    # Its rates per byte are those of real relatives: within what devices of a maker have.
    vendor = found.hardware.vendor
    relatives = [one.hardware for one in entries() if vendor in (one.hardware.vendor, "generic")]
    per_byte = [
        one.to_dict()["devices"][0]["compute"]["fp32"]["value"] / one.bandwidth_gb_per_s
        for one in relatives
        if "fp32" in one.to_dict()["devices"][0].get("compute", {})
    ]
    compute = found.hardware.to_dict()["devices"][0].get("compute", {})
    if "fp32" in compute:
        assert min(per_byte) * 0.99 <= compute["fp32"]["value"] / bandwidth <= max(per_byte) * 1.01


@pytest.mark.parametrize(
    ("printed", "never"),
    [
        ("NVIDIA RTX 3080 Ti Laptop 16GB", "rtx-3080-ti-12gb"),
        ("AMD EPYC 9754 (CPU)", "epyc-9654-12ch-ddr5-4800"),
        ("AMD EPYC 9759 (CPU)", "epyc-9754-12ch-ddr5-4800"),
        ("NVIDIA RTX 4090 D 24GB", "rtx-4090-24gb"),
        ("AMD RX 6600 8GB", "rx-6800-16gb"),
        ("NVIDIA GTX 1070 8GB", "gtx-1060-6gb"),
        ("NVIDIA A30", "a40-48gb"),
        ("NVIDIA RTX 4075 10GB", "rtx-4070-12gb"),
        ("NVIDIA RTX 2060 SUPER 8GB", "rtx-2060-6gb"),
        ("AMD RX 6610 8GB", "rx-6600-8gb"),
        ("AMD RX 6600 8GB", "rx-6600-xt-8gb"),
        ("AMD Ryzen 7 5800X (CPU)", "ryzen-7-5800x3d-ddr4-3200"),
        ("Apple M9 Max", "apple-m4-max-40c-128gb"),
        ("NVIDIA RTX 6000", "rtx-6000-ada-48gb"),
    ],
)
def test_a_model_number_never_stands_for_another(printed: str, never: str) -> None:
    found = find_device(printed, 500.0, "CPU" if "CPU" in printed else "")
    assert isinstance(found, NoMatch) or found.hardware.id != never


@pytest.mark.parametrize("printed", ["Banana", "NVIDIA RTX 4075 10GB", "AMD Ryzen AI 5 999 (CPU)", " "])
def test_an_unknown_device_without_a_bandwidth_is_a_reason(printed: str) -> None:
    found = find_device(printed, None, "")
    assert isinstance(found, NoMatch) and found.reason


def test_channels_and_data_rate_give_the_bandwidth_of_a_processor() -> None:
    found = device("AMD EPYC 9759 12ch DDR5-4800 (CPU)", None, "CPU")
    assert found.hardware.bandwidth_gb_per_s == pytest.approx(12 * 8 * 4.8)
    listed = device("Intel Core i7-12700K DDR4-3200 dual-channel", None, "CPU")  # with DDR5 in the catalogue
    assert listed.hardware.bandwidth_gb_per_s == pytest.approx(2 * 8 * 3.2) and not listed.exact
    two = device("Intel Core i7-12750K DDR4-3200 dual-channel", None, "CPU")
    assert two.hardware.bandwidth_gb_per_s == pytest.approx(2 * 8 * 3.2)


def test_the_processor_of_a_chip_reads_the_memory_of_the_chip() -> None:
    found = device("Apple M4 Pro", 273, "CPU")
    assert found.hardware.backend == "cpu" and found.hardware.device_class.startswith("cpu")
    assert found.hardware.bandwidth_gb_per_s == 273


@given(st.text(max_size=80), st.one_of(st.none(), st.floats(1, 10_000)), st.sampled_from(["", "CPU", "CUDA", "Vulkan"]))
def test_any_text_is_a_device_or_a_reason(printed: str, bandwidth: float | None, backend: str) -> None:
    assert isinstance(find_device(printed, bandwidth, backend), (DeviceMatch, NoMatch))


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "params", "expected"),
    [
        ("Phi-4", None, "phi-4-14b"),
        ("Qwen2.5-32B-Instruct", None, "qwen2.5-32b"),
        ("gemma-2-27b", None, "gemma-2-27b"),
        ("Hermes-3-Llama-3.1-8B", None, "llama-3.1-8b"),
        ("Command-R", None, "command-r-35b"),
        ("shisa-v2-llama3.3-70b.i1-Q4_K_M", 70.55, "llama-3.3-70b"),
        ("DeepSeek-R1-Distill-Qwen-14B", 14.77, "deepseek-r1-distill-qwen-14b"),
        ("DeepSeek-R1-Distill-Llama-70B-Q4_K_M.gguf", None, "deepseek-r1-distill-llama-70b"),
        ("bartowski/Meta-Llama-3.1-70B-Instruct-GGUF:Q4_K_M", None, "llama-3.1-70b"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL", 30.53, "qwen3-30b-a3b"),
        ("GLM-4.5-Air-Q4_K_M-00001-of-00002.gguf", 110.47, "glm-4.5-air"),
        ("openai_gpt-oss-20b-MXFP4", None, "gpt-oss-20b"),
        ("gpt-oss-120b-F16", 116.83, "gpt-oss-120b"),
        ("qwen3:4b", None, "qwen3-4b"),
        ("gemma3:12b-it-qat", None, "gemma-3-12b"),
        ("llama3.3:70b-instruct-q4_K_M", None, "llama-3.3-70b"),
        ("deepseek-r1:14b", None, "deepseek-r1-distill-qwen-14b"),
        ("llama 8B", 8.03, "llama-3.1-8b"),
        ("llama 7B (mistral-7b-instruct-v0.2)", 7.24, "mistral-7b-v0.2"),
        ("qwen2 14B Q4_K - Medium", 14.77, "qwen2.5-14b"),
        ("qwen35moe 35B.A3B", 34.66, "qwen3.5-35b-a3b"),
        ("mistral3 14B", 13.51, "ministral-3-14b"),
        ("glm4moe 106B.A12B", 110.47, "glm-4.5-air"),
        ("deepseek2 671B", 671.03, "deepseek-v3"),
        ("gemma3 4B", 3.88, "gemma-3-4b"),
        ("phi3 3B", 3.82, "phi-3.5-mini"),
        ("Mixtral-8x22B-Instruct-v0.1", 140.6, "mixtral-8x22b"),
        ("WizardLM-2-8x22B", 140.6, "mixtral-8x22b"),
        ("SOLAR-10.7B", 10.7, "solar-10.7b"),
        ("Falcon3-1B", 1.67, "falcon3-1b"),
        ("Qwen1.5-MoE-A2.7B", 14.3, "qwen1.5-moe-a2.7b"),
        ("internlm2 7B", 7.74, "internlm2-7b"),
        ("llama 3B", 3.21, "llama-3.2-3b"),
        ("llama 3B", 3.43, "open-llama-3b"),  # one type, told apart by its parameters
        ("openllama 7b", None, "open-llama-7b"),
    ],
)
def test_a_printed_model_is_found(printed: str, params: float | None, expected: str) -> None:
    found = model(printed, params)
    assert (found.model.id, found.exact) == (expected, True)


def test_every_model_of_the_catalogue_is_found_by_its_names() -> None:
    for one in sizer.models():
        for name in (one.id, one.hf_repo):
            if name:
                found = model(name).model
                assert found.parameters_from_shape == one.parameters_from_shape, name
                assert found.family == one.family, name


def test_the_notes_tell_models_of_one_type_apart() -> None:
    found = model("qwen3moe 30B.A3B", 30.53, notes="pp512; ggml-org/Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF")
    assert found.model.id == "qwen3-coder-30b-a3b"
    other = model("qwen3moe 30B.A3B", 30.53, notes="pp512; ggml-org/gpt-oss-120b-GGUF")
    assert other.model.family == "qwen3moe"


def test_a_version_left_out_must_agree_in_its_parameters() -> None:
    assert model("internlm 7b").model.id == "internlm2-7b"
    first = model("internlm 7b", 7.32)  # the first version has other heads
    assert not first.exact and first.model.parameters_from_shape / 1e9 == pytest.approx(7.32, rel=0.03)


@pytest.mark.parametrize("printed", ["Llama-3.1-8B", "gpt-oss-20b", "qwen3:4b", "phi3 3B"])
def test_parameters_that_differ_forbid_a_model(printed: str) -> None:
    right = model(printed).model
    wrong = model(printed, 60.0)
    assert wrong.model.id != right.id and not wrong.exact
    assert wrong.model.parameters_from_shape / 1e9 == pytest.approx(60, rel=0.03)


@pytest.mark.parametrize(
    ("printed", "params", "hint", "active"),
    [
        ("a model nobody heard of", 12.2, "", None),
        ("Solaris-10.7B", 10.7, "dense", None),
        ("Yonder-1.5-9B-Chat", 8.83, "dense", None),
        ("Optima-66B", 66.0, "", None),
        ("InternLM99-20B", 19.86, "dense", None),
        ("Falcon99-2B", 2.13, "dense", None),
        ("Mosaiq-MoE-A2.7B", 14.3, "moe", 2.7),
        ("Ernestine-4.5-300B-A47B", 299.0, "", 47.0),
        ("DBRY", 132.0, "moe (132B, 36B active)", 36.0),
        ("lfm99 8B.A1B", 8.3, "", 1.0),
        ("Gneiss-4.0-H-Small", 32.2, "moe (9B active)", 9.0),
        ("Wizardry-8x22B", 140.6, "", 39.0),
    ],
)
def test_an_unknown_model_gets_a_shape_of_its_parameters(
    printed: str, params: float, hint: str, active: float | None
) -> None:
    found = model(printed, params, arch_hint=hint)
    assert not found.exact and "billion parameters" in found.how
    assert found.model.parameters_from_shape / 1e9 == pytest.approx(params, rel=0.03)
    assert found.model.is_moe == (active is not None)
    if active is not None:
        assert found.model.active_parameters_from_shape / 1e9 == pytest.approx(active, rel=0.15)


@given(st.floats(0.1, 700))
def test_a_dense_shape_of_any_size_has_its_parameters(params: float) -> None:
    found = model("nobody heard of it", params, arch_hint="dense")
    assert found.model.parameters_from_shape / 1e9 == pytest.approx(params, rel=0.03)


def test_a_size_in_the_name_or_a_file_stands_for_missing_parameters() -> None:
    assert model("intermezzo 7b").model.parameters_from_shape / 1e9 == pytest.approx(7, rel=0.03)
    by_file = model("thing", quant="Q8_0", file_size_gib=8.5)
    assert by_file.model.parameters_from_shape / 1e9 == pytest.approx(8.59, rel=0.05)


def test_a_model_of_which_nothing_is_known_is_a_reason() -> None:
    for printed in ("unknown thing", "", "???"):
        assert isinstance(find_model(named(printed)), NoMatch)


@given(st.text(max_size=60), st.one_of(st.none(), st.floats(1e-3, 1e5)))
def test_any_text_is_a_model_or_a_reason(printed: str, params: float | None) -> None:
    assert isinstance(find_model(named(printed, params)), (ModelMatch, NoMatch))


# --- weight formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in sizer.quantizations() if name[0] in "QIT"])
def test_a_recipe_of_the_library_is_itself(name: str) -> None:
    for printed in (name, name.lower(), f"i1-{name}", f"gguf-{name.lower()}"):
        assert (quant(printed).quant, quant(printed).approximate) == (name, False)


@pytest.mark.parametrize(
    ("printed", "engine", "expected", "approximate"),
    [
        ("UD-Q4_K_XL", "llama.cpp", "Q4_K_M", True),
        ("UD-Q8_K_XL", "llama.cpp", "Q8_0", True),
        ("UD-Q2_K_XL", "llama.cpp", "Q2_K", True),
        ("UD-IQ3_XXS", "llama.cpp", "IQ3_XXS", True),
        ("Q5_K_L", "llama.cpp", "Q5_K_M", True),
        ("Q4_K - Medium", "llama.cpp", "Q4_K_M", False),
        ("Q3_K - Small", "llama.cpp", "Q3_K_S", False),
        ("IQ4_XS - 4.25 bpw", "llama.cpp", "IQ4_XS", False),
        ("Q4_0_4_4", "llama.cpp", "Q4_0", False),
        ("Q4_K_R4", "ik_llama.cpp", "Q4_K_M", False),
        ("IQ4_KS", "ik_llama.cpp", "IQ4_XS", True),
        ("smol-IQ3_K", "ik_llama.cpp", "IQ3_S", True),
        ("IQ2_XXS/Q2_K mix (ds4f-q2)", "ds4", "IQ2_XXS", True),
        ("Ollama default", "ollama", "Q4_K_M", False),
        ("Ollama default (Q4_K_M)", "ollama", "Q4_K_M", False),
        ("Q4_0 QAT", "ollama", "Q4_0", False),
        ("FP16", "llama.cpp", "F16", False),
        ("FP16", "vllm", "HF_BF16", False),
        ("BF16", "llama.cpp", "BF16", False),
        ("bf16", "sglang", "HF_BF16", False),
        ("MLX bf16", "mlx", "HF_BF16", False),
        ("MLX 4bit", "mlx", "MLX-4BIT", False),
        ("MLX q8", "mlx", "MLX-8BIT", False),
        ("MLX q4 g32", "mlx", "MLX-4BIT", True),
        ("MLX q5", "mlx", "MLX-6BIT", True),
        ("MXFP4", "llama.cpp", "MXFP4_MOE", False),
        ("MXFP4 (file tagged F16)", "llama.cpp", "MXFP4_F16", False),
        ("mxfp4", "vllm", "MXFP4_BF16", False),
        ("FP8", "vllm", "FP8", False),
        ("fp8-dynamic", "vllm", "FP8_TENSOR", False),
        ("awq-int4", "vllm", "AWQ", False),
        ("autoround-int4", "vllm", "GPTQ", False),
        ("W4A16", "vllm", "GPTQ", False),
        ("nvfp4", "tensorrt-llm", "NVFP4", False),
        ("int8-w8a8", "vllm", "FP8_TENSOR", True),
        ("4-bit", "llama.cpp", "Q4_K_M", True),
        ("4-bit", "vllm", "AWQ", True),
        ("EXL2 6.5 bpw", "exllamav2", "Q6_K", True),
    ],
)
def test_a_printed_format_is_a_recipe(printed: str, engine: str, expected: str, approximate: bool) -> None:
    found = quant(printed, engine)
    assert (found.quant, found.approximate) == (expected, approximate)


def test_a_format_that_no_rule_knows_goes_by_the_size_of_its_file() -> None:
    found = quant("turbo9", file_size_gib=8.03 * 8.5 / 8 * 1e9 / 1024**3, params_b=8.03)
    assert (found.quant, found.approximate) == ("Q8_0", True)
    assert isinstance(find_format("turbo9", "llama.cpp"), NoMatch)
    assert isinstance(find_format("not stated", "unknown"), NoMatch)


@given(st.text(max_size=40), st.sampled_from(["llama.cpp", "vllm", "mlx", "exllamav2", "ollama", "unknown"]))
def test_any_text_is_a_format_of_the_library_or_a_reason(printed: str, engine: str) -> None:
    found = find_format(printed, engine)
    assert isinstance(found, NoMatch) or found.quant in sizer.quantizations()


# --- engines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "device_name", "backend", "expected"),
    [
        ("llama.cpp", "NVIDIA RTX 3090", "CUDA", ("llama.cpp", "llama.cpp", "cuda")),
        ("llama.cpp or Ollama (per linked issue)", "NVIDIA RTX 3060", "GPU", ("llama.cpp", "llama.cpp", "cuda")),
        ("Ollama", "Apple M4", "", ("ollama", "ollama", "metal")),
        ("ik_llama.cpp", "AMD EPYC 9965 (CPU)", "CPU", ("ik_llama.cpp", "llama.cpp", "cpu")),
        ("vLLM", "AMD Instinct MI300X", "ROCm 7.1.1", ("vllm", "vllm", "rocm")),
        ("SGLang (as cited)", "NVIDIA DGX Spark", "", ("sglang", "vllm", "cuda")),
        ("TensorRT-LLM", "NVIDIA H100", "", ("tensorrt-llm", "vllm", "cuda")),
        ("DeepSpeed/optimum-habana", "Intel Gaudi 2", "HPU", ("deepspeed", "vllm", "hpu")),
        ("mlx-lm", "Apple M4 Max", "Metal", ("mlx", "mlx", "metal")),
        ("Exllama V2", "NVIDIA RTX 3090", "CUDA", ("exllamav2", "llama.cpp", "cuda")),
        ("exllamav3", "NVIDIA RTX 3090", "CUDA", ("exllamav3", "llama.cpp", "cuda")),
        ("llama.cpp", "AMD RX 7900 XTX", "Vulkan (RADV)", ("llama.cpp", "llama.cpp", "vulkan")),
        ("llama.cpp", "Intel Data Center GPU Max 1550", "XPU", ("llama.cpp", "llama.cpp", "sycl")),
        ("llama.cpp (IPEX-LLM)", "Intel Arc A770", "SYCL (IPEX-LLM)", ("llama.cpp", "llama.cpp", "sycl")),
        ("llama.cpp", "NVIDIA RTX 2080", "unknown (GPU build of llama.cpp)", ("llama.cpp", "llama.cpp", "cuda")),
        ("", "NVIDIA RTX 2080", "", ("unknown", "llama.cpp", "cuda")),
    ],
)
def test_engine_and_backend(engine: str, device_name: str, backend: str, expected: tuple[str, str, str]) -> None:
    found = find_software(engine, "", backend, device_name)
    assert (found.engine, found.library_engine, found.backend) == expected
    assert found.library_engine in sizer.engines()


@pytest.mark.parametrize(
    ("version", "build", "date"),
    [
        ("4426e298 (2824)", 2824, None),
        ("b4321", 4321, None),
        ("b6123-g1a2b3c4d", 6123, None),
        ("build: 5555 (abcdef01)", 5555, None),
        ("2024-03-03", None, (2024, 3)),
        ("3bdc4cd0 (2024-02)", None, (2024, 2)),
        ("README (late 2023)", None, (2023, 12)),
        ("2024 (vLLM ~0.6)", None, None),
        ("1.0.0+cu128.torch2.8.0", None, None),
        ("57291f264", None, None),
    ],
)
def test_builds_and_dates_of_versions(version: str, build: int | None, date: tuple[int, int] | None) -> None:
    assert (build_of(version), date_of(version)) == (build, date)


@pytest.mark.parametrize(
    ("engine", "version", "notes", "old"),
    [
        ("llama.cpp", "4426e298 (2824)", "", True),
        ("llama.cpp", "a81a56957 (7361)", "", False),
        ("llama.cpp", "2024-01 master", "", True),
        ("llama.cpp", "2024-08-31", "", True),
        ("llama.cpp", "2024-09-01", "", False),
        ("ik_llama.cpp", "e3fec173 (3667)", "", False),  # its own count
        ("ik_llama.cpp", "2024-12-24 main", "", False),
        ("vLLM", "2023-10 commits", "", True),
        ("llama.cpp", "", "pp512; old build", True),
        ("llama.cpp", "", "", False),
    ],
)
def test_old_builds_are_told_by_number_date_and_words(engine: str, version: str, notes: str, old: bool) -> None:
    assert find_software(engine, version, "CUDA", "NVIDIA RTX 3090", notes).old_build is old
