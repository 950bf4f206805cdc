# SPDX-License-Identifier: GPL-2.0-only
"""What a replay counts of one design: one record, TALLY, and the differences from the recording that it lists."""

import numpy as np

from kvmarm.config import MAX_VCPUS
from kvmarm.events import EVENT_COUNT
from kvmarm.trace import KIND_NAMES

KINDS = len(KIND_NAMES)
MOST_DIFFERENCES = 256
LATENCY_BINS = 40
SLOTS = MAX_VCPUS * 32 + (1 << 16)
MOST_LRS = 64

DIFFERENCE = np.dtype(
    [
        ("op", np.int64),
        ("vcpu", np.int64),
        ("region", np.int64),
        ("offset", np.int64),
        ("size", np.int64),
        ("recorded", np.uint64),
        ("model", np.uint64),
        ("count", np.int64),
    ]
)
"""Where a design differs from the recording. At an entry: `region` a reason (below), `offset` INTID, `recorded` its
list register. At a load: frame, offset, size, both values and how often."""

R_UNKNOWN, R_TAKEN, R_SWAPPED = range(3)
REASONS = (
    "not explained",
    "taken here already, in the place of another of the same priority (list registers in another order)",
    "active there; here another of the same priority was acknowledged (list registers in another order)",
)
"""Why an interrupt that was in a list register at a recorded entry is in none here."""


TALLY = np.dtype(
    [
        ("next", np.int64),
        ("layout", np.int64),
        ("compare_loads", np.int64),
        ("status", np.int64),
        ("operations", np.int64),
        ("kicks", np.int64),
        ("delivered", np.int64),
        ("spurious", np.int64),
        ("cost", np.float64),
        ("counts", np.int64, (KINDS,)),
        ("events", np.int64, (KINDS, EVENT_COUNT)),
        ("apart_counts", np.int64, (KINDS,)),
        ("apart_events", np.int64, (KINDS, EVENT_COUNT)),
        ("prices", np.float64, (EVENT_COUNT,)),
        ("live", np.int64, (MOST_LRS + 1,)),
        ("waits", np.int64),
        ("waited_operations", np.int64),
        ("longest_operations", np.int64),
        ("waited_cost", np.float64),
        ("longest_cost", np.float64),
        ("waits_log2", np.int64, (LATENCY_BINS,)),
        ("raised_at", np.int64, (SLOTS,)),
        ("raised_cost", np.float64, (SLOTS,)),
        ("entries_checked", np.int64),
        ("entries_equal", np.int64),
        ("lrs_checked", np.int64),
        ("lrs_equal", np.int64),
        ("lrs_extra", np.int64),
        ("lpis_checked", np.int64),
        ("lpis_equal", np.int64),
        ("lpi_differences", np.int64),
        ("lpi_table", DIFFERENCE, (MOST_DIFFERENCES,)),
        ("reasons", np.int64, (len(REASONS),)),
        ("taken", np.int64, (MAX_VCPUS,)),
        ("entry_differences", np.int64),
        ("entry_table", DIFFERENCE, (MOST_DIFFERENCES,)),
        ("loads", np.int64),
        ("loads_equal", np.int64),
        ("loads_unlisted", np.int64),
        ("load_differences", np.int64),
        ("load_table", DIFFERENCE, (MOST_DIFFERENCES,)),
    ]
)
"""What one design's run counted.

`next`: number of the next operation; `layout`: of recorded list registers, 2 or 3; `compare_loads`: whether the
recording says what loads returned; `status`: of the runner, where it stopped. `operations`, `kicks`, `delivered`,
`spurious`: of what was recorded; `cost`: the sum of `events` times `prices`, cost of an event; `counts`, `events`: by
kind of operation; `apart_…`: the same of operations that are no part of the recording; `live`: entries by list
registers in use. `waits`, `waited_…`, `longest_…`: interrupts from the rise to the acknowledge, in operations and in
cost, `waits_log2` by log2 of operations; `raised_…`: for each private and shared interrupt when it was raised (0: it
was not). `entries_…`, `lrs_…`: recorded list registers looked for in the design's, `lpis_…`: those of LPIs;
`reasons`: of those missing;
`taken`: see `_compare_entry`; `loads…`: values returned; `…_differences`: rows of the tables in use.
"""
