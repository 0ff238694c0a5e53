"""LangGraph: an agent that triages replies, and answers one after a person has said yes.

    pip install langgraph langchain-mcp-adapters        # in an environment of its own (Python 3.11): they need mcp<2
    pipx install .                                      # the server in its own, on the PATH; in a checkout
    python examples/langgraph_agent.py

The model is a script, so that this runs anywhere; put `init_chat_model("...")` in its place. With the sandbox nothing
is sent: take `--sandbox` out to work in your own workspace.
"""

import asyncio
import json

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

SERVERS = {
    "instantly": {
        "transport": "stdio",
        "command": "mcp-instantly",
        "args": ["serve", "--sandbox", "--tools", "triage_replies,handle_reply"],
    }
}
SENDS = {"handle_reply"}


class ScriptedModel(BaseChatModel):
    """Triages, answers whoever asks what it costs, and says what it did."""

    @property
    def _llm_type(self):
        return "script"

    def bind_tools(self, tools, **options):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **options):
        results = [json.loads(message.text) for message in messages if isinstance(message, ToolMessage)]
        return ChatResult(generations=[ChatGeneration(message=self._next(results))])

    def _next(self, results):
        if not results:
            return called("triage_replies", {})
        if len(results) == 1:
            asking = next(mail for group in results[0]["groups"].values() for mail in group if "cost" in mail["text"])
            answer = {"text": "Hello, twelve seats are 240 euros a month."}
            return called("handle_reply", {"email_id": asking["email_id"], "body": answer, "interest_value": 1})
        return AIMessage(f"I answered {results[1]['lead']}: {results[1]['answer']['outcome']}.")


def called(name, arguments):
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}])


def build_graph(model, tools):
    """Model, then tools, and so on; a person is asked before a tool that sends."""
    bound = model.bind_tools(tools)

    async def think(state: MessagesState):
        return {"messages": [await bound.ainvoke(state["messages"])]}

    def ask(state: MessagesState):
        calls = [call for call in state["messages"][-1].tool_calls if call["name"] in SENDS]
        if calls and interrupt(calls) != "yes":
            refused = "The user said no. Nothing was sent."
            return Command(goto="think", update={"messages": [ToolMessage(refused, tool_call_id=calls[0]["id"])]})
        return Command(goto="tools")

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("ask", ask, destinations=("tools", "think"))
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "ask" if state["messages"][-1].tool_calls else "__end__")
    graph.add_edge("tools", "think")
    return graph.compile(checkpointer=InMemorySaver())


async def main():
    # One session for the whole run: get_tools() would start a server for every call.
    async with MultiServerMCPClient(SERVERS).session("instantly") as session:
        graph = build_graph(ScriptedModel(), await load_mcp_tools(session))
        thread = {"configurable": {"thread_id": "replies"}}
        state = await graph.ainvoke({"messages": [("user", "Go through my replies.")]}, thread)
        while "__interrupt__" in state:
            for call in state["__interrupt__"][0].value:
                print(f"may I? {call['name']} {json.dumps(call['args']['body'])}")
            state = await graph.ainvoke(Command(resume="yes"), thread)  # Put input() here.
        print(state["messages"][-1].text)


asyncio.run(main())
