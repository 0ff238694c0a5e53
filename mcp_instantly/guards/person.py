"""The person at a client: forms in both generations of the protocol."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_instantly.guards.forms import FORM_SCHEMA, GO_AHEAD, FormAwaited, Reply

QUESTION = "confirmation"
"""The name of the only question, where a result carries questions."""

BEAT_SECONDS = 10.0
"""After which a client hears again that a person is waited for: some hosts give up calls of which they hear nothing."""


class ClientPerson:
    """Who is asked about one call.

    From the revision 2026-07-28 on, a question ends the call, and the client calls again with what was answered; before
    it, the client is asked while the call waits, which needs a channel back to it. Over HTTP, where each call stands on
    its own, there is none.
    """

    def __init__(self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams):
        self._ctx = ctx
        self._params = params
        self._calls_again = ctx.session.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def can_be_asked(self) -> bool:
        capabilities = self._ctx.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities else None
        # Who names neither kind of question shows forms: there was only this kind at first.
        shows_forms = elicitation is not None and (elicitation.form is not None or elicitation.url is None)
        return shows_forms and (self._calls_again or self._ctx.session.can_send_request)

    @property
    def reply(self) -> Reply | None:
        answer = (self._params.input_responses or {}).get(QUESTION)
        seal = self._params.request_state
        if not self._calls_again or not seal or not isinstance(answer, types.ElicitResult):
            return None
        return _read(answer, seal)

    async def ask(self, message: str, seal: str, seconds: float) -> Reply:
        if self._calls_again:
            raise FormAwaited(self._params.name, message, seal)
        session = self._ctx.session
        answer = Reply("silent")
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beat)
                try:
                    found = await session.elicit_form(message, FORM_SCHEMA, related_request_id=self._ctx.request_id)
                    answer = _read(found, seal)
                except (MCPError, ValidationError) as error:
                    is_closed = isinstance(error, MCPError) and error.error.code == types.CONNECTION_CLOSED
                    answer = Reply("cut off" if is_closed else "failed")
                tasks.cancel_scope.cancel()
        return answer

    async def _beat(self) -> None:
        while True:
            await self._ctx.session.report_progress(0, None, "waiting for the user's confirmation")
            await anyio.sleep(BEAT_SECONDS)


def _read(answer: types.ElicitResult, seal: str) -> Reply:
    """Accepted is only what was accepted with the box ticked."""
    if answer.action == "accept":
        ticked = answer.content is not None and answer.content.get(GO_AHEAD) is True
        return Reply("accepted" if ticked else "declined", seal)
    return Reply("declined" if answer.action == "decline" else "cancelled", seal)


def form_of(awaited: FormAwaited) -> types.InputRequiredResult:
    """The result that has a client show the form and call again."""
    params = types.ElicitRequestFormParams(message=awaited.message, requested_schema=FORM_SCHEMA)
    return types.InputRequiredResult(
        input_requests={QUESTION: types.ElicitRequest(params=params)}, request_state=awaited.seal
    )
