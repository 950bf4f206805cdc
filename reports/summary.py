# SPDX-License-Identifier: GPL-2.0-only
"""The verdict of a report as plain data, for the terminal and `--json`."""

import html
import re
from typing import Any

from reports.claims import claims
from reports.data import Report
from reports.html import text


def plain_text(markup: Any) -> str:
    """Return what a reader sees of a piece of markup, without tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", text(markup)))


def verdicts(report: Report) -> list[dict[str, Any]]:
    """Return the five claims of a run: claim, verdict, figures (label -> text), rule."""
    return [
        {
            "claim": claim.statement,
            "verdict": claim.verdict,
            "figures": {label: plain_text(value) for label, value in claim.figures},
            "rule": claim.rule,
        }
        for claim in claims(report)
    ]
