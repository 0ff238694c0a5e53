"""A nightly report, in Markdown on stdout: what waits, what is wrong, and what the campaigns did.

    python examples/nightly_report.py > report.md                       # in the sandbox
    python examples/nightly_report.py --server production > report.md   # in your workspace; with options of serve

The exit status is 3 when something is wrong, so that cron or CI can say so. The server is read only: whatever the model
makes of what it reads, nothing can be sent. The model writes the first paragraph, and is a script here; figures never
pass through a model.
"""

import json
import sys

import anyio
from mcp import Client, StdioServerParameters

SOMETHING_IS_WRONG = 3


def scripted_model(facts: str) -> str:
    """Stands for a model that is asked for two sentences on these facts."""
    read = json.loads(facts)
    problems = len(read["campaigns"]["problems"]) + len(read["senders"]["problems"])
    return f"{read['replies']['waiting']} people wait for a reply. Things to look at: {problems}."


async def ask(client: Client, tool: str, **arguments: object) -> dict:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(f"{tool}: {result.content[0].text}")
    return json.loads(result.content[0].text)


async def main(*options: str) -> int:
    # --raw-text: this is a program, which shows what strangers wrote and follows none of it.
    arguments = ["-m", "mcp_instantly", "serve", "--read-only", "--raw-text", "--log-level", "error", *options]
    async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
        overview = await ask(client, "get_workspace_overview")
        campaigns = await ask(client, "report_campaigns")
    print(f"# Outreach\n\n{scripted_model(json.dumps(overview))}\n\n## To do\n")
    problems = [*overview["campaigns"]["problems"], *overview["senders"]["problems"]]
    for one in problems:
        print(f"- {one.get('name') or one['email']}: {'; '.join(one['why'])}")
    if not problems:
        print("Nothing.")
    print("\n## Campaigns\n\n| campaign | contacted | replied | bounced |\n| --- | ---: | ---: | ---: |")
    for one in campaigns["campaigns"]:
        print(f"| {one['name']} | {one['contacted']} | {one['replied']} | {one['bounced']} |")
    return SOMETHING_IS_WRONG if problems else 0


if __name__ == "__main__":
    sys.exit(anyio.run(main, *(sys.argv[1:] or ["--sandbox"])))
