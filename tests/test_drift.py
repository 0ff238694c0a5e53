"""Drift: the catalogue against the recorded facts of the documents, and what is reported when they part."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_instantly.cli import main
from mcp_instantly.errors import ConfigError
from mcp_instantly.maintenance.drift import Difference, catalog_facts, compare
from mcp_instantly.maintenance.facts import digest
from mcp_instantly.maintenance.openapi import document_facts, merged_facts, record
from mcp_instantly.text import UNSEEN
from mcp_instantly.tools.catalog import load_catalog

from . import processes
from .conftest import ROOT, clean_environment

CATALOG = load_catalog()
TEXT = (ROOT / "tests" / "upstream.json").read_text()
RECORD = json.loads(TEXT)
EXPLAINED = json.loads((ROOT / "tests" / "differences.json").read_text())

LEADS = "POST /api/v2/leads"
LIST = "GET /api/v2/campaigns"
CAMPAIGNS = "POST /api/v2/campaigns"
CHANGE = "PATCH /api/v2/campaigns/{id}"
ZONE = "campaign_schedule.schedules[].timezone"


OURS = catalog_facts(CATALOG)


def differences(record: dict[str, Any]) -> list[Difference]:
    """What is to be explained about the operations of the record that have a tool, and any that is made up here."""
    return [
        one
        for one in compare(OURS, document_facts(record))
        if one.where not in EXPLAINED and one.where not in WITHOUT_A_TOOL
    ]


WITH_A_TOOL = set(OURS)

WITHOUT_A_TOOL = {
    facts["operation_id"] for request, facts in RECORD["operations"].items() if request not in WITH_A_TOOL
}


def test_the_catalogue_agrees_with_the_record() -> None:
    unexplained = [str(one) for one in differences(RECORD)]
    assert unexplained == [], "record the vendor's documents: mcp-instantly drift --record DOCUMENT ..."
    found = compare(OURS, document_facts(RECORD))
    assert {one.where for one in found} >= set(EXPLAINED), "a difference that is explained must exist"
    assert len(RECORD["operations"]) == len(OURS) + len(WITHOUT_A_TOOL)
    assert [len(digest) for digest in RECORD["sha256"]] == [64, 64]


def test_every_operation_of_the_record_has_a_tool() -> None:
    assert sorted(WITHOUT_A_TOOL) == []


def argument(request: str, path: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one argument: fields are set, or removed when they are None."""

    def change(operations: dict[str, Any]) -> None:
        fact = operations[request]["arguments"].setdefault(path, {"kinds": []})
        for name, value in fields.items():
            fact.pop(name, None) if value is None else fact.update({name: value})

    return change


def without(request: str, path: str) -> Callable[[dict[str, Any]], None]:
    return lambda operations: operations[request]["arguments"].pop(path)


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    return lambda operations: operations.update({new: operations.pop(old)})


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], list[str]]] = [
    (
        lambda o: o.update({"GET /api/v2/news": {**o[LIST], "operation_id": "listNews"}}),
        ["listNews: GET /api/v2/news is new"],
    ),
    (lambda o: o.pop(LIST), ["list_campaigns: GET /api/v2/campaigns is gone"]),
    (
        renamed(LIST, "GET /api/v3/campaigns"),
        ["list_campaigns: GET /api/v2/campaigns is gone", "listCampaign: GET /api/v3"],
    ),
    (lambda o: o[LIST].update(operation_id="listAll"), ["list_campaigns: operation_id is listAll, here listCampaign"]),
    (lambda o: o[LIST]["scopes"].append("campaigns:list"), ["list_campaigns.http.scopes: new campaigns:list"]),
    (lambda o: o[LIST]["scopes"].remove("campaigns:read"), ["list_campaigns.http.scopes: gone campaigns:read"]),
    (lambda o: o[LIST].update(scopes=[]), ["list_campaigns.http.scopes: the document states none any more"]),
    (argument(LIST, "color", kinds=["string"]), ["list_campaigns.color: a new argument: string"]),
    (argument(LEADS, "vip", kinds=["boolean"], required=True), ["create_lead.vip: a new argument: boolean, required"]),
    (without(LIST, "search"), ["list_campaigns.search: the document has no such argument"]),
    (argument(CAMPAIGNS, "name", required=None), ["create_campaign.name: it is no longer required"]),
    (argument(LEADS, "email", required=True), ["create_lead.email: it is required"]),
    (argument(CAMPAIGNS, "name", kinds=["number"]), ["create_campaign.name: its kinds are number, here string"]),
    (argument(CHANGE, "name", kinds=["null", "string"]), ["update_campaign.name: it can be null; name it in clear"]),
    (
        argument("PATCH /api/v2/ai-agents/sales/{id}", "config.position_details", kinds=["null", "string"]),
        ["update_sales_agent.config.position_details: it can be null; name it in clear"],
    ),
    (argument(CHANGE, "daily_limit", kinds=["number"]), ["update_campaign.daily_limit: it cannot be null any more"]),
    (
        argument("POST /api/v2/leads/update-interest-status", "interest_value", kinds=["number"]),
        ["update_lead_interest_status.interest_value: it cannot be null any more; take it out of clear"],
    ),
    (
        argument(LEADS, "custom_variables{}", kinds=["string"]),
        ["create_lead.custom_variables{}: its kinds are string, here boolean, null, number, string"],
    ),
    (argument(LIST, "limit", maximum=200), ["list_campaigns.limit: maximum is 200, here 100"]),
    (argument(LIST, "limit", minimum=None), ["list_campaigns.limit: minimum is none, here 1"]),
    (argument(CAMPAIGNS, "name", maxLength=80), ["create_campaign.name: maxLength is 80, here none"]),
    (
        argument(CAMPAIGNS, ZONE, enum=digest(["Etc/UTC"])),
        [f"create_campaign.{ZONE}: its listed values differ (1 values"],
    ),
    (argument(CAMPAIGNS, ZONE, enum=["Etc/UTC"]), [f"create_campaign.{ZONE}: its listed values: new Etc/UTC; gone"]),
    (argument(CAMPAIGNS, ZONE, enum=None), [f"create_campaign.{ZONE}: it is no longer limited to listed values"]),
    (argument(LIST, "search", enum=["a"]), ["list_campaigns.search: it is limited to listed values now"]),
    (
        argument(CAMPAIGNS, "campaign_schedule.schedules[].timing.from", pattern="^.*$"),
        ["create_campaign.campaign_schedule.schedules[].timing.from: pattern is ^.*$, here ^("],
    ),
]


@pytest.mark.parametrize(("change", "reports"), CHANGES, ids=[reports[0][:60] for _, reports in CHANGES])
def test_every_kind_of_change_is_reported_in_words(change: Callable[[dict[str, Any]], Any], reports: list[str]) -> None:
    changed = json.loads(TEXT)
    change(changed["operations"])
    found = [str(one) for one in differences(changed)]
    assert len(found) == len(reports)
    assert all(line.startswith(report) for line, report in zip(found, reports, strict=True))


@pytest.mark.parametrize(
    "change",
    [
        argument(CAMPAIGNS, "name", kinds=["null", "string"]),
        argument(LEADS, "email", kinds=["string"]),
        argument(LIST, "search", kinds=["null", "string"]),
        argument(CHANGE, "campaign_schedule.start_date", kinds=["string"]),
    ],
    ids=["a creation", "a creation that had it", "a read", "deep inside a change"],
)
def test_null_is_no_difference_where_it_means_not_given(change: Callable[[dict[str, Any]], Any]) -> None:
    changed = json.loads(TEXT)
    change(changed["operations"])
    assert differences(changed) == []


DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {"Thing": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}
    },
    "paths": {
        "/api/v2/things/{id}": {
            "post": {
                "operationId": "makeThing",
                "description": "Requires one of the following scopes: `things:create`, `all:all`",
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "properties": {"kind": {"type": ["string", "null"], "enum": ["a", "b", None]}},
                                "required": ["kind"],
                            }
                        }
                    }
                },
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}
                                    },
                                }
                            }
                        }
                    },
                    "429": {"description": "Too many"},
                    "401": {"description": "No key"},
                },
            }
        }
    },
}


def test_a_document_becomes_facts_and_a_record_of_it_says_the_same() -> None:
    facts = document_facts(DOCUMENT)
    assert facts == {
        "POST /api/v2/things/{id}": {
            "operation_id": "makeThing",
            "scopes": ["all:all", "things:create"],
            "arguments": {
                "id": {"kinds": ["string"], "required": True},
                "kind": {"kinds": ["null", "string"], "required": True, "enum": ["a", "b"]},
            },
            "response": {"": "object", "items": "array", "items[]": "object", "items[].id": "string!"},
            "errors": [401, 429],
        }
    }
    recorded = document_facts(json.loads(record([json.dumps(DOCUMENT)])))
    assert recorded["POST /api/v2/things/{id}"]["arguments"]["kind"]["enum"] == digest(["b", "a"])
    assert recorded["POST /api/v2/things/{id}"]["response"] == facts["POST /api/v2/things/{id}"]["response"]


PUT = "PUT /api/v2/things/{id}/name"
SUPPLEMENT: dict[str, Any] = {
    "x-withdrawn": {"operations": [{"method": "POST", "path": "/api/v2/things/{id}"}]},
    "paths": {
        "/api/v2/things/{id}/name": {
            "put": {
                "operationId": "nameThing",
                "x-uncertain-fields": ["operationId", "responses"],
                "x-scopes": [["things:update", "all:all"], ["accounts:update", "all:all"]],
                "x-effects": ["spends_credits", "bulk"],
                "parameters": [
                    {"name": "id", "in": "path", "schema": {"type": "string"}},
                    {"name": "loud", "in": "query", "x-uncertain": True, "schema": {"type": "boolean"}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "properties": {
                                    "name": {"type": "string"},
                                    "style": {"type": "object", "x-uncertain": True, "properties": {"font": {}}},
                                }
                            }
                        }
                    }
                },
            }
        }
    },
}


def test_a_supplement_says_what_is_uncertain_what_is_withdrawn_and_which_scopes_and_effects_there_are() -> None:
    facts = merged_facts([DOCUMENT, SUPPLEMENT])
    assert facts == {
        PUT: {
            "operation_id": "nameThing",
            "scopes": ["all:all", "things:update"],
            "also_scopes": ["accounts:update", "all:all"],
            "effects": ["bulk", "spends_credits"],
            "uncertain": ["operation_id"],
            "arguments": {
                "id": {"kinds": ["string"], "required": True},
                "loud": {"kinds": ["boolean"], "uncertain": True},
                "name": {"kinds": ["string"]},
                "style": {"kinds": ["object"], "uncertain": True},
                "style.font": {"kinds": []},
            },
            "response": {},
            "errors": [],
        }
    }
    one_list = copy.deepcopy(SUPPLEMENT)
    one_list["paths"]["/api/v2/things/{id}/name"]["put"]["x-scopes"] = ["things:update"]
    assert document_facts(one_list)[PUT]["scopes"] == ["things:update"]
    assert "also_scopes" not in document_facts(one_list)[PUT]


def test_what_is_uncertain_is_not_a_difference_and_what_is_certain_is_one() -> None:
    theirs = merged_facts([SUPPLEMENT])
    ours = {
        PUT: {
            "tool": "name_thing",
            "operation_id": "setName",
            "scopes": ["all:all", "things:update"],
            "also_scopes": [],
            "effects": ["bulk"],
            "moving": [],
            "changes": False,
            "arguments": {
                "id": {"kinds": ["string"], "required": True},
                "loud": {"kinds": ["number"], "required": True},
                "name": {"kinds": ["number"]},
                "style": {"kinds": ["object"]},
            },
        }
    }
    assert [str(one) for one in compare(ours, theirs)] == [
        "name_thing.http.also_scopes: new accounts:update, all:all",
        "name_thing.http.effects: new spends_credits",
        "name_thing.name: its kinds are string, here number",
    ]


def test_a_later_document_has_the_last_word_on_an_operation() -> None:
    later = copy.deepcopy(DOCUMENT)
    later["paths"]["/api/v2/things/{id}"]["post"]["operationId"] = "createThing"
    (facts,) = merged_facts([DOCUMENT, later]).values()
    assert facts["operation_id"] == "createThing"


@pytest.mark.parametrize("document", [[], {}, {"paths": []}, {"operations": {}}, "text"])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(ConfigError):
        document_facts(document)


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return processes.run("drift", *arguments, environment=clean_environment(PYTHONPATH=str(ROOT)), cwd=cwd)


def test_the_command_tells_whether_anything_differs(tmp_path: Path) -> None:
    same = run("tests/upstream.json")
    if WITHOUT_A_TOOL:
        assert same.returncode == 1
        assert all(line.endswith(" is new; add a schema file for it") for line in same.stdout.splitlines())
        assert len(same.stdout.splitlines()) == len(WITHOUT_A_TOOL)
    else:
        assert (same.returncode, same.stdout) == (0, f"{len(RECORD['operations'])} operations, no difference.\n")
    other = tmp_path / "openapi.json"
    other.write_text(json.dumps(DOCUMENT))
    differs = run(str(other), "--json")
    assert differs.returncode == 1
    found = json.loads(differs.stdout)
    assert len(found) == 1 + len(OURS)
    assert {"kind": "added", "where": "makeThing"}.items() <= next(
        one for one in found if one["kind"] == "added"
    ).items()


def test_the_command_records_a_document_and_writes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    document, supplement = tmp_path / "openapi.json", tmp_path / "supplement.json"
    document.write_text(json.dumps(DOCUMENT))
    supplement.write_text(json.dumps(SUPPLEMENT))
    run(str(document), str(supplement), "--record", cwd=tmp_path)
    written = (tmp_path / "tests" / "upstream.json").read_text()
    assert written == record([json.dumps(DOCUMENT), json.dumps(SUPPLEMENT)])
    assert set(json.loads(written)["operations"]) == {"PUT /api/v2/things/{id}/name"}
    assert {path.name for path in tmp_path.rglob("*")} == {
        "tests",
        "upstream.json",
        "openapi.json",
        "supplement.json",
    }


def test_without_a_document_the_command_says_where_the_vendor_publishes_it() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    for part in ("https://developer.instantly.ai/", "https://api.instantly.ai/openapi/api_v2.json", "curl -o "):
        assert part in line


def test_a_file_that_is_no_document_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no JSON")
    for name in ("text", "missing"):
        done = run(str(tmp_path / name))
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


def operation(**fields: Any) -> dict[str, Any]:
    return {"paths": {"/x": {"get": {"operationId": "x", **fields}}}}


def body(schema: Any) -> dict[str, Any]:
    return operation(requestBody={"content": {"application/json": {"schema": schema}}})


def recorded(**changes: Any) -> dict[str, Any]:
    return {"sha256": "", "operations": {"GET /x": {"operation_id": "x", "scopes": [], "arguments": {}} | changes}}


LAUGHS: dict[str, Any] = {
    f"s{level}": {"allOf": [{"$ref": f"#/components/s{level + 1}"}] * 10} for level in range(20)
} | {"s20": {}}

HOSTILE: dict[str, Any] = {
    "deep": '{"paths": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep operation": body(json.loads('{"items": ' * 300 + "{}" + "}" * 300)),
    "null path": {"paths": {"/x": None}},
    "null operation": {"paths": {"/x": {"get": None}}},
    "number operation": {"paths": {"/x": {"get": 5}}},
    "list operation": {"paths": {"/x": {"get": []}}},
    "unknown reference": {"paths": {"/x": {"get": {"$ref": "#/nope"}}}},
    "reference to another file": body({"$ref": "other.json#/Thing"}),
    "reference that is not text": body({"$ref": 5}),
    "reference through a list": body({"$ref": "#/paths/0/x"}),
    "reference to a number": {**body({"$ref": "#/version"}), "version": 5},
    "reference to itself": body({"$ref": "#/paths/~1x/get/requestBody/content/application~1json/schema"}),
    "references that grow": {**body({"$ref": "#/components/s0"}), "components": LAUGHS},
    "parameter without a name": operation(parameters=[{"in": "query"}]),
    "parameter that is a list": operation(parameters=[["name"]]),
    "parameters that are null": operation(parameters=None),
    "parameter named by a list": operation(parameters=[{"name": ["a"]}]),
    "properties that are text": body({"properties": "none"}),
    "property that is null": body({"properties": {"a": None}}),
    "required that is a number": body({"properties": {"a": {}}, "required": 5}),
    "type that is an object": body({"properties": {"a": {"type": {"string": True}}}}),
    "types of two kinds": body({"properties": {"a": {"type": ["string", 5]}}}),
    "enum that is null": body({"properties": {"a": {"enum": None}}}),
    "enum of objects": body({"properties": {"a": {"enum": [{"a": 1}]}}}),
    "bound that is an object": body({"properties": {"a": {"type": "string", "maxLength": {}}}}),
    "anyOf that is text": body({"properties": {"a": {"anyOf": "string"}}}),
    "responses that are null": operation(responses=None),
    "response that is text": operation(responses={"200": "fine"}),
    "description that is a list": operation(description=["scopes"]),
    "operation id that is a list": operation(operationId=["x"]),
    "withdrawn in a text": {"paths": {}, "x-withdrawn": {"operations": "none"}},
    "withdrawn without a path": {"paths": {}, "x-withdrawn": {"operations": [{"method": "get"}]}},
    "three lists of scopes": operation(**{"x-scopes": [["a"], ["b"], ["c"]]}),
    "scopes that are numbers": operation(**{"x-scopes": [5]}),
    "scopes in words": operation(**{"x-scopes": "all"}),
    "effects that are numbers": operation(**{"x-effects": [5]}),
    "uncertain fields that are a number": operation(**{"x-uncertain-fields": 5}),
    "record of numbers": {"sha256": "", "operations": {"GET /x": 5}},
    "record without arguments": recorded(arguments=None),
    "record of odd scopes": recorded(scopes=[1]),
    "record of odd facts": recorded(arguments={"a": []}),
    "record of odd kinds": recorded(arguments={"a": {"kinds": [["string"]]}}),
    "steering": {"paths": {"/\x1b[31m\u202e": {"get": None}}},
    "list": [],
    "number too long": '{"paths": ' + "9" * 5000 + "}",
    "not UTF-8": b'{"paths": "\xff"}',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("options", [[], ["--json"], ["--record"]])
def test_a_malformed_document_is_one_line_and_status_2_and_nothing_is_written(
    name: str,
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, document = tmp_path / "openapi.json", HOSTILE[name]
    text = document if isinstance(document, (str, bytes)) else json.dumps(document)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mcp-instantly", "drift", str(file), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("mcp-instantly: ")
    assert len(line) < 1000
    assert not UNSEEN.search(line)
    assert list((tmp_path / "tests").iterdir()) == []


def test_what_openapi_allows_is_read() -> None:
    odd = body({"properties": {"any": True, "$ref": {"type": "string"}}})
    odd["paths"]["/x"]["get"]["responses"] = {"default": {}, "4XX": {}, "404": {}, "2XX": {}}
    facts = document_facts(odd)["GET /x"]
    assert facts["arguments"] == {"any": {"kinds": []}, "$ref": {"kinds": ["string"]}}
    assert facts["errors"] == [404]
