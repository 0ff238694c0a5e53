"""From options and environment to what a command works with: a selection, settings, logging, and an invoker.

Heavy modules (httpx, the sandbox) are imported where they are needed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.guards.safeguards import make_guards, make_lock
from mcp_instantly.jobs import MISSING, is_installed
from mcp_instantly.keys.key_sources import choose_workspaces, key_file, keys_file, named_keys, only_key
from mcp_instantly.keys.keys import (
    KEYS_FILE,
)
from mcp_instantly.log import configure_logging, get_logger
from mcp_instantly.results.exposure import Exposure
from mcp_instantly.settings import (
    SANDBOX_URL,
    Settings,
    is_open_to_others,
    read_header,
    resolve_server,
)
from mcp_instantly.tools.catalog import Selection, load_catalog, select

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.invocation import Invoker
    from mcp_instantly.jobs.service import Service
    from mcp_instantly.sandbox.engine.gate import Gate

STATE_WAIT_SECONDS = 20.0
"""Seconds to wait for another process that has the sandbox's file open: some hosts start one for every call."""

DELIVERY_WAIT_SECONDS = 2.0
"""Seconds that the sandbox's deliveries to webhooks may still take at the end."""

DRAFTS, JOBS = "drafts", "jobs"
"""The toolsets of tools that keep drafts, and jobs."""


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
    selection = _without_missing_jobs(selection, options)
    if not selection.tools:
        raise ConfigError("No tool matches this selection.")
    return selection


def _without_missing_jobs(selection: Selection, options: dict[str, Any]) -> Selection:
    """The selection without tools that need what is not installed. Raises ConfigError where they were asked for."""
    jobs = [tool.name for tool in selection.tools.values() if tool.toolset == JOBS]
    if not jobs or is_installed():
        return selection
    if JOBS in options["toolsets"] or {*options["tools"]} & {*jobs}:
        raise ConfigError(MISSING)
    left = {name: tool for name, tool in selection.workflows.items() if name not in jobs}
    return dataclasses.replace(selection, workflows=left)


def select_all(options: dict[str, Any]) -> dict[str, Any]:
    """The options with every tool chosen, where they choose none."""
    return options if options["toolsets"] or options["tools"] else {**options, "toolsets": ("all",)}


def make_settings(options: dict[str, Any]) -> Settings:
    """Settings from options and environment. Raises ConfigError."""
    _check_world(options)
    base_url = SANDBOX_URL if options["sandbox"] else resolve_server(options["server"])
    names, default = choose_workspaces(options)
    keys = named_keys(options)
    key = "" if names else only_key(options, keys, base_url)
    if options["lockdown"] and options["raw_text"]:
        raise ConfigError("--raw-text would show what --lockdown keeps back; choose one of them.")
    # An empty workspace would otherwise mean none, and act in another one than was meant.
    workspace = options["workspace"]
    if workspace is not None:
        workspace = read_header("--workspace (INSTANTLY_WORKSPACE)", workspace, blanks=False)
        if names:
            raise ConfigError(
                "--workspace (INSTANTLY_WORKSPACE) has one key act as a sub-workspace, and there are several keys; "
                "leave it out: calls name their workspace."
            )
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
        keys=keys if names else {},
        default_workspace=default,
        files=_allowed_folders(options.get("files", ())),
    )


def _allowed_folders(named: Sequence[Path]) -> tuple[Path, ...]:
    """Raises ConfigError for what is not a folder."""
    if not named:
        return ()
    from mcp_instantly.jobs.folders import Folders

    return Folders(named).paths


def start_logging(options: dict[str, Any], settings: Settings, *tokens: str) -> None:
    """Log as the options say, without keys and tokens; warn of a file of keys that others can read."""
    configure_logging(
        style=options["log_format"],
        level=options["log_level"],
        file=options["log_file"],
        secrets=tokens if settings.sandbox else (*(settings.keys.values() or [settings.api_key]), *tokens),
    )
    for file in (key_file(options), None if settings.sandbox else keys_file()):
        if file is not None and is_open_to_others(file):
            get_logger().warning(
                "key_file_open_to_others", file=str(file), advice="let only its owner read it, with chmod 600"
            )


def _check_world(options: dict[str, Any]) -> None:
    """Raise ConfigError where a world is described for a sandbox that is not used."""
    if not options["sandbox"]:
        for name, default in (("scenario", "demo"), ("state", None), ("budgets", False)):
            if options[name] != default:
                raise ConfigError(f"--{name} is about the sandbox; add --sandbox, or leave it out.")


def keeps_drafts(options: dict[str, Any]) -> bool:
    """Whether an option asks for drafts."""
    return any(options.get(name) for name in ("drafts", "drafts_file", "drafts_only"))


def _place_of(settings: Settings) -> str:
    """Where a key acts, as people read it."""
    host = "sandbox" if settings.sandbox else settings.base_url.partition("://")[2].rstrip("/")
    return f"{host}, workspace {settings.workspace}" if settings.workspace else host


def make_drafts(options: dict[str, Any], settings: Settings) -> Drafts:
    """The drafts of this key in this place. Raises ConfigError for a file that was asked for and cannot be used."""
    from mcp_instantly.drafts.drafts import Drafts

    try:
        drafts = Drafts(options.get("drafts_file"), settings.api_key, _place_of(settings))
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


def _refuse_foreign_keys(app: Gate, keys: Mapping[str, str]) -> None:
    """Raise ConfigError for keys of a file that are none of the sandbox: they may be real ones."""
    from mcp_instantly.sandbox import is_key

    foreign = [name for name, key in keys.items() if not is_key(app.workspaces, key)]
    if foreign:
        raise ConfigError(
            f"{KEYS_FILE} has keys that the sandbox's world does not know, for {', '.join(foreign)}: name a file with "
            "keys of this world, or unset it."
        )


@contextlib.asynccontextmanager
async def open_invoker(
    selection: Selection,
    settings: Settings,
    options: dict[str, Any],
    *,
    discovery: bool = False,
    works: Literal["no", "when wanted", "now"] = "no",
) -> AsyncIterator[Caller]:
    """What calls tools, open while the context is; it uses the network or the sandbox.

    With several keys there is for each an invoker of its own, with its own client and guards. With `discovery`, the
    selection is reached through the tools that find and run others. `works` says whether and when this process works
    on jobs.
    """
    from httpx import ASGITransport

    from mcp_instantly.api.client import InstantlyClient

    async with contextlib.AsyncExitStack() as stack:
        app = stack.enter_context(_sandbox_app(options)) if settings.sandbox else None
        if app is not None and keys_file():
            _refuse_foreign_keys(app, named_keys(options))
        lock = make_lock(options)
        offered = with_preview(selection, tokens=options["require_preview"] or settings.lockdown)
        keeps = any(tool.toolset == DRAFTS for tool in offered.tools.values())
        make = _invoker_maker(offered, discovery=discovery)
        service = _make_service(offered, options, settings, works=works != "no")

        async def open_one(own: Settings) -> Invoker:
            client = InstantlyClient(own, transport=ASGITransport(app) if app is not None else None)
            exposure = Exposure()
            guards = make_guards(options, offered, own, lock, exposure)
            drafts = make_drafts(options, own) if keeps else None
            jobs = service.jobs_of(own.api_key, _place_of(own)) if service else None
            return make(await stack.enter_async_context(client), own, guards, lock, exposure, drafts, jobs)

        if not settings.keys:
            invokers = {"": await open_one(settings)}
            caller: Caller = invokers[""]
        else:
            from mcp_instantly.workspaces import Workspaces, settings_of

            invokers = {name: await open_one(settings_of(settings, name)) for name in settings.keys}
            caller = Workspaces(invokers, settings.default_workspace, settings.result_limit)
        if service:
            await stack.enter_async_context(service.at_work(invokers.values(), now=works == "now"))
        yield caller


def _make_service(selection: Selection, options: dict[str, Any], settings: Settings, *, works: bool) -> Service | None:
    """The jobs of the server, where it has tools for them."""
    if not any(tool.toolset == JOBS for tool in selection.tools.values()):
        return None
    from mcp_instantly.jobs.service import Service

    return Service(options.get("jobs_database"), settings.files, works=works)


def _invoker_maker(selection: Selection, *, discovery: bool) -> Callable[..., Invoker]:
    """What makes an invoker of a client, its settings and guards. Tools are indexed once for all of them."""
    if not discovery:
        from mcp_instantly.invocation import Invoker

        return functools.partial(Invoker, selection)
    from mcp_instantly.discovery import Discovery
    from mcp_instantly.tools.search_index import SearchIndex

    return functools.partial(Discovery, selection, index=SearchIndex(selection.catalog, selection.tools.values()))
