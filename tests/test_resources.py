"""Resources and skills, as clients of both generations see them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
import yaml
from mcp import Client
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.discovery import Discovery
from mcp_instantly.guidance.manual import jobs, reference_pages
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import ROOT, Connect, command, everything, over_stdio, served

pytestmark = pytest.mark.anyio

OVERVIEW = "instantly://workspace/overview"
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


class Answer(types.Result):
    """A result of a method that the SDK does not know."""

    model_config = ConfigDict(extra="allow")


async def ask(client: Client, method: str, **params: Any) -> dict[str, Any]:
    request = types.Request[dict[str, Any], str](method=method, params=params)
    return (await client.session.send_request(request, Answer)).model_dump(by_alias=True)


async def read(client: Client, uri: str) -> tuple[str, str]:
    """The text of a resource, and its kind."""
    (content,) = (await client.read_resource(uri)).contents
    assert str(content.uri) == uri
    return content.text, content.mime_type


@MODES
@pytest.mark.parametrize("with_files", [True, False])
async def test_every_resource_that_is_listed_can_be_read(
    world: World, catalog: Catalog, settings: Settings, mode: str, with_files: bool
) -> None:
    settings = settings if with_files else dataclasses.replace(settings, files=())
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http,
        Client(build_server(Invoker(everything(), http, settings)), mode=mode) as client,
    ):
        listed = (await client.list_resources()).resources
        for resource in listed:
            text, kind = await read(client, str(resource.uri))
            assert kind == resource.mime_type
            assert text and resource.description
            assert resource.size in (None, len(text.encode()))
    uris = {str(resource.uri) for resource in listed}
    assert ("instantly://exports" in uris) == with_files
    assert {f"instantly://guides/{name}" for name in reference_pages()} <= uris
    assert {f"skill://{guide.skill_name}/SKILL.md" for guide in jobs().values()} <= uris


@MODES
async def test_a_tool_is_described_with_what_its_file_has_for_the_public(
    connect: Connect, catalog: Catalog, mode: str
) -> None:
    async with connect(mode=mode) as client:
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "instantly://tools/{name}"
        text, kind = await read(client, "instantly://tools/list_leads")
        composed = json.loads((await read(client, "instantly://tools/count_leads"))[0])
    found = json.loads(text)
    assert kind == "application/json"
    assert found["inputSchema"] == catalog.tools["list_leads"].input_schema
    assert found["toolset"] == "leads" and found["examples"] and found["rules"]
    assert "http" not in found and "scopes" not in found
    assert composed["calls"] == ["list_leads"]


@MODES
@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("instantly://tools/create_webhook", "create_webhook is not enabled"),
        ("instantly://tools/list_campagns", "There is no tool 'list_campagns'. Did you mean list_campaigns?"),
        ("instantly://tools/../../etc/passwd", "There is no tool"),
        ("instantly://guides/../jobs/test-copy", "There is no resource"),
        ("instantly://guides/nothing", "There is no resource"),
        ("skill://instantly-launch-campaign", "There is no resource"),
        ("file:///etc/passwd", "There is no resource"),
    ],
)
async def test_what_is_not_there_is_refused_in_a_sentence(connect: Connect, mode: str, uri: str, said: str) -> None:
    async with connect(mode=mode, toolsets=["default"]) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert said in str(caught.value)
    assert (caught.value.error.code, caught.value.error.data) == (-32602, {"uri": uri})


@MODES
async def test_the_overview_is_there_when_its_tool_is(connect: Connect, mode: str) -> None:
    async with connect(mode=mode, toolsets=["default"]) as client:
        assert OVERVIEW in {str(resource.uri) for resource in (await client.list_resources()).resources}
        result = await client.read_resource(OVERVIEW)
        assert json.loads(result.contents[0].text)["_calls"]
        assert (result.ttl_ms, result.cache_scope) == (0, "private")
    async with connect(mode=mode, toolsets=["leads"]) as client:
        assert OVERVIEW not in {str(resource.uri) for resource in (await client.list_resources()).resources}
        with pytest.raises(MCPError, match="There is no resource"):
            await client.read_resource(OVERVIEW)


async def test_the_overview_and_the_tools_can_be_read_where_all_are_behind_four(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http,
        Client(build_server(Discovery(select(catalog), http, settings))) as client,
    ):
        assert json.loads((await read(client, OVERVIEW))[0])["_calls"]
        assert json.loads((await read(client, "instantly://tools/list_leads"))[0])["name"] == "list_leads"
        assert "Off on this server" not in (await client.get_prompt("review-campaigns")).messages[0].content.text
        typed = {"name": "campaign", "value": "log"}
        result = await client.complete(types.PromptReference(name="launch-campaign"), typed)
        assert result.completion.values == ["Logistics pilots"]


async def test_clients_may_keep_what_cannot_change_and_show_it_to_no_other_caller(connect: Connect) -> None:
    async with connect() as client:
        answers = (
            await client.list_tools(),
            await client.list_prompts(),
            await client.list_resources(),
            await client.list_resource_templates(),
            await client.read_resource("instantly://guides/sending"),
            await client.read_resource("instantly://tools/list_leads"),
        )
        for answer in answers:
            assert (answer.ttl_ms, answer.cache_scope) == (3_600_000, "private")
        listed = await ask(client, "skills/list")
        one = await ask(client, "skills/get", uri=listed["skills"][0]["uri"])
        for found in (listed, one):
            assert (found["resultType"], found["ttlMs"], found["cacheScope"]) == ("complete", 3_600_000, "private")


async def test_skills_are_listed_with_digests_that_fit_what_is_read_and_what_is_on_disk(connect: Connect) -> None:
    async with connect() as client:
        assert client.server_capabilities.extensions == {"io.modelcontextprotocol/skills": {}}
        skills = (await ask(client, "skills/list"))["skills"]
        assert len(skills) == len(jobs())
        for skill in skills:
            text, kind = await read(client, skill["uri"])
            (file,) = skill["resources"]
            assert file["uri"] == skill["uri"]
            assert file["digest"] == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
            assert file["size"] == len(text.encode())
            assert skill["frontmatter"] == yaml.safe_load(text.split("---\n")[1])
            assert kind == "text/markdown"
            folder = ROOT / "skills" / skill["frontmatter"]["name"]
            assert (folder / "SKILL.md").read_bytes() == text.encode()
            assert (await ask(client, "skills/get", uri=skill["uri"]))["skill"] == skill
        with pytest.raises(MCPError, match="There is no skill") as caught:
            await ask(client, "skills/get", uri="skill://nothing/SKILL.md")
    assert caught.value.error.code == -32602


async def test_a_skill_whose_tools_are_off_is_not_served(connect: Connect) -> None:
    uri = "skill://instantly-launch-campaign/SKILL.md"
    async with connect(toolsets=["default"], read_only=True) as client:
        assert uri not in {skill["uri"] for skill in (await ask(client, "skills/list"))["skills"]}
        assert uri not in {str(resource.uri) for resource in (await client.list_resources()).resources}
        for asking in (client.read_resource(uri), ask(client, "skills/get", uri=uri)):
            with pytest.raises(MCPError):
                await asking


async def test_pages_and_skills_ask_nothing_of_the_api(connect: Connect, world: World) -> None:
    async with connect() as client:
        await client.list_resources()
        await client.list_prompts()
        await read(client, "instantly://guides/credits")
        await read(client, "instantly://tools/get_campaign")
        await ask(client, "skills/list")
    assert world.requests == []


async def use(client: Client) -> None:
    """What a host does with prompts and resources."""
    assert len((await client.list_prompts()).prompts) == len(jobs())
    assert (await client.get_prompt("review-campaigns", {"period": "last month"})).messages
    typed = {"name": "campaign", "value": "Fin"}
    result = await client.complete(types.PromptReference(name="launch-campaign"), typed)
    assert result.completion.values == ["Fintech CFOs, autumn"]
    text, _ = await read(client, "instantly://guides/replies")
    assert text.startswith("# Replies\n")
    assert (await read(client, "skill://instantly-test-copy/SKILL.md"))[0].startswith(
        "---\nname: instantly-test-copy\n"
    )


@MODES
async def test_a_host_uses_prompts_and_resources_over_stdio(tmp_path: Path, mode: str) -> None:
    with (tmp_path / "stderr").open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(command("serve", "--sandbox"), errlog=errlog), mode=mode) as client:
            await use(client)


@MODES
async def test_a_host_uses_prompts_and_resources_over_http(mode: str) -> None:
    with served("serve", "--sandbox", "--transport", "http") as (_, url), anyio.fail_after(60):
        async with Client(url, mode=mode) as client:
            await use(client)
