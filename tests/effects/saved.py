"""What is kept for later use: saved views, and templates of e-mails and prompts."""

from __future__ import annotations

from .demo import CFO_LIST
from .observer import Observer, effect, holds, without

VIEWS, EMAILS, PROMPTS = (
    (f"get_{kind}", f"list_{kind}s") for kind in ("sales_flow", "email_template", "custom_prompt_template")
)
OPENERS = [
    {
        "actionType": "email-open",
        "values": {"occurrence-days": 3, "occurrence-count": {"condition": "more", "count": 1}},
    }
]


@effect
async def create_sales_flow(see: Observer) -> None:
    shown = await see.creates(*VIEWS)
    # It names its campaign or list as that is called.
    if "campaign_id" in see.given:
        assert shown["campaign_name"] == (await see.ask("get_campaign", id=see.given["campaign_id"]))["name"]
    if "list_id" in see.given:
        assert shown["list_name"] == (await see.ask("get_lead_list", id=see.given["list_id"]))["name"]
    # What it asks for is what a list of leads can be asked for.
    await see.ask("list_leads", queries=shown["queries"])


@effect
async def get_sales_flow(see: Observer) -> None:
    await see.reads("update_sales_flow", name="Seen", queries=OPENERS)


@effect
async def list_sales_flows(see: Observer) -> None:
    async def create() -> str:
        return (await see.ask("create_sales_flow", name="Seen", queries=OPENERS))["id"]

    assert (await see.lists(create))["queries"] == OPENERS


@effect
async def update_sales_flow(see: Observer) -> None:
    await see.updates(VIEWS[0], first={"queries": OPENERS})
    assert await _listed(see, VIEWS[1])


@effect
async def delete_sales_flow(see: Observer) -> None:
    await see.deletes(*VIEWS)


@effect
async def create_email_template(see: Observer) -> None:
    await see.creates(*EMAILS)


@effect
async def get_email_template(see: Observer) -> None:
    await see.reads("update_email_template", name="Seen", subject="Seen", body="<p>Seen.</p>")


@effect
async def list_email_templates(see: Observer) -> None:
    async def create() -> str:
        return (await see.ask("create_email_template", name="Seen", body="<p>Seen.</p>"))["id"]

    assert (await see.lists(create))["body"] == "<p>Seen.</p>"


@effect
async def update_email_template(see: Observer) -> None:
    await see.updates(EMAILS[0])
    assert await _listed(see, EMAILS[1])


@effect
async def delete_email_template(see: Observer) -> None:
    await see.deletes(*EMAILS)


@effect
async def create_custom_prompt_template(see: Observer) -> None:
    shown = await see.creates(*PROMPTS)
    assert (await _prompt_used(see, shown["id"])) == see.given["prompt"]


@effect
async def get_custom_prompt_template(see: Observer) -> None:
    await see.reads("update_custom_prompt_template", name="Seen", prompt="Seen.")


@effect
async def list_custom_prompt_templates(see: Observer) -> None:
    async def create() -> str:
        made = await see.ask("create_custom_prompt_template", name="Seen", category=6, prompt="Seen.", is_public=False)
        return made["id"]

    assert (await see.lists(create))["prompt"] == "Seen."


@effect
async def update_custom_prompt_template(see: Observer) -> None:
    await see.updates(PROMPTS[0], first={"category": 2})
    shown = await see.ask(PROMPTS[0], id=see.given["id"])
    assert await _prompt_used(see, see.given["id"]) == shown["prompt"]


@effect
async def delete_custom_prompt_template(see: Observer) -> None:
    await see.deletes(*PROMPTS)
    assert "not found" in await see.refused("create_ai_enrichment", **_column(see.given["id"]))


def _column(template: str) -> dict[str, object]:
    return {
        "resource_id": CFO_LIST,
        "resource_type": 2,
        "output_column": "line",
        "model_version": "gpt-5-mini",
        "template_id": template,
        "limit": 1,
    }


async def _prompt_used(see: Observer, template: str) -> str:
    """The prompt with which a column is written by this template."""
    await see.ask("create_ai_enrichment", **_column(template))
    enrichment = await see.ask("get_enrichment", resource_id=CFO_LIST)
    return enrichment["enrichment_payload"]["ai_enrichment"]["line"]["prompt"]


async def _listed(see: Observer, listing: str) -> bool:
    """Whether the list, too, has what was given."""
    records = {record["id"]: record for record in await see.all(listing)}
    return holds(records[see.given["id"]], without(see.written, "id"))
