# SPDX-License-Identifier: GPL-2.0-only
"""Affinity numbers of vCPUs, as KVM/arm64 gives them to its guests (arch/arm64/kvm/sys_regs.c, reset_mpidr)."""

from typing import Any

from kvmarm.jit import jit


@jit
def vcpu_affinity(vcpu: Any) -> Any:
    """Return MPIDR_EL1's Aff2.Aff1.Aff0 (one byte each, int64) of vCPU n: 16 vCPUs per cluster."""
    return (vcpu & 15) | ((vcpu >> 4) & 0xFF) << 8 | ((vcpu >> 12) & 0xFF) << 16
