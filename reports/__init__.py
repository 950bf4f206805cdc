# SPDX-License-Identifier: GPL-2.0-only
"""Reports: one HTML page of a results folder, its figures as files, a timeline for the Perfetto UI.

Reads results and explanations, runs nothing.
"""

from pathlib import Path


def build(results_folder: str | Path, output_path: str | Path, baseline: str | Path | None = None) -> Path:
    """Write the report of a results folder as one self-contained HTML file and return its path.

    `baseline`: a results folder to compare it with. Raises kvmarm.errors.UsageError when a folder is no results folder
    that this version reads, or the file cannot be written.
    """
    from reports.document import build as build_page

    return build_page(results_folder, output_path, baseline)
