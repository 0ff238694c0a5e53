"""OpenAI Agents SDK: an agent that triages replies and answers one, over stdio.

    pip install openai-agents .        # both take version 2 of the MCP SDK; run this in a checkout
    python examples/openai_agents.py

The model is a script, so that this runs anywhere; leave `model=` out for one of OpenAI's. With the sandbox nothing is
sent: take `--sandbox` out to work in your own workspace.
"""

import asyncio
import json

from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from agents.mcp import MCPServerStdio
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

SERVER = {"command": "mcp-instantly", "args": ["serve", "--sandbox", "--tools", "triage_replies,handle_reply"]}


class ScriptedModel(Model):
    """Triages, answers whoever asks what it costs, and says what it did."""

    async def get_response(self, system_instructions, input, *given, **options):
        results = [json.loads(text_of(item["output"])) for item in input if "output" in item]
        return ModelResponse(output=[self._next(results)], usage=Usage(), response_id=None)

    def stream_response(self, *given, **options):
        raise NotImplementedError

    def _next(self, results):
        if not results:
            return called("triage_replies", {})
        if len(results) == 1:
            asking = next(mail for group in results[0]["groups"].values() for mail in group if "cost" in mail["text"])
            answer = {"text": "Hello, twelve seats are 240 euros a month."}
            return called("handle_reply", {"email_id": asking["email_id"], "body": answer, "interest_value": 1})
        text = f"I answered {results[1]['lead']}: {results[1]['answer']['outcome']}."
        content = [ResponseOutputText(text=text, type="output_text", annotations=[])]
        return ResponseOutputMessage(id="m", content=content, role="assistant", status="completed", type="message")


def called(name, arguments):
    return ResponseFunctionToolCall(
        name=name, arguments=json.dumps(arguments), call_id=f"call-{name}", type="function_call"
    )


def text_of(output):
    return output if isinstance(output, str) else output[0]["text"]


async def main():
    set_tracing_disabled(True)
    # Its own limit of 5 seconds would end calls that Instantly still carries out; the server ends them after 55.
    async with MCPServerStdio(SERVER, client_session_timeout_seconds=60) as server:
        agent = Agent("replies", instructions="Go through the replies.", mcp_servers=[server], model=ScriptedModel())
        print((await Runner.run(agent, "Go through my replies.")).final_output)


asyncio.run(main())
