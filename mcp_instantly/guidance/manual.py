"""The manual: guides for jobs, which are served as prompts and as skills, and pages of one screen.

Each is a file of `guides/`, read when it is first asked for. Its front matter is YAML of which every value is a line of
text, or JSON; lines that are indented belong to the value above them.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError

FOLDER = Path(__file__).parent.parent / "guides"

SKILL_PREFIX = "instantly-"
"""Before the name of a guide that is a skill: hosts keep the skills of all servers in one folder."""

MISSING = (
    "A tool that is named here and missing among yours is off: say so, and which step that leaves out, instead of "
    "working around it."
)


@dataclasses.dataclass(frozen=True)
class Argument:
    """What a prompt can be given. `complete` says what its values are: campaigns, lists or senders; `values` are
    suggestions, and any other text is taken too."""

    name: str
    description: str
    required: bool = False
    complete: str | None = None
    values: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Guide:
    """A file of `guides/`. Of each group in `needs` one tool must be on for the job to make sense; `uses` are tools
    that it can do without. `text` is its Markdown, the same for everybody."""

    name: str
    title: str
    description: str
    text: str
    arguments: tuple[Argument, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def tools(self) -> list[str]:
        """Every tool that it names."""
        return list(dict.fromkeys([*(name for group in self.needs for name in group), *self.uses]))

    def missing(self, tools: Collection[str]) -> list[tuple[str, ...]]:
        """The groups of needed tools of which none is among these; none are missing where the job can be done."""
        return [group for group in self.needs if not any(name in tools for name in group)]

    @property
    def skill_name(self) -> str:
        return f"{SKILL_PREFIX}{self.name}"


def read_guide(file: Path) -> Guide:
    """Read one guide. Its name is that of the file; ConfigError when it is damaged."""
    try:
        fence, head, text = file.read_text(encoding="utf-8").split("---\n", 2)
        fields = _front_matter(head)
        if fence or fields.pop("name") != file.stem:
            raise ValueError("it must begin with front matter whose name is that of the file")
        arguments = [Argument(**{**one, "values": tuple(one.get("values", ()))}) for one in fields.pop("arguments", ())]
        needs = tuple(tuple(group) for group in fields.pop("needs", ()))
        uses = tuple(fields.pop("uses", ()))
        return Guide(file.stem, text=text, arguments=tuple(arguments), needs=needs, uses=uses, **fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"The guide {file} cannot be used: {error!r}.") from None


def _front_matter(head: str) -> dict[str, Any]:
    lines: list[str] = []
    for line in head.splitlines():
        if line.startswith(" "):
            lines[-1] += line
        else:
            lines.append(line)
    pairs = (line.partition(": ")[::2] for line in lines)
    return {name: json.loads(value) if value.startswith(("[", '"')) else value for name, value in pairs}


@functools.cache
def jobs() -> Mapping[str, Guide]:
    """The guides for jobs, in the order of their names."""
    return _read_all("jobs")


@functools.cache
def reference_pages() -> Mapping[str, Guide]:
    """The pages of one screen, in the order of their names."""
    return _read_all("pages")


def _read_all(folder: str) -> Mapping[str, Guide]:
    return {file.stem: read_guide(file) for file in sorted((FOLDER / folder).glob("*.md"))}


def prompt_text(guide: Guide, given: Mapping[str, str], tools: Collection[str]) -> str:
    """What a model reads of a job: what the user gave, what is missing, which tools are off, and the steps."""
    lines = [f"# {guide.title}", "", guide.description, ""]
    lines += [
        f"- {name}, as the user gave it: {json.dumps(value, ensure_ascii=False)}" for name, value in given.items()
    ]
    lines += [
        f"- {one.name}, not given ({one.description}): {'ask for it' if one.required else 'ask if it matters'}."
        for one in guide.arguments
        if one.name not in given
    ]
    off = [name for name in guide.tools if name not in tools]
    if off:
        lines += ["", f"Off on this server: {', '.join(off)}. Say what that leaves out, and do not work around it."]
    return "\n".join([*lines, "", guide.text])


def skill_front_matter(guide: Guide) -> dict[str, Any]:
    """What a host knows of a skill before it reads it."""
    return {
        "name": guide.skill_name,
        "description": guide.description,
        "license": "MIT",
        "compatibility": "Needs the MCP server mcp_instantly.",
    }


def skill_text(guide: Guide) -> str:
    """The SKILL.md of a job."""
    head = [f"{name}: {value}" for name, value in skill_front_matter(guide).items()]
    known = [f"- {one.name}: {_described(one)}" for one in guide.arguments]
    lines = ["---", *head, "---", "", f"# {guide.title}", "", "Find out first, or ask:", "", *known, ""]
    return "\n".join([*lines, MISSING, "", guide.text])


def _described(argument: Argument) -> str:
    choices = f" For example: {'; '.join(argument.values)}." if argument.values else ""
    return f"{argument.description}{'' if argument.required else ' Optional.'}{choices}"


def skill_uri(guide: Guide) -> str:
    """Where the SKILL.md of a job is read over MCP."""
    return f"skill://{guide.skill_name}/SKILL.md"


def skill_entry(guide: Guide) -> dict[str, Any]:
    """A skill as the MCP extension for skills lists it: one file, with the digest and the size of its bytes."""
    content = skill_text(guide).encode()
    file = {"uri": skill_uri(guide), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}
    return {"uri": skill_uri(guide), "frontmatter": skill_front_matter(guide), "resources": [file]}
