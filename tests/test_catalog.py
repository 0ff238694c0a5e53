"""The catalogue: what a selection offers, and what it says about the rest."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mcp_instantly.errors import ConfigError, ToolNotEnabled, UnknownTool
from mcp_instantly.tools.catalog import Catalog, Selection, minimum_scopes, select, stand_ins


def names(catalog: Catalog, **chosen: Any) -> set[str]:
    return set(select(catalog, **chosen).tools)


def test_the_default_preset_is_on_without_any_choice(catalog: Catalog) -> None:
    assert names(catalog) == set(catalog.preset("default"))
    assert "create_campaign" in names(catalog)


def test_toolsets_and_presets_add_up(catalog: Catalog) -> None:
    chosen = names(catalog, toolsets=["emails", "lead_lists"])
    assert {catalog.tools[name].toolset for name in chosen} == {"emails", "lead_lists"}
    assert names(catalog, toolsets=["all"]) == set(catalog.tools)
    assert names(catalog, toolsets=["core", "all"]) == set(catalog.tools)


def test_a_toolset_by_its_name_has_what_default_leaves_out_of_it(catalog: Catalog) -> None:
    for toolset in catalog.toolsets.values():
        assert names(catalog, toolsets=[toolset.name]) >= set(toolset.beyond_default)
        assert names(catalog).isdisjoint(toolset.beyond_default)
        assert not set(toolset.core) & set(toolset.beyond_default)
    with pytest.raises(ToolNotEnabled, match="--toolsets default,campaigns"):
        select(catalog).find("export_campaign")


def test_single_tools_stand_alone_or_join_toolsets(catalog: Catalog) -> None:
    assert names(catalog, tools=["verify_email"]) == {"verify_email"}
    assert names(catalog, tools=["verify_email"], toolsets=["lead_lists"]) > {"verify_email", "create_lead_list"}


def test_exclusion_wins_over_everything(catalog: Catalog) -> None:
    assert names(catalog, tools=["verify_email", "create_lead"], exclude=["verify_email"]) == {"create_lead"}
    assert "delete_campaign" not in names(catalog, toolsets=["all"], exclude=["delete_campaign"])


def test_read_only_leaves_only_tools_that_change_nothing(catalog: Catalog) -> None:
    chosen = select(catalog, toolsets=["all"], read_only=True).tools.values()
    assert chosen
    assert all(op.read_only for op in chosen)


def test_a_name_with_blanks_around_it_is_shown_as_it_came(catalog: Catalog) -> None:
    with pytest.raises(UnknownTool, match=r"There is no tool ' list_leads '\. Did you mean list_leads\?"):
        select(catalog).find(" list_leads ")


def test_whatever_scope_a_key_can_have_is_taken_and_those_that_nothing_asks_for_allow_nothing(
    catalog: Catalog,
) -> None:
    every = catalog.operations["create_api_key"].rules["properties"]["scopes"]["items"]["enum"]
    assert select(catalog, toolsets=["all"], scopes=every).operations
    idle = select(catalog, toolsets=["all"], scopes=["auth:all"]).operations
    assert set(idle) == set(select(catalog, toolsets=["all"], scopes=[]).operations)


def test_scopes_leave_only_what_they_allow(catalog: Catalog) -> None:
    chosen = select(catalog, toolsets=["all"], scopes=["leads:read"]).operations
    assert "list_leads" in chosen
    assert "create_lead" not in chosen
    assert all("leads:read" in op.scopes or (op.scopes_inferred and op.read_only) for op in chosen.values())


@pytest.mark.parametrize(
    ("chosen", "closest"),
    [
        ({"toolsets": ["campaign"]}, "campaigns"),
        ({"tools": ["verify_mail"]}, "verify_email"),
        ({"exclude": ["delete_campaigns"]}, "delete_campaign"),
        ({"scopes": ["lead:read"]}, "leads:read"),
    ],
)
def test_an_unknown_name_ends_the_start_and_names_the_closest(
    catalog: Catalog, chosen: dict[str, Any], closest: str
) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean {closest}\\?"):
        select(catalog, **chosen)


@pytest.mark.parametrize(
    ("chosen", "tool", "remedy"),
    [
        ({"toolsets": ["emails"]}, "create_lead", "--toolsets emails,leads"),
        ({"tools": ["get_lead"]}, "create_lead", "--tools create_lead"),
        ({"exclude": ["create_lead"]}, "create_lead", "--exclude-tools"),
        ({"read_only": True}, "create_lead", "--read-only"),
        ({"scopes": ["leads:read"]}, "create_lead", "leads:create, leads:all, all:create, all:all"),
    ],
)
def test_a_tool_that_is_off_says_which_flag_would_enable_it(
    catalog: Catalog, chosen: dict[str, Any], tool: str, remedy: str
) -> None:
    with pytest.raises(ToolNotEnabled) as caught:
        select(catalog, **chosen).find(tool)
    assert remedy in str(caught.value)


def test_a_tool_that_exists_nowhere_is_another_error(catalog: Catalog) -> None:
    with pytest.raises(UnknownTool, match="Did you mean create_lead"):
        select(catalog).find("create_leed")


BOTH = {"scopes": ("ai_agents:update", "ai_agents:all"), "also_scopes": ("accounts:update", "accounts:all")}


@pytest.mark.parametrize(
    ("granted", "enabled"),
    [
        (["ai_agents:all", "accounts:update"], True),
        (["ai_agents:update"], False),
        (["accounts:all"], False),
        (["leads:read"], False),
    ],
)
def test_a_tool_with_two_groups_of_scopes_needs_one_of_each(
    catalog: Catalog, granted: list[str], enabled: bool
) -> None:
    pause = dataclasses.replace(catalog.operations["pause_account"], **BOTH)
    changed = dataclasses.replace(catalog, operations={**catalog.operations, pause.name: pause})
    selection = select(changed, toolsets=["all"], scopes=granted)
    assert (pause.name in selection.operations) == enabled
    if not enabled:
        with pytest.raises(ToolNotEnabled) as refusal:
            selection.find(pause.name)
        assert str(refusal.value).endswith(
            "one of these would do: ai_agents:update, ai_agents:all, and also one of these: accounts:update, "
            "accounts:all."
        )
    assert list(minimum_scopes([pause])) == ["accounts:update", "ai_agents:update"]


def test_what_no_key_can_be_granted_has_a_stand_in(catalog: Catalog) -> None:
    guidances = ("ai_agent_guidances:read", "ai_agents:all", "all:read", "all:all")
    items = ("engage_items:delete", "engage_items:all", "all:delete", "all:all")
    get = catalog.operations["get_lead"]
    made = [dataclasses.replace(get, scopes=scopes) for scopes in (guidances, items, get.scopes)]
    assert stand_ins(made) == {"ai_agents:all": [guidances[0]], "all:delete": [items[0]]}
    assert minimum_scopes(made) == {"ai_agents:all": True, "all:delete": True, "leads:read": True}


def test_the_minimum_scopes_cover_the_selection_and_none_of_them_is_spare(catalog: Catalog) -> None:
    selection: Selection = select(catalog, toolsets=["leads", "emails"])
    needed = minimum_scopes(selection.tools.values())
    assert not [scope for scope in needed if scope.endswith(":all") or scope.startswith("all:")]
    assert names(catalog, toolsets=["leads", "emails"], scopes=needed) == set(selection.tools)
    for spare in needed:
        fewer = set(needed) - {spare}
        if needed[spare]:
            assert names(catalog, toolsets=["leads", "emails"], scopes=fewer) < set(selection.tools)
