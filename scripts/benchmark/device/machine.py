"""What the figures of a report depend on: device, driver, versions."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from data.parallel import usable_cores
from scripts.benchmark.train import device_name

PACKAGES = "torch", "torchvision", "triton", "numpy", "pillow"
DRIVER = Path("/proc/driver/nvidia/version")


def describe() -> dict[str, Any]:
    """Facts of this machine and its software, by name; the device first."""
    gpu = torch.cuda.is_available()
    facts: dict[str, Any] = {"device": device_name("cuda" if gpu else "cpu"), "kind": "cuda" if gpu else "cpu"}
    if gpu:
        properties = torch.cuda.get_device_properties(0)
        facts |= {
            "memory, GiB": round(properties.total_memory / 2**30, 1),
            "compute capability": f"{properties.major}.{properties.minor}",
            "driver": driver_version(),
            "CUDA": torch.version.cuda or "none",
            "cuDNN": str(torch.backends.cudnn.version()),
            "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        }
    facts |= {"Python": platform.python_version()} | {name: installed(name) for name in PACKAGES}
    return facts | {"cores": usable_cores(), "CPU": device_name("cpu"), "threads": torch.get_num_threads()}


def installed(package: str) -> str:
    """The version of a package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def driver_version() -> str:
    """Of NVIDIA's driver, by nvidia-smi or by the kernel; "unknown" if neither tells."""
    if shutil.which("nvidia-smi"):
        words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done and done.returncode == 0 and done.stdout.strip():
            return done.stdout.split()[0]
    try:
        found = re.search(r"\d+\.\d+(\.\d+)?", DRIVER.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[0] if found else "unknown"
