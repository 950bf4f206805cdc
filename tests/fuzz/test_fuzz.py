# SPDX-License-Identifier: GPL-2.0-only
"""500 damaged inputs of every kind: one clear line, no traceback, bounded memory, nothing half-written."""

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.campaign import campaign
from tests.fuzz.cases import KINDS

CASES, SEED = 500, 20_000


@pytest.mark.slow
def test_no_damaged_input_breaks_a_promise(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    broken = []
    for found in campaign(range(SEED, SEED + CASES), tmp_path):
        kinds[found.case.kind] += 1
        if found.faults:
            broken.append(
                f"case {found.number}: {'; '.join(found.faults)}: {found.case.argv}: {found.outcome.err[-300:]}"
            )
    assert not broken, "\n".join(broken)
    assert sum(kinds.values()) == CASES and len(kinds) >= len(KINDS) - 1
