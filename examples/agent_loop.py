"""An agent loop: the model chooses tools, the loop calls them, until the model has an answer.

The model here is a script, so that the example runs anywhere; put a real one in its place. It gets the tools in the
form that most model APIs take (name, description, JSON Schema) and answers with a tool call or with text.
"""

import json
import sys
from dataclasses import dataclass, field

import anyio
from mcp import Client, StdioServerParameters

SERVER = StdioServerParameters(
    command=sys.executable, args=["-m", "mcp_instantly", "serve", "--sandbox", "--toolsets", "emails,leads"]
)


@dataclass
class ScriptedModel:
    """Answers unread mail: lists it, reads the first one, replies, and marks the thread as read."""

    tools: list[dict]
    results: list[dict] = field(default_factory=list)

    def next_step(self, result: dict | None) -> tuple[str, dict] | str:
        if result is not None:
            self.results.append(result)
        if not self.results:
            return "list_emails", {"email_type": "received", "is_unread": True, "limit": 5}
        mail = self.results[0]["items"][0]
        if len(self.results) == 1:
            return "get_email", {"id": mail["id"]}
        if len(self.results) == 2:
            body = {"html": "<p>Thank you. Would Thursday at ten suit you?</p>"}
            return "reply_to_email", {
                "reply_to_uuid": mail["id"],
                "eaccount": mail["eaccount"],
                "subject": mail["subject"],
                "body": body,
            }
        if len(self.results) == 3:
            return "mark_thread_as_read", {"thread_id": mail["thread_id"]}
        return f"I answered {mail['from_address_email']} and marked the thread as read."


async def main() -> None:
    async with Client(SERVER) as client:
        tools = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
            for tool in (await client.list_tools()).tools
        ]
        model = ScriptedModel(tools)
        step = model.next_step(None)
        while not isinstance(step, str):
            name, arguments = step
            print(f"-> {name} {json.dumps(arguments)[:100]}")
            result = await client.call_tool(name, arguments)
            if result.is_error:
                raise SystemExit(result.content[0].text)
            step = model.next_step(json.loads(result.content[0].text))
        print(step)


anyio.run(main)
