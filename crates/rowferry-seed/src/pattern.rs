//! What `gen` makes: names, addresses and numbers.

use std::fmt;

use rowferry_core::nearest;

use crate::dice::Dice;
use crate::error::ParseError;
use crate::value::Value;
use crate::words::{CITIES, COMPANY_FORMS, COUNTRIES, FIRST_NAMES, LAST_NAMES, STREETS, WORDS};

/// Hosts that are kept for examples: <https://www.rfc-editor.org/rfc/rfc2606>.
const HOSTS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Words of a sentence at most. Guessed: longer ones are no sentences.
const WORDS_MAX: u64 = 1_000;

/// A pattern of `gen`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as in the language; see `docs/cli.md`")]
pub enum Pattern {
    Plain(Plain),
    /// `number:1,100`, both ends included.
    Number {
        least: i64,
        most: i64,
    },
    /// `sentence:5`, so many words.
    Sentence {
        words: u64,
    },
}

/// A pattern without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    Bool,
    City,
    Company,
    Country,
    Digit,
    Email,
    FirstName,
    LastName,
    Letter,
    Name,
    Phone,
    Street,
    Username,
    Uuid,
    Word,
    Zip,
}

const PLAIN: [(&str, Plain); 16] = [
    ("bool", Plain::Bool),
    ("city", Plain::City),
    ("company", Plain::Company),
    ("country", Plain::Country),
    ("digit", Plain::Digit),
    ("email", Plain::Email),
    ("firstname", Plain::FirstName),
    ("lastname", Plain::LastName),
    ("letter", Plain::Letter),
    ("name", Plain::Name),
    ("phone", Plain::Phone),
    ("street", Plain::Street),
    ("username", Plain::Username),
    ("uuid", Plain::Uuid),
    ("word", Plain::Word),
    ("zip", Plain::Zip),
];

impl Pattern {
    /// Reads a pattern that stands at `column`.
    pub(crate) fn parse(text: &str, column: usize) -> Result<Self, ParseError> {
        let wrong = |form: &str| ParseError::new(column, format!("gen({text:?}) is not {form}"));
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Plain(*plain));
        }
        if let Some(bounds) = text.strip_prefix("number:") {
            let form = "of the form number:1,100";
            let (least, most) = bounds.split_once(',').ok_or_else(|| wrong(form))?;
            let number = |text: &str| text.trim().parse::<i64>().ok();
            return match (number(least), number(most)) {
                (Some(least), Some(most)) if least <= most => Ok(Self::Number { least, most }),
                _ => Err(wrong(form)),
            };
        }
        if let Some(count) = text.strip_prefix("sentence:") {
            let words = count.trim().parse().ok().filter(|words| (1..=WORDS_MAX).contains(words));
            let words = words.ok_or_else(|| wrong("of the form sentence:5, at most 1000"))?;
            return Ok(Self::Sentence { words });
        }
        let names: Vec<&str> =
            PLAIN.iter().map(|(name, _)| *name).chain(["number:1,100", "sentence:5"]).collect();
        let error = ParseError::later(column, &format!("gen({text:?})"));
        Err(match nearest(text, names.iter().copied()) {
            Some(near) => error.with_next(format!("Did you mean {near}?")),
            None => error.with_next(format!("There are {}.", names.join(", "))),
        })
    }

    /// A value of it.
    pub(crate) fn value(&self, dice: &mut Dice) -> Value {
        match self {
            Self::Plain(plain) => plain.value(dice),
            Self::Number { least, most } => Value::Int(between(dice, *least, *most)),
            Self::Sentence { words } => {
                let words: Vec<&str> = (0..*words).map(|_| one(dice, &WORDS)).collect();
                Value::Text(format!("{}.", capital(&words.join(" "))))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => {
                let found = PLAIN.iter().find(|(_, known)| known == plain);
                f.write_str(found.map_or("", |(name, _)| name))
            }
            Self::Number { least, most } => write!(f, "number:{least},{most}"),
            Self::Sentence { words } => write!(f, "sentence:{words}"),
        }
    }
}

impl Plain {
    fn value(self, dice: &mut Dice) -> Value {
        let text = match self {
            Self::Bool => return Value::Bool(dice.below(2) == 1),
            Self::Digit => return Value::Int(between(dice, 0, 9)),
            Self::City => one(dice, &CITIES).to_owned(),
            Self::Company => {
                format!("{} {}", one(dice, &LAST_NAMES), one(dice, &COMPANY_FORMS))
            }
            Self::Country => one(dice, &COUNTRIES).to_owned(),
            Self::Email => format!("{}@{}", login(dice), one(dice, &HOSTS)),
            Self::FirstName => one(dice, &FIRST_NAMES).to_owned(),
            Self::LastName => one(dice, &LAST_NAMES).to_owned(),
            Self::Letter => {
                char::from(u8::try_from(dice.below(26)).unwrap_or_default() + b'a').to_string()
            }
            Self::Name => format!("{} {}", one(dice, &FIRST_NAMES), one(dice, &LAST_NAMES)),
            // Numbers kept for fiction in North America: 555-0100 to 555-0199.
            Self::Phone => format!("{}5550{}", between(dice, 200, 999), between(dice, 100, 199)),
            Self::Street => format!("{} {}", between(dice, 1, 299), one(dice, &STREETS)),
            Self::Username => login(dice),
            Self::Uuid => uuid(dice),
            Self::Word => one(dice, &WORDS).to_owned(),
            Self::Zip => format!("{:05}", between(dice, 1_000, 99_999)),
        };
        Value::Text(text)
    }
}

/// A UUID of version 4.
pub(crate) fn uuid(dice: &mut Dice) -> String {
    let bits = (u128::from(dice.roll()) << 64) | u128::from(dice.roll());
    // Version 4, variant 1: <https://www.rfc-editor.org/rfc/rfc9562#section-5.4>.
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn login(dice: &mut Dice) -> String {
    let (first, last) = (one(dice, &FIRST_NAMES), one(dice, &LAST_NAMES));
    format!("{first}.{last}{}", between(dice, 1, 9_999)).to_ascii_lowercase()
}

fn one(dice: &mut Dice, words: &[&'static str]) -> &'static str {
    let index = usize::try_from(dice.below(words.len() as u64)).unwrap_or_default();
    words.get(index).copied().unwrap_or_default()
}

/// A whole number from `least` to `most`.
pub(crate) fn between(dice: &mut Dice, least: i64, most: i64) -> i64 {
    let span = most.wrapping_sub(least).cast_unsigned();
    // All of them: the span itself has no number.
    let step = match span.checked_add(1) {
        Some(limit) => dice.below(limit),
        None => dice.roll(),
    };
    least.wrapping_add(step.cast_signed())
}

fn capital(text: &str) -> String {
    let mut signs = text.chars();
    let first = signs.next().map(|sign| sign.to_ascii_uppercase());
    first.into_iter().chain(signs).collect()
}
