"""preview_call: a tool of the server itself, in every selection that has something to preview."""

from __future__ import annotations

import dataclasses

from mcp_instantly.guards.risks import risks_of, with_token
from mcp_instantly.tools.catalog import Selection, read_data
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import CARRIES_ARGUMENTS, NO_REQUEST

NAME = "preview_call"

STRANGERS = (
    "replies_to", "subject_of_that_email", "subject_of_draft", "to", "acts_on",
    "target", "columns", "column", "address_column", "would_fail",
)  # fmt: skip
"""What of a preview strangers may have written: emails, names of leads, headings of files, and what quotes those."""


def preview_tool() -> Workflow:
    """The tool as its file has it; it calls nothing, but reads what the call that it is asked about would change."""
    return Workflow(
        tool=read_data(f"{NAME}.json"),
        toolset="workflows",
        scopes_inferred=False,
        effects=(),
        extras=(),
        rules=CARRIES_ARGUMENTS,
        examples=({"tool": "verify_email", "arguments": {"email": "maya.lindqvist@fjordpay.example"}},),
        quoted=STRANGERS,
        **NO_REQUEST,
    )


def with_preview(selection: Selection, *, tokens: bool) -> Selection:
    """The selection with preview_call, where a tool of it has a risk; with `tokens`, those tools take its token."""
    if not any(map(risks_of, selection.tools.values())):
        return selection
    operations, workflows = dict(selection.operations), dict(selection.workflows)
    if tokens:
        operations = {name: with_token(one) for name, one in operations.items()}
        workflows = {name: with_token(one) for name, one in workflows.items()}
    return dataclasses.replace(selection, operations=operations, workflows={**workflows, NAME: preview_tool()})
