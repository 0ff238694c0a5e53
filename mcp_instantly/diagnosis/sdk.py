"""Whether the MCP SDK of this environment is one that the server runs on."""

from __future__ import annotations

LOWEST = (2, 3)
BELOW = 3
"""The versions of `mcp` that pyproject.toml asks for."""

OWN_ENVIRONMENT = (
    "Give the server an environment of its own, with pipx install mcp-instantly or uv tool install mcp-instantly, and "
    "the other program the path of its command, or the address of a server that runs already"
)


def sdk_fault() -> str | None:
    """What is wrong with the SDK here, as a sentence that says what to do; None where nothing is."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("mcp")
    except PackageNotFoundError:
        return "There is no MCP SDK in this environment; install mcp-instantly again, with what it depends on."
    numbers = tuple(int(part) if part.isdigit() else 0 for part in found.split(".")[:2])
    if LOWEST <= numbers < (BELOW,):
        return None
    needed = f"mcp {'.'.join(map(str, LOWEST))} or newer, below {BELOW}"
    return (
        f"The MCP SDK of this environment is mcp {found}, and the server needs {needed}: another package asked for "
        f"that one. {OWN_ENVIRONMENT}."
    )
