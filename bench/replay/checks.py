# SPDX-License-Identifier: GPL-2.0-only
"""Where a replay differs from its recording, put in words.

Two checks: values that the guest's loads of distributor and redistributor registers returned, and the list registers
that probes recorded at entries. A difference that no rule here explains is said to be unexplained.
"""

from collections import Counter
from typing import Any

import numpy as np

from bench.replay.stretch import Run
from bench.replay.tally import REASONS
from kvmarm.gic import its_register_name, register_name

IMPLEMENTATION = "implementation-defined"
NOT_MODELLED = "not modelled"
DEFECT = "defect of the legacy design"
UNEXPLAINED = "unexplained"
ITS = -2

# Register (without its INTID) -> (category, why KVM of that time returns something else).
_WHY = {
    "GICD_IIDR": (IMPLEMENTATION, "each implementation names itself and its revision"),
    "GICR_IIDR": (IMPLEMENTATION, "each implementation names itself and its revision"),
    "GICD_IDREGS": (IMPLEMENTATION, "identification registers"),
    "GICR_IDREGS": (IMPLEMENTATION, "identification registers"),
    "GICD_TYPER": (IMPLEMENTATION, "how many SPIs and CPUs, LPIs, width of INTIDs"),
    "GICR_TYPER": (IMPLEMENTATION, "LPIs, and which redistributor is the last"),
    "GICD_CTLR": (IMPLEMENTATION, "KVM's GICv3 has Group 1 only, and reads ARE and DS as ones"),
    "GITS_IDREGS": (IMPLEMENTATION, "identification registers"),
    "GITS_TYPER": (IMPLEMENTATION, "size of a translation's entry, widths of ids"),
    "GITS_BASER0": (IMPLEMENTATION, "which page sizes it takes, and where the table is"),
    "GITS_BASER1": (IMPLEMENTATION, "which page sizes it takes, and where the table is"),
    "GITS_IIDR": (IMPLEMENTATION, "each implementation names itself and its revision"),
    "GICR_CTLR": (NOT_MODELLED, "LPI enable and its capabilities"),
    "GICR_PROPBASER": (NOT_MODELLED, "LPI tables"),
    "GICR_PENDBASER": (NOT_MODELLED, "LPI tables"),
    "GICR_WAKER": (IMPLEMENTATION, "KVM's redistributors never sleep: reads as zero"),
    "GICD_IPRIORITYR": (IMPLEMENTATION, "five priority bits of eight are kept"),
    "GICR_IPRIORITYR": (IMPLEMENTATION, "five priority bits of eight are kept"),
    "GICD_STATUSR": (IMPLEMENTATION, "optional register"),
}
_V2_ID_REGISTERS = 0xFD0


def explain_load(gic: int, region: int, offset: int, design: str, recorded: int, model: int) -> tuple[str, str, str]:
    """Return (register, category, reason) for a load that returned `recorded` there and `model` here."""
    register = its_register_name(offset) if region == ITS else register_name(gic, region >= 0, offset)
    base = register.split("[", 1)[0].split("+", 1)[0]
    if region < 0 and gic == 2 and offset >= _V2_ID_REGISTERS:
        return register, IMPLEMENTATION, "identification registers"
    if base == "GICD_ITARGETSR":
        return register, DEFECT, f"the design {design!r} keeps one target an interrupt, vCPU 0 at reset"
    if base.endswith("IPRIORITYR") and (recorded ^ model) & 0xF8F8F8F8F8F8F8F8:
        return register, UNEXPLAINED, "priorities differ in the bits that are kept"
    if base == "GICD_CTLR" and gic == 2:
        return register, UNEXPLAINED, "distributor control"
    category, reason = _WHY.get(base, (UNEXPLAINED, "no rule for this register"))
    return register, category, reason


def loads(run: Run) -> dict[str, Any]:
    """Return the check of loads: how many, how many equal, and the different ones by register with their reason."""
    groups: Counter[tuple[str, str, str, int, int]] = Counter()
    for difference in run.load_differences:
        recorded, model = int(difference.recorded), int(difference.model)
        told = explain_load(
            run.config.gic, int(difference.region), int(difference.offset), run.design.name, recorded, model
        )
        groups[(*told, recorded, model)] += int(difference.count)
    rows: list[dict[str, Any]] = [
        {
            "register": register,
            "category": category,
            "reason": reason,
            "recorded": f"{recorded:#x}",
            "model": f"{model:#x}",
            "count": count,
        }
        for (register, category, reason, recorded, model), count in groups.items()
    ]
    unlisted = int(run.tally.loads_unlisted)
    unexplained = sum(row["count"] for row in rows if row["category"] == UNEXPLAINED) + unlisted
    return {
        "loads": int(run.tally.loads),
        "equal": int(run.tally.loads_equal),
        "unexplained": unexplained,
        "unlisted": unlisted,
        "differences": rows,
    }


def entries(run: Run) -> dict[str, Any] | None:
    """Return the check of list registers at entries, None when the recording has no probes for it (or none filled).

    An entry counts when an SGI or the timer was in a recorded list register; it is equal when each of them is in one of
    the design's at the same entry.
    """
    checked = int(run.tally.entries_checked)
    if not checked:
        return None
    reasons = {text: int(count) for text, count in zip(REASONS, run.tally.reasons, strict=True) if count}
    first = [
        {
            "operation": int(difference.op),
            "vcpu": int(difference.vcpu),
            "intid": int(difference.offset),
            "recorded": f"{int(difference.recorded):#x}",
            "reason": REASONS[int(difference.region)],
        }
        for difference in run.entry_differences[:10]
    ]
    return {
        "entries": checked,
        "equal": int(run.tally.entries_equal),
        "mismatch_rate": 1 - int(run.tally.entries_equal) / checked,
        "list_registers": int(run.tally.lrs_checked),
        "list_registers_equal": int(run.tally.lrs_equal),
        "only_in_design": int(run.tally.lrs_extra),
        **_lpis(run),
        "differences": sum(reasons.values()),
        "reasons": reasons,
        "first": first,
    }


def _lpis(run: Run) -> dict[str, Any]:
    """Return how many recorded list registers held LPIs, how many of them the design's hold, the first that differ.

    Nothing for a recording without LPIs.
    """
    tally = run.tally
    if not tally.lpis_checked:
        return {}
    table = tally.lpi_table[: int(tally.lpi_differences)].view(np.recarray)
    first = [
        {
            "operation": int(row.op),
            "vcpu": int(row.vcpu),
            "intid": int(row.offset),
            "recorded": f"{int(row.recorded):#x}",
        }
        for row in table[:10]
    ]
    return {
        "lpis": int(tally.lpis_checked),
        "lpis_equal": int(tally.lpis_equal),
        "lpis_first": first,
    }
