# SPDX-License-Identifier: GPL-2.0-only
"""A discrete-event simulation of threads, locks and cache lines, jitted.

Each vCPU runs its program (bench.contention.profile) again and again. The next event is always the earliest one; ties
go to the lower number, so that a seed gives one result.

Rules inside:
- A cache line is with the CPU that wrote it last. A load or a store by another takes a transfer, and transfers of one
  line queue.
- Test-and-set: whoever waits asks for the lock's line all the time. So the holder loses it one transfer after it took
  the lock, and its release waits for as many transfers as there are waiters. The release does not stall it: it runs on,
  and when it takes the lock again before the line has left, the others have lost that turn.
- Ticket: in order of arrival. A release is one transfer, then all who wait read the line again, one after another.
- Queued: in order of arrival, each waits on its own line: two transfers from one holder to the next.
- Work differs by a tenth from body to body: without it two threads could stay in step for ever.
"""

from typing import Any

import numpy as np

from bench.contention.recorder import ACQUIRE, READ, RELEASE, WORK
from kvmarm.jit import U64, jit

TEST_AND_SET, TICKET, QUEUED = range(3)
JITTER = 0.1
NEVER = 1e30
CPU = np.dtype([("place", np.int64), ("done", np.int64), ("asked", np.float64), ("waited", np.float64)], align=True)
"""One vCPU: the step it is at, bodies done, when it asked for the lock it waits for, ns that it waited in all."""
LOCK = np.dtype(
    [
        ("line", np.int64),
        ("held", np.int64),
        ("owner", np.int64),
        ("free_at", np.float64),
        ("leaves_at", np.float64),
        ("grant_at", np.float64),
        ("head", np.int64),
        ("tail", np.int64),
        ("waiting", np.int64),
        ("waited", np.float64),
        ("busy", np.float64),
        ("since", np.float64),
    ],
    align=True,
)
"""`line`: that of its word, -1 for one that no two threads use; `owner`: whose the line is; `leaves_at`: when
it leaves the holder; `grant_at`: when the next waiter gets it."""
LINE = np.dtype([("owner", np.int64), ("version", np.int64), ("free_at", np.float64)], align=True)


@jit
def _random(state: Any) -> Any:
    """Return a number in 0..1 (xorshift) and move the state (uint64[1]) on."""
    x = state[0]
    x ^= x << U64(13)
    x ^= x >> U64(7)
    x ^= x << U64(17)
    state[0] = x
    return np.float64(x >> U64(11)) / 9007199254740992.0


@jit
def _touch(line: Any, seen: Any, cpu: Any, number: Any, now: Any, transfer: Any, writes: Any) -> Any:
    """Load or store a line; return when it is done."""
    at_hand = line.owner == cpu if writes else (line.owner == cpu or seen[cpu, number] == line.version)
    if line.version == 0 and line.owner == -1:
        at_hand = True
    if writes:
        line.owner = cpu
        line.version += 1
    elif line.owner != cpu:
        line.owner = -2
    seen[cpu, number] = line.version
    if at_hand:
        return now
    start = max(now, line.free_at)
    line.free_at = start + transfer
    return line.free_at


@jit
def _enqueue(lock: Any, following: Any, cpu: Any) -> None:
    following[cpu] = -1
    if lock.waiting == 0:
        lock.head = cpu
    else:
        following[lock.tail] = cpu
    lock.tail = cpu
    lock.waiting += 1


@jit
def _take(lock: Any, cpu: Any, now: Any, transfer: Any) -> None:
    lock.held = 1
    lock.owner = cpu
    lock.since = now
    lock.leaves_at = now + transfer if lock.waiting > 0 else NEVER


@jit
def _grant_time(lock: Any, kind: Any, now: Any, transfer: Any) -> Any:
    """Release a lock that others wait for at `now`; return when the next of them gets it."""
    if kind == TEST_AND_SET:
        if now < lock.leaves_at:
            lock.free_at = now
            return lock.leaves_at
        lock.free_at = now + transfer * lock.waiting
        return lock.free_at + transfer
    lock.free_at = now + transfer
    if kind == TICKET:
        return lock.free_at + transfer * (1 + 0.5 * (lock.waiting - 1))
    return lock.free_at + transfer


@jit
def _asks(lock: Any, following: Any, cpu: Any, now: Any, kind: Any, transfer: Any) -> Any:
    """Ask for a lock; return when the CPU has it, NEVER when it has to wait."""
    if lock.held == 0:
        start = max(now, lock.free_at)
        if lock.waiting == 0:
            cost = 0.0 if lock.owner == cpu or lock.owner == -1 else transfer
            _take(lock, cpu, start + cost, transfer)
            return start + cost
        if kind == TEST_AND_SET and lock.owner == cpu and start < lock.grant_at:
            leaves = lock.grant_at
            lock.grant_at = NEVER
            _take(lock, cpu, start, transfer)
            lock.leaves_at = max(leaves, start)
            return start
    elif lock.waiting == 0:
        lock.leaves_at = max(now, lock.since) + transfer
    _enqueue(lock, following, cpu)
    return NEVER


@jit
def _carry(lines: Any, seen: Any, lock: Any, cpu: Any) -> None:
    """With a lock its word's line has come, and what else lies in that."""
    if lock.line >= 0:
        line = lines[lock.line]
        line.owner = cpu
        line.version += 1
        seen[cpu, lock.line] = line.version


@jit
def run(starts: Any, kinds: Any, values: Any, cpus: Any, locks: Any, lines: Any, seen: Any, prices: Any) -> Any:  # noqa: C901 - a branch per step
    """Simulate until enough bodies are done, or there were too many steps; return (ns, bodies) behind the warm-up.

    cpus, locks, lines: records of CPU, LOCK, LINE. seen: int32[cpus, lines]. prices: float64[8]: ns per instruction,
    ns of a transfer, kind of lock, ns in the guest, bodies per CPU that are warm-up, bodies per CPU in all, steps at
    most, seed.
    """
    count = cpus.shape[0]
    per_instruction, transfer, kind = prices[0], prices[1], np.int64(prices[2])
    guest, warm, wanted, most = prices[3], prices[4], prices[5], prices[6]
    state = np.empty(1, np.uint64)
    state[0] = U64(88172645463325252) ^ (U64(prices[7]) * U64(2654435761))
    number = count + locks.shape[0]
    key = np.full(number, NEVER)
    following = np.full(count, -1)
    for cpu in range(count):
        cpus[cpu].place = starts[cpu]
        key[cpu] = _random(state) * 50.0
    for lock in range(locks.shape[0]):
        locks[lock].owner = -1
        locks[lock].grant_at = NEVER
        locks[lock].leaves_at = NEVER
    for line in range(lines.shape[0]):
        lines[line].owner = -1
    tree = 1
    while tree < number:
        tree *= 2
    best = np.full(2 * tree, -1)
    for index in range(number):
        best[tree + index] = index
    for index in range(tree - 1, 0, -1):
        best[index] = _earlier(best[2 * index], best[2 * index + 1], key)
    bodies = 0.0
    steps = 0.0
    now = 0.0
    begin = 0.0
    before = 0.0
    while bodies < wanted * count and steps < most:
        who = best[1]
        now = key[who]
        if now >= NEVER:
            break
        steps += 1.0
        if who >= count:
            lock = locks[who - count]
            key[who] = NEVER
            if lock.held == 0 and lock.waiting > 0:
                cpu = lock.head
                lock.head = following[cpu]
                lock.waiting -= 1
                lock.grant_at = NEVER
                _take(lock, cpu, now, transfer)
                _carry(lines, seen, lock, cpu)
                lock.waited += now - cpus[cpu].asked
                cpus[cpu].waited += now - cpus[cpu].asked
                key[cpu] = now
                _update(best, tree, key, cpu)
            _update(best, tree, key, who)
            continue
        cpu = who
        place = cpus[cpu].place
        if place == starts[cpu + 1]:
            cpus[cpu].place = starts[cpu]
            cpus[cpu].done += 1
            bodies += 1.0
            if bodies == warm * count:
                begin = now
                before = bodies
                for lock in range(locks.shape[0]):
                    locks[lock].waited = 0.0
                    locks[lock].busy = 0.0
            key[cpu] = now + guest * (1.0 + JITTER * (_random(state) - 0.5))
            _update(best, tree, key, cpu)
            continue
        step = kinds[place]
        value = values[place]
        cpus[cpu].place = place + 1
        if step == WORK:
            key[cpu] = now + value * per_instruction * (1.0 + JITTER * (2.0 * _random(state) - 1.0))
        elif step == ACQUIRE:
            which = np.int64(value)
            cpus[cpu].asked = now
            key[cpu] = _asks(locks[which], following, cpu, now, kind, transfer)
            if key[cpu] < NEVER:
                _carry(lines, seen, locks[which], cpu)
            if key[count + which] != locks[which].grant_at:
                key[count + which] = locks[which].grant_at
                _update(best, tree, key, count + which)
        elif step == RELEASE:
            which = np.int64(value)
            lock = locks[which]
            lock.held = 0
            lock.busy += now - lock.since
            lock.free_at = now
            if lock.waiting > 0:
                lock.grant_at = _grant_time(lock, kind, now, transfer)
                key[count + which] = lock.grant_at
                _update(best, tree, key, count + which)
        else:
            which = np.int64(value)
            key[cpu] = _touch(lines[which], seen, cpu, which, now, transfer, step != READ)
        _update(best, tree, key, cpu)
    for lock in range(locks.shape[0]):
        cpu = locks[lock].head
        for _ in range(locks[lock].waiting):
            locks[lock].waited += now - max(begin, cpus[cpu].asked)
            cpu = following[cpu]
    return now - begin, bodies - before


@jit
def _earlier(a: Any, b: Any, key: Any) -> Any:
    if a < 0:
        return b
    if b < 0:
        return a
    if key[b] < key[a] or (key[b] == key[a] and b < a):
        return b
    return a


@jit
def _update(best: Any, tree: Any, key: Any, number: Any) -> None:
    """Find the earliest event again after that of `number` has changed (a tournament tree)."""
    place = (tree + number) // 2
    while place > 0:
        best[place] = _earlier(best[2 * place], best[2 * place + 1], key)
        place //= 2
