"""How answers are shown to the clients of one server: as its settings, its selection and the call say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_instantly.api.request import Response
from mcp_instantly.results import result
from mcp_instantly.results.projection import View, view_of
from mcp_instantly.results.protection import Writable, writable
from mcp_instantly.results.result import Result
from mcp_instantly.results.strangers import Quotation
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import known_fields
from mcp_instantly.tools.operation import Operation


class Presentation:
    """Turns responses into results; what tools can write of each record is worked out once."""

    def __init__(self, operations: Mapping[str, Operation], settings: Settings) -> None:
        self._operations = operations
        self._settings = settings
        self._written: dict[str, Writable] = {}

    def view(self, operation: Operation, arguments: dict[str, Any]) -> View:
        """What of the answer is to be shown. Raises InvalidArguments for a field that there is not."""
        written = self._writable(operation).fields
        return view_of(operation, arguments, full=self._settings.full, known=known_fields, written=written)

    def show(self, operation: Operation, arguments: dict[str, Any], view: View, reply: Response, *notes: str) -> Result:
        """The result of an operation, also where a guard has answered in the place of the API."""
        notes = (*notes, *reply.notes)
        if not reply.sent:
            return result.composed(operation, reply.payload, [*notes], self._settings.result_limit)
        return result.success(
            operation,
            arguments,
            reply,
            self._settings.result_limit,
            view=view,
            kept=lambda: self._writable(operation),
            more_notes=notes,
            quotation=self._quotation(operation, self._writable(operation).fields),
            reveal=self._settings.reveal_secrets,
        )

    def show_composed(self, tool: Operation, payload: Any, notes: Sequence[str]) -> Result:
        """The result of a workflow."""
        return result.composed(
            tool,
            payload,
            [*notes],
            self._settings.result_limit,
            quotation=self._quotation(tool),
            reveal=self._settings.reveal_secrets,
        )

    def _quotation(self, operation: Operation, written: frozenset[str] = frozenset()) -> Quotation:
        return Quotation(operation, raw=self._settings.raw_text, lockdown=self._settings.lockdown, written=written)

    def _writable(self, operation: Operation) -> Writable:
        if operation.name not in self._written:
            self._written[operation.name] = writable(operation, self._operations.values())
        return self._written[operation.name]
