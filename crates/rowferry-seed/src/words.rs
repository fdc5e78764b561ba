//! What generated names and texts are made of: plain ASCII, without quotes and signs of SQL or JSON.

pub(crate) const FIRST_NAMES: [&str; 64] = [
    "Ada", "Agnes", "Alma", "Amir", "Anton", "Astrid", "Beatriz", "Bruno", "Carmen", "Cedric",
    "Chiara", "Clara", "Dario", "Dina", "Edgar", "Elena", "Emil", "Esther", "Fabian", "Farah",
    "Felix", "Frida", "Gaston", "Greta", "Hana", "Hugo", "Ines", "Ismail", "Ivana", "Jakob",
    "Joana", "Jonas", "Kamal", "Karin", "Kenji", "Laila", "Leon", "Livia", "Lukas", "Magda",
    "Malik", "Marta", "Milan", "Nadia", "Nils", "Noemi", "Olaf", "Olga", "Oscar", "Paula", "Pavel",
    "Petra", "Rafael", "Rosa", "Samir", "Selma", "Simon", "Tamara", "Theo", "Tilda", "Ulrik",
    "Vera", "Yara", "Zeno",
];

pub(crate) const LAST_NAMES: [&str; 64] = [
    "Abel", "Adler", "Almeida", "Andrade", "Aziz", "Bakker", "Barros", "Bauer", "Berg", "Blanc",
    "Brandt", "Castro", "Cerny", "Conti", "Costa", "Dahl", "Duarte", "Dubois", "Engel", "Falk",
    "Ferrer", "Fischer", "Fontana", "Garcia", "Graf", "Haas", "Hansen", "Horvat", "Ibrahim",
    "Jansen", "Kaplan", "Keller", "Klein", "Kovacs", "Kraus", "Lange", "Leclerc", "Lind", "Lopez",
    "Mancini", "Marin", "Mendes", "Meyer", "Moreau", "Nilsen", "Novak", "Okada", "Olsen",
    "Pereira", "Petrov", "Ricci", "Rossi", "Sato", "Schmid", "Silva", "Sousa", "Suzuki", "Tanaka",
    "Torres", "Vidal", "Vogel", "Weber", "Winter", "Zeman",
];

pub(crate) const CITIES: [&str; 32] = [
    "Aarhus", "Adelaide", "Antwerp", "Basel", "Bergen", "Bilbao", "Bologna", "Brno", "Bruges",
    "Cork", "Cusco", "Dakar", "Dresden", "Ghent", "Graz", "Haifa", "Izmir", "Kyoto", "Leipzig",
    "Lima", "Lyon", "Malaga", "Mombasa", "Nantes", "Odense", "Osaka", "Porto", "Quito", "Riga",
    "Sapporo", "Split", "Turin",
];

pub(crate) const COUNTRIES: [&str; 24] = [
    "Argentina",
    "Austria",
    "Belgium",
    "Brazil",
    "Canada",
    "Chile",
    "Croatia",
    "Denmark",
    "Egypt",
    "Finland",
    "France",
    "Ghana",
    "Greece",
    "India",
    "Italy",
    "Japan",
    "Kenya",
    "Latvia",
    "Mexico",
    "Norway",
    "Peru",
    "Poland",
    "Portugal",
    "Spain",
];

pub(crate) const STREETS: [&str; 16] = [
    "Mill Lane",
    "Harbour Road",
    "Station Street",
    "Market Square",
    "Oak Avenue",
    "Church Hill",
    "Bridge Street",
    "Garden Row",
    "Castle Way",
    "Orchard Close",
    "River Walk",
    "North Gate",
    "School Lane",
    "Forest Drive",
    "Quay Side",
    "Chapel Street",
];

pub(crate) const COMPANY_FORMS: [&str; 8] =
    ["Ltd", "and Sons", "Group", "Trading", "Partners", "Works", "Foods", "Systems"];

pub(crate) const WORDS: [&str; 64] = [
    "anchor", "apple", "autumn", "basket", "bottle", "branch", "bridge", "butter", "candle",
    "carpet", "cellar", "cherry", "cloud", "copper", "corner", "cotton", "desert", "engine",
    "feather", "ferry", "field", "finger", "flower", "forest", "garden", "ginger", "hammer",
    "harbour", "honey", "island", "kettle", "ladder", "lantern", "lemon", "letter", "marble",
    "meadow", "mirror", "morning", "mountain", "needle", "number", "orange", "paper", "pepper",
    "pillow", "pocket", "rabbit", "ribbon", "river", "salt", "shadow", "silver", "summer", "table",
    "thunder", "timber", "tunnel", "valley", "velvet", "village", "walnut", "window", "winter",
];
