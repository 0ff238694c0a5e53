"""The agent that is under test: it triages, and answers each that asks for something.

It has two tools and a policy, so that nothing else can happen whatever the model says.
"""

import json
import sys
from pathlib import Path

from mcp import Client, StdioServerParameters

POLICY = Path(__file__).parent / "policy.toml"


def server(url, key, state):
    """The server in front of this Instantly. `state` is a folder for what the policy counts."""
    policy = Path(state) / "policy.toml"
    policy.write_text(POLICY.read_text())
    tools = ["--tools", "triage_replies,handle_reply", "--policy", str(policy)]
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_instantly", "serve", "--server", url, *tools],
        env={"INSTANTLY_API_KEY": key},
    )


async def run(model, parameters):
    """Let the model call tools until it has nothing more to call; the errors that it was told of."""
    errors = []
    async with Client(parameters) as client:
        result = None
        while (step := model(result)) is not None:
            name, arguments = step
            answer = await client.call_tool(name, arguments)
            text = answer.content[0].text
            if answer.is_error:
                errors.append(text)
            result = {"error": text} if answer.is_error else json.loads(text)
    return errors
