# SPDX-License-Identifier: GPL-2.0-only
"""The report page that a run, a sweep or a replay leaves in its results folder."""

import os
import sys
from pathlib import Path

import reports


def write_report_page(folder: str | os.PathLike[str]) -> str | None:
    """Write `report.html` into a results folder and return its path.

    Results whose page cannot be made are still results: then one line on stderr says why, and None is returned.
    """
    try:
        return str(reports.build(os.fspath(folder), Path(folder) / "report.html"))
    except Exception as error:  # noqa: BLE001 - results whose page cannot be made are still results
        print(f"vgic-bench: no report page: {error}", file=sys.stderr)
        return None
