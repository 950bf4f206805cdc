# SPDX-License-Identifier: GPL-2.0-only
"""What a verification found as files: traces, JSON, JUnit; what is new against a baseline, what designs differ in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from bench.verify.classes import class_name, signature_text
from bench.verify.report import Report, file_name
from bench.verify.requirements import requirement, sentence
from bench.verify.run import Verified
from kvmarm.design import get_design
from kvmarm.errors import UsageError

RESULT = "verify.json"


def words_of(report: Report) -> str:
    """Return a report's signature in words, BUG_ONs by their place."""
    return signature_text(report.code, dict(get_design(report.design).bugs))


def write_traces(verified: Sequence[Verified], folder: Path) -> None:
    """Write a trace file for each signature, and the JSON beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in verified:
        for report in one.signatures():
            (folder / file_name(report)).write_text("\n".join(report.trace) + "\n")
    (folder / RESULT).write_text(json.dumps(as_json(verified, folder), indent=1, ensure_ascii=False) + "\n")


def _as_row(report: Report, folder: Path | None) -> dict[str, Any]:
    return {
        "class": class_name(report.code),
        "signature": words_of(report),
        "depth": report.depth,
        "configuration": report.configuration.name,
        "trace": str(folder / file_name(report)) if folder is not None else None,
        "states": report.count,
        "observed": sentence(report.code),
        "required": requirement(report.code),
    }


def as_json(verified: Sequence[Verified], folder: Path | None) -> dict[str, Any]:
    """Return the result as one object: per design whether it closed, its sizes, its signatures, its configurations."""
    designs = {}
    for one in verified:
        designs[one.design] = {
            "closed": one.closed,
            "states": sum(explored.states for explored in one.explored),
            "transitions": sum(explored.transitions for explored in one.explored),
            "signatures": [_as_row(report, folder) for report in one.signatures()],
            "advice": [_as_row(report, None) for report in one.signatures(advice=True)],
            "configurations": [
                {
                    "name": explored.configuration.name,
                    "closed": explored.closed,
                    "states": explored.states,
                    "transitions": explored.transitions,
                    "depth": explored.depth,
                    "seconds": round(explored.seconds, 3),
                    "signatures": explored.violations,
                }
                for explored in one.explored
            ],
        }
    return {"designs": designs}


def read_result(path: Path) -> dict[str, Any]:
    """Return a stored result. Raises UsageError for what is none."""
    target = path / RESULT if path.is_dir() else path
    try:
        stored = json.loads(target.read_text())
        for one in stored["designs"].values():
            for row in one["signatures"]:
                row["signature"]
    except OSError as error:
        raise UsageError(f"{target}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{target}: not a result of vgic-bench verify: expected what --json prints") from error
    return stored


def new_signatures(verified: Sequence[Verified], baseline: dict[str, Any]) -> list[Report]:
    """Return the reports whose signature the baseline does not have for their design."""
    known = {name: {row["signature"] for row in one["signatures"]} for name, one in baseline["designs"].items()}
    reports = [report for one in verified for report in one.signatures()]
    return [report for report in reports if words_of(report) not in known.get(report.design, set())]


def differences(first: Verified, second: Verified) -> list[tuple[str, str]]:
    """Return (design, signature) of each signature that only one of two designs has."""
    sides = [(one.design, {words_of(report): None for report in one.signatures()}) for one in (first, second)]
    (a, of_a), (b, of_b) = sides
    return [(a, text) for text in of_a if text not in of_b] + [(b, text) for text in of_b if text not in of_a]


def junit(verified: Sequence[Verified], failed: Sequence[Report]) -> bytes:
    """Return JUnit XML: a test case per design and configuration, and a failure per signature that fails."""
    suite = ElementTree.Element("testsuite", name="vgic-bench verify", failures=str(len(failed)))
    cases = 0
    for one in verified:
        for explored in one.explored:
            cases += 1
            name = explored.configuration.name
            case = ElementTree.SubElement(suite, "testcase", classname=one.design, name=name)
            case.set("time", f"{explored.seconds:.3f}")
            for report in failed:
                if report.design == one.design and report.configuration.name == name:
                    ElementTree.SubElement(case, "failure", message=words_of(report)).text = "\n".join(report.trace)
    suite.set("tests", str(cases))
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
