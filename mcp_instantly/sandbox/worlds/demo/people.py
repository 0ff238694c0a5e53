"""The people of the demo workspace: two hundred leads, the same in every world."""

from __future__ import annotations

from typing import Any

FIRST = (
    "Maja", "Oliver", "Chiara", "Jonas", "Elif", "Piotr", "Amara", "Henrik", "Lucia", "Nikhil", "Freya", "Mateo",
    "Saskia", "Tariq", "Greta", "Diego", "Noor", "Viktor", "Celine", "Rafael", "Ingrid", "Yusuf", "Paula", "Emil",
    "Zofia", "Marc", "Leila", "Anders", "Beatriz", "Kofi", "Hanna", "Ruben", "Mina", "Stefan", "Alba", "Jakob",
    "Priya", "Simon", "Vera", "Andrei", "Klara",
)  # fmt: skip
LAST = (
    "Aalto", "Baker", "Conti", "Duarte", "Eriksen", "Fischer", "Gupta", "Haas", "Ivanova", "Janssen", "Keller",
    "Lopes", "Marsden", "Nowak", "Olsen", "Petrov", "Quist", "Rossi", "Sandoval", "Thorne", "Usman", "Vogel",
    "Wagner", "Xenakis", "Yilmaz", "Zeman", "Bergstrom", "Carvalho", "Dufour", "Engel", "Farrell", "Gallo", "Hofer",
    "Iversen", "Jovanovic", "Kaya", "Lambert",
)  # fmt: skip
FINTECH = (
    "Paylark", "Clearvault", "Nordledger", "Mintbridge", "Tallycore", "Fundwell", "Coinharbor", "Swiftremit",
    "Kontoflow", "Lendora", "Veribank", "Credimar", "Payrova", "Brightvault", "Quantpay", "Sumwise", "Capstone Pay",
    "Openteller", "Ratewise", "Vaultline", "Tillio", "Banquo", "Equilend", "Moneta Lab", "Zahlwerk", "Finmill",
    "Treasura", "Paragon Pay", "Ledgerlane",
)  # fmt: skip
OTHERS = (
    "Haulmark", "Portside", "Cargonet", "Lumen Retail", "Verdant Foods", "Stoneway", "Helix Health", "Atlas Freight",
    "Orchid Hotels", "Nimbus Labs", "Fjordline", "Medaro", "Casa Verde", "Tramway", "Alpen Sport", "Baltica",
    "Solaris Grid",
)  # fmt: skip
TITLES = ("CFO", "Finance Director", "VP Finance", "Head of Finance", "Group Controller", "Chief Financial Officer")
OTHER_TITLES = ("COO", "Head of Operations", "CFO", "Managing Director", "Controller", "Office Manager")
COUNTRIES = ("Norway", "Germany", "France", "Spain", "Netherlands", "Sweden", "Ireland", "Poland", "Denmark", "Italy")

NAMED: dict[int, dict[str, Any]] = {
    1: {"name": "Maya Lindqvist", "email": "maya.lindqvist@fjordpay.example", "company": "Fjordpay", "title": "CFO"},
    2: {
        "name": "Tom Okafor",
        "email": "tom.okafor@ledgerly.example",
        "company": "Ledgerly",
        "title": "Finance Director",
    },
    3: {"name": "Ines Moreau", "email": "ines.moreau@caissa.example", "company": "Caissa", "title": "CFO"},
    4: {"name": "Sofia Brandt", "email": "sofia.brandt@kontor.example", "company": "Kontor", "title": "VP Finance"},
    5: {"name": "Karl Jensen", "email": "karl.jensen@nordbank.example", "company": "Nordbank", "title": "CFO"},
    6: {"name": "K. Jensen", "email": "k.jensen@nordbank.example", "company": "Nordbank", "title": None},
    141: {"name": "Anna Weber", "email": "anna.weber@tresorio.example", "company": "Tresorio", "title": "CFO"},
    181: {"name": "Luis Ortega", "email": "luis.ortega@portico.example", "company": "Portico", "title": "COO"},
}


CFO_LIST, BADGE_LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501", "1157c0de-2b3c-4d5e-9f60-718293a4b502"


def lead_id(n: int) -> str:
    return f"01991f00-{n:04x}-7000-8000-{n:012x}"


def person(n: int) -> dict[str, Any]:
    """The fields of lead number `n`, from 1 to 200, as an import would give them."""
    fintech = n <= 120 or 141 <= n <= 180
    firms, titles = (FINTECH, TITLES) if fintech else (OTHERS, OTHER_TITLES)
    known = NAMED.get(n, {})
    # 41 first names and 37 last names: no pair comes twice among the first 1517.
    first, last = FIRST[n % len(FIRST)], LAST[n % len(LAST)]
    company = known.get("company", firms[n % len(firms)])
    if known:
        first, last = known["name"].split(" ")
    domain = company.lower().replace(" ", "") + ".example"
    fields = {
        "first_name": first,
        "last_name": last,
        "email": known.get("email", f"{first}.{last}@{domain}".lower()),
        "company_name": company,
        "website": f"https://{domain}",
        "job_title": known["title"] if known else titles[n % len(titles)],
        "phone": f"+4670{n * 7919 % 10_000_000:07d}" if n % 4 == 0 else None,
        "custom_variables": {"country": COUNTRIES[n % len(COUNTRIES)], "employees": 40 + n * 37 % 460}
        if fintech
        else {},
    }
    return {name: value for name, value in fields.items() if value is not None}
