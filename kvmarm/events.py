# SPDX-License-Identifier: GPL-2.0-only
"""The vocabulary of cost events: the named primitive steps that a model counts.

An event is counted where the real code takes the step, so that counts explain cost and, weighted, predict the
instructions of the real code. `count(observer, EVENT, n)` does nothing for an observer that does not count. It leaves
no instruction in a function that never counts (`kvmarm.jit.jit_uncounted`).

Each operation is handed a record that belongs to the calling thread, its *observer*. One of `CALLER` is where its kicks
go (`kicks`, int32, the last `kick_count`; see kvmarm.state.kick). One of `OBSERVER` counts and logs too: `counts`
(int64[EVENT_COUNT]) and a log of lock operations (`log`, int32, `log_length` entries used; see kvmarm.locks); its field
`counting` is not 0. One of kvmarm.watch.WATCHER watches how locks are contended. None: nobody wants to know. They are
only ever appended to; whoever measures resets them.

A `CALLER` begins like an `OBSERVER`. The interface hands every record but a watcher's to a design as one of `OBSERVER`.
So numba compiles a design's functions once for both.
"""

from typing import Any

import numpy as np

from kvmarm.config import MAX_KICKS
from kvmarm.jit import JIT_ENABLED, STUB_OPTIONS, counts_now
from kvmarm.layout import aligned_record, laid_out

LOG_CAPACITY = 1 << 22
"""Lock operations an observer holds. One operation of a model logs far fewer: a sync of 1,024 interrupts that all
migrate is below a million."""

_names: list[str] = []
_texts: list[str] = []


def _event(name: str, text: str) -> int:
    assert name not in _names, f"event {name} is there already"
    _names.append(name)
    _texts.append(text)
    return len(_names) - 1


# Entry points: one count per call.
CALL_INJECT = _event("call_inject", "a device line or edge handed to the VGIC")
CALL_MAP = _event("call_map", "an interrupt forwarded, un-forwarded or asked for its active state")
CALL_MMIO_READ = _event("call_mmio_read", "a trapped guest load dispatched")
CALL_MMIO_WRITE = _event("call_mmio_write", "a trapped guest store dispatched")
CALL_SGI = _event("call_sgi", "a trapped ICC_SGI1R_EL1 write dispatched")
CALL_FLUSH = _event("call_flush", "a flush before guest entry")
CALL_SYNC = _event("call_sync", "a sync after guest exit")
CALL_PENDING = _event("call_pending", "a query whether a vCPU has something to take")

# Locks and kicks.
LOCK = _event("lock", "a spin lock taken and released")
KICK = _event("kick", "a vCPU kicked out of the guest")

# MMIO dispatch.
BUS_STEP = _event("bus_step", "a comparison in the I/O bus search for the device frame")
RANGE_STEP = _event("range_step", "an entry of a register range table examined")
RANGE_UPPER = _event("range_upper", "a binary search of a range table going on in the upper half")

# Bitmaps (legacy design).
WORD_READ = _event("word_read", "a 64-bit bitmap word read")
WORD_WRITE = _event("word_write", "a 64-bit bitmap word written")
WORD_AND = _event("word_and", "two bitmap words combined by AND into a third")
WORD_OR = _event("word_or", "two bitmap words combined by OR into a third")
WORD_SCAN = _event("word_scan", "a bitmap word examined for its first set bit")
BIT_TEST = _event("bit_test", "one bit of a bitmap tested")
BIT_WRITE = _event("bit_write", "one bit of a bitmap set or cleared")
UPDATE_VCPU = _event("update_vcpu", "one vCPU's pending and active state recomputed")
MAP_SEARCH = _event("map_search", "a search of the forwarding list")
MAP_STEP = _event("map_step", "an entry of the forwarding list examined")

BYTE_ACCESS = _event("byte_access", "a byte of a byte map (priority, target, SGI source) read or written")
CONFIG_BIT = _event("config_bit", "a configuration bit moved between a bitmap and the register's bit pairs")
TARGET_WRITE = _event("target_write", "an SPI's bit in one vCPU's target bitmap set or cleared")
AFFINITY_STEP = _event("affinity_step", "a vCPU's affinity compared in the search for the vCPU of an affinity")
AFFINITY_MATCH = _event("affinity_match", "a vCPU's affinity matched with an SGI's target list")
RECOMPUTE = _event("recompute", "one cache of one vCPU recomputed, apart from its words")
FIND_BIT = _event("find_bit", "a search for a set or clear bit begun")
VCPU_LOOKUP = _event("vcpu_lookup", "a vCPU looked up by number")
INTID_CHECK = _event("intid_check", "the INTID of a register access computed and checked")
REG_ACCESS = _event("reg_access", "the bytes of an access transferred from or to a register word")
LR_MATCH = _event("lr_match", "a used list register compared with an interrupt to queue")
SGI_SOURCE = _event("sgi_source", "an SGI's set of senders read, written or counted")
UPDATE = _event("update", "the caches of all vCPUs recomputed")
MARK_VCPU = _event("mark_vcpu", "a vCPU marked as having something to take, or unmarked")
SGI_TARGET = _event("sgi_target", "an SGI made pending at one vCPU")
TARGET_DECODE = _event("target_decode", "an SPI's target found from its register byte")
AFFINITY_SEARCH = _event("affinity_search", "a search for the vCPU of an affinity begun")
CANDIDATE = _event("candidate", "a deliverable interrupt offered to the list registers")
LR_SEARCH = _event("lr_search", "a search of the list registers for one that is used already or free")
QUEUE_LR = _event("queue_lr", "an interrupt put into a list register")
RETIRE = _event("retire", "a finished interrupt taken out of its list register")
HANDLER = _event("handler", "a register handler called for up to 4 bytes")

# Interrupt records and lists (redesign).
IRQ_LOOKUP = _event("irq_lookup", "an interrupt's record looked up by INTID")
ORACLE = _event("oracle", "a decision which vCPU an interrupt goes to")
SPI_LOOKUP = _event("spi_lookup", "a look-up that found a shared interrupt, past the private ones")
QUEUE = _event("queue", "an interrupt offered to the ap_lists")
ORACLE_DUE = _event("oracle_due", "a decision that found the interrupt pending and enabled")
LEVEL_UPDATE = _event("level_update", "a level-triggered interrupt's pending state computed from its line and latch")
LIST_STEP = _event("list_step", "an ap_list entry visited")
LIST_END = _event("list_end", "the end of an ap_list reached with list registers to spare")
LIST_ADD = _event("list_add", "an interrupt appended to an ap_list")
LIST_REMOVE = _event("list_remove", "an interrupt removed from an ap_list")
COMPARE = _event("compare", "two ap_list entries compared for the sort")
MIGRATE = _event("migrate", "an interrupt moved to another vCPU's ap_list")
DEPTH_STEP = _event("depth_step", "an ap_list entry counted to see whether the list fits the list registers")
PRUNE_STEP = _event("prune_step", "an ap_list entry visited by the walk that drops or moves entries")
SORT = _event("sort", "a sort of an ap_list begun and ended, apart from its entries")
SORT_STEP = _event("sort_step", "an ap_list entry taken into the sort, or linked again after it")
NOTIFY = _event("notify", "an end of interrupt announced to the irqfd resamplers")
FIELD_CHECK = _event("field_check", "an access to a field an interrupt: its INTID computed and checked")
FIELD_LOOP = _event("field_loop", "a loop over the interrupts of a register entered")
HALT = _event("halt", "vCPUs made to leave the guest before an active state is changed")
SGI_DECODE = _event("sgi_decode", "an SGI request's fields taken apart")
SET_BIT = _event("set_bit", "a set bit of a written register value found and acted on")
VALUE_BIT = _event("value_bit", "a set bit put into the value of a register read")

# vCPUs and list registers (software image).
MUTEX = _event("mutex", "a mutex taken and released, what it costs beyond a spin lock")
TREE_LEVEL = _event("tree_level", "a level of the tree of vCPUs descended in a look-up or a walk")
AFFINITY_BIT = _event("affinity_bit", "a bit of an affinity taken into the index of the table of vCPUs")
VCPU_STEP = _event("vcpu_step", "a vCPU examined in a walk over all vCPUs")
LR_SCAN = _event("lr_scan", "a list register examined for its state")
LR_READ = _event("lr_read", "a list register of the software image decoded")
LR_WRITE = _event("lr_write", "a list register of the software image written")
FOLD_SET_UP = _event("fold_set_up", "the loop over the list registers of an exit prepared")
WIDE_STEP = _event("wide_step", "a step on GICv3's 64-bit interface image, dearer than on GICv2's")
LR_CLEAR = _event("lr_clear", "an unused list register of the software image cleared")

# LPIs and the ITS.
CALL_MSI = _event("call_msi", "a message-signalled interrupt handed to the ITS")
ITS_COMMAND = _event("its_command", "a command read from the ITS's queue and decoded")
GUEST_READ = _event("guest_read", "a read of a table or a command in guest memory")
LPI_LOOKUP = _event("lpi_lookup", "a look-up of an LPI in the VM's list of LPIs begun")
LPI_STEP = _event("lpi_step", "an LPI of the VM's list passed in a look-up")
LPI_PUT = _event("lpi_put", "a reference to an LPI dropped")
LPI_REFERENCE = _event("lpi_reference", "a reference to an LPI taken without a look-up")
LPI_ADD = _event("lpi_add", "an LPI allocated and put at the end of the VM's list")
LPI_FREE = _event("lpi_free", "an LPI taken off the VM's list and freed")
LPI_CONFIG = _event("lpi_config", "an LPI's priority and enable bit taken from guest memory")
LPI_COPY = _event("lpi_copy", "the VM's list of LPIs copied for a walk, apart from its entries")
LPI_COPY_STEP = _event("lpi_copy_step", "an LPI's INTID copied for a walk")
LPI_PENDING = _event("lpi_pending", "an LPI's pending state taken from its bit of the pending table")
LPI_TARGET = _event("lpi_target", "an LPI given a target vCPU")
LPI_MOVE_STEP = _event("lpi_move_step", "an LPI of the VM's list compared with the vCPU that MOVALL empties")
ITTE_SEARCH = _event("itte_search", "a search for the translation of a device's event begun")
ITTE_STEP = _event("itte_step", "a translation of a device passed in a search")
ITTE_ADD = _event("itte_add", "a translation allocated and put at the end of its device's list")
ITTE_FREE = _event("itte_free", "a translation unlinked and freed")
ITTE_WALK_STEP = _event("itte_walk_step", "a translation visited by a walk over all of them")
DEVICE_STEP = _event("device_step", "a device of the ITS's list examined")
DEVICE_ADD = _event("device_add", "a device allocated and put at the end of the ITS's list")
DEVICE_FREE = _event("device_free", "a device unlinked and freed")
COLLECTION_SEARCH = _event("collection_search", "a search for a collection begun")
COLLECTION_STEP = _event("collection_step", "a collection of the ITS's list examined")
COLLECTION_ADD = _event("collection_add", "a collection allocated and put at the end of the ITS's list")
COLLECTION_FREE = _event("collection_free", "a collection unlinked and freed")
CACHE_SEARCH = _event("cache_search", "a search of the ITS's translation cache begun")
CACHE_STEP = _event("cache_step", "a step of a search of the translation cache")
CACHE_STORE = _event("cache_store", "a translation put into the cache")
CACHE_ERASE = _event("cache_erase", "a translation taken out of the cache")
TABLE_CHECK = _event("table_check", "a device's or collection's place in its table checked")

LPI_EVENTS = frozenset(_names[CALL_MSI:])
"""Names of the events that only LPIs and the ITS cause."""


def event_names() -> tuple[str, ...]:
    """Return the names of all events, in the order of their numbers."""
    return tuple(_names)


def event_texts() -> tuple[str, ...]:
    """Return what each event is, one line each, in the order of their numbers."""
    return tuple(_texts)


EVENT_COUNT = len(_names)

CALLER_FIELDS: list[tuple[Any, ...]] = [
    ("counting", np.int64),
    ("kick_count", np.int64),
    ("kicks", np.int32, (MAX_KICKS,)),
]
"""Fields of every record that a thread brings along."""

CALLER = laid_out(CALLER_FIELDS)
"""What a thread brings along that calls operations without counting them."""

OBSERVER = laid_out(
    [
        *CALLER_FIELDS,
        ("counts", np.int64, (EVENT_COUNT,)),
        ("log_length", np.int64),
        ("log", np.int32, (LOG_CAPACITY,)),
    ]
)
"""What a thread brings along that counts and logs."""


def new_caller() -> Any:
    """Return a fresh caller (numpy.record of dtype CALLER), all zero. Each thread needs one."""
    return aligned_record(CALLER)


def new_observer() -> Any:
    """Return a fresh observer (numpy.record of dtype OBSERVER), all zero but `counting`. Each thread needs one."""
    observer = aligned_record(OBSERVER)
    observer.counting = 1
    return observer


def counting(observer: Any) -> Any:
    """Return whether the observer counts."""
    return observer is not None and observer.counting != 0


def count(observer: Any, event: Any, n: Any) -> None:
    """Add `n` to the observer's count of `event`; nothing for one that does not count."""
    if counting(observer):
        observer.counts[event] += n


def as_observer(observer: Any) -> Any:
    """Return a caller's record as one of OBSERVER, whose further fields are only used if it counts."""
    return observer


if JIT_ENABLED:
    from numba import from_dtype, types
    from numba.extending import intrinsic, overload

    _OBSERVER_TYPE = from_dtype(OBSERVER)

    @intrinsic
    def _reinterpreted(typing_context: Any, caller: Any) -> Any:
        """Return a record, which is passed by reference, as one of OBSERVER."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(_OBSERVER_TYPE))

        return _OBSERVER_TYPE(caller), codegen

    def counts_by_type(observer: Any) -> bool:
        """Return whether an observer of this numba type may count; for overloads of functions that take an observer."""
        return isinstance(observer, types.Record) and "counts" in observer.fields

    @overload(counting, strict=False, jit_options=STUB_OPTIONS)
    def _counting(observer: Any) -> Any:
        if counts_by_type(observer):
            return lambda observer: counts_now(observer)
        return lambda observer: False

    @overload(count, strict=False, jit_options=STUB_OPTIONS)
    def _count(observer: Any, event: Any, n: Any) -> Any:
        if not counts_by_type(observer):
            return lambda observer, event, n: None

        def add(observer: Any, event: Any, n: Any) -> None:
            if counts_now(observer):
                observer.counts[event] += n

        return add

    @overload(as_observer, strict=False, jit_options=STUB_OPTIONS)
    def _as_observer(observer: Any) -> Any:
        if isinstance(observer, types.Record) and set(observer.fields) == {name for name, *_ in CALLER_FIELDS}:
            return lambda observer: _reinterpreted(observer)
        return lambda observer: observer
