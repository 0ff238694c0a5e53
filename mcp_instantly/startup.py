"""From options and environment to what a command works with: a selection, settings, logging, and an invoker.

Heavy modules (httpx, the sandbox) are imported where they are needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_instantly.catalog import Selection, load_catalog, select
from mcp_instantly.confirmation import Confirmation, Rules
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.exposure import Exposure
from mcp_instantly.log import configure_logging, get_logger
from mcp_instantly.preview import with_preview
from mcp_instantly.seals import Seals, read_state_key
from mcp_instantly.settings import (
    SANDBOX_KEY,
    SANDBOX_URL,
    Settings,
    is_open_to_others,
    read_header,
    read_key,
    resolve_server,
)

if TYPE_CHECKING:
    from mcp_instantly.drafts import Drafts
    from mcp_instantly.guards import Guard
    from mcp_instantly.invocation import Invoker
    from mcp_instantly.ledger import Ledger
    from mcp_instantly.locks import CampaignLock
    from mcp_instantly.policy import Policy
    from mcp_instantly.sandbox.engine.gate import Gate

STATE_WAIT_SECONDS = 20.0
"""Seconds to wait for another process that has the sandbox's file open: some hosts start one for every call."""

DELIVERY_WAIT_SECONDS = 2.0
"""Seconds that the sandbox's deliveries to webhooks may still take at the end."""

DRAFTS = "drafts"
"""The toolset of tools that keep drafts."""

NO_KEY = (
    "There is no API key: create one in Instantly under Settings > Integrations > API and set INSTANTLY_API_KEY "
    "(or INSTANTLY_API_KEY_FILE), or try everything without one by adding --sandbox."
)


def make_selection(options: dict[str, Any]) -> Selection:
    """The tools that the options choose, with those for drafts where drafts are asked for. ConfigError for none."""
    toolsets = options["toolsets"]
    if keeps_drafts(options):
        toolsets = (*(toolsets or (() if options["tools"] else ("default",))), DRAFTS)
    selection = select(
        load_catalog(),
        toolsets=toolsets,
        tools=options["tools"],
        exclude=options["exclude_tools"],
        read_only=options["read_only"],
        scopes=options["scopes"] or None,
    )
    if not selection.tools:
        raise ConfigError("No tool matches this selection.")
    return selection


def select_all(options: dict[str, Any]) -> dict[str, Any]:
    """The options with every tool chosen, where they choose none."""
    return options if options["toolsets"] or options["tools"] else {**options, "toolsets": ("all",)}


def _key_file(options: dict[str, Any]) -> Path | None:
    """The file that holds the key, unless the sandbox is used or none is named."""
    name = os.environ.get("INSTANTLY_API_KEY_FILE")
    return Path(name) if name and not options["sandbox"] else None


def make_settings(options: dict[str, Any]) -> Settings:
    """Settings from options and environment. Raises ConfigError."""
    _check_world(options)
    base_url, key = SANDBOX_URL, SANDBOX_KEY
    if not options["sandbox"]:
        base_url = resolve_server(options["server"])
        found = read_key(os.environ.get("INSTANTLY_API_KEY"), _key_file(options))
        if found is None:
            raise ConfigError(NO_KEY)
        key = found
    if options["lockdown"] and options["raw_text"]:
        raise ConfigError("--raw-text would show what --lockdown keeps back; choose one of them.")
    # An empty workspace would otherwise mean none, and act in another one than was meant.
    workspace = options["workspace"]
    if workspace is not None:
        workspace = read_header("--workspace (INSTANTLY_WORKSPACE)", workspace, blanks=False)
    return Settings(
        base_url=base_url,
        api_key=key,
        sandbox=options["sandbox"],
        workspace=workspace,
        user_agent=read_header("--user-agent (INSTANTLY_USER_AGENT)", options["user_agent"], blanks=True),
        result_limit=options["result_limit"],
        log_arguments=options["log_arguments"],
        call_timeout=options["call_timeout"],
        max_response_bytes=options["max_response_bytes"],
        agent_check=not options["no_agent_check"],
        full=options["full"],
        host_confirm=not options["no_host_confirm"],
        raw_text=options["raw_text"],
        lockdown=options["lockdown"],
        reveal_secrets=options["reveal_secrets"],
    )


def start_logging(options: dict[str, Any], settings: Settings, *tokens: str) -> None:
    """Log as the options say, without the key and the tokens; warn of a key file that others can read."""
    configure_logging(
        style=options["log_format"],
        level=options["log_level"],
        file=options["log_file"],
        secrets=tokens if settings.sandbox else (settings.api_key, *tokens),
    )
    key_file = _key_file(options)
    if key_file is not None and is_open_to_others(key_file):
        get_logger().warning(
            "key_file_open_to_others", file=str(key_file), advice="let only its owner read it, with chmod 600"
        )


def _check_world(options: dict[str, Any]) -> None:
    """Raise ConfigError where a world is described for a sandbox that is not used."""
    if not options["sandbox"]:
        for name, default in (("scenario", "demo"), ("state", None), ("budgets", False)):
            if options[name] != default:
                raise ConfigError(f"--{name} is about the sandbox; add --sandbox, or leave it out.")


def make_lock(options: dict[str, Any]) -> CampaignLock:
    """The campaign that the server works on alone, if there is one. Raises ConfigError."""
    from mcp_instantly.locks import CampaignLock
    from mcp_instantly.policy_file import ID

    campaign = options["only_campaign"]
    if campaign is None:
        return CampaignLock()
    if not ID.fullmatch(campaign.strip().lower()):
        raise ConfigError(
            "--only-campaign (INSTANTLY_ONLY_CAMPAIGN) must be the id of a campaign (a UUID), as list_campaigns has it."
        )
    return CampaignLock(campaign.strip().lower())


def make_guards(
    options: dict[str, Any], selection: Selection, settings: Settings, lock: CampaignLock, exposure: Exposure
) -> list[Guard]:
    """What stands around every call, the outermost first. Raises ConfigError.

    What is answered from memory asks nobody and counts nothing; what a rule forbids is never asked about.
    """
    guards: list[Guard] = [lock]
    if options.get("drafts_only"):
        from mcp_instantly.drafts_only import DraftsOnly

        guards.append(DraftsOnly())
    if options["repeat_window"]:
        from mcp_instantly.repeats import Repeats

        guards.append(Repeats(options["repeat_window"]))
    if options["policy"] is not None:
        guards.append(_policy_guard(options["policy"], settings))
    if options["dry_run"]:
        from mcp_instantly.dry_run import DryRun

        guards.append(DryRun())
    # Innermost: whatever refuses or answers a call by itself does so before a person is asked.
    rules = Rules(
        mode=options["confirm"],
        host_asks=settings.host_confirm,
        require_preview=options["require_preview"],
        lockdown=lambda: settings.lockdown and exposure.has_read_strangers_text(),
    )
    guards.append(Confirmation(rules, make_seals(options, settings), selection.catalog.operations))
    if options["reconcile"]:
        from mcp_instantly.reconciliation import Reconcile

        guards.append(Reconcile(selection.catalog.operations))
    if options["audit"] is None:
        return guards
    from mcp_instantly.audit import Audit
    from mcp_instantly.audit_file import AuditFile

    # What is written down is what was found to be true, and that a call begins only when nothing stops it any more.
    audit = Audit(AuditFile(options["audit"].expanduser()), selection.catalog.operations)
    return [audit, *guards, audit.begin]


def _policy_guard(file: Path, settings: Settings) -> Guard:
    from mcp_instantly.enforcement import PolicyGuard
    from mcp_instantly.policy_file import read_policy

    policy = read_policy(file, load_catalog().tools)
    return PolicyGuard(policy, open_ledger(policy, settings.origin) if policy.needs_ledger else None)


def open_ledger(policy: Policy, origin: str) -> Ledger:
    """The ledger of a policy, in which each origin is counted by itself. Raises ConfigError."""
    from mcp_instantly.ledger import Ledger, data_folder

    return Ledger(policy.ledger or data_folder() / "ledger.sqlite3", origin)


def make_seals(options: dict[str, Any], settings: Settings) -> Seals:
    """Seals that hold for this server, key and workspace, and for replicas of it. Raises ConfigError."""
    owner = "\n".join([settings.base_url, settings.api_key, settings.workspace or ""])
    audience = hashlib.sha256(owner.encode()).hexdigest()
    return Seals(read_state_key(), audience, options["confirm_timeout"])


def keeps_drafts(options: dict[str, Any]) -> bool:
    """Whether an option asks for drafts."""
    return any(options.get(name) for name in ("drafts", "drafts_file", "drafts_only"))


def make_drafts(options: dict[str, Any], settings: Settings) -> Drafts:
    """The drafts of this key in this place. Raises ConfigError for a file that was asked for and cannot be used."""
    from mcp_instantly.drafts import Drafts

    host = "sandbox" if settings.sandbox else settings.base_url.partition("://")[2].rstrip("/")
    place = f"{host}, workspace {settings.workspace}" if settings.workspace else host
    try:
        drafts = Drafts(options.get("drafts_file"), settings.api_key, place)
        if keeps_drafts(options):
            drafts.check()
    except CallError as error:
        raise ConfigError(str(error)) from None
    return drafts


@contextlib.contextmanager
def _sandbox_app(options: dict[str, Any]) -> Iterator[Gate]:
    """The sandbox in this process, with the world that the options describe. Raises ConfigError."""
    from mcp_instantly.sandbox import open_sandbox

    try:
        app = open_sandbox(
            options["scenario"], state=options["state"], budgets=options["budgets"], patience=STATE_WAIT_SECONDS
        )
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    try:
        yield app
    finally:
        app.close(DELIVERY_WAIT_SECONDS)


@contextlib.asynccontextmanager
async def open_invoker(
    selection: Selection, settings: Settings, options: dict[str, Any], *, discovery: bool = False
) -> AsyncIterator[Invoker]:
    """An invoker with its client, open while the context is; it uses the network or the sandbox.

    With `discovery`, the selection is reached through the tools that find and run others.
    """
    from httpx import ASGITransport

    from mcp_instantly.client import InstantlyClient
    from mcp_instantly.invocation import Invoker

    lock = make_lock(options)
    exposure = Exposure()
    keeps = any(tool.toolset == DRAFTS for tool in selection.tools.values())
    drafts = make_drafts(options, settings) if keeps else None
    selection = with_preview(selection, tokens=options["require_preview"] or settings.lockdown)
    guards = make_guards(options, selection, settings, lock, exposure)
    with contextlib.ExitStack() as stack:
        transport = ASGITransport(stack.enter_context(_sandbox_app(options))) if settings.sandbox else None
        async with InstantlyClient(settings, transport=transport) as client:
            if discovery:
                from mcp_instantly.discovery import Discovery

                yield Discovery(selection, client, settings, guards, lock, exposure, drafts)
            else:
                yield Invoker(selection, client, settings, guards, lock, exposure, drafts)
