"""Pydantic AI: an agent that triages replies, answers one, and reports in a type of yours.

    pip install 'pydantic-ai-slim[mcp]' .    # both take version 2 of the MCP SDK; run this in a checkout
    python examples/pydantic_ai_agent.py

The model is a script, so that this runs anywhere; put "openai:..." or "anthropic:..." in its place. With the sandbox
nothing is sent: take `--sandbox` out to work in your own workspace.
"""

import asyncio
import json

from fastmcp.client.transports import StdioTransport
from pydantic import BaseModel
from pydantic_ai import Agent, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.function import FunctionModel

SERVER = StdioTransport("mcp-instantly", ["serve", "--sandbox", "--tools", "triage_replies,handle_reply"])


class Report(BaseModel):
    answered: str
    outcome: str
    left: int


def script(messages, info):
    """Triages, answers whoever asks what it costs, and reports."""
    parts = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    results = [part.content if isinstance(part.content, dict) else json.loads(part.content) for part in parts]
    if not results:
        return called("triage_replies", {})
    if len(results) == 1:
        asking = next(mail for group in results[0]["groups"].values() for mail in group if "cost" in mail["text"])
        answer = {"text": "Hello, twelve seats are 240 euros a month."}
        return called("handle_reply", {"email_id": asking["email_id"], "body": answer, "interest_value": 1})
    done = {
        "answered": results[1]["lead"],
        "outcome": results[1]["answer"]["outcome"],
        "left": results[0]["threads"] - 1,
    }
    return called(info.output_tools[0].name, done)


def called(name, arguments):
    return ModelResponse(parts=[ToolCallPart(name, arguments)])


async def main():
    # Its own limit of 5 seconds for the start is short for a busy machine.
    tools = MCPToolset(SERVER, init_timeout=60, read_timeout=60)
    agent = Agent(FunctionModel(script), output_type=Report, toolsets=[tools])
    async with agent:
        print((await agent.run("Go through my replies.")).output)


asyncio.run(main())
