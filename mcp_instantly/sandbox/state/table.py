"""Records of one kind, in the order they were made, found by key or by an indexed field."""

from __future__ import annotations

import bisect
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Record = dict[str, Any]


class Table:
    """Plain dictionaries under a key field. Keys that begin with `_` are the sandbox's own and never leave it.

    Change a record through `change`, so that the indexes follow. A record's place never changes, and removed ones leave
    theirs behind: so reading from a cursor takes constant time at any depth, with an index or without.
    """

    def __init__(self, key: str = "id", index: tuple[str, ...] = ()):
        self.key = key
        self._records: dict[str, Record] = {}
        self._order: list[str | None] = []
        self._place: dict[str, int] = {}
        # By field and value, the places of the records that have it, in ascending order.
        self._index: dict[str, dict[Any, list[int]]] = {field: {} for field in index}

    def dump(self) -> dict[str, Any]:
        """The table as plain JSON; records that were removed leave their places, which cursors may name."""
        return {
            "key": self.key,
            "places": sorted(self._place, key=self._place.__getitem__),
            "records": list(self._records.values()),
            "index": list(self._index),
        }

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Table:
        table = cls(kept["key"])
        table._records = {record[table.key]: record for record in kept["records"]}
        table._place = {key: place for place, key in enumerate(kept["places"])}
        table._order = [key if key in table._records else None for key in kept["places"]]
        table._index = {field: {} for field in kept["index"]}
        for place, key in enumerate(table._order):
            if key is not None:
                table._enter(table._records[key], place)
        return table

    def _enter(self, record: Record, place: int) -> None:
        """Put a record that stands behind all others into the indexes."""
        for field, found in self._index.items():
            found.setdefault(record.get(field), []).append(place)

    def _leave(self, field: str, place: int, value: Any) -> None:
        places = self._index[field][value]
        del places[bisect.bisect_left(places, place)]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __getitem__(self, key: str) -> Record:
        """The record of a key that must be there. Raises KeyError."""
        return self._records[key]

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
        self._enter(record, self._place[key])
        return record

    def change(self, record: Record, **fields: Any) -> Record:
        """Set fields of a record of this table; a field set to None is left out from then on, as the API does."""
        key = record[self.key]
        for field, value in fields.items():
            if field in self._index and record.get(field) != value:
                place = self._place[key]
                self._leave(field, place, record.get(field))
                bisect.insort(self._index[field].setdefault(value, []), place)
            if value is None:
                record.pop(field, None)
            else:
                record[field] = value
        return record

    def remove(self, key: str) -> Record | None:
        record = self._records.pop(key, None)
        if record is not None:
            self._order[self._place[key]] = None
            for field in self._index:
                self._leave(field, self._place[key], record.get(field))
        return record

    def where(self, **exact: Any) -> Iterator[Record]:
        """Records with these values in indexed fields, oldest first."""
        (field, value), *more = exact.items()
        for record in self._at(list(self._index[field].get(value, ()))):
            if all(record.get(f) == v for f, v in more):
                yield record

    def count(self, **exact: Any) -> int:
        """How many records have this value in an indexed field."""
        ((field, value),) = exact.items()
        return len(self._index[field].get(value, ()))

    def select(self, after: str | None = None, *, newest_first: bool = False, **exact: Any) -> Iterator[Record]:
        """Records with this value in an indexed field that stand behind `after`, in the table's order."""
        ((field, value),) = exact.items()
        return self._behind(self._index[field].get(value, []), after, newest_first)

    def arrange(self, keys: Iterable[str], after: str | None = None, *, newest_first: bool = False) -> Iterator[Record]:
        """The records under these keys that stand behind `after`, in the table's order."""
        places = sorted({self._place[key] for key in keys if key in self._records})
        return self._behind(places, after, newest_first)

    def _behind(self, places: list[int], after: str | None, newest_first: bool) -> Iterator[Record]:
        first, last = 0, len(places)
        if after is not None:
            if after not in self._place:
                return iter(())
            mark = self._place[after]
            if newest_first:
                last = bisect.bisect_left(places, mark)
            else:
                first = bisect.bisect_right(places, mark)
        # A copy: the caller may change the records on the way.
        run = places[first:last]
        return self._at(reversed(run) if newest_first else run)

    def _at(self, places: Iterable[int]) -> Iterator[Record]:
        for place in places:
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

UNFOLDING = threading.Lock()


class FoldedTable(Table):
    """A table as bytes, until something asks for what is in it: of the fifty of a world most are seldom looked at."""

    def __init__(self, folded: bytes):
        self._folded = folded

    @classmethod
    def of(cls, table: Table) -> FoldedTable:
        return table if isinstance(table, cls) else cls(pickle.dumps(vars(table)))

    def __reduce__(self) -> Any:
        return FoldedTable, (self._folded,)

    def __getattr__(self, name: str) -> Any:
        # A test and the server of its sandbox are in different threads.
        with UNFOLDING:
            if "_folded" in vars(self):
                vars(self).update(pickle.loads(self._folded))
                # From here on it is a table like any other.
                self.__class__ = Table  # type: ignore[assignment]
                del self._folded
        return object.__getattribute__(self, name)
