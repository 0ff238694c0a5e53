"""Workspaces as text and back: JSON, with what JSON does not have under a tag of its own."""

from __future__ import annotations

import datetime as dt
import json
import random
from typing import Any

from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.clock import Clock
from mcp_instantly.sandbox.state.table import Table
from mcp_instantly.sandbox.state.world import GIVEN, World

TAG = "~"


def write_workspaces(workspaces: Workspaces) -> str:
    """Everything that the workspaces hold."""
    whole = {
        "now": workspaces.clock.now(),
        "running": workspaces.clock.running,
        "budgets": workspaces.budgets,
        "home": _describe(workspaces.home),
        "others": {workspace_id: _describe(world) for workspace_id, world in workspaces.others.items()},
        "faults": workspaces.faults.dump(),
    }
    return json.dumps(_encode(whole), ensure_ascii=False, separators=(",", ":"))


def read_workspaces(workspaces: Workspaces, text: str) -> None:
    """Make the workspaces, of the same scenario and not filled, what they were when the text was written."""
    whole = json.loads(text, object_hook=_decode)
    clock: Clock = workspaces.clock
    clock.set(whole["now"])
    clock.run(whole["running"])
    vars(workspaces.home).update(whole["home"])
    workspaces.others = {workspace_id: workspaces.open(workspace_id, filled=False) for workspace_id in whole["others"]}
    for workspace_id, world in workspaces.others.items():
        vars(world).update(whole["others"][workspace_id])
    workspaces.budgets = whole["budgets"]
    workspaces.faults.load(whole["faults"])


def _describe(world: World) -> dict[str, Any]:
    return {name: value for name, value in vars(world).items() if name not in GIVEN}


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        if TAG not in value and all(isinstance(name, str) for name in value):
            return {name: _encode(item) for name, item in value.items()}
        return {TAG: "dict", "items": [[_encode(name), _encode(item)] for name, item in value.items()]}
    if isinstance(value, tuple):
        return {TAG: "tuple", "items": [_encode(item) for item in value]}
    if isinstance(value, set):
        return {TAG: "set", "items": sorted(map(_encode, value))}
    if isinstance(value, dt.datetime):
        return {TAG: "instant", "at": value.isoformat()}
    if isinstance(value, random.Random):
        return {TAG: "random", "state": _encode(value.getstate())}
    if isinstance(value, Table):
        # Records are plain JSON, and what users put into them may look like a tag: they are kept as text, out of reach.
        kept = value.dump()
        return {TAG: "table", **kept, "records": json.dumps(kept["records"], ensure_ascii=False)}
    raise TypeError(f"a world cannot be kept that holds {type(value).__name__}")


def _decode(found: dict[str, Any]) -> Any:
    tag = found.get(TAG)
    if tag is None:
        return found
    if tag == "dict":
        return {name: item for name, item in found["items"]}  # noqa: C416
    if tag == "tuple":
        return tuple(found["items"])
    if tag == "set":
        return set(found["items"])
    if tag == "instant":
        return dt.datetime.fromisoformat(found["at"])
    if tag == "random":
        generator = random.Random()
        generator.setstate(found["state"])
        return generator
    return Table.load({**found, "records": json.loads(found["records"])})
