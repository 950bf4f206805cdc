# SPDX-License-Identifier: GPL-2.0-only
"""What a run has to say about where and with what it was made: every fact in one place.

Nothing is required: what a machine does not tell is left out. Host names are kept as a hash, enough to see whether two
runs come from one machine.
"""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.system.processes import cores
from kvmarm.built_in import MODELS

_VERSIONED = ("numpy", "numba", "llvmlite", "pandas", "pyarrow", "scipy")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def _processor() -> dict[str, str]:
    found = {}
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        name = name.strip()
        if name in ("model name", "CPU implementer", "CPU part", "microcode") and name not in found:
            found[name] = value.strip()
    return found


def _turbo() -> str | None:
    no_turbo = _read("/sys/devices/system/cpu/intel_pstate/no_turbo")
    if no_turbo is not None:
        return "off" if no_turbo == "1" else "on"
    boost = _read("/sys/devices/system/cpu/cpufreq/boost")
    return {"0": "off", "1": "on"}.get(boost or "")


def _hypervisor() -> bool:
    return any("hypervisor" in line for line in (_read("/proc/cpuinfo") or "").splitlines() if line.startswith("flags"))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the figures depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Return the commit of the checkout that this code runs from, `+` after it when files differ; None elsewhere."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _source_hash() -> str:
    """Return 16 hex digits that change with any source file of the models, the interface or the harness."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in ("kvmarm", *MODELS, "bench"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".toml", ".json"):
                digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def tool() -> dict[str, Any]:
    """Return version, commit and source hash of this tool."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("vgic-bench")
    except PackageNotFoundError:
        own = "unknown"
    return {"version": own, "commit": commit(), "source_hash": _source_hash()}


def environment() -> dict[str, Any]:
    """Return the facts of this machine and process that times depend on."""
    from kvmarm.jit import JIT_ENABLED

    processor = _processor()
    facts: dict[str, Any] = {
        **versions(),
        "implementation": platform.python_implementation(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu_model": processor.get("model name") or processor.get("CPU part") or platform.processor(),
        "microcode": processor.get("microcode"),
        "cores": cores(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(),
        "smt": _read("/sys/devices/system/cpu/smt/control"),
        "clock_source": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "aslr": _read("/proc/sys/kernel/randomize_va_space"),
        "virtual_machine": _hypervisor(),
        "load_1m": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "jit": JIT_ENABLED,
        "hostname_hash": hashlib.sha256(platform.node().encode()).hexdigest()[:12],
    }
    return {name: value for name, value in facts.items() if value is not None}


def command() -> list[str]:
    """Return the command line as given, the program by its bare name."""
    # As text that results can hold: bytes that are not UTF-8 are marked.
    return [os.fsencode(word).decode(errors="replace") for word in (Path(sys.argv[0]).name, *sys.argv[1:])]
