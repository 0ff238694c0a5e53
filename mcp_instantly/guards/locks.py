"""Arguments that are set at start: with --only-campaign, every call is about one campaign."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError, Locked
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.guards.touched import CAMPAIGNS, THREAD, acts_through_agent, owners_of
from mcp_instantly.text import shorten
from mcp_instantly.tools.operation import Operation

FILLED = ("campaign", "campaign_id", "parent_campaign")
"""Arguments that name the campaign of a call."""

TAKEN_OUT = ("to_campaign_id", "parent_campaign_not")
"""Arguments that name another campaign than that of the call."""

INSTEAD = "list_id"
"""What writes take in the place of a campaign."""

BY_ID = ("get_campaign_analytics", "get_campaign_analytics_overview")
"""Tools that name their campaign `id`, or several `ids`."""

IN_PATH = "/api/v2/campaigns/{id}"

NEW = ("create_campaign", "create_campaign_from_export", "duplicate_campaign")
"""Tools that make another campaign."""

OF_ALL = "/api/v2/block-lists-entries"
"""What holds in all campaigns."""

OF_RESOURCE = "resource_id"
"""An argument that names a campaign or a list."""

ONE_THREAD = re.compile(r"thread:\S+")
"""A search of emails that names a thread, which is read whole: a reply in it may belong to no campaign."""

TAGGED = "toggle_custom_tag"
"""The tool that acts on campaigns or accounts by `resource_ids`."""


class CampaignLock:
    """Fills in the campaign of every call, and refuses calls that are about another; also a guard. Without a campaign,
    it does nothing.

    A tool that names its campaign in its path is still told which; of writes on what belongs to a campaign, such as a
    lead or a subsequence, it is read to which.
    """

    def __init__(self, campaign: str | None = None):
        self._campaign = campaign

    @property
    def campaign(self) -> str | None:
        """The only campaign, in lower case; None without a lock."""
        return self._campaign

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        """A tool as it goes over the wire, without the arguments that are set."""
        out = None if self._campaign is None else self._set_for(tool)
        if not out:
            return tool
        schema = tool["inputSchema"]
        left = {key: value for key, value in schema.items() if key != "required"}
        left["properties"] = {key: value for key, value in schema["properties"].items() if key not in out}
        required = [key for key in schema.get("required", ()) if key not in out]
        return {**tool, "inputSchema": {**left, "required": required} if required else left}

    def fill(self, operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the campaign filled in. Raises Locked for a call about another one."""
        if self._campaign is None:
            return arguments
        if operation.name in NEW:
            raise self._refusal(f"{operation.name} makes another one")
        if operation.path.startswith(OF_ALL) and not operation.read_only:
            raise self._refusal("the block list holds in all campaigns")
        arguments = {name: value for name, value in arguments.items() if value is not None}
        whole = operation.name == THREAD and ONE_THREAD.fullmatch(str(arguments.get("search", "")))
        for name in self._set_for(operation.tool):
            left_out = whole and name not in arguments
            given = arguments.pop(name, self._campaign)
            if name == INSTEAD and given != self._campaign:
                raise self._refusal(f"{INSTEAD} takes the place of a campaign")
            self._refuse_another(name, given)
            if (name in FILLED and not left_out) or name == "id":
                arguments[name] = self._campaign
        self._refuse_others_in(operation, arguments)
        return arguments

    def notes(self, operation: Operation, given: dict[str, Any], filled: dict[str, Any]) -> tuple[str, ...]:
        """What is to be said of a read that was to go beyond the campaign, and does not."""
        narrowed = any(name in filled and name not in given for name in (*FILLED, "id")) and "ids" not in given
        if self._campaign is None or not operation.read_only or not narrowed:
            return ()
        return (
            f"This server works on campaign {self._campaign} alone (--only-campaign): of leads, emails and campaigns, "
            "only its own were read.",
        )

    def _set_for(self, tool: dict[str, Any]) -> list[str]:
        """The arguments of a tool that are set, or never given."""
        known = tool["inputSchema"]["properties"]
        set_here = [*FILLED, *TAKEN_OUT]
        if tool["name"] in BY_ID:
            set_here += ["id", "ids"]
        if not tool["annotations"]["readOnlyHint"] and any(name in known for name in FILLED):
            set_here.append(INSTEAD)
        return [name for name in set_here if name in known]

    def _refuse_others_in(self, operation: Operation, arguments: dict[str, Any]) -> None:
        if operation.path == IN_PATH or operation.path.startswith(f"{IN_PATH}/"):
            self._refuse_another("id", arguments.get("id", self._campaign))
        self._refuse_another(OF_RESOURCE, arguments.get(OF_RESOURCE, self._campaign))
        if operation.name == TAGGED and arguments.get("resource_type") == CAMPAIGNS:
            self._refuse_another("resource_ids", arguments.get("resource_ids", self._campaign))
            if arguments.get("selected_all"):
                raise self._refusal("selected_all means all of them")

    def _refuse_another(self, name: str, value: Any) -> None:
        for one in value if isinstance(value, list) else [value]:
            if str(one).strip().lower() != self._campaign:
                raise self._refusal(f"{name} is {shorten(str(one), 60)}")

    def _refusal(self, why: str) -> Locked:
        return Locked(
            f"Nothing was sent: this server works on campaign {self._campaign} alone (--only-campaign), and {why}. "
            "Arguments that name the campaign are filled in."
        )

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        await self.refuse(call)
        return await proceed()

    async def refuse(self, call: GuardedCall) -> None:
        """Raise Locked for writes on what belongs to another campaign, and those with which an agent may act on
        another.
        """
        if self._campaign is None or not call.writes:
            return
        if acts_through_agent(call.operation, call.arguments):
            raise self._refusal("an agent would act on campaigns that the call does not name")
        try:
            owners = await owners_of(call, {})
        except InstantlyError as error:
            sentence = str(error).rstrip(".")
            raise self._refusal(f"it could not be found out to which one this belongs: {sentence}") from None
        if any(self._campaign not in of_one for of_one in owners):
            raise self._refusal("what this acts on does not belong to it")


UNLOCKED = CampaignLock()
