# SPDX-License-Identifier: GPL-2.0-only
"""Which kind of recording a file is, by its first bytes."""

import re

from bench.recordings import qemu_csv
from kvmarm.errors import UsageError

FTRACE = "ftrace text"
TRACE_DAT = "trace.dat"
QEMU_CSV = "QEMU event CSV"
QEMU_LOG = "QEMU trace log"
TRACE = "vgic-bench trace"

TRACE_DAT_MAGIC = b"\x17\x08\x44tracing"
_QEMU_LOG_LINE = re.compile(rb"^(?:\d+@\d+\.\d+:)?(?:gic_|gicv3_|memory_region_ops_)\w+ ", re.MULTILINE)
_FTRACE_LINE = re.compile(rb"^.*-\d+ +(?:\([ \d-]+\) +)?\[\d+\] .*\d: +\w+:", re.MULTILINE)
_FTRACE_HEAD = re.compile(rb"^(?:# tracer:|cpus=\d|version = \d|CPU:\d+ \[LOST|CPU \d+ is empty)", re.MULTILINE)
_KINDS = "KVM ftrace text, trace-cmd report, trace.dat, QEMU GIC event CSV or trace log, or a vgic-bench trace"


def detect(head: bytes, name: str) -> str:
    """Return the kind of a recording that starts with `head` (64 KiB suffice). Raises UsageError when it is none."""
    if head.startswith(TRACE_DAT_MAGIC):
        return TRACE_DAT
    if b"\0" in head[:4096]:
        raise UsageError(f"{name}: binary data, expected {_KINDS}")
    if head.lstrip().startswith(b"seq,cpu,kind,"):
        if not head.startswith(qemu_csv.HEADER):
            raise UsageError(f"{name}:1: heading of a QEMU event CSV, expected {qemu_csv.HEADER.decode()}")
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
    raise UsageError(f"{name}: not a recording of a known kind, expected {_KINDS}")
