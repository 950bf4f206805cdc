# SPDX-License-Identifier: GPL-2.0-only
"""Which kind of recording a file is, by its first bytes."""

import re

from bench.recordings.readers import qemu_csv
from kvmarm.errors import UsageError

FTRACE = "ftrace text"
TRACE_DAT = "trace.dat"
QEMU_CSV = "QEMU event CSV"
QEMU_LOG = "QEMU trace log"
TRACE = "vgic-bench trace"

TRACE_DAT_MAGIC = b"\x17\x08\x44tracing"
_QEMU_LOG_LINE = re.compile(rb"^(?:\d+@\d+\.\d+:)?(?:gic_|gicv3_|memory_region_ops_)\w+ ", re.MULTILINE)
# COMM-PID [CPU] … or, in the latency format, COMM-PID CPUFLAGS …; perf script has a blank before the PID. Every part is
# bounded, so that no line takes long.
_FTRACE_LINE = re.compile(
    rb"[- ]\d{1,10}(?:/\d{1,10})? {1,16}(?:\([ \d-]{1,12}\) {1,16})?(?:\[\d{1,5}\]|\d{1,5}[^\s\d:]\S{2,8}) "
    rb"[^:\n]{0,64}[\dsu+!#*@$ ]: {1,64}[\w:]{1,80}:"
)
_PERF_TRACE_LINE = re.compile(rb"^ *\d+\.\d+ \( *\d*\.?\d* *(?:ms)? *\): ", re.MULTILINE)
_FTRACE_HEAD = re.compile(rb"^(?:# tracer:|cpus=\d|version = \d|CPU:\d+ \[LOST|CPU \d+ is empty)", re.MULTILINE)
_EVENT = rb"^[^\n]{0,200}[\d.]: {1,64}(?:kvm(?:_hv)?:)?"
_ARCHITECTURES = (
    ("RISC-V", rb"kvm_exit: [^\n]{0,80}\b(?:SEPC:|sepc=)|kvm_entry: [^\n]{0,80}PC: 0x016\w{16}"),
    (
        "x86",
        rb"kvm_entry: {1,64}vcpu[ _]|kvm_exit: [^\n]{0,80}\b(?:rip 0x|guest_rip=|reason )|"
        rb"kvm_(?:apic|pio|cpuid|msr|cr|eoi|pic|ioapic|fpu|emulate_insn|inj_virq|hv_|nested_vm)\w{0,40}:",
    ),
    ("s390", rb"kvm_s390_\w{1,40}:"),
    ("PowerPC", rb"kvm_(?:guest_enter|guest_exit|ppc_\w{1,40}|book3s_\w{1,40}|booke\w{1,40}):|kvm_exit: {1,64}exit="),
    ("MIPS or LoongArch", rb"kvm_(?:enter|reenter|out): "),
)
"""What the entries, exits or other events of an architecture's KVM look like."""
_KINDS = "KVM ftrace text, trace-cmd report, trace.dat, QEMU GIC event CSV or trace log, or a vgic-bench trace"


def detect(head: bytes, name: str) -> str:
    """Return the kind of a recording that starts with `head` (64 KiB suffice). Raises UsageError when it is none."""
    if head.startswith(TRACE_DAT_MAGIC):
        return TRACE_DAT
    if b"\0" in head[:4096]:
        raise UsageError(f"{name}: binary data, expected {_KINDS}")
    if qemu_csv.is_heading(head.split(b"\n", 1)[0]):
        return QEMU_CSV
    for line in head.splitlines():
        text = line.split(b"#", 1)[0].strip()
        if text:
            if text.startswith(b"config"):
                return TRACE
            break
    if _QEMU_LOG_LINE.search(head):
        return QEMU_LOG
    if _FTRACE_HEAD.search(head) or _FTRACE_LINE.search(head):
        return FTRACE
    if _PERF_TRACE_LINE.search(head):
        raise UsageError(f"{name}: output of perf trace, which has no event arguments of KVM: expected {_KINDS}")
    raise UsageError(f"{name}: not a recording of a known kind, expected {_KINDS}")


def other_architecture(head: bytes) -> str:
    """Return the architecture, other than Arm, whose KVM traced the events at the start of ftrace text, "" if none."""
    for name, events in _ARCHITECTURES:
        if re.search(_EVENT + b"(?:" + events + b")", head, re.MULTILINE):
            return name
    return ""
