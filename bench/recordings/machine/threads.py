# SPDX-License-Identifier: GPL-2.0-only
"""Which thread of a recording is which vCPU of which virtual machine.

A thread that enters a guest is a vCPU. Its number comes from the probes; else from the timer map that KVM traces as a
thread loads its vCPU; else from its name (kvm-vcpu-3, CPU 3/KVM): names are the VMM's, may count from 1, and are cut
off after 15 characters. Threads are put together to machines by thread group when the recording has it, else by PID: a
VMM creates its vCPUs in order, so a number that is there already starts the next machine.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvmarm.errors import UsageError

_NEAR = 64
"""A thread this close in PID to a machine's vCPUs is taken for one of its VMM's."""


@dataclass
class Machine:
    """One virtual machine of a recording. `vcpus`: vCPU number -> row of the thread table; `pids`: the same -> PID.

    file: of which of several merged recordings its threads are (see thread_table).
    """

    vcpus: dict[int, int] = field(default_factory=dict)
    pids: dict[int, int] = field(default_factory=dict)
    tgid: int = -1
    qemu: bool = False
    file: int = 0

    @property
    def first_pid(self) -> int:
        """PID of the vCPU thread with the lowest PID: what `--vm` takes."""
        return min(self.pids.values())

    def describe(self) -> str:
        """Return a few words for messages."""
        return f"vCPUs {', '.join(f'{vcpu}: PID {pid}' for vcpu, pid in sorted(self.pids.items()))}"


def number_of(thread: Any, given: dict[int, int]) -> int:
    """Return the vCPU number of a thread (a record of THREAD), -1 when nothing tells it. `given`: PID -> number."""
    if int(thread["pid"]) in given:
        return given[int(thread["pid"])]
    for source in ("probed", "mapped", "named"):
        if int(thread[source]) >= 0:
            return int(thread[source])
    return -1


def find_machines(threads: np.ndarray, name: str, given: dict[int, int]) -> list[Machine]:
    """Return the machines of a recording. Raises UsageError when the threads cannot be told apart."""
    rows = [int(row) for row in np.flatnonzero((threads["pid"] >= 0) & (threads["entries"] > 0))]
    files = np.unique(threads["file"][rows]).tolist()
    if len(files) > 1:
        raise UsageError(
            f"{name}: {len(files)} merged recordings have kvm_entry events (a host and a guest that runs guests?): "
            "expected a report of one of them"
        )
    if given:
        missing = sorted(set(given) - {int(threads[row]["pid"]) for row in rows})
        if missing:
            pids = ", ".join(str(int(threads[row]["pid"])) for row in rows)
            raise UsageError(f"{name}: --vcpu-thread {missing[0]}: that thread enters no guest (those that do: {pids})")
        rows = [row for row in rows if int(threads[row]["pid"]) in given]
    machines: list[Machine] = []
    groups: dict[int, Machine] = {}
    # Those of known thread groups first: the others may be theirs.
    for row in sorted(rows, key=lambda row: (int(threads[row]["tgid"]) < 0, int(threads[row]["pid"]))):
        thread = threads[row]
        pid, tgid, vcpu = int(thread["pid"]), int(thread["tgid"]), number_of(thread, given)
        if vcpu < 0:
            raise UsageError(
                f"{name}: thread {pid} enters a guest but nothing says which vCPU it is, expected --vcpu-thread {pid}=N"
            )
        if tgid >= 0:
            machine = groups.get(tgid)
            if machine is None:
                machine = groups[tgid] = Machine(tgid=tgid)
                machines.append(machine)
            if vcpu in machine.vcpus:
                raise UsageError(f"{name}: two threads of group {tgid} are vCPU {vcpu}: {machine.pids[vcpu]} and {pid}")
        else:
            several = len(groups) > 1 and machines[-1].tgid >= 0
            if not machines or several or vcpu in machines[-1].vcpus:
                machines.append(Machine())
            machine = machines[-1]
        machine.vcpus[vcpu] = row
        machine.pids[vcpu] = pid
        machine.qemu = machine.qemu or bool(thread["qemu"])
        machine.file = int(thread["file"])
    guessed = [machine for machine in machines if machine.tgid < 0]
    if len(machines) > 1 and any(set(machine.vcpus) != set(range(len(machine.vcpus))) for machine in guessed):
        listed = "; ".join(machine.describe() for machine in machines)
        raise UsageError(
            f"{name}: vCPU threads of several machines are mixed ({listed}): record with record-tgid, or name one "
            "machine's threads with --vcpu-thread PID=N"
        )
    return sorted(machines, key=lambda machine: machine.first_pid)


def choose(machines: list[Machine], wanted: int | None, name: str) -> Machine:
    """Return the machine that `--vm` (PID of any of its vCPU threads, or its thread group) names, or the only one.

    Raises UsageError when there are several and none is named.
    """
    if wanted is None:
        if len(machines) > 1:
            listed = "; ".join(f"--vm {machine.first_pid} ({machine.describe()})" for machine in machines)
            raise UsageError(f"{name}: holds {len(machines)} virtual machines, expected a choice: {listed}")
        return machines[0]
    for machine in machines:
        if wanted == machine.tgid or wanted in machine.pids.values():
            return machine
    known = ", ".join(str(machine.first_pid) for machine in machines)
    raise UsageError(f"{name}: --vm {wanted}: no machine has that thread (first threads: {known})")


def roles(threads: np.ndarray, machine: Machine, machines: list[Machine]) -> np.ndarray:
    """Return int64[threads, 2]: the thread's vCPU in `machine` (-1: none), and whether lines it drives are its own."""
    table = np.zeros((len(threads), 2), np.int64)
    table[:, 0] = -1
    for vcpu, row in machine.vcpus.items():
        table[row] = vcpu, 1
    if len(machines) == 1:
        # A guest's own events, merged with its host's, drive no line of it.
        table[:, 1] = threads["file"] == machine.file
        return table
    others = {row for other in machines for row in other.vcpus.values()}
    centres = [(other, float(np.mean(list(other.pids.values())))) for other in machines]
    for row in np.flatnonzero(threads["pid"] > 0).tolist():
        if int(row) in others:
            continue
        pid, tgid = int(threads[row]["pid"]), int(threads[row]["tgid"])
        if tgid >= 0 and machine.tgid >= 0:
            table[row, 1] = tgid == machine.tgid
        else:
            nearest, centre = min(centres, key=lambda pair: abs(pair[1] - pid))
            table[row, 1] = nearest is machine and abs(centre - pid) <= _NEAR
    return table
