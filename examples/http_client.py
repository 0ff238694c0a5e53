"""Use a server that runs over HTTP: page through every lead of a list.

Start one first:  mcp-instantly serve --sandbox --transport http --port 8000
Then:             python examples/http_client.py http://127.0.0.1:8000/mcp
"""

import json
import sys

import anyio
from mcp import Client


async def main(url: str) -> None:
    async with Client(url) as client:
        lists = await client.call_tool("list_lead_lists", {"search": "Fintech"})
        chosen = json.loads(lists.content[0].text)["items"][0]
        arguments = {"list_id": chosen["id"], "limit": 25}
        count = 0
        while True:
            page = json.loads((await client.call_tool("list_leads", arguments)).content[0].text)
            count += len(page["items"])
            # Every page with items carries a cursor, the last one too; the page behind it is empty.
            if not page["items"] or not page.get("next_starting_after"):
                break
            arguments["starting_after"] = page["next_starting_after"]
        print(f"{chosen['name']}: {count} leads")


anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/mcp")
