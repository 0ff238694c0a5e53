"""Which column of a table is which field of a lead: guessed by its name, and corrected by whoever knows."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Given

from mcp_instantly.errors import CallError
from mcp_instantly.text import as_cell, join_words, name_some, shorten

NAMES = {
    "email": (
        "email emailaddress workemail businessemail professionalemail primaryemail emailwork email1value email1 "
        "emailaddress1 contactemail personemail leademail foundemail validemail mail mailaddress personalemail "
        # German, French, Spanish, Italian, Portuguese, Dutch, Polish
        "emailadresse mailadresse adresseemail adressemail courriel correoelectronico correo indirizzoemail "
        "postaelettronica enderecodeemail emailadres adresemail"
    ),
    "first_name": (
        "firstname givenname forename first fname contactfirstname personfirstname leadfirstname "
        "vorname prenom nombre nome primeironome nomeproprio voornaam imie"
    ),
    "last_name": (
        "lastname surname familyname last lname contactlastname personlastname leadlastname "
        "nachname familienname nomdefamille nom apellido apellidos cognome sobrenome apelido achternaam nazwisko"
    ),
    "company_name": (
        "companyname company companynameforemails organization organisation organizationname organisationname "
        "organization1name associatedcompany accountname account employer currentcompany currentcompanyname business "
        "firma firmenname unternehmen societe entreprise empresa azienda ditta bedrijf bedrijfsnaam nazwafirmy"
    ),
    "job_title": (
        "jobtitle title position currentjobtitle currentposition currentjob currenttitle role organizationtitle "
        "organization1title persontitle "
        "berufsbezeichnung jobtitel funktion poste fonction intituledeposte cargo puesto ruolo qualifica functie "
        "functietitel stanowisko"
    ),
    "phone": (
        "phone phonenumber workdirectphone directphone directdial workphone businessphone mobilephone mobile "
        "mobilephonenumber cellphone cell telephone telephonenumber phone1value primaryphone corporatephone "
        "companyphone homephone otherphone "
        "telefon telefonnummer mobiltelefon handy handynummer numerodetelephone telephoneportable telefono "
        "numerodetelefono cellulare telefone telemovel telefoon telefoonnummer mobielnummer numertelefonu"
    ),
    "website": (
        "website websiteurl companywebsite companyurl companywebsiteurl companywebsitefull homepage website1value "
        "webpage businesshomepage url companydomain companydomainname domain "
        "webseite internetseite siteweb siteinternet sitioweb paginaweb sitoweb sito site siteempresa stronainternetowa"
    ),
    "personalization": (
        "personalization personalisation icebreaker personalizedline personalizedfirstline firstline openingline "
        "personalisierung icebrecher accroche personalizacion personalizzazione"
    ),
    "pl_value_lead": "plvaluelead",
}
"""The fields of a lead, and the names of columns that mean them: without spaces, signs and accents, the surest first.

They are those of exports by Apollo, Clay, HubSpot, Sales Navigator, Google Contacts and Outlook, and of people.
"""

NOT_HERE = ("lt_interest_status", "assigned_to", "custom_variables")
"""Fields of a lead that a table does not set."""

TAKEN = frozenset(
    ("firstName", "lastName", "companyName", "companyDomain", "jobTitle", "pl_value_lead", *NAMES, *NOT_HERE)
)
"""Names under which the fields themselves come back among a lead's variables."""

WHOLE_NAMES = ("name", "fullname", "contactname", "displayname", "nomcomplet", "nombrecompleto", "nomecompleto")
"""Columns that hold what nobody can split for certain."""

BRACES = frozenset("{}")

SHOWN_COLUMNS = 40

_RANKS = {name: (field, rank) for field, names in NAMES.items() for rank, name in enumerate(names.split())}
_REPEATED = re.compile(r" \(\d+\)$")


@dataclasses.dataclass(frozen=True)
class Mapping:
    """What becomes of each column: a field, a variable, or "" for nothing. `given` are those that were not guessed."""

    columns: dict[str, str]
    given: frozenset[str] = frozenset()

    def lead(self, values: Given[str, object]) -> dict[str, object]:
        """A lead as bulk_add_leads takes it. Blank values are left out; a column that nobody knew is a variable.

        Fields are text; variables stay numbers and booleans where they are.
        """
        lead: dict[str, object] = {}
        variables: dict[str, object] = {}
        for column, value in values.items():
            target = self.columns.get(column, column)
            value = value.strip() if isinstance(value, str) else value
            if value in (None, "") or not target:
                continue
            if target in NAMES:
                lead[target] = as_cell(value)
            else:
                variables[target] = value
        return {**lead, "custom_variables": variables} if variables else lead

    @property
    def fields(self) -> dict[str, str]:
        """The column of each field that has one."""
        return {target: column for column, target in self.columns.items() if target in NAMES}

    @property
    def variables(self) -> list[str]:
        """The names of the custom variables."""
        return [target for target in self.columns.values() if target and target not in NAMES]

    @property
    def notes(self) -> list[str]:
        """What is to be said of names that are in one column."""
        whole = [name for name in self.columns if _bare(name) in WHOLE_NAMES and self.columns[name] not in NAMES]
        if not whole or "first_name" in self.fields:
            return []
        return [f"{name_some(whole)} was not split: {{{{firstName}}}} is empty for these leads."]

    def table(self) -> str:
        """Lines for a person: each column, what becomes of it, and whether that was guessed. Fields come first."""
        order = sorted(self.columns, key=lambda column: (self.columns[column] not in NAMES, not self.columns[column]))
        shown = order[:SHOWN_COLUMNS]
        cells = [(shorten(column, 40), self._said(column), self._how(column)) for column in shown]
        cells = [("column", "becomes", ""), *cells]
        widths = [max(len(row[place]) for row in cells) for place in (0, 1)]
        lines = [f"{one:<{widths[0]}}  {two:<{widths[1]}}  {three}".rstrip() for one, two, three in cells]
        more = len(order) - len(shown)
        return "\n".join([*lines, f"and {more} columns more, each a variable or left out"] if more else lines)

    def _said(self, column: str) -> str:
        target = self.columns[column]
        if target in NAMES:
            return target
        return f"variable {{{{{shorten(target, 40)}}}}}" if target else "nothing"

    def _how(self, column: str) -> str:
        return "given" if column in self.given else "guessed" if self.columns[column] in NAMES else ""


def map_columns(
    columns: Sequence[str],
    given: Given[str, str] | None = None,
    *,
    needs_email: bool = True,
    quote: Callable[[str], str] = str,
) -> Mapping:
    """What becomes of the columns of a table. `given` says it of some: a field, the name of a variable, "" for nothing.
    `quote` is how an error names columns of a file, whoever wrote it.

    Raises CallError where two would be the same field, where `given` names what there is not, and, with `needs_email`,
    where no column holds addresses.
    """
    said = {column.strip(): target.strip() for column, target in (given or {}).items()}
    named = {column: column.strip() for column in columns}
    problems = [f"There is no column {shorten(column, 60)!r}." for column in said if column not in named.values()]
    problems += [
        f"{target} is not set by a table: leave it out."
        for target in dict.fromkeys(said.values())
        if target in NOT_HERE
    ]
    found = {column: said.get(name, name) for column, name in named.items()}
    for field in NAMES:
        if field not in said.values():
            guessed, rivals = _guess(field, [column for column, name in named.items() if name not in said])
            if rivals:
                problems.append(_two(rivals, field, quote))
            elif guessed:
                found[guessed] = field
    problems += _clashes(found, said, quote)
    if needs_email and not problems and "email" not in found.values():
        problems.append('No column holds addresses: say which does, as {"COLUMN": "email"}.')
    if problems:
        raise CallError(f"{' '.join(problems)} The columns are {quote(name_some(list(columns), characters=40))}.")
    return Mapping(found, frozenset(column for column, name in named.items() if name in said))


def _guess(field: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """The column that means a field most surely, or several that mean it as surely as each other."""
    ranked: dict[int, list[str]] = {}
    for column in columns:
        meant, rank = _RANKS.get(_bare(column), ("", 0))
        if meant == field:
            ranked.setdefault(rank, []).append(column)
    if not ranked:
        return "", []
    best = ranked[min(ranked)]
    return (best[0], []) if len(best) == 1 else ("", best)


def _clashes(found: dict[str, str], said: Given[str, str], quote: Callable[[str], str]) -> list[str]:
    """Sentences on what several columns would be, and on variables that would be taken for a field or have braces."""
    by_target: dict[str, list[str]] = {}
    for column, target in found.items():
        by_target.setdefault(target, []).append(column)
    problems = [_two(columns, target, quote) for target, columns in by_target.items() if target and len(columns) > 1]
    for column, target in found.items():
        if target in TAKEN and target not in NAMES and column.strip() not in said:
            problems.append(
                f'The column {column} would be taken for a field of the lead: say "" or another name for it.'
            )
        elif not BRACES.isdisjoint(target):
            problems.append(
                f'{quote(shorten(target, 40))} has braces, so that no copy can name it: say "" or another name.'
            )
    return problems


def _two(columns: Sequence[str], target: str, quote: Callable[[str], str]) -> str:
    names = quote(join_words([shorten(name, 40) for name in columns], "and"))
    both = "both" if len(columns) == 2 else "all"
    # Where nobody gave it, it is the name of one of them.
    meant = shorten(target, 40) if target in NAMES else quote(shorten(target, 40))
    return f'{names} would {both} be {meant}: say which one is, and "" or another name for the others.'


def _bare(column: str) -> str:
    """A name without case, accents, spaces and signs; the second of two columns with one name has the same."""
    plain = unicodedata.normalize("NFKD", _REPEATED.sub("", column)).casefold()
    return "".join(letter for letter in plain if letter.isalnum())
