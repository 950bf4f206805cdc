# SPDX-License-Identifier: GPL-2.0-only
"""`python -m tests.fuzz N SEED [KIND,KIND]`: N cases from SEED on; prints those that broke a promise."""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import campaign


def main(count: int, seed: int, kind: str = "") -> int:
    """Run the cases; return the exit status."""
    kinds: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    broken = 0
    with TemporaryDirectory(prefix="vgic-bench-fuzz-") as scratch:
        for done, found in enumerate(campaign(range(seed, seed + count), Path(scratch), kind), 1):
            kinds[found.case.kind] += 1
            statuses[found.outcome.status] += 1
            if found.faults:
                broken += 1
                words = " ".join(repr(word)[:80] for word in found.case.argv)
                print(f"case {found.number} ({found.case.kind}): {'; '.join(found.faults)}: {words}")
                print("  " + ascii(found.outcome.err[-600:]), flush=True)
            if done % 100 == 0:
                print(f"… {done}, {broken} broken", file=sys.stderr, flush=True)
    print(f"{sum(kinds.values())} cases {dict(kinds)}, statuses {dict(sorted(statuses.items()))}: {broken} broken")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
