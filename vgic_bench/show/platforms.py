# SPDX-License-Identifier: GPL-2.0-only
"""Platforms as rows and as tables: the list, the prices, the checks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.switches.platform_checks import evaluate
from bench.switches.platform_fit import fit
from kvmarm.platforms import PRICES, TERMS, Platform
from vgic_bench.console import print_table, say

if TYPE_CHECKING:
    from bench.switches.measure import Measured

_SLOW = 10_000
"""ns of a small exit that no machine takes by itself."""


def list_rows(platforms: Sequence[Platform]) -> list[dict[str, Any]]:
    """Return one row per platform: what it is, how sure its prices are, what it was checked against."""
    return [
        {
            "name": platform.name,
            "title": platform.title,
            "gic": platform.gic,
            "clock_ghz": platform.clock_ghz,
            "file": platform.path,
            "summary": platform.summary,
            "certainty": _certainties(platform),
            "fitted_on": [check.name for check in platform.checks if check.use == "fit"],
            "predicts": [check.name for check in platform.checks if check.use == "prediction"],
        }
        for platform in platforms
    ]


def _certainties(platform: Platform) -> dict[str, int]:
    found: dict[str, int] = {}
    for price in (*platform.prices.values(), *platform.terms.values()):
        found[price.certainty] = found.get(price.certainty, 0) + 1
    return found


def print_list(rows: Sequence[dict[str, Any]]) -> None:
    """Print the list of platforms, and of each what it is and what it was checked against."""
    cells = []
    for row in rows:
        sure = ", ".join(f"{count} {name}" for name, count in row["certainty"].items())
        cells.append(
            (row["name"], f"v{row['gic']}", row["clock_ghz"], sure, len(row["fitted_on"]), len(row["predicts"]))
        )
    print_table(("platform", "GIC", ">GHz", "~prices and terms", ">fitted on", ">predicts"), cells)
    for row in rows:
        say(f"\n{row['name']}: {row['title']}")
        for line in _wrapped(row["summary"]):
            say(line)
        for title, key in (("fitted on", "fitted_on"), ("predicts", "predicts")):
            for line in _wrapped(f"{title}: {'; '.join(row[key]) or 'nothing'}"):
                say(line)


def price_rows(platforms: Sequence[Platform]) -> list[dict[str, Any]]:
    """Return one row a price or term of each platform."""
    return [
        {
            "platform": platform.name,
            "kind": kind,
            "name": name,
            "meaning": meanings[name],
            "cycles": price.cycles,
            "certainty": price.certainty,
            "source": price.source,
            "derivation": price.derivation,
            "error": price.error,
        }
        for platform in platforms
        for kind, table, meanings in (("price", platform.prices, PRICES), ("term", platform.terms, TERMS))
        for name, price in table.items()
    ]


def print_prices(rows: Sequence[dict[str, Any]]) -> None:
    """Print prices and terms, one table per platform, with where each comes from."""
    for name in dict.fromkeys(row["platform"] for row in rows):
        cells = [
            (
                row["name"],
                f"{row['cycles']:g}",
                row["certainty"],
                row["source"] + (f": {row['derivation']}" if row["derivation"] else ""),
            )
            for row in rows
            if row["platform"] == name
        ]
        print_table((name, ">cycles", "certainty", "~source and derivation"), cells)
        say()


def fit_rows(platforms: Sequence[Platform]) -> list[dict[str, Any]]:
    """Return one row a fitted price or term: what the file says and what the figures to fit give."""
    return [
        {"platform": platform.name, "name": each.name, "in_file": each.in_file, "solved": round(each.solved, 3)}
        for platform in platforms
        for each in fit(platform)
    ]


def print_fits(rows: Sequence[dict[str, Any]]) -> None:
    """Print the fitted prices beside those of the file."""
    cells = [(row["platform"], row["name"], f"{row['in_file']:g}", f"{row['solved']:,.2f}") for row in rows]
    print_table(("platform", "price or term", ">in file", ">solved"), cells)


def check_rows(platforms: Sequence[Platform]) -> list[dict[str, Any]]:
    """Return one row a check: the published figure, the modelled one, the error, and the terms it is made of."""
    return [evaluate(platform, check).row() for platform in platforms for check in platform.checks]


def print_checks(rows: Sequence[dict[str, Any]], with_terms: bool = False) -> None:
    """Print the checks, one table per platform; figures marked ~ are recalled, not seen again in their source."""
    for name in dict.fromkeys(row["platform"] for row in rows):
        mine = [row for row in rows if row["platform"] == name]
        cells = [
            (
                row["check"],
                row["use"],
                ("~" if row["certainty"] == "recalled" else "") + f"{row['published']:,.0f}",
                f"{row['modelled']:,.0f}",
                f"{row['error']:+.1%}",
            )
            for row in mine
        ]
        print_table((name, "use", ">published", ">modelled", ">error"), cells)
        for source in dict.fromkeys(row["source"] for row in mine):
            say("\n".join(_wrapped(f"source: {source}")))
        for row in mine:
            if row["note"]:
                for line in _wrapped(f"{row['check']}: {row['note']}"):
                    say(line)
            if with_terms:
                made_of = ", ".join(f"{term} {cycles:,.0f}" for term, cycles in row["terms"].items())
                for line in _wrapped(f"{row['check']} = {made_of}"):
                    say(line)
        say()
    predictions = sorted(abs(row["error"]) for row in rows if row["use"] == "prediction")
    if predictions:
        median = predictions[len(predictions) // 2]
        say(f"{len(predictions)} predictions, median error {median:.1%}; ~ is recalled, not seen again in the source")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ")


def print_measured(rows: Sequence[dict[str, Any]], assumptions: Sequence[str], measured: "Measured") -> None:
    """Print what was measured beside what the base and the new price list say, and the terms that were solved."""
    cells = [
        (
            row["check"],
            row["use"],
            f"{row['measured']:,.0f}",
            f"±{row['measured_error']:,.0f}",
            f"{row['base_predicts']:,.0f}",
            f"{row['base_error']:+.0%}",
            f"{row['predicted']:,.0f}",
            f"{row['error']:+.0%}",
        )
        for row in rows
    ]
    base = rows[0]["base"] if rows else ""
    print_table(("cycles", "use", ">measured", "", f">{base}", "", ">new list", ""), cells)
    for source in dict.fromkeys(row["source"] for row in rows):
        say("\n".join(_wrapped(f"source: {source}")))
    if assumptions:
        say("\n".join(_wrapped(f"assumed: {'; '.join(assumptions)}")))
    slow = [row["ns"] for row in rows if row["check"] == "host: exit" and row["ns"] > _SLOW]
    if slow:
        text = f"an exit keeps the host busy for {max(slow) / 1000:,.0f} µs: the host is emulated, or busy"
        say("\n".join(_wrapped(f"warning: {text}")))
    if measured.scale != 1.0:
        text = f"the prices of {base} leave nothing for the run loop: all of them times {measured.scale:.2f}"
        say("\n".join(_wrapped(text)))
    say()
    for price in measured.platform.terms.values():
        if price.certainty == "measured":
            error = "" if price.error is None else f" ± {price.error:,.0f}"
            say("\n".join(_wrapped(f"{price.name} {price.cycles:,.0f}{error}: {price.derivation}")))
