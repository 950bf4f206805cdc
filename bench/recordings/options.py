# SPDX-License-Identifier: GPL-2.0-only
"""What a user may say about a recording that the recording does not say itself, checked."""

from dataclasses import dataclass, field

from bench.recordings.machine.survey import KNOWN
from kvmarm.errors import UsageError

_LONGEST = 1e9
"""Seconds; in nanoseconds they are far from the end of 64 bits."""


@dataclass(frozen=True)
class Options:
    """How to convert a recording. None: find out.

    gic_unless_told: the GIC's version where neither `gic` nor the recording tells it. gic_base, redist_base: guest
    physical addresses. vmm: a key of survey.KNOWN. vm: PID of a vCPU thread (or thread group) of the machine meant.
    vcpu_threads: PID -> vCPU. start, stop: seconds from the first event. first, count: number of the first event (from
    0) and how many.
    """

    gic: int | None = None
    gic_unless_told: int = 3
    irqs: int | None = None
    lrs: int | None = None
    gic_base: int | None = None
    redist_base: int | None = None
    vmm: str | None = None
    vm: int | None = None
    vcpu_threads: dict[int, int] = field(default_factory=dict)
    start: float | None = None
    stop: float | None = None
    first: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        for name, number, least in (("--lrs", self.lrs, 1), ("--irqs", self.irqs, 64), ("--gic", self.gic, 2)):
            if number is not None and number < least:
                raise UsageError(f"{name} {number}: expected at least {least}")
        if self.vmm is not None and self.vmm not in KNOWN:
            raise UsageError(f"--vmm {self.vmm}: expected {' or '.join(sorted(KNOWN))}")
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            raise UsageError(f"--to {self.stop:g}: expected a time after --from {self.start:g}")
        for name, value in (("--from", self.start), ("--to", self.stop)):
            if value is not None and not 0 <= value <= _LONGEST:
                raise UsageError(f"{name} {value:g}: expected seconds from the first event, 0 to {_LONGEST:g}")
        if self.first is not None and self.first < 0:
            raise UsageError(f"--first {self.first}: expected at least 0")
        if self.count is not None and self.count < 1:
            raise UsageError(f"--events {self.count}: expected at least 1")

    @property
    def windowed(self) -> bool:
        """Whether part of the recording only is wanted."""
        return any(value is not None for value in (self.start, self.stop, self.first, self.count))


def parse_address(option: str, text: str | None) -> int | None:
    """Return a 0x-hex or decimal address, None for None. Raises UsageError."""
    if text is None:
        return None
    try:
        address = int(text, 0)
    except ValueError:
        raise UsageError(f"{option} {text!r}: expected an address such as 0x8000000") from None
    if not 0 <= address < 1 << 52 or address & 0xFFF:
        raise UsageError(f"{option} {text}: expected the address of a frame, a multiple of 0x1000")
    return address


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def parse_threads(items: list[str]) -> dict[int, int]:
    """Return PID -> vCPU from `PID=N` items. Raises UsageError."""
    given: dict[int, int] = {}
    for item in items:
        pid, _, vcpu = item.partition("=")
        if not (_is_number(pid) and _is_number(vcpu)) or int(vcpu) > 511:
            raise UsageError(f"--vcpu-thread {item!r}: expected PID=N, a thread and its vCPU number")
        if int(vcpu) in given.values():
            raise UsageError(f"--vcpu-thread {item}: vCPU {vcpu} is given twice")
        if int(pid) in given:
            raise UsageError(f"--vcpu-thread {item}: thread {pid} is given twice")
        given[int(pid)] = int(vcpu)
    return given
