# SPDX-License-Identifier: GPL-2.0-only
"""Recordings of real machines: read, recognised, and placed as operations on a VGIC.

From text to operations in three steps, each streaming so that memory stays flat for recordings of any length:

1. a reader (ftrace text, trace.dat, QEMU CSV, QEMU trace log) turns the recording into EVENT records (`events`), kept
   in a temporary file. It also learns what must be known beforehand: vCPUs, GIC version, where the GIC is;
2. placement (`place_kvm`, `place_qemu`) turns events into operations of the trace format, in chunks, by stated rules,
   and counts what was seen, inferred and dropped;
3. whoever asked runs the operations on a design, or writes them out.

`bench.recordings.convert` puts the steps together; `bench.recordings.readers.source` opens files of any compression.
"""
