# SPDX-License-Identifier: GPL-2.0-only
"""Whether what lies in a results folder is what its readers rely on: kinds of metadata fields, types of columns.

Readers do not ask again. What is not as it should be is told in one line that names file, field and what was expected.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kvmarm.errors import UsageError
from kvmarm.text import shown

_FIELDS: dict[str, tuple[type, str]] = {
    "kind": (str, "text"),
    "complete": (bool, "true or false"),
    "interrupted": (bool, "true or false"),
    "started": (str, "text"),
    "finished": (str, "text"),
    "tool": (dict, "an object"),
    "environment": (dict, "an object"),
    "configuration": (dict, "an object"),
    "pairing": (dict, "an object"),
    "command": (list, "an array"),
    "designs": (list, "an array"),
    "meters": (list, "an array of text"),
    "missing": (list, "an array of text"),
    "notes": (list, "an array of text"),
}
"""Field of meta.json -> its kind; a field may be absent or null."""


def check_meta(meta: Mapping[str, Any], file: object) -> None:
    """Raise UsageError when a field of the metadata is not of its kind."""
    for name, (kind, expected) in _FIELDS.items():
        value = meta.get(name)
        if value is None:
            continue
        texts = value if expected == "an array of text" and isinstance(value, list) else []
        if not isinstance(value, kind) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{file}: field {name}: expected {expected}, found {shown(str(value))}")


def check_names(columns: Iterable[str], where: object) -> None:
    """Raise UsageError when a table has two columns of one name, or one without."""
    seen: set[str] = set()
    for name in columns:
        if name in seen or not name:
            raise UsageError(f"{where}: column {name!r}: expected columns of different names")
        seen.add(name)


def is_plain(kind: Any) -> bool:
    """Return whether a type of pyarrow's is one that results have: text, numbers, truth values."""
    from pyarrow import types

    value = kind.value_type if types.is_dictionary(kind) else kind
    text = types.is_string(value) or types.is_large_string(value)
    return bool(text or types.is_integer(value) or types.is_floating(value) or types.is_boolean(value))


def check_types(schema: Any, columns: Mapping[str, str], where: object) -> None:
    """Raise UsageError when a column of a table with rows (a `pyarrow.Schema`) is not of the type that it must have.

    columns: column -> "str", "int64", "float64" or "bool". Columns that are absent pass.
    """
    from pyarrow import types

    def is_text(kind: Any) -> bool:
        value = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(value) or types.is_large_string(value))

    fits = {
        "str": (is_text, "text"),
        "int64": (types.is_integer, "whole numbers"),
        "float64": (lambda kind: types.is_integer(kind) or types.is_floating(kind), "numbers"),
        "bool": (types.is_boolean, "truth values"),
    }
    for name, dtype in columns.items():
        if name in schema.names:
            is_right, expected = fits[dtype]
            kind = schema.field(name).type
            if not is_right(kind):
                raise UsageError(f"{where}: column {name}: expected {expected}, found {kind}")


def check_filled(empty: Iterable[str], columns: Mapping[str, str], where: object) -> None:
    """Raise UsageError when one of the columns with empty values (`empty`) is one that may have none."""
    for name in empty:
        if columns.get(name, "float64") != "float64":
            raise UsageError(f"{where}: column {name}: expected a value in every row, some are empty")
