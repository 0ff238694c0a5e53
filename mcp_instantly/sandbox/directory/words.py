"""The words that the fictional directory is made of: places, names of people, and names of companies."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    city: str
    state: str
    country: str
    names: str
    weight: int

    @property
    def text(self) -> str:
        return ", ".join(dict.fromkeys(part for part in (self.city, self.state, self.country) if part))


PLACES = tuple(
    Place(*place)
    for place in (
        ("New York", "New York", "United States", "english", 9),
        ("San Francisco", "California", "United States", "english", 7),
        ("Los Angeles", "California", "United States", "english", 5),
        ("San Diego", "California", "United States", "english", 2),
        ("Austin", "Texas", "United States", "english", 4),
        ("Dallas", "Texas", "United States", "english", 3),
        ("Houston", "Texas", "United States", "english", 3),
        ("Chicago", "Illinois", "United States", "english", 4),
        ("Boston", "Massachusetts", "United States", "english", 4),
        ("Seattle", "Washington", "United States", "english", 3),
        ("Denver", "Colorado", "United States", "english", 2),
        ("Atlanta", "Georgia", "United States", "english", 3),
        ("Miami", "Florida", "United States", "iberian", 3),
        ("Detroit", "Michigan", "United States", "english", 2),
        ("Philadelphia", "Pennsylvania", "United States", "english", 2),
        ("Phoenix", "Arizona", "United States", "english", 2),
        ("Toronto", "Ontario", "Canada", "english", 4),
        ("Vancouver", "British Columbia", "Canada", "english", 2),
        ("Montreal", "Quebec", "Canada", "french", 2),
        ("London", "England", "United Kingdom", "english", 8),
        ("Manchester", "England", "United Kingdom", "english", 3),
        ("Edinburgh", "Scotland", "United Kingdom", "english", 2),
        ("Dublin", "Leinster", "Ireland", "english", 2),
        ("Berlin", "Berlin", "Germany", "german", 5),
        ("Munich", "Bavaria", "Germany", "german", 4),
        ("Hamburg", "Hamburg", "Germany", "german", 3),
        ("Frankfurt", "Hesse", "Germany", "german", 3),
        ("Cologne", "North Rhine-Westphalia", "Germany", "german", 2),
        ("Vienna", "Vienna", "Austria", "german", 3),
        ("Graz", "Styria", "Austria", "german", 1),
        ("Zurich", "Zurich", "Switzerland", "german", 3),
        ("Geneva", "Geneva", "Switzerland", "french", 1),
        ("Paris", "Ile-de-France", "France", "french", 5),
        ("Lyon", "Auvergne-Rhone-Alpes", "France", "french", 2),
        ("Brussels", "Brussels", "Belgium", "french", 2),
        ("Amsterdam", "North Holland", "Netherlands", "dutch", 4),
        ("Rotterdam", "South Holland", "Netherlands", "dutch", 2),
        ("Stockholm", "Stockholm County", "Sweden", "nordic", 3),
        ("Gothenburg", "Vastra Gotaland", "Sweden", "nordic", 1),
        ("Oslo", "Oslo", "Norway", "nordic", 2),
        ("Copenhagen", "Capital Region", "Denmark", "nordic", 2),
        ("Helsinki", "Uusimaa", "Finland", "nordic", 1),
        ("Madrid", "Community of Madrid", "Spain", "iberian", 3),
        ("Barcelona", "Catalonia", "Spain", "iberian", 3),
        ("Lisbon", "Lisbon", "Portugal", "iberian", 2),
        ("Milan", "Lombardy", "Italy", "italian", 3),
        ("Rome", "Lazio", "Italy", "italian", 2),
        ("Warsaw", "Masovia", "Poland", "slavic", 2),
        ("Krakow", "Lesser Poland", "Poland", "slavic", 1),
        ("Prague", "Prague", "Czechia", "slavic", 2),
        ("Sydney", "New South Wales", "Australia", "english", 3),
        ("Melbourne", "Victoria", "Australia", "english", 2),
        ("Auckland", "Auckland", "New Zealand", "english", 1),
        ("Singapore", "", "Singapore", "indian", 2),
        ("Bengaluru", "Karnataka", "India", "indian", 4),
        ("Mumbai", "Maharashtra", "India", "indian", 3),
        ("Delhi", "Delhi", "India", "indian", 2),
        ("Dubai", "Dubai", "United Arab Emirates", "indian", 2),
        ("Sao Paulo", "Sao Paulo", "Brazil", "iberian", 3),
        ("Mexico City", "Mexico City", "Mexico", "iberian", 2),
        ("Bogota", "Bogota", "Colombia", "iberian", 1),
        ("Cape Town", "Western Cape", "South Africa", "dutch", 1),
    )
)

COUNTRIES = {
    "usa": "united states", "us": "united states", "united states of america": "united states",
    "uk": "united kingdom", "great britain": "united kingdom", "uae": "united arab emirates",
    "the netherlands": "netherlands", "czech republic": "czechia", "deutschland": "germany",
}  # fmt: skip
"""Other names of countries."""

FIRST = {
    "english": (
        "James Mary Robert Linda Michael Susan David Karen William Nancy Thomas Betty Daniel Helen Mark Sandra "
        "Steven Donna Paul Carol Andrew Ruth Joshua Sharon Kevin Laura Brian Sarah George Kim Edward Deborah Ronald "
        "Jessica Timothy Cynthia Jason Angela Jeffrey Melissa Ryan Brenda Jacob Amy Gary Anna Eric Rebecca Adam "
        "Virginia Henry Kathleen Nathan Pamela Peter Martha Zachary Amanda Kyle Stephanie Walter Carolyn Ethan "
        "Christine Jeremy Marie Harold Janet Keith Catherine Roger Frances Noah Ann Gerald Joyce Carl Diane"
    ),
    "german": (
        "Lukas Lena Felix Julia Jan Katharina Moritz Franziska Tobias Sabine Stefan Claudia Markus Petra Florian Anke "
        "Matthias Heike Jens Nadine Uwe Birgit Dirk Silke Sven Anja Ralf Jana Kai Theresa Bernd Maren"
    ),
    "french": (
        "Louis Camille Hugo Manon Jules Chloe Antoine Lea Nicolas Pauline Mathieu Juliette Olivier Elodie Thierry "
        "Sandrine Laurent Nathalie Pascal Valerie Guillaume Aurelie Benoit Sylvie Damien Margaux Fabien Helene"
    ),
    "dutch": (
        "Daan Emma Sem Sanne Bram Fleur Thijs Lotte Ruben Femke Jasper Anouk Pieter Marieke Joost Ilse Sander Esther "
        "Wouter Linde Koen Maaike Maarten Nienke"
    ),
    "nordic": (
        "Erik Astrid Lars Freja Magnus Sigrid Nils Linnea Oskar Maja Gustav Elin Henrik Karin Mikael Johanna Axel "
        "Kristin Anders Hedda Jonas Solveig Kasper Tuva Mikko Aino"
    ),
    "iberian": (
        "Carlos Lucia Javier Carmen Diego Sofia Alejandro Elena Miguel Paula Rafael Marta Fernando Ines Pablo Beatriz "
        "Andres Clara Joao Mariana Ricardo Valeria Hector Renata Tiago Leticia Sergio Pilar"
    ),
    "italian": (
        "Marco Giulia Luca Francesca Matteo Chiara Andrea Alessia Lorenzo Elisa Davide Silvia Simone Valentina "
        "Stefano Federica Paolo Martina Riccardo Ilaria Fabio Serena"
    ),
    "slavic": (
        "Piotr Zofia Tomasz Ewa Jakub Hanna Marek Agata Pavel Tereza Jan Katerina Michal Lenka Adam Barbora Wojciech "
        "Monika Krzysztof Alicja Ondrej Petra"
    ),
    "indian": (
        "Arjun Priya Rohan Ananya Vikram Neha Rahul Kavya Sanjay Meera Amit Divya Karan Isha Nikhil Pooja Suresh "
        "Lakshmi Aditya Shreya Manish Nisha Varun Rekha"
    ),
}
LAST = {
    "english": (
        "Smith Johnson Brown Miller Davis Wilson Anderson Taylor Thomas Moore Martin Jackson Thompson White Harris "
        "Clark Lewis Robinson Walker Young Allen King Wright Scott Green Baker Adams Nelson Hill Campbell Mitchell "
        "Roberts Carter Phillips Evans Turner Parker Collins Edwards Stewart Morris Murphy Cook Rogers Morgan Cooper "
        "Peterson Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Bennett Gray James Hughes Price Myers "
        "Long Foster Sanders Ross Powell Sullivan Russell Jenkins Perry Barnes Fisher Henderson Coleman Simmons "
        "Patterson Jordan Reynolds Hamilton Graham Wallace West Cole Hayes Gibson Ellis Marshall Owens"
    ),
    "german": (
        "Mueller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Richter Klein Wolf Neumann "
        "Schwarz Zimmermann Braun Krueger Hartmann Lange Werner Krause Lehmann Koehler Maier Huber Winkler Vogt Seidel"
    ),
    "french": (
        "Bernard Dubois Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Roux Fournier Girard "
        "Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Faure Mercier Blanc Guerin Boyer Garnier"
    ),
    "dutch": (
        "Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Dijkstra Kok Jacobs Vermeer "
        "Schouten Willems Hoekstra Koster Prins Huisman Postma Kuiper"
    ),
    "nordic": (
        "Andersson Johansson Karlsson Nilsson Larsen Hansen Olsen Pedersen Berg Lindberg Holm Dahl Lund Sandberg "
        "Nygaard Eklund Bakke Strand Virtanen Korhonen Nyman Hagen Moen Friis Lindgren Soderberg"
    ),
    "iberian": (
        "Garcia Rodriguez Martinez Fernandez Lopez Gonzalez Perez Sanchez Ramirez Torres Flores Rivera Gomez Diaz "
        "Silva Santos Oliveira Costa Pereira Almeida Ribeiro Vargas Castillo Navarro Ortega Romero Molina Delgado"
    ),
    "italian": (
        "Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa Giordano "
        "Mancini Rizzo Lombardi Moretti Barbieri Fontana Caruso Ferrara Santoro"
    ),
    "slavic": (
        "Nowak Kowalski Wisniewski Kaminski Lewandowski Zielinski Wozniak Dvorak Svoboda Prochazka Kucera Vesely Horak "
        "Marek Benes Fiala Mazur Krawczyk Pawlak Dudek Sedlak Urban"
    ),
    "indian": (
        "Sharma Patel Singh Kumar Gupta Reddy Iyer Nair Mehta Joshi Rao Desai Kapoor Malhotra Verma Chopra Bose Menon "
        "Agarwal Bhat Kulkarni Pillai Shetty Saxena"
    ),
}

BEGINNINGS = (
    "Alder Amber Apex Arbor Argo Ash Aster Atlas Aurora Azure Beacon Birch Blue Bold Bright Cedar Cinder Clear Cobalt "
    "Copper Coral Crest Crystal Dawn Delta Drift Echo Elm Ember Ever Fair Falcon Fern Field Flint Frost Garnet Glen "
    "Gold Granite Gray Harbor Haven Hazel Hill Horizon Indigo Iron Ivory Jade Juniper Kestrel Lake Lark Laurel Linden "
    "Lumen Lunar Maple Marble Meadow Mist Moss North Oak Onyx Opal Orchid Pearl Pine Prism Quartz Quill Raven Red "
    "River Robin Ruby Sable Sage Silver Sky Solar Spruce Stone Summit Swift Tidal Timber Topaz Vale Velvet Verde Vista "
    "Willow Wind Winter Wren"
)
ENDINGS = (
    "arc anchor base bay beam bench bond bridge brook byte cast chart core craft cove deck dock drive edge fall fields "
    "flow fold forge form frame gate gear grid grove guard hive hold house key lane leaf ledger lift light line link "
    "loom mark mesh mill mind nest node note path peak pilot point port press quay reach ridge ring root row scale "
    "shift shore signal span spark spring stack stream tide track vale vault view wave way well wharf works yard"
)
SUFFIXES = (
    "", "", "", "", "Group", "Labs", "Partners", "Systems", "Solutions", "Collective", "International", "Works",
)  # fmt: skip
