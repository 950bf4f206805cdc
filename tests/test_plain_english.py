# SPDX-License-Identifier: GPL-2.0-only
"""Docstrings, comments and pages are plain technical English: the field's words, "per" for rates, no foreign idiom.

FOLDERS lists what is checked; each part of the project adds its own.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from vgic_bench.main import build_app

ROOT = Path(__file__).resolve().parent.parent
MOST_WORDS = 25
FOLDERS = ["bench", "vgic_bench", "examples", "kvmarm", "vgic_old", "vgic_new", "switch_asm_model", "switch_c_model"]

COUNTED = (
    r"bits?|bytes?|locks?|records?|lists?|registers?|entries|entry|operations?|points?|counts?|steps?|events?|lines?|"
    r"rows?|columns?|instructions?|interrupts?|cycles|kicks?|functions?|frames?|interfaces?|devices?|terms?|tables?|"
    r"processes|tracks?|pairs?|ns|switches|one|pass|calls?|words?|groups?|rounds?|seconds?"
)
PER = (
    r"vCPU|VM|interrupt|INTID|design|cluster|call|class|second|minute|event|operation|transition|sender|sending vCPU|"
    r"field|word|loop|slot|trace|platform|cache|source|group priority|pair|line|guest|thread|CPU|SPI|SGI|point|round"
)
WORDS = {
    r"\bdear(er|est)?\b": "costs more",
    r"\b(hold|held|holds|holding) (it |them |one )?against\b": "compare with",
    r"\b(go|goes|went|going) on\b": "resume, continue",
    r"\btell(s|ing)? of\b": "report",
    r"\bstands?\b": "is, represents",
    r"\bbesides\b": "also",
    r"\bof its own\b": "its own X, separate",
    r"\bmeanwhile\b": "in the meantime",
    r"\bnobody's here\b": "none here",
    r"\bfor people\b": "for users",
    r"\bcome(s)? (in|of) nothing\b": "give nothing",
    rf"\b(?:{COUNTED}) an? (?:{PER})\b": "X per Y",
}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each docstring, each string that documents a constant, and each comment of a file."""
    source = path.read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def too_long(text: str) -> list[str]:
    """Return the first words of each sentence of a text with more than MOST_WORDS words."""
    parts = re.split(r"(?<=[.:;])\s+|\n\n|\n\s*- |\n`\w+`  |\n {4,}", text.strip("# "))
    long = [part.split() for part in parts if len(part.split()) > MOST_WORDS]
    return [f"{' '.join(words[:6])!r}…: {len(words)} words, expected {MOST_WORDS}" for words in long]


def found(text: str) -> list[str]:
    """Return what is not plain English in a text, with what to say instead."""
    joined = " ".join(text.split())
    hits = [(match[0], better) for word, better in WORDS.items() for match in re.finditer(word, joined, re.IGNORECASE)]
    return [f"{phrase!r}: say {better}" for phrase, better in hits]


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_and_comments_are_plain_english(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {hit}"
        for path in files
        for line, text in texts(path)
        for hit in (*found(text), *too_long(text))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "phrase",
    ["one lock an interrupt", "it became dearer", "held against the vectors", "a lock of its own", "it stands there"],
)
def test_an_idiom_is_found(phrase: str) -> None:
    assert found(f"A sentence in which\n    {phrase} is said.")


def test_a_long_sentence_is_found() -> None:
    assert too_long("short. " + "word " * 26) and not too_long("word " * 24 + "word. " + "word " * 20)


def test_plain_english_is_let_through() -> None:
    assert not found("One lock per interrupt: a byte per vCPU, which costs more. Compare the ones that remain.")


PAGES = sorted({*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "action.yml"})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_plain_english(path: Path) -> None:
    # A heading or a row of a table is no sentence: only the words are looked at, paragraph by paragraph.
    wrong = [hit for paragraph in path.read_text().split("\n\n") for hit in found(paragraph)]
    assert not wrong, "\n".join(wrong)


def test_helps_are_plain_english() -> None:
    wrong = []
    for name, command in typer.main.get_command(build_app()).commands.items():  # type: ignore[attr-defined]  # a group
        for leaf in (getattr(command, "commands", None) or {name: command}).values():
            texts = [leaf.help, *(getattr(parameter, "help", "") for parameter in leaf.params)]
            wrong += [f"{name}: {hit}" for text in texts for hit in found(text or "")]
    assert not wrong, "\n".join(wrong)
