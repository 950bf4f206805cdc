# SPDX-License-Identifier: GPL-2.0-only
"""What `check` found of a design: as a table, and as JUnit XML."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from bench.studies.design_check import Finding, failing
from kvmarm.files import atomic_write
from vgic_bench.console import print_table, say

MOST = 20
"""Lines of a check that are printed; the JUnit file and `--json` have all."""


def print_findings(findings: Sequence[Finding]) -> None:
    """Print how many findings each check has, then those that fail it, those that are known, and what was reported."""
    checks = list(dict.fromkeys(finding.check for finding in findings))
    rows = []
    for check in checks:
        own = [finding for finding in findings if finding.check == check]
        known = sum(not finding.ok and bool(finding.why) for finding in own)
        rows.append((check, len(own), sum(finding.ok for finding in own), known, len(failing(own))))
    print_table(["check", ">checked", ">right", ">known", ">failing"], rows)
    for why, number in _reasons(findings).items():
        say(f"known: {number:,} findings: {why}")
    for finding in findings:
        if finding.ok and finding.text:
            say(f"{finding.check}: {finding.name}: {finding.text}")
    wrong = failing(findings)
    for finding in wrong[:MOST]:
        say(f"FAILING {finding.check}: {finding.name}: {finding.text}")
    if len(wrong) > MOST:
        say(f"… and {len(wrong) - MOST:,} more")


def _reasons(findings: Sequence[Finding]) -> dict[str, int]:
    found: dict[str, int] = {}
    for finding in findings:
        if finding.why:
            found[finding.why] = found.get(finding.why, 0) + 1
    return found


def write_junit(findings: Sequence[Finding], path: Path) -> None:
    """Write one test case per finding: failures for what fails, skipped for what is known."""
    wrong = failing(findings)
    known = [finding for finding in findings if finding.why]
    counts = {"tests": len(findings), "failures": len(wrong), "errors": 0, "skipped": len(known)}
    attributes = {name: str(count) for name, count in counts.items()}
    suite = ElementTree.Element("testsuite", {"name": "vgic-bench check", **attributes})
    for finding in findings:
        attributes = {"classname": f"vgic-bench.check.{finding.check.replace(' ', '_')}", "name": finding.name}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if not finding.ok:
            kind = "skipped" if finding.why else "failure"
            ElementTree.SubElement(case, kind, message=finding.why or finding.text).text = finding.text
    top = ElementTree.Element("testsuites")
    top.append(suite)
    with atomic_write(path) as file:
        file.write(ElementTree.tostring(top, encoding="utf-8", xml_declaration=True))
