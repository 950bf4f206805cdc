# SPDX-License-Identifier: GPL-2.0-only
"""A platform written as the TOML file that `kvmarm.platforms.load_platform` reads."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kvmarm.platforms import Check, Part, Platform, Price


def platform_toml(platform: Platform) -> str:
    """Return the text of a platform's file: every price and term with its error, and the checks."""
    lines = ["# SPDX-License-Identifier: GPL-2.0-only"]
    lines += _fields(
        name=platform.name,
        title=platform.title,
        gic=platform.gic,
        clock_ghz=platform.clock_ghz,
        summary=platform.summary,
    )
    for key, table in (("prices", platform.prices), ("terms", platform.terms)):
        for price in table.values():
            lines += ["", f"[{key}.{price.name}]", *_price(price)]
    for check in platform.checks:
        lines += ["", *_check(check)]
    return "\n".join(lines) + "\n"


def _price(price: Price) -> list[str]:
    error = {} if price.error is None else {"error": _rounded(price.error)}
    return _fields(
        cycles=_rounded(price.cycles),
        **error,
        certainty=price.certainty,
        source=price.source,
        derivation=price.derivation,
    )


def _check(check: Check) -> Iterator[str]:
    yield "[[checks]]"
    yield from _fields(
        name=check.name,
        published=_rounded(check.published),
        source=check.source,
        certainty=check.certainty,
        use=check.use,
        terms=check.terms,
        instructions=check.instructions,
        counted_on=check.counted_on,
        note=check.note,
    )
    for part in check.parts:
        yield "[[checks.parts]]"
        yield from _part(part)


def _part(part: Part) -> list[str]:
    return _fields(
        switch=part.switch,
        options=part.options,
        phases=list(part.phases),
        groups=list(part.groups),
        without=list(part.without),
        direction=part.direction,
        times=part.times,
    )


def _rounded(number: float) -> float:
    """Return a number with six digits that count."""
    return float(f"{number:.6g}")


def _fields(**fields: Any) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in fields.items() if value not in ("", {}, [])]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # A TOML string is written as JSON's are, but for the delete character.
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
