"""Records of one kind, in the order they were made, found by key or by an indexed field."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Record = dict[str, Any]


class Table:
    """Plain dictionaries under a key field. Keys that begin with `_` are the sandbox's own and never leave it.

    Change a record through `change`, so that the indexes follow. Reading from a cursor takes constant time at any
    depth: removed records leave their place behind.
    """

    def __init__(self, key: str = "id", index: tuple[str, ...] = ()):
        self.key = key
        self._records: dict[str, Record] = {}
        self._order: list[str | None] = []
        self._place: dict[str, int] = {}
        self._index: dict[str, dict[Any, dict[str, None]]] = {field: {} for field in index}

    def dump(self) -> dict[str, Any]:
        """The table as plain JSON; records that were removed leave their places, which cursors may name."""
        return {
            "key": self.key,
            "places": sorted(self._place, key=self._place.__getitem__),
            "records": list(self._records.values()),
            "index": {
                field: [[value, list(keys)] for value, keys in found.items() if keys]
                for field, found in self._index.items()
            },
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Table:
        table = cls(kept["key"])
        table._records = {record[table.key]: record for record in kept["records"]}
        table._place = {key: place for place, key in enumerate(kept["places"])}
        table._order = [key if key in table._records else None for key in kept["places"]]
        # Within an index, the order is that in which records came to have the value.
        table._index = {
            field: {value: dict.fromkeys(keys) for value, keys in found} for field, found in kept["index"].items()
        }
        return table

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def add(self, record: Record) -> Record:
        """Append a record; its key must be new (ValueError)."""
        key = record[self.key]
        if key in self._records:
            raise ValueError(f"there is a record {key} already")
        self._records[key] = record
        self._place[key] = len(self._order)
        self._order.append(key)
        for field in self._index:
            self._index[field].setdefault(record.get(field), {})[key] = None
        return record

    def change(self, record: Record, **fields: Any) -> Record:
        """Set fields of a record of this table; a field set to None is left out from then on, as the API does."""
        key = record[self.key]
        for field, value in fields.items():
            if field in self._index and record.get(field) != value:
                self._index[field].get(record.get(field), {}).pop(key, None)
                self._index[field].setdefault(value, {})[key] = None
            if value is None:
                record.pop(field, None)
            else:
                record[field] = value
        return record

    def remove(self, key: str) -> Record | None:
        record = self._records.pop(key, None)
        if record is not None:
            self._order[self._place[key]] = None
            for field, found in self._index.items():
                found.get(record.get(field), {}).pop(key, None)
        return record

    def where(self, **exact: Any) -> Iterator[Record]:
        """Records with these values in indexed fields, oldest first."""
        (field, value), *more = exact.items()
        for key in list(self._index[field].get(value, ())):
            record = self._records[key]
            if all(record.get(f) == v for f, v in more):
                yield record

    def count(self, **exact: Any) -> int:
        """How many records have this value in an indexed field."""
        ((field, value),) = exact.items()
        return len(self._index[field].get(value, ()))

    def select(self, after: str | None = None, *, newest_first: bool = False, **exact: Any) -> Iterator[Record]:
        """Records with this value in an indexed field that stand behind `after`, in the table's order."""
        ((field, value),) = exact.items()
        keys = self._index[field].get(value, ())
        if len(keys) * 8 > len(self):
            # Where many match, walking from the cursor meets a page of them sooner than all of them can be sorted.
            return (record for record in self.after(after, newest_first=newest_first) if record.get(field) == value)
        return self.arrange(keys, after, newest_first=newest_first)

    def arrange(self, keys: Iterable[str], after: str | None = None, *, newest_first: bool = False) -> Iterator[Record]:
        """The records under these keys that stand behind `after`, in the table's order."""
        places = sorted({self._place[key] for key in keys if key in self._records})
        if after is not None:
            if after not in self._place:
                return
            mark = self._place[after]
            places = (
                places[: bisect.bisect_left(places, mark)] if newest_first else places[bisect.bisect(places, mark) :]
            )
        for place in reversed(places) if newest_first else places:
            key = self._order[place]
            if key is not None:
                yield self._records[key]

    def first(self, **exact: Any) -> Record | None:
        return next(self.where(**exact), None)

    def after(self, key: str | None = None, *, newest_first: bool = False) -> Iterator[Record]:
        """Records behind `key` (all of them without one), oldest first or newest first.

        A key that never existed yields nothing; one that was removed still marks its place.
        """
        step = -1 if newest_first else 1
        if key is None:
            place = len(self._order) - 1 if newest_first else 0
        elif key in self._place:
            place = self._place[key] + step
        else:
            return
        while 0 <= place < len(self._order):
            found = self._order[place]
            if found is not None:
                yield self._records[found]
            place += step


Filter = Callable[[Record], bool]
