"""Columns of the exports that people have become the fields of leads, and what is not certain is asked, not guessed."""

from __future__ import annotations

import pytest

from mcp_instantly.errors import CallError
from mcp_instantly.workflows.parts.mapping import NAMES, map_columns

APOLLO = (
    "First Name,Last Name,Title,Company Name,Company Name for Emails,Email,Email Status,Primary Email Source,"
    "Email Confidence,Seniority,Departments,Contact Owner,Work Direct Phone,Home Phone,Mobile Phone,Corporate Phone,"
    "Other Phone,Stage,Lists,# Employees,Industry,Keywords,Person Linkedin Url,Website,Company Linkedin Url,"
    "Facebook Url,Twitter Url,City,State,Country,Company Address,Company Phone,Technologies,Annual Revenue,"
    "Secondary Email,Tertiary Email"
)
CLAY = (
    "Find people,First Name,Last Name,Full Name,Job Title,Location,Company Domain,LinkedIn Profile,Work Email,Company,"
    "Icebreaker"
)
HUBSPOT = (
    "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status,Job Title,Associated Company,"
    "Mobile Phone Number,Website URL,Create Date,Marketing contact status"
)
SALES_NAVIGATOR = (
    "profileUrl,fullName,firstName,lastName,companyName,title,companyId,companyUrl,regularCompanyUrl,summary,"
    "titleDescription,industry,location,email,connectionDegree"
)
GOOGLE = (
    "First Name,Middle Name,Last Name,Phonetic First Name,Nickname,Organization Name,Organization Title,Birthday,Notes,"
    "Labels,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Label,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value,"
    "Website 1 - Label,Website 1 - Value"
)
OUTLOOK = (
    "Title,First Name,Middle Name,Last Name,Suffix,Company,Department,Job Title,Business Street,Business Phone,"
    "Home Phone,Mobile Phone,E-mail Address,E-mail Type,E-mail 2 Address,Web Page"
)


def fields(header: str) -> dict[str, str]:
    return map_columns(header.split(",")).fields


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (
            APOLLO,
            "email=Email first_name=First_Name last_name=Last_Name company_name=Company_Name job_title=Title "
            "phone=Work_Direct_Phone website=Website",
        ),
        (
            CLAY,
            "email=Work_Email first_name=First_Name last_name=Last_Name company_name=Company job_title=Job_Title "
            "website=Company_Domain personalization=Icebreaker",
        ),
        (
            HUBSPOT,
            "email=Email first_name=First_Name last_name=Last_Name company_name=Associated_Company job_title=Job_Title "
            "phone=Phone_Number website=Website_URL",
        ),
        (
            SALES_NAVIGATOR,
            "email=email first_name=firstName last_name=lastName company_name=companyName job_title=title "
            "website=companyUrl",
        ),
        (
            GOOGLE,
            "email=E-mail_1_-_Value first_name=First_Name last_name=Last_Name company_name=Organization_Name "
            "job_title=Organization_Title phone=Phone_1_-_Value website=Website_1_-_Value",
        ),
        (
            OUTLOOK,
            "email=E-mail_Address first_name=First_Name last_name=Last_Name company_name=Company job_title=Job_Title "
            "phone=Business_Phone website=Web_Page",
        ),
        (
            "E-Mail-Adresse,Vorname,Nachname,Firma,Position,Telefon,Webseite",
            "email=E-Mail-Adresse first_name=Vorname last_name=Nachname company_name=Firma job_title=Position "
            "phone=Telefon website=Webseite",
        ),
        (
            "Adresse e-mail,Prénom,Nom,Société,Fonction,Téléphone,Site web",
            "email=Adresse_e-mail first_name=Prénom last_name=Nom company_name=Société job_title=Fonction "
            "phone=Téléphone website=Site_web",
        ),
        (
            "Correo electrónico,Nombre,Apellidos,Empresa,Cargo,Teléfono",
            "email=Correo_electrónico first_name=Nombre last_name=Apellidos company_name=Empresa job_title=Cargo "
            "phone=Teléfono",
        ),
    ],
    ids=["apollo", "clay", "hubspot", "sales navigator", "google", "outlook", "german", "french", "spanish"],
)
def test_columns_of_an_export_are_understood(header: str, meant: str) -> None:
    wanted = dict(pair.split("=") for pair in meant.split())
    assert fields(header) == {field: column.replace("_", " ") for field, column in wanted.items()}


def test_no_name_means_two_fields() -> None:
    every = [name for names in NAMES.values() for name in names.split()]
    assert len(every) == len(set(every))


def test_a_lead_has_its_fields_and_everything_else_as_variables() -> None:
    mapping = map_columns(["Email", "First Name", "Fleet size", "Empty"])
    assert mapping.lead({"Email": " a@x.example ", "First Name": "Ann", "Fleet size": "120", "Empty": "  "}) == {
        "email": "a@x.example",
        "first_name": "Ann",
        "custom_variables": {"Fleet size": "120"},
    }
    assert mapping.lead({"Email": "a@x.example"}) == {"email": "a@x.example"}
    assert mapping.lead({"Email": "a@x.example", "Late": "1"})["custom_variables"] == {"Late": "1"}


def test_whoever_knows_better_is_followed() -> None:
    mapping = map_columns(
        ["Email", "Personal Email", "Boss", "Notes", "Secret"],
        {"Personal Email": "email", "Email": "work_address", "Boss": "first_name", "Secret": ""},
    )
    values = {"Email": "w@x.example", "Personal Email": "p@x.example", "Boss": "Ann", "Notes": "n", "Secret": "s"}
    assert mapping.lead(values) == {
        "email": "p@x.example",
        "first_name": "Ann",
        "custom_variables": {"work_address": "w@x.example", "Notes": "n"},
    }


@pytest.mark.parametrize(
    ("columns", "given", "said"),
    [
        (["Email", "E-mail"], {}, "Email and E-mail would both be email: say which one is"),
        (["Email", "Email (2)"], {}, r"Email and Email \(2\) would both be email"),
        (["a", "b", "Email"], {"a": "first_name", "b": "first_name"}, "a and b would both be first_name"),
        (["a", "b", "Email"], {"a": "b"}, "a and b would both be b"),
        (["Name", "City"], {}, r"No column holds addresses: say which does.*The columns are Name, City\."),
        (["Email"], {"Mail": "email"}, "There is no column 'Mail'"),
        (["Email", "Owner"], {"Owner": "assigned_to"}, "assigned_to is not set by a table"),
        (["Email", "First Name", "firstName"], {"First Name": "first_name"}, "firstName would be taken for a field"),
        (["Email", "{{opener}}"], {}, "{{opener}} has braces, so that no copy can name it"),
    ],
)
def test_what_is_not_certain_is_refused_in_a_sentence(columns: list[str], given: dict[str, str], said: str) -> None:
    with pytest.raises(CallError, match=said):
        map_columns(columns, given)


def test_a_choice_settles_which_of_two_columns_is_meant() -> None:
    assert map_columns(["Email", "E-mail"], {"E-mail": "email"}).columns == {"Email": "Email", "E-mail": "email"}


def test_a_list_needs_no_address() -> None:
    assert map_columns(["First Name", "Firma"], needs_email=False).fields.keys() == {"first_name", "company_name"}


def test_a_whole_name_is_not_split_and_that_is_said() -> None:
    mapping = map_columns(["Email", "Full Name"])
    assert mapping.lead({"Email": "a@x.example", "Full Name": "Ann Lee"})["custom_variables"] == {
        "Full Name": "Ann Lee"
    }
    assert mapping.notes == ["Full Name was not split: {{firstName}} is empty for these leads."]
    assert map_columns(["Email", "Full Name", "First Name"]).notes == []


def test_it_is_shown_as_a_small_table() -> None:
    mapping = map_columns(["City", "Secret", "Mail", "Boss"], {"Boss": "first_name", "Secret": ""})
    assert mapping.table().splitlines() == [
        "column  becomes",
        "Mail    email              guessed",
        "Boss    first_name         given",
        "City    variable {{City}}",
        "Secret  nothing            given",
    ]
    many = map_columns(["Email", *map(str, range(299))]).table().splitlines()
    assert len(many) == 42 and many[-1] == "and 260 columns more, each a variable or left out"
