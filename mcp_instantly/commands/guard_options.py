"""Options about what stands around every call: limits, confirmation, what is written down and looked after."""

from __future__ import annotations

import click

from mcp_instantly.commands.option_types import NamedPath, Seconds
from mcp_instantly.commands.options import option_group
from mcp_instantly.settings import FORM_SECONDS, REPEAT_WINDOW_SECONDS

safety_options = option_group(
    click.option(
        "--policy",
        type=NamedPath(dir_okay=False),
        envvar="INSTANTLY_POLICY",
        show_envvar=True,
        metavar="FILE",
        help="Limits that no call can lift, in TOML; `mcp-instantly policy check` explains them.",
    ),
    click.option(
        "--only-campaign",
        envvar="INSTANTLY_ONLY_CAMPAIGN",
        show_envvar=True,
        metavar="ID",
        help="Work on this campaign alone: arguments that name a campaign are filled in, and those of others refused.",
    ),
    click.option(
        "--repeat-window",
        type=Seconds(0, 3600),
        default=REPEAT_WINDOW_SECONDS,
        metavar="SECONDS",
        help="How long a call that sends or spends is not sent again with the same arguments; 0 turns it off.  "
        f"[default: {REPEAT_WINDOW_SECONDS}]",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        envvar="INSTANTLY_DRY_RUN",
        show_envvar=True,
        help="Check and describe what changes something, and send none of it; reads go through.",
    ),
)


confirmation_options = option_group(
    click.option(
        "--confirm",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        envvar="INSTANTLY_CONFIRM",
        show_envvar=True,
        help="When to ask the user before a call that sends, spends, deletes or hands over access. auto: if the client "
        "can show a form; always: refuse the call if it cannot; never: do not ask.",
    ),
    click.option(
        "--confirm-timeout",
        type=Seconds(min=1, max=3600),
        default=FORM_SECONDS,
        metavar="SECONDS",
        help=f"How long a form can be answered and a preview be used.  [default: {FORM_SECONDS}]",
    ),
    click.option(
        "--no-host-confirm",
        is_flag=True,
        help="Do not tell hosts to ask their user before what mails, spends or hands over.",
    ),
    click.option(
        "--require-preview",
        is_flag=True,
        envvar="INSTANTLY_REQUIRE_PREVIEW",
        show_envvar=True,
        help="Where no form can be shown, require a preview_call token with each such call.",
    ),
)


trust_options = option_group(
    click.option(
        "--audit",
        type=NamedPath(dir_okay=False),
        envvar="INSTANTLY_AUDIT",
        show_envvar=True,
        metavar="FILE",
        help="Write down in this file what each call changes, and send nothing that it cannot take.",
    ),
    click.option(
        "--reconcile",
        is_flag=True,
        envvar="INSTANTLY_RECONCILE",
        show_envvar=True,
        help="After a write whose outcome is unknown, look whether it was carried out, where a read tells safely.",
    ),
)
