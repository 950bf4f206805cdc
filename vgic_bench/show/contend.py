# SPDX-License-Identifier: GPL-2.0-only
"""How `vgic-bench contend` shows what it measured or simulated."""

from typing import Any

from bench.contention.measure import Measured, Options
from bench.contention.model import Fitted, Swept
from vgic_bench.console import print_table


def _figure(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def print_measured(measured: Measured, options: Options) -> None:
    """Print a row per body and design: the scaling with its interval, the machine's ceiling, times, the worst lock."""
    rows = []
    for body, designs in measured.bodies.items():
        for design, row in designs.items():
            rows.append(
                (
                    body,
                    design,
                    _figure(row["scaling"]),
                    f"{_figure(row['low'])}–{_figure(row['high'])}",
                    _figure(row.get("ceiling")),
                    _figure(row.get("alone_ns"), 0),
                    _figure(row.get("together_ns"), 0),
                    _worst(row),
                )
            )
    columns = ("body", "design", ">rate", ">interval", ">apart", ">alone ns", ">ns", "waits most for")
    guest = f", {options.guest_us:g} µs in the guest between" if options.guest_us else ""
    print_table(columns, rows, title=f"{measured.threads} threads on one VM: total rate over one thread's{guest}")
    print("apart: the threads on VMs apart, the machine's ceiling. ns: a body of one of the threads together.")


def _worst(row: dict[str, Any]) -> str:
    locks = row.get("locks") or {}
    if not locks:
        return ""
    name, spent = max(locks.items(), key=lambda item: item[1]["share"])
    return f"{name} {100 * spent['share']:.0f} %" if spent["share"] >= 0.005 else ""


def print_modelled(swept: Swept) -> None:
    """Print a row per body and design: millions of bodies per second by number of vCPUs, the knee, the lock."""
    rows = []
    for body, designs in swept.bodies.items():
        for design, curve in designs.items():
            rates = [_figure(rate / 1e6) if rate else "–" for rate in curve.rate]
            rows.append((body, design, *rates, str(curve.knee or "–"), curve.limit))
    columns = ("body", "design", *(f">{vcpus}" for vcpus in swept.task.vcpus), ">knee", "limit")
    print_table(columns, rows, title="Simulated: million bodies per second by vCPUs")
    print(swept.basis)


def print_fitted(fitted: Fitted) -> None:
    """Print the model's prediction beside the measurement."""
    rows = [
        (
            row["body"],
            row["design"],
            _figure(row["measured"]),
            _figure(row["predicted"]),
            f"{row['ratio']:.2f}",
            "fitted" if row["fitted"] else "",
        )
        for row in fitted.rows
    ]
    title = f"The model, {fitted.transfer_ns:.0f} ns per transfer of a cache line, beside the measurement"
    print_table(("body", "design", ">measured", ">predicted", ">ratio", ""), rows, title=title)
