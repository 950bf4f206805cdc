# SPDX-License-Identifier: GPL-2.0-only
"""docs/glossary.md: one row per term, in order, and the terms that a reader meets first are there."""

import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "glossary.md").read_text()
NEEDED = [
    *(
        "GIC",
        "INTID",
        "SGI",
        "PPI",
        "SPI",
        "LPI",
        "ITS",
        "MSI",
        "MPIDR",
        "VHE",
        "VMCR",
        "EOI",
        "DIR",
        "EOImode",
        "VGIC",
    ),
    *("flush", "sync", "fold", "prune", "kick", "ap_list", "oracle", "collection"),
    *("stretch", "placement", "turn", "stage", "part", "headline"),
]
PHRASES = ["list register", "maintenance interrupt", "standing interrupt", "forwarded interrupt", "world switch"]


def sections() -> dict[str, list[tuple[str, str]]]:
    """Return (term, meaning) of each row of each section's table."""
    parts = re.split(r"^## (.*)$", TEXT, flags=re.MULTILINE)
    found = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
        found[name] = [(row[0], row[1]) for row in rows if row[0] != "term"]
    return found


def test_terms_are_explained_once_and_in_order() -> None:
    terms = [term for rows in sections().values() for term, _ in rows]
    assert len(terms) == len(set(terms)) >= 60
    for rows in sections().values():
        keys = [re.sub(r"[^a-z]", "", term.lower()) for term, _ in rows]
        assert [key for key, wanted in zip(keys, sorted(keys), strict=True) if key != wanted] == []
        assert [term for term, meaning in rows if not meaning.rstrip().endswith(".")] == []


def test_what_a_reader_meets_first_is_there() -> None:
    terms = {term for rows in sections().values() for term, _ in rows}
    assert {*NEEDED, *PHRASES} - terms == set()


def test_sentences_are_short() -> None:
    meanings = [(term, meaning) for rows in sections().values() for term, meaning in rows]
    long = [term for term, meaning in meanings for part in re.split(r"[.;:] ", meaning) if len(part.split()) > 25]
    assert long == []
