"""From options and environment to what a command works with: a selection, settings, logging, and an invoker.

Heavy modules (httpx, the sandbox) are imported where they are needed.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcp_instantly.embedded import open_embedded, refuse_foreign_keys
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.guards.safeguards import chosen_policy, make_guards, make_lock
from mcp_instantly.jobs.availability import make_service, refuse_shared_files, without_missing_jobs
from mcp_instantly.keys.key_sources import choose_workspaces, key_file, keys_file, named_keys, only_key, refuse_own_keys
from mcp_instantly.keys.key_text import is_open_to_others
from mcp_instantly.log import configure_logging, get_logger
from mcp_instantly.redis_url import check_redis_url
from mcp_instantly.results.exposure import Exposure
from mcp_instantly.settings import SANDBOX_URL, Settings, read_header, resolve_server
from mcp_instantly.tools.catalog import Selection, load_catalog, select

if TYPE_CHECKING:
    from mcp_instantly.budgets.budgets import Budgets
    from mcp_instantly.caller import Caller
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.invocation import Invoker
    from mcp_instantly.jobs.service import Service
    from mcp_instantly.service.watch import Watch

DRAFTS = "drafts"
"""The toolset of tools that keep drafts."""


def make_selection(options: dict[str, Any]) -> Selection:
    """The tools that the options choose, with those for drafts where drafts are asked for, and without what their
    policy never calls. ConfigError for none.
    """
    toolsets = options["toolsets"]
    if keeps_drafts(options):
        toolsets = (*(toolsets or (() if options["tools"] else ("default",))), DRAFTS)
    policy = chosen_policy(options)
    selection = select(
        load_catalog(),
        toolsets=toolsets,
        tools=options["tools"],
        exclude=options["exclude_tools"],
        read_only=options["read_only"],
        scopes=options["scopes"] or None,
        forbidden=policy.never_call if policy is not None else (),
    )
    selection = without_missing_jobs(selection, options)
    if not selection.tools:
        raise ConfigError("No tool matches this selection.")
    return selection


def select_all(options: dict[str, Any]) -> dict[str, Any]:
    """The options with every tool chosen, where they choose none."""
    return options if options["toolsets"] or options["tools"] else {**options, "toolsets": ("all",)}


def make_settings(options: dict[str, Any]) -> Settings:
    """Settings from options and environment. Raises ConfigError."""
    check_options(options)
    if options.get("redis") is not None:
        check_redis_url(options["redis"])
    base_url = SANDBOX_URL if options["sandbox"] else resolve_server(options["server"])
    names, default = choose_workspaces(options)
    keys = named_keys(options)
    if options.get("caller_keys"):
        refuse_own_keys(options)
        refuse_shared_files(options)
        key = ""
    else:
        key = "" if names else only_key(options, keys, base_url)
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
        files=allowed_folders(options.get("files", ())),
    )


def allowed_folders(named: Sequence[Path]) -> tuple[Path, ...]:
    """The folders of --files, resolved. Raises ConfigError for what is not a folder."""
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


def check_options(options: dict[str, Any]) -> None:
    """Raise ConfigError for options that contradict each other: a world without the sandbox, say."""
    if options["lockdown"] and options["raw_text"]:
        raise ConfigError("--raw-text would show what --lockdown keeps back; choose one of them.")
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


def make_budgets(options: dict[str, Any], settings: Settings) -> Budgets | None:
    """The budgets of all keys, or None for a sandbox without rate limits."""
    from mcp_instantly.budgets.budgets import Budgets

    if settings.sandbox and not options["budgets"]:
        return None
    return Budgets(patience=options["patience"], redis=options["redis"], replicas=options["replicas"])


OpenOne = Callable[..., contextlib.AbstractAsyncContextManager["Invoker"]]
"""`open_one(settings, observe)` opens what calls tools with their key; `observe` is told of the event of each call."""


@contextlib.asynccontextmanager
async def opening(
    selection: Selection,
    settings: Settings,
    options: dict[str, Any],
    *,
    discovery: bool = False,
    watch: Watch | None = None,
    jobs: Service | None = None,
) -> AsyncIterator[OpenOne]:
    """What opens an invoker for a key; it uses the network or the sandbox. `watch` is told of clients and calls.

    For callers with keys of their own there are no `jobs`, which would need the key when the call is over.
    """
    from httpx import ASGITransport

    from mcp_instantly.api.client import InstantlyClient

    async with contextlib.AsyncExitStack() as stack:
        app = stack.enter_context(open_embedded(options)) if settings.sandbox else None
        if app is not None and keys_file():
            refuse_foreign_keys(app, named_keys(options))
        lock, policy = make_lock(options), chosen_policy(options)
        budgets = make_budgets(options, settings)
        if budgets is not None:
            stack.push_async_callback(budgets.aclose)
        offered = with_preview(selection, tokens=options["require_preview"] or settings.lockdown)
        keeps = any(tool.toolset == DRAFTS for tool in offered.tools.values())
        make = _invoker_maker(offered, discovery=discovery)
        # What was read in one workspace may be followed in another.
        shared = Exposure()

        @contextlib.asynccontextmanager
        async def open_one(
            own: Settings, observe: Callable[[dict[str, Any]], object] = lambda event: None
        ) -> AsyncIterator[Invoker]:
            drafts = make_drafts(options, own) if keeps else None
            guards = make_guards(options, offered, own, lock, shared, drafts, policy)
            mine = jobs.jobs_of(own.api_key, _place_of(own)) if jobs else None
            async with contextlib.AsyncExitStack() as opened:
                budget = None
                if budgets is not None:
                    which = (own.origin, own.api_key, own.workspace)
                    budget = budgets.of(*which)
                    opened.push_async_callback(budgets.release, *which)
                transport = ASGITransport(app) if app is not None else None
                client = await opened.enter_async_context(InstantlyClient(own, transport=transport, budget=budget))
                invoker = make(client, own, guards, lock, shared, drafts, mine)
                if watch is None:
                    yield invoker
                    return
                watch.opened(client)

                def observed(event: dict[str, Any]) -> None:
                    watch.called(event)
                    observe(event)

                invoker.log.observed = observed
                try:
                    yield invoker
                finally:
                    watch.closed(client)

        yield open_one


@contextlib.asynccontextmanager
async def open_invoker(
    selection: Selection,
    settings: Settings,
    options: dict[str, Any],
    *,
    discovery: bool = False,
    watch: Watch | None = None,
    works: Literal["no", "when wanted", "now"] = "no",
) -> AsyncIterator[Caller]:
    """What calls tools, open while the context is.

    With several keys there is for each an invoker of its own, with its own client and guards. With `discovery`, the
    selection is reached through the tools that find and run others. `works` says whether and when this process works on
    jobs, which it never does in a dry run.
    """
    jobs = make_service(selection, options, settings, works=works != "no" and not options["dry_run"])
    async with (
        opening(selection, settings, options, discovery=discovery, watch=watch, jobs=jobs) as open_one,
        contextlib.AsyncExitStack() as stack,
    ):
        if not settings.keys:
            callers = {"": await stack.enter_async_context(open_one(settings))}
            caller: Caller = callers[""]
        else:
            from mcp_instantly.workspaces import Workspaces, settings_of

            callers = {
                name: await stack.enter_async_context(open_one(settings_of(settings, name))) for name in settings.keys
            }
            caller = Workspaces(callers, settings.default_workspace, settings.result_limit)
        if jobs:
            await stack.enter_async_context(jobs.at_work(callers.values(), now=works == "now"))
        yield caller


def _invoker_maker(selection: Selection, *, discovery: bool) -> Callable[..., Invoker]:
    """What makes an invoker of a client, its settings and guards. Tools are indexed once for all of them."""
    if not discovery:
        from mcp_instantly.invocation import Invoker

        return functools.partial(Invoker, selection)
    from mcp_instantly.discovery import Discovery
    from mcp_instantly.tools.search_index import SearchIndex

    return functools.partial(Discovery, selection, index=SearchIndex(selection.catalog, selection.tools.values()))
