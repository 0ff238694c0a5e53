"""Start the server over stdio, list its tools, and call three of them against the sandbox.

Run it with the interpreter that mcp_instantly is installed in:  python examples/stdio_client.py
"""

import json
import sys

import anyio
from mcp import Client, StdioServerParameters

SERVER = StdioServerParameters(command=sys.executable, args=["-m", "mcp_instantly", "serve", "--sandbox"])


async def main() -> None:
    async with Client(SERVER) as client:
        tools = (await client.list_tools()).tools
        print(f"{len(tools)} tools, protocol {client.protocol_version}")

        workspace = await client.call_tool("get_workspace", {})
        print("workspace:", json.loads(workspace.content[0].text)["name"])

        page = await client.call_tool("list_campaigns", {"status": "active"})
        for campaign in json.loads(page.content[0].text)["items"]:
            print("campaign:", campaign["name"], "status", campaign["status"])

        wrong = await client.call_tool("list_campaigns", {"limit": 1000, "serch": "x"})
        print("refused:", wrong.content[0].text)


anyio.run(main)
