# SPDX-License-Identifier: GPL-2.0-only
"""Renewing a baseline: what is judged by from now on is the candidate, in the form that the baseline has."""

import shutil
from pathlib import Path

from bench.results import exchange
from kvmarm.errors import UsageError
from kvmarm.files import atomic_write


def renew(baseline: Path, candidate: Path) -> None:
    """Replace a baseline by a candidate, whole or not at all; one that is missing is made.

    A counts file stays one, a folder becomes the candidate's. Raises UsageError when the candidate cannot be had in the
    baseline's form.
    """
    if baseline.exists() and candidate.exists() and baseline.samefile(candidate):
        raise UsageError(f"{baseline}: is the candidate too, expected another baseline")
    form = exchange.form_of(baseline) if baseline.exists() else ("counts" if baseline.suffix == ".json" else "folder")
    if form == "counts":
        exchange.write_counts(exchange.load(candidate), baseline)
    elif form == "folder":
        exchange.load(candidate).save(baseline, replace=True)
    elif candidate.is_file():
        with open(candidate, "rb") as source, atomic_write(baseline) as target:
            shutil.copyfileobj(source, target)
    elif form == "pytest-benchmark":
        exchange.write_pytest_benchmark(exchange.load(candidate), baseline)
    else:
        exchange.write_pyperf(exchange.load(candidate), baseline)
