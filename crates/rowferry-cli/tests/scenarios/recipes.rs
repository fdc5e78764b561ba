//! Random values as SQL literals, the same from the same seed: mostly plain, often at an edge.

use std::fmt::Write as _;

use rowferry_testkit::Engine;

use crate::random::Random;

/// Who makes the literal, for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) from: Engine,
    pub(crate) to: Engine,
    /// Anything the source can hold, whether the target can hold it or not.
    pub(crate) wild: bool,
}

impl Way {
    fn my(self) -> bool {
        matches!(self.from, Engine::Mariadb | Engine::Mysql)
    }

    /// Whether the target, or nobody, may refuse what only some engines have.
    fn allows(self, engines: &[Engine]) -> bool {
        self.wild || engines.contains(&self.to)
    }
}

/// A literal by the recipe of a fixture's `random:` line.
pub(crate) fn literal(recipe: &str, way: Way, random: &mut Random) -> String {
    let (word, rest) = recipe.split_once(' ').unwrap_or((recipe, ""));
    let number = |place: usize| -> i128 {
        rest.split(' ')
            .nth(place)
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("the recipe {recipe:?} lacks a number"))
    };
    let size = |place: usize| u64::try_from(number(place)).unwrap();
    match word {
        "int" => integer(number(0), number(1), random),
        "bit" => random.below(2).to_string(),
        "flag" => random.one(&["true", "false"]).to_owned(),
        "float32" => float32(way, random),
        "float64" => float64(way, random),
        "decimal" => {
            let special = way.from == Engine::Postgres
                && way.allows(&[Engine::Postgres, Engine::Sqlite])
                && random.once_in(200);
            if special { "'NaN'".to_owned() } else { decimal(size(0), size(1), random) }
        }
        // More digits than a double tells apart would be another number in the source already.
        "sqlitedecimal" if way.wild => decimal(15, 4, random),
        "sqlitedecimal" => decimal(size(0), size(1), random),
        "numeric" => numeric(random),
        "text" => text_literal(way, &text(size(0), way, random)),
        "char" => text_literal(way, text(size(0), way, random).trim_end_matches(' ')),
        "bytes" => bytes(random.below(size(0) + 1), way, random),
        "fixedbytes" => bytes(size(0), way, random),
        "date" => format!("'{}'", date(way, random)),
        "time" => format!("'{}'", time(size(0), random)),
        "duration" => format!("'{}'", duration(size(0), random)),
        "stamp" => format!("'{}'", stamp(size(0), way, random)),
        "instant" => instant(size(0), way, random),
        "mysqlinstant" => mysql_instant(size(0), random),
        "year" => match random.below(8) {
            0 => "'0000'".to_owned(),
            1 => "'1901'".to_owned(),
            2 => "'2155'".to_owned(),
            _ => format!("'{}'", 1901 + random.below(255)),
        },
        "uuid" => {
            let (left, right) = (random.next(), random.next());
            let hex = format!("{left:016x}{right:016x}");
            let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap());
            format!("'{}'", parts.join("-"))
        }
        "json" => text_literal(way, &json(random, 0)),
        "jsontext" => {
            let text = json(random, 0);
            // Text that is a number would become one in a column named JSON of SQLite.
            let spaced = if way.from == Engine::Sqlite || random.once_in(2) {
                format!("[ 1.10,{text} , 1e2 ]")
            } else {
                text
            };
            text_literal(way, &spaced)
        }
        "bits" => bit_literal(way, &bit_text(size(0), random)),
        "bitstring" => {
            let length = size(0) + random.below(size(1) - size(0) + 1);
            bit_literal(way, &bit_text(length, random))
        }
        "label" => {
            let labels: Vec<&str> = rest.split('|').collect();
            text_literal(way, random.one(&labels))
        }
        "set" => {
            let members: Vec<&str> = rest.split('|').filter(|_| random.once_in(2)).collect();
            text_literal(way, &members.join(","))
        }
        "list" => list(rest, way, random),
        "cell" => cell(way, random),
        _ => panic!("no recipe {recipe:?}"),
    }
}

fn integer(min: i128, max: i128, random: &mut Random) -> String {
    let value = match random.below(8) {
        0 => min,
        1 => max,
        2 => 0_i128.clamp(min, max),
        3 => random.between(-10, 10).clamp(min, max),
        4 => 10_i128.pow(u32::try_from(random.below(20)).unwrap()).clamp(min, max),
        _ => random.between(min, max),
    };
    value.to_string()
}

fn special_float(way: Way, random: &mut Random) -> Option<&'static str> {
    if way.from != Engine::Postgres || !random.once_in(30) {
        return None;
    }
    match random.below(3) {
        0 if way.allows(&[Engine::Postgres]) => Some("'NaN'"),
        1 if way.allows(&[Engine::Postgres, Engine::Sqlite]) => Some("'Infinity'"),
        2 if way.allows(&[Engine::Postgres, Engine::Sqlite]) => Some("'-Infinity'"),
        _ => None,
    }
}

fn float64(way: Way, random: &mut Random) -> String {
    if let Some(special) = special_float(way, random) {
        return special.to_owned();
    }
    if way.from == Engine::Sqlite && way.wild && random.once_in(10) {
        return "9e999".to_owned();
    }
    let value = match random.below(8) {
        0 => 10_f64.powi(i32::try_from(random.between(-300, 300)).unwrap()),
        1 => 0.0,
        2 => -0.0,
        3 => f64::from_bits(random.next() & 0x000f_ffff_ffff_ffff),
        4 => i32::try_from(random.between(-1000, 1000)).unwrap().into(),
        5 => f64::from(i32::try_from(random.between(-100_000, 100_000)).unwrap()) / 100.0,
        _ => f64::from_bits(random.next()),
    };
    let value = if value.is_finite() { value } else { 0.1 };
    quoted_number(way, &format!("{value:e}"))
}

fn float32(way: Way, random: &mut Random) -> String {
    if let Some(special) = special_float(way, random) {
        return special.to_owned();
    }
    let bits = u32::try_from(random.next() >> 32).unwrap();
    let value = match random.below(6) {
        0 => 10_f32.powi(i32::try_from(random.between(-37, 37)).unwrap()),
        1 => 0.0,
        2 => f32::from_bits(bits & 0x007f_ffff),
        3 => f32::from(i16::try_from(random.between(-1000, 1000)).unwrap()) / 8.0,
        _ => f32::from_bits(bits),
    };
    let value = if value.is_finite() { value } else { 0.1 };
    // MySQL rounds the text of a single float once more; the double's text has all its digits.
    let text = if way.my() { format!("{:e}", f64::from(value)) } else { format!("{value:e}") };
    quoted_number(way, &text)
}

/// In PostgreSQL `-0.0` without quotes is a decimal and loses its sign.
fn quoted_number(way: Way, text: &str) -> String {
    if way.from == Engine::Postgres { format!("'{text}'") } else { text.to_owned() }
}

fn decimal(precision: u64, scale: u64, random: &mut Random) -> String {
    let whole = precision - scale;
    let digits = |count: u64, random: &mut Random| -> String {
        (0..count).map(|_| char::from(b'0' + u8::try_from(random.below(10)).unwrap())).collect()
    };
    let nines = |count: u64| "9".repeat(usize::try_from(count).unwrap());
    let (left, right) = match random.below(8) {
        0 => (nines(whole), nines(scale)),
        1 => ("0".to_owned(), String::new()),
        2 => {
            let zeros = usize::try_from(random.below(whole.max(1))).unwrap();
            (format!("1{}", "0".repeat(zeros)), String::new())
        }
        3 if scale > 0 => {
            let zeros = usize::try_from(random.below(scale)).unwrap();
            ("0".to_owned(), format!("{}1", "0".repeat(zeros)))
        }
        _ => {
            let (left, right) = (random.below(whole + 1), random.below(scale + 1));
            (digits(left, random), digits(right, random))
        }
    };
    let left = if left.is_empty() || whole == 0 { "0" } else { &left };
    let sign = if random.once_in(2) { "-" } else { "" };
    if right.is_empty() { format!("{sign}{left}") } else { format!("{sign}{left}.{right}") }
}

/// A number without declared digits.
fn numeric(random: &mut Random) -> String {
    match random.below(20) {
        0 => "'NaN'".to_owned(),
        1 => "'Infinity'".to_owned(),
        2 => "'-Infinity'".to_owned(),
        3 => format!("1e{}", random.between(-200, 200)),
        _ => decimal(40, random.below(40), random),
    }
}

fn text(chars: u64, way: Way, random: &mut Random) -> String {
    const PIECES: [&str; 28] = [
        "a", "b", "Z", "0", "9", " ", "  ", "\t", "\n", "\r", "\\", "'", "\"", "`", "%", "_",
        "\u{1a}", "é", "ß", "İ", "日", "😀", "𐍈", "e\u{301}", "\u{feff}", "\\N", "\u{7f}", ",",
    ];
    let nul = way.from != Engine::Postgres
        && way.allows(&[Engine::Mariadb, Engine::Mysql, Engine::Sqlite])
        && random.once_in(40);
    let mut text = match random.below(12) {
        0 => String::new(),
        1 => "NULL".to_owned(),
        2 => "trailing   ".to_owned(),
        3 => "\\N".to_owned(),
        _ => {
            let count = random.below(chars + 1);
            (0..count).map(|_| random.one(&PIECES)).collect()
        }
    };
    if nul {
        text.insert(0, '\0');
    }
    text.chars().take(usize::try_from(chars).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn text_literal(way: Way, text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if plain {
        return format!("'{text}'");
    }
    let hex = hex(text.as_bytes());
    match way.from {
        Engine::Postgres => {
            let plain = text.replace('\'', "''");
            // Not every type takes a text that is not a literal.
            if text.chars().any(char::is_control) {
                format!("convert_from('\\x{hex}', 'UTF8')")
            } else {
                format!("'{plain}'")
            }
        }
        Engine::Mariadb | Engine::Mysql => format!("_utf8mb4 x'{hex}'"),
        Engine::Sqlite => format!("cast(x'{hex}' as text)"),
    }
}

fn bytes(count: u64, way: Way, random: &mut Random) -> String {
    let bytes: Vec<u8> = (0..count)
        .map(|_| match random.below(6) {
            0 => 0,
            1 => *random
                .one(&[b"\\".as_slice(), b"\n", b"\t", b"'", b"\x1a", b"\xff"])
                .first()
                .unwrap(),
            _ => u8::try_from(random.below(256)).unwrap(),
        })
        .collect();
    let hex = hex(&bytes);
    if way.from == Engine::Postgres { format!("'\\x{hex}'") } else { format!("x'{hex}'") }
}

/// Days of every month exist in every year here: the calendar is not what is tested.
fn day(random: &mut Random) -> String {
    let year = match random.below(6) {
        0 => 1,
        1 => 9999,
        2 => 1 + random.below(9999),
        _ => 1900 + random.below(200),
    };
    format!("{year:04}-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28))
}

fn date(way: Way, random: &mut Random) -> String {
    use Engine::{Mariadb, Mysql, Postgres, Sqlite};
    if random.once_in(40) {
        match way.from {
            Postgres if way.allows(&[Postgres, Sqlite]) => {
                return random
                    .one(&[
                        "infinity",
                        "-infinity",
                        "0044-03-15 BC",
                        "4713-01-01 BC",
                        "10000-01-01",
                        "5874897-12-31",
                    ])
                    .to_owned();
            }
            Mariadb | Mysql if way.allows(&[Mariadb, Mysql, Sqlite]) => {
                return random
                    .one(&["0000-00-00", "2024-02-00", "2024-00-00", "0000-01-01"])
                    .to_owned();
            }
            Sqlite if way.wild => return random.one(&["tomorrow", "2023-02-30"]).to_owned(),
            Postgres | Mariadb | Mysql | Sqlite => {}
        }
    }
    day(random)
}

fn fraction(digits: u64, random: &mut Random) -> String {
    if digits == 0 {
        return String::new();
    }
    let digits = usize::try_from(digits).unwrap();
    let all = match random.below(4) {
        0 => "000000".to_owned(),
        1 => "999999".to_owned(),
        _ => format!("{:06}", random.below(1_000_000)),
    };
    format!(".{}", all.get(..digits).unwrap())
}

fn time(digits: u64, random: &mut Random) -> String {
    match random.below(12) {
        0 => "24:00:00".to_owned(),
        1 => "00:00:00".to_owned(),
        _ => {
            let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
            format!("{hour:02}:{minute:02}:{second:02}{}", fraction(digits, random))
        }
    }
}

fn duration(digits: u64, random: &mut Random) -> String {
    let sign = if random.once_in(2) { "-" } else { "" };
    let hour = if random.once_in(4) { 838 } else { random.below(838) };
    let (minute, second) = (random.below(60), random.below(59));
    format!("{sign}{hour:02}:{minute:02}:{second:02}{}", fraction(digits, random))
}

fn stamp(digits: u64, way: Way, random: &mut Random) -> String {
    use Engine::{Mariadb, Mysql, Postgres, Sqlite};
    if random.once_in(40) {
        match way.from {
            Postgres if way.allows(&[Postgres, Sqlite]) => {
                return random
                    .one(&[
                        "infinity",
                        "-infinity",
                        "0044-03-15 12:00:00.5 BC",
                        "10000-01-01 00:00:00",
                    ])
                    .to_owned();
            }
            Mariadb | Mysql if way.allows(&[Mariadb, Mysql, Sqlite]) => {
                return random.one(&["0000-00-00 00:00:00", "2024-02-00 01:02:03"]).to_owned();
            }
            Sqlite if way.wild => return "yesterday".to_owned(),
            Postgres | Mariadb | Mysql | Sqlite => {}
        }
    }
    let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
    format!("{} {hour:02}:{minute:02}:{second:02}{}", day(random), fraction(digits, random))
}

fn instant(digits: u64, way: Way, random: &mut Random) -> String {
    let text = stamp(digits, way, random);
    // The last and the first day of the calendar have no room for a zone.
    let zone = if text.starts_with("0001") || text.starts_with("9999") || text.contains("inf") {
        "+00"
    } else {
        random.one(&["+00", "+02", "-11:30", "+05:45"])
    };
    match text.strip_suffix(" BC") {
        Some(text) => format!("'{text}{zone} BC'"),
        None if text.contains("inf") => format!("'{text}'"),
        None => format!("'{text}{zone}'"),
    }
}

fn mysql_instant(digits: u64, random: &mut Random) -> String {
    // 2038-01-19 03:14:07 is the last second; days of the first and the last are left out.
    let (month, day) = (1 + random.below(12), 2 + random.below(27));
    let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
    let year = 1970 + random.below(68);
    let fraction = fraction(digits, random);
    format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}'")
}

fn json(random: &mut Random, depth: u32) -> String {
    match random.below(if depth > 2 { 6 } else { 9 }) {
        0 => "null".to_owned(),
        1 => random.one(&["true", "false"]).to_owned(),
        2 => random.between(i64::MIN.into(), u64::MAX.into()).to_string(),
        3 => random.between(-1000, 1000).to_string(),
        // Written and read back by a double without a change.
        4 => format!("{}.5", random.below(1_000_000)),
        5 => random.one(&["\"\"", "\"é😀\"", "\"q\\\"\\\\b\\n\"", "\"NULL\"", "\"1\""]).to_owned(),
        6 | 7 => {
            let count = random.below(4);
            let items: Vec<String> = (0..count).map(|_| json(random, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let count = random.below(4);
            let members: Vec<String> = (0..count)
                .map(|number| {
                    let name = random.one(&["a", "bb", "ü", "key", ""]);
                    format!("\"{name}{number}\": {}", json(random, depth + 1))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn bit_text(count: u64, random: &mut Random) -> String {
    (0..count).map(|_| if random.once_in(2) { '1' } else { '0' }).collect()
}

fn bit_literal(way: Way, bits: &str) -> String {
    if way.from == Engine::Postgres { format!("B'{bits}'") } else { format!("b'{bits}'") }
}

fn list(of: &str, way: Way, random: &mut Random) -> String {
    let count = random.below(5);
    let items: Vec<String> = (0..count)
        .map(|_| match of {
            _ if random.once_in(6) => "null".to_owned(),
            "int" => integer(i32::MIN.into(), i32::MAX.into(), random),
            "numeric" => decimal(30, 10, random),
            _ => text_literal(way, &text(12, way, random)),
        })
        .collect();
    let element = match of {
        "int" => "integer",
        other => other,
    };
    if way.wild && random.once_in(5) {
        return format!("'[0:1]={{1,2}}'::{element}[]");
    }
    format!("array[{}]::{element}[]", items.join(", "))
}

fn cell(way: Way, random: &mut Random) -> String {
    match random.below(4) {
        0 => integer(i64::MIN.into(), i64::MAX.into(), random),
        1 => float64(way, random),
        2 => text_literal(way, &text(20, way, random)),
        _ => bytes(random.below(20), way, random),
    }
}

#[test]
fn a_seed_gives_the_same_values_again() {
    let way = Way { from: Engine::Postgres, to: Engine::Sqlite, wild: true };
    let values = |seed| {
        let mut random = Random::new(seed);
        ["text 20", "float64", "decimal 12 2", "json", "stamp 6"]
            .map(|recipe| literal(recipe, way, &mut random))
    };
    assert_eq!(values(7), values(7));
    assert_ne!(values(7), values(8));
}
