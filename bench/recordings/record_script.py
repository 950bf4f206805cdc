# SPDX-License-Identifier: GPL-2.0-only
"""The recorder: a shell script for a KVM/Arm host, made here because only the host can run it.

It enables KVM's trace events and, where the kernel allows, four probes that add what the events lack. Kprobes take
arguments from registers and memory by offset, which differ between kernels; where the kernel has BTF and tracefs takes
function probes (Linux 6.6 and later), arguments are named instead.
"""

import shlex
from dataclasses import dataclass

from kvmarm.errors import UsageError

EVENTS = (
    "kvm_entry", "kvm_exit", "kvm_mmio", "kvm_sys_access", "kvm_wfx_arm64", "kvm_get_timer_map", "kvm_ack_irq",
    "kvm_irq_line", "kvm_timer_save_state", "kvm_timer_update_irq", "kvm_vcpu_wakeup", "vgic_update_irq_pending",
)  # fmt: skip
"""What a replay uses, and the few events that help to understand its result."""


@dataclass(frozen=True)
class Probe:
    """One probe. adds: what it adds to a recording; function: where; kprobe, btf: its two definitions."""

    name: str
    adds: str
    function: str
    kprobe: str
    btf: str


def probes(list_registers: int) -> tuple[Probe, ...]:
    """Return the four probes for a host with `list_registers` list registers.

    Offsets of the register form are those of Linux 6.1 on arm64; the script's variables change them.
    """
    lrs = [f"lr{index}=+$((VGIC_V3 + V3_LR + {8 * index}))(%x0):x64" for index in range(list_registers)]
    entry = (
        "vcpu=+$VCPU_IDX(%x0):s32 hcr=+$((VGIC_V3 + V3_HCR))(%x0):x32 "
        "vmcr=+$((VGIC_V3 + V3_VMCR))(%x0):x32 " + " ".join(lrs)
    )
    named = [f"lr{index}=vcpu->arch.vgic_cpu.vgic_v3.vgic_lr[{index}]:x64" for index in range(list_registers)]
    btf = (
        "vcpu=vcpu->vcpu_idx:s32 used=vcpu->arch.vgic_cpu.vgic_v3.used_lrs:u32 "
        "hcr=vcpu->arch.vgic_cpu.vgic_v3.vgic_hcr:x32 vmcr=vcpu->arch.vgic_cpu.vgic_v3.vgic_vmcr:x32 " + " ".join(named)
    )
    return (
        Probe(
            "vgic_sgi1r",
            "the value of ICC_SGI1R_EL1 writes: which SGI goes to which vCPUs",
            "vgic_v3_dispatch_sgi",
            "vcpu=+$VCPU_IDX(%x0):s32 val=%x1:x64 grp1=%x2:u8",
            "vcpu=vcpu->vcpu_idx:s32 val=reg:x64 grp1=allow_group1:u8",
        ),
        Probe(
            "vgic_lr_entry",
            "list registers at entry: what the guest can take",
            "kvm_arm_setup_debug",
            entry,
            btf,
        ),
        Probe(
            "vgic_lr_exit",
            "list registers at exit: what the guest took and completed",
            "vgic_v3_fold_lr_state",
            entry,
            btf,
        ),
        Probe(
            "vgic_msi",
            "device and event of each MSI (counted, not replayed: the ITS is not modelled)",
            "vgic_its_inject_msi",
            "addr_lo=+0(%x1):x32 addr_hi=+4(%x1):x32 data=+8(%x1):x32 flags=+12(%x1):x32 devid=+16(%x1):x32",
            "addr_lo=msi->address_lo:x32 addr_hi=msi->address_hi:x32 data=msi->data:x32 flags=msi->flags:x32 "
            "devid=msi->devid:x32",
        ),
    )


_HEAD = """\
#!/bin/sh
# Records what KVM's virtual interrupt controller does, for `vgic-bench replay`.
# SPDX-License-Identifier: GPL-2.0-only
#
#   sh record.sh [COMMAND...]
#
# Run as root on the KVM/Arm host. Records while COMMAND runs (a VMM, say), without one until Ctrl-C. Writes
# $OUT.ftrace.txt.gz and $OUT.parameters; replay the first, keep the second with it.
set -eu

OUT=${OUT:-@OUTPUT@}
BUFFER_KB=${BUFFER_KB:-@BUFFER@}
PROBES=${PROBES:-@PROBES@}

# Offsets of the register form of the probes, in bytes, as in Linux 6.1 arm64 (pahole -C kvm_vcpu vmlinux shows yours).
VCPU_IDX=${VCPU_IDX:-@VCPU_IDX@}
VGIC_V3=${VGIC_V3:-}    # of kvm_vcpu.arch.vgic_cpu.vgic_v3: set it to enable the register form of the LR probes
V3_HCR=${V3_HCR:-0}     # of vgic_hcr, vgic_vmcr and vgic_lr in struct vgic_v3_cpu_if
V3_VMCR=${V3_VMCR:-4}
V3_LR=${V3_LR:-48}

T=
for d in /sys/kernel/tracing /sys/kernel/debug/tracing; do
    [ -w "$d/tracing_on" ] && T=$d && break
done
if [ -z "$T" ]; then
    mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || true
    T=/sys/kernel/tracing
fi
[ -w "$T/tracing_on" ] || { echo "record: no tracefs here, or not root" >&2; exit 1; }
[ -d "$T/events/kvm" ] || { echo "record: this kernel has no kvm trace events" >&2; exit 1; }

I=$T/instances/vgic-bench
mkdir -p "$I"
NAMES=

forget() {
    echo 0 > "$I/tracing_on"
    for n in $NAMES; do
        echo 0 > "$I/events/vgicbench/$n/enable" 2>/dev/null || true
    done
    rmdir "$I" 2>/dev/null || true
    for n in $NAMES; do
        echo "-:vgicbench/$n" >> "$T/dynamic_events" 2>/dev/null || true
    done
}
trap forget EXIT

# probe NAME FUNCTION KPROBE-ARGUMENTS BTF-ARGUMENTS
probe() {
    if [ -e /sys/kernel/btf/vmlinux ] && echo "f:vgicbench/$1 $2 $4" >> "$T/dynamic_events" 2>/dev/null; then
        form="function probe, arguments by name"
    elif [ -n "$3" ] && echo "p:vgicbench/$1 $2 $3" >> "$T/kprobe_events" 2>/dev/null; then
        form="kprobe, arguments by register and offset"
    else
        echo "record: no probe $1 on this kernel: recorded without it" >&2
        echo "probe.$1=none" >> "$OUT.parameters"
        return 0
    fi
    echo 1 > "$I/events/vgicbench/$1/enable"
    NAMES="$NAMES $1"
    echo "probe.$1=$form" >> "$OUT.parameters"
}

{
    echo "kernel=$(uname -r)"
    echo "machine=$(uname -m)"
    echo "cpus=$(getconf _NPROCESSORS_ONLN)"
    echo "date=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "command=$*"
    echo "buffer_kb=$BUFFER_KB"
} > "$OUT.parameters"

echo "$BUFFER_KB" > "$I/buffer_size_kb"
echo mono > "$I/trace_clock" 2>/dev/null || true
echo 1 > "$I/options/record-tgid" 2>/dev/null || true
: > "$I/trace"
"""

_TAIL = """\

cat "$I/trace_pipe" > "$OUT.ftrace.txt" &
reader=$!
echo 1 > "$I/tracing_on"
if [ $# -gt 0 ]; then
    status=0
    "$@" || status=$?
    echo "status=$status" >> "$OUT.parameters"
else
    echo "record: recording, end with Ctrl-C" >&2
    trap : INT
    while sleep 3600; do :; done || true
fi
echo 0 > "$I/tracing_on"
sleep 1
for s in "$I"/per_cpu/cpu*/stats; do
    sed -n "s/^overrun: \\\\(.*\\\\)/overrun=\\\\1/p" "$s"
done >> "$OUT.parameters"
# trace_pipe never ends by itself.
kill "$reader" 2>/dev/null || true
wait "$reader" 2>/dev/null || true
gzip -f "$OUT.ftrace.txt"
echo "record: wrote $OUT.ftrace.txt.gz and $OUT.parameters" >&2
"""


def script(output: str = "recording", buffer_kb: int = 65536, list_registers: int = 4, with_probes: bool = True) -> str:
    """Return the recorder's shell script. buffer_kb: ring buffer of each CPU. Raises UsageError."""
    if not 1 <= list_registers <= 16:
        raise UsageError(f"--lrs {list_registers}: expected 1..16")
    if not 64 <= buffer_kb <= 1 << 22:
        raise UsageError(f"--buffer-kb {buffer_kb}: expected 64..{1 << 22}")
    head = _HEAD.replace("@OUTPUT@", shlex.quote(output)).replace("@BUFFER@", str(buffer_kb))
    head = head.replace("@PROBES@", "1" if with_probes else "0").replace("@VCPU_IDX@", "40")
    lines = [head, "for e in " + " ".join(EVENTS) + "; do"]
    lines += [
        '    if [ -d "$I/events/kvm/$e" ]; then',
        '        echo 1 > "$I/events/kvm/$e/enable"',
        '        echo "event.$e=1" >> "$OUT.parameters"',
        "    else",
        '        echo "record: no event $e on this kernel" >&2',
        "    fi",
        "done",
        "",
        'if [ "$PROBES" = 1 ]; then',
    ]
    for item in probes(list_registers):
        lines.append(f"    # {item.adds}")
        if item.name.startswith("vgic_lr"):
            lines.append(f'    if [ -n "$VGIC_V3" ]; then k="{item.kprobe}"; else k=; fi')
            lines.append(f'    probe {item.name} {item.function} "$k" "{item.btf}"')
        else:
            lines.append(f'    probe {item.name} {item.function} "{item.kprobe}" "{item.btf}"')
    lines.append("fi")
    return "\n".join(lines) + "\n" + _TAIL
