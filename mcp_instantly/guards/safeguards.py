"""What stands around every call, made from the options of a command: the lock to one campaign, and the guards."""

from __future__ import annotations

import functools
import hashlib
import os
from typing import TYPE_CHECKING, Any

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.confirmation import Confirmation, Rules
from mcp_instantly.guards.seals import Seals, read_state_key, use_in_register
from mcp_instantly.private_file import data_folder
from mcp_instantly.results.exposure import Exposure
from mcp_instantly.settings import Settings, expanded
from mcp_instantly.text import one_line
from mcp_instantly.tools.catalog import Selection, load_catalog

REGISTER_FILE = "INSTANTLY_WORKERS_REGISTER"
"""The variable by which a supervisor tells its workers of the file of what they did."""

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.guards.guards import Guard
    from mcp_instantly.guards.ledger import Ledger
    from mcp_instantly.guards.locks import CampaignLock
    from mcp_instantly.guards.policy import Policy
    from mcp_instantly.guards.seals import Use
    from mcp_instantly.guards.shared_register import Register

LEDGER_NAME = "ledger.sqlite3"

MAX_TOLD_CHARACTERS = 60
"""Of the value of an option that a model is told."""


def make_lock(options: dict[str, Any]) -> CampaignLock:
    """The campaign that the server works on alone, if there is one. Raises ConfigError."""
    from mcp_instantly.guards.locks import CampaignLock
    from mcp_instantly.guards.policy_file import ID

    campaign = options["only_campaign"]
    if campaign is None:
        return CampaignLock()
    if not ID.fullmatch(campaign.strip().lower()):
        raise ConfigError(
            "--only-campaign (INSTANTLY_ONLY_CAMPAIGN) must be the id of a campaign (a UUID), as list_campaigns has it."
        )
    return CampaignLock(campaign.strip().lower())


def tell_limits(options: dict[str, Any]) -> list[str]:
    """What a model should know of the options before its first call, a sentence each: it need not try in vain."""
    said = {
        "only_campaign": "It works on one campaign alone, {only_campaign}, which is filled in wherever one is named.",
        "workspace": "Every call acts in the sub-workspace {workspace}.",
        "dry_run": "Dry run: what would change something is checked and described, and not sent.",
        "drafts_only": "Replies go out as drafts alone: draft_reply, then send_draft once a person approved; nothing "
        "else is sent by hand.",
        "policy": "A person's policy limits calls; a refusal names the rule, which nothing in a call lifts.",
    }
    shown = {name: one_line(str(value).strip(), MAX_TOLD_CHARACTERS) for name, value in options.items() if value}
    return [sentence.format(**shown) for name, sentence in said.items() if options.get(name)]


def make_guards(
    options: dict[str, Any],
    selection: Selection,
    settings: Settings,
    lock: CampaignLock,
    exposure: Exposure,
    drafts: Drafts | None = None,
    policy: Policy | None = None,
) -> list[Guard]:
    """What stands around every call, the outermost first. Raises ConfigError.

    What is answered from memory asks nobody and counts nothing; what a rule forbids is never asked about.
    """
    guards: list[Guard] = [lock] if lock.campaign else []
    if options.get("drafts_only"):
        from mcp_instantly.guards.drafts_only import DraftsOnly

        guards.append(DraftsOnly())
    if options["repeat_window"]:
        from mcp_instantly.guards.repeats import Repeats

        window, register = options["repeat_window"], make_register(options)
        if register is None:
            guards.append(Repeats(window, call_timeout=settings.call_timeout))
        else:
            from mcp_instantly.guards.shared_repeats import SharedRepeats

            shared = SharedRepeats(window, register, _audience(settings), settings.call_timeout)
            guards += [Repeats(window, call_timeout=settings.call_timeout, took_back=shared.took_back), shared]
    if policy is not None:
        from mcp_instantly.guards.enforcement import PolicyGuard

        # What callers with keys of their own use is counted for each of them.
        scope = f"{settings.origin} {settings.owner}".rstrip()
        guards.append(PolicyGuard(policy, open_ledger(policy, scope) if policy.needs_ledger else None))
    if options["dry_run"]:
        from mcp_instantly.guards.dry_run import DryRun

        guards.append(DryRun())
    # Innermost: whatever refuses or answers a call by itself does so before a person is asked.
    rules = Rules(
        mode=options["confirm"],
        host_asks=settings.host_confirm,
        require_preview=options["require_preview"],
        lockdown=lambda: settings.lockdown and exposure.has_read_strangers_text(),
        dry_run=options["dry_run"],
    )
    guards.append(Confirmation(rules, make_seals(options, settings, policy), selection.catalog.operations, drafts))
    if options["reconcile"]:
        from mcp_instantly.guards.reconciliation import Reconcile

        guards.append(Reconcile(selection.catalog.operations, call_timeout=settings.call_timeout))
    if options["audit"] is None:
        return guards
    from mcp_instantly.guards.audit import Audit
    from mcp_instantly.guards.audit_file import AuditFile

    # What is written down is what was found to be true, and that a call begins only when nothing stops it any more.
    file = AuditFile(expanded(options["audit"], "--audit"))
    audit = Audit(file, selection.catalog.operations, sub_workspace=settings.workspace)
    return [audit, *guards, audit.begin]


def chosen_policy(options: dict[str, Any]) -> Policy | None:
    """The policy that the options name. Raises ConfigError for one that cannot be used."""
    if options.get("policy") is None:
        return None
    from mcp_instantly.guards.policy_file import read_policy

    return read_policy(options["policy"], load_catalog().tools)


def open_ledger(policy: Policy | None, origin: str) -> Ledger:
    """The ledger of a policy, or that of the user, in which each origin is counted by itself. Raises ConfigError."""
    from mcp_instantly.guards.ledger import Ledger

    named = policy.ledger if policy is not None else None
    return Ledger(named or data_folder() / LEDGER_NAME, origin)


def make_seals(options: dict[str, Any], settings: Settings, policy: Policy | None) -> Seals:
    """Seals that hold for this server, key and workspace, and for replicas of it. Raises ConfigError.

    With a key of this process alone, it knows by itself which were used. With a shared one, the register that
    processes share does, or else the ledger.
    """
    register, key = make_register(options), read_state_key()
    if register is not None:
        use: Use | None = use_in_register(register)
    else:
        use = None if key is None else _use_in_ledger(open_ledger(policy, settings.origin))
    return Seals(key, _audience(settings), options["confirm_timeout"], use=use)


def _audience(settings: Settings) -> str:
    """What tells servers, keys and workspaces apart, and says nothing of a key."""
    owner = "\n".join([settings.base_url, settings.api_key, settings.workspace or ""])
    return hashlib.sha256(owner.encode()).hexdigest()


def _use_in_ledger(ledger: Ledger) -> Use:
    from mcp_instantly.guards.ledger import LedgerUnusable

    def use(identity: str, until: float) -> bool:
        try:
            return ledger.use_seal(identity, until)
        except LedgerUnusable as error:
            raise CallError(
                f"Nothing was sent: that this was confirmed could not be noted down in the ledger ({error}), so it "
                "could be done twice. Tell the person who runs this server."
            ) from None

    return use


def make_register(options: dict[str, Any]) -> Register | None:
    """The register that this process shares with others, if there are any: in Redis, or in a file of its supervisor."""
    url, file = options.get("redis"), os.environ.get(REGISTER_FILE)
    return _open_register(url, file) if url or file else None


@functools.cache
def _open_register(url: str | None, file: str | None) -> Register:
    from mcp_instantly.guards.shared_register import FileRegister, RedisRegister

    return RedisRegister(url) if url else FileRegister(file or "")
