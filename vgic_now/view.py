# SPDX-License-Identifier: GPL-2.0-only
"""The state of today's VGIC in words, for explanations.

Models: nothing that runs; it names fields as Linux 6.18.35 does.

Lock order: none taken; nothing else runs the model in the meantime.

Rules:
- Only what differs from rest is shown.
"""

from typing import Any

from kvmarm.config import MAX_LPIS
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI, HCR_UIE, PRIVATE_IRQS, SGIS
from vgic_now.state import (
    EDGE,
    FIRST_LPI_SLOT,
    FIRST_PRIVATE,
    MAX_COLLECTIONS,
    MAX_DEVICES,
    MAX_ITTES,
    NO_COLLECTION_LEFT,
    NO_DEVICE_LEFT,
    NO_ITTE_LEFT,
    NO_LPI_LEFT,
    NO_SLOT,
    NOBODY,
    NOTHING,
    is_pending,
)

LIMITS = {
    NO_LPI_LEFT: f"more than {MAX_LPIS} LPIs",
    NO_DEVICE_LEFT: f"more than {MAX_DEVICES} devices of the ITS",
    NO_COLLECTION_LEFT: f"more than {MAX_COLLECTIONS} collections of the ITS",
    NO_ITTE_LEFT: f"more than {MAX_ITTES} translations of the ITS",
}
"""What the record has no room for, by the number in `vm.bug`."""


def _vcpu_name(vcpu: int) -> str:
    return "nobody" if vcpu == NOBODY else f"vCPU {vcpu}"


def _irq_words(gic: int, irq: Any) -> list[str]:
    states = (("enabled", irq["enabled"]), ("pending", is_pending(irq)), ("active", irq["active"]))
    words = [name for name, state in states if state]
    if irq["config"] == EDGE:
        words.append("edge")
    else:
        words.append("level")
        words += [text for name, text in (("line_level", "line high"), ("latch", "latched")) if irq[name]]
    if irq["group"] != (gic == 3):
        words.append(f"group {irq['group']}")
    if irq["hw"]:
        words.append(f"forwarded from {irq['hwintid']}")
    if irq["priority"]:
        words.append(f"priority {irq['priority']:#x}")
    if gic == 2 and irq["source"]:
        words.append("from vCPU " + ",".join(str(bit) for bit in range(8) if irq["source"] >> bit & 1))
    if gic == 2 and irq["intid"] < SGIS and irq["active"]:
        words.append(f"active from vCPU {irq['active_source']}")
    words.append(f"→{_vcpu_name(int(irq['target_vcpu']))}")
    if irq["vcpu"] != NOBODY:
        words.append(f"on ap_list of {_vcpu_name(int(irq['vcpu']))}")
    return words


def _at_rest(irq: Any) -> bool:
    """Return whether a record is as at reset, priority, enable bit, trigger and route aside for those never used."""
    busy = ("latch", "active", "line_level", "hw", "priority", "source")
    return not any(irq[name] for name in busy) and irq["vcpu"] == NOBODY


def snapshot(vm: Any) -> dict[str, str]:
    """Return the state of a VM record in words: what (such as "INTID 34" or "vCPU 0 ap_list") -> its state.

    Interrupts as at reset, empty ap_lists and idle interfaces are left out.
    """
    gic = int(vm.gic)
    view = {"distributor": "enabled" if vm.enabled else "disabled"}
    for intid in range(FIRST_SPI, min(int(vm.irqs), FIRST_RESERVED)):
        irq = vm.irq[intid]
        if not _at_rest(irq) or irq["enabled"] or irq["config"] != EDGE or irq["target_vcpu"] != 0:
            view[f"INTID {intid}"] = " ".join(_irq_words(gic, irq))
    for vcpu in range(int(vm.vcpus)):
        for intid in range(PRIVATE_IRQS):
            irq = vm.irq[FIRST_PRIVATE + vcpu * PRIVATE_IRQS + intid]
            if not _at_rest(irq) or irq["enabled"] != (intid < SGIS):
                view[f"vCPU {vcpu} INTID {intid}"] = " ".join(_irq_words(gic, irq))
        entries = []
        slot = int(vm.vcpu[vcpu]["head"])
        while slot != NO_SLOT:
            entries.append(str(int(vm.irq[slot]["intid"])))
            slot = int(vm.irq[slot]["next"])
        if entries:
            view[f"vCPU {vcpu} ap_list"] = " ".join(entries)
        if int(vm.image[vcpu]["hcr"]) & HCR_UIE:
            view[f"vCPU {vcpu} underflow interrupt"] = "asked for"
    if vm.its:
        view |= _its_view(vm)
    return view


def _lpi_view(vm: Any) -> dict[str, str]:
    """Return the LPIs in the order of the VM's list."""
    view = {}
    slot = int(vm.lpi_list["head"])
    while slot != NO_SLOT:
        lpi = vm.lpi[slot - FIRST_LPI_SLOT]
        words = _irq_words(3, vm.irq[slot])
        view[f"INTID {int(vm.irq[slot]['intid'])}"] = " ".join([*words, f"references {int(lpi['refcount'])}"])
        slot = int(lpi["next"])
    return view


def _its_view(vm: Any) -> dict[str, str]:
    """Return what LPIs, redistributors and the ITS hold: what -> its state, as `snapshot`."""
    its, queue = vm.vgic_its, vm.its_queue
    view = _lpi_view(vm)
    for vcpu in range(int(vm.vcpus)):
        if vm.vcpu[vcpu]["lpis_enabled"]:
            view[f"vCPU {vcpu} LPIs"] = "enabled"
    view["ITS"] = f"{'enabled' if its['enabled'] else 'disabled'}, commands done up to {int(queue['creadr']):#x}"
    entry = int(its["collections"]["head"])
    while entry != NOTHING:
        collection = its["collection_pool"][entry]
        target = int(collection["target"])
        view[f"collection {int(collection['id'])}"] = "not mapped" if target == NOBODY else f"→vCPU {target}"
        entry = int(collection["next"])
    entry = int(its["devices"]["head"])
    while entry != NOTHING:
        device = its["device_pool"][entry]
        view[f"device {int(device['id']):#x}"] = _translations(vm, int(device["head"])) or "no translation"
        entry = int(device["next"])
    return view


def _translations(vm: Any, number: int) -> str:
    its = vm.vgic_its
    words = []
    while number != NOTHING:
        itte = its["itte_pool"][number]
        collection = int(itte["collection"])
        place = f"collection {int(its['collection_pool'][collection]['id'])}" if collection else "no collection"
        words.append(f"event {int(itte['event'])}→LPI {int(vm.irq[int(itte['lpi'])]['intid'])} ({place})")
        number = int(itte["next"])
    return ", ".join(words)
