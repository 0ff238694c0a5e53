"""Records as CSV: a line for each, which is the shortest form of flat lists."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from mcp_instantly.api.paging import name_of_records

CSV = "csv"


def as_csv(answer: dict[str, Any], columns: Sequence[str] | None) -> dict[str, Any]:
    """An answer with its records as CSV under `csv`, below a line of their names; unchanged where it has no records.

    `columns` are those to show, in this order; None: all that a record has. What is nested stands in its cell as JSON.
    """
    name = name_of_records(answer)
    records = answer.get(name)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        return answer
    text = _table(records, columns) if records else ""
    return {CSV if key == name else key: text if key == name else value for key, value in answer.items()}


def _table(records: list[dict[str, Any]], columns: Sequence[str] | None) -> str:
    there = dict.fromkeys(key for record in records for key in record)
    shown = [column for column in columns if column in there] if columns is not None else list(there)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(shown)
    writer.writerows([_cell(record.get(column)) for column in shown] for record in records)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
