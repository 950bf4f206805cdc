# SPDX-License-Identifier: GPL-2.0-only
"""The first contradiction of a given trace: the monitors over it (bench.verify.given), up to 62 instances at a time."""

from bench.engine.runner import TraceRun
from bench.verify import decode
from bench.verify import records as r
from bench.verify.given import Finding, Monitor, fields_of
from kvmarm import trace as t
from kvmarm.design import Design
from kvmarm.gic import FIRST_RESERVED, FIRST_SPI
from kvmarm.trace import Trace

_MOST = 62


def _instances_of(trace: Trace) -> list[tuple[int, int, int]]:
    """Return (intid, owner, sender) of what the trace makes pending or active, in the order of first mention."""
    config = trace.config
    found: dict[tuple[int, int, int], None] = {}
    for op in trace.ops:
        kind, vcpu, intid = int(op["kind"]), int(op["vcpu"]), int(op["a"])
        if kind in (t.INJECT, t.INJECTM) and intid < min(config.irqs, FIRST_RESERVED):
            found[intid, vcpu if intid < FIRST_SPI else int(r.NOWHERE), int(r.NOWHERE)] = None
        for field in fields_of(config, op, int(op["value"])):
            if field.intid < min(config.irqs, FIRST_RESERVED):
                found.update(dict.fromkeys(decode.watched(config.gic, config.vcpus, field)))
    return list(found)


def verify_trace(trace: Trace, design: Design) -> Finding:
    """Return the first contradiction of a trace. Raises UsageError for one that no VM can do."""
    TraceRun(trace, design).run()
    watched = _instances_of(trace)
    best = Finding()
    for first in range(0, max(len(watched), 1), _MOST):
        finding = _one_pass(trace, design, watched[first : first + _MOST])
        if finding.operation is not None and (best.operation is None or finding.operation < best.operation):
            best = finding
    return best


def _one_pass(trace: Trace, design: Design, instances: list[tuple[int, int, int]]) -> Finding:
    monitor = Monitor(trace, design, instances)
    finding = monitor.run(len(trace.ops))
    if finding.operation is not None:
        return finding
    codes = monitor.at_end()
    if not codes:
        return Finding()
    return Finding(_since(trace, design, instances, codes[0]), codes[0])


def _since(trace: Trace, design: Design, instances: list[tuple[int, int, int]], code: int) -> int:
    """Return the operation from which on the trace, left alone, shows the signature that its end shows."""
    low, high = 0, len(trace.ops)
    while high - low > 1:
        middle = (low + high) // 2
        monitor = Monitor(trace, design, instances)
        monitor.run(middle)
        if code in monitor.at_end():
            high = middle
        else:
            low = middle
    return high
