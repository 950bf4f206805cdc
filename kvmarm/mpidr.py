# SPDX-License-Identifier: GPL-2.0-only
"""Affinity numbers of vCPUs, as KVM/arm64 gives them to its guests (arch/arm64/kvm/sys_regs.c, reset_mpidr)."""

from kvmarm.gic import affinity_of
from kvmarm.jit import jit

vcpu_affinity = jit(affinity_of)
