# SPDX-License-Identifier: GPL-2.0-only
"""Boot a small GICv2 VM, deliver one interrupt, and compare what every step costs on each design.

Run it with `python examples/boot_and_compare.py`, where vgic-bench is installed.
"""

from vgic_bench import explain

BOOT = [
    "mmio_w 0 d 0x000 4 0x1",  # GICD_CTLR: forward interrupts
    "mmio_w 0 d 0x424 4 0xa0a0a0a0",  # GICD_IPRIORITYR9: priority of INTIDs 36 to 39
    "mmio_w 0 d 0x104 4 0x10",  # GICD_ISENABLER1: enable INTID 36
]
DELIVER = [
    "inject 0 36 1",  # a device raises its line
    "flush 0",  # the host fills the list registers, the guest runs
    "pmr 0 0xf0",
    "ctlr 0 0x1",
    "ack 0",
    "inject 0 36 0",  # the handler has quietened the device
    "eoi 0 @8",  # operation 8 is the acknowledge: its INTID is ended
    "sync 0",  # the guest is out; the host reads the list registers back
]

steps = explain([*BOOT, *DELIVER], designs="old,new", gic=2, vcpus=1, irqs=64)
cost = steps.table().pivot_table(index=["operation", "line"], columns="design", values="count", aggfunc="sum")
print("Primitive steps of each operation:\n")
print(cost.fillna(0).astype(int).to_string())
locks = steps.table().query("event == 'lock'").groupby("design")["count"].sum()
print(f"\nLocks taken: {locks['old']} by the old design, {locks['new']} by the new one.")
