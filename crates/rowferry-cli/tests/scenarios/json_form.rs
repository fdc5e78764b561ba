//! One form of a JSON text: members sorted, no spaces, strings and numbers by value. Numbers never
//! pass through a float, so that no digit is lost here that a database kept.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The form of the text whose UTF-8 bytes stand in `hex`; `elements` compares every scalar by its
/// text, whether it is quoted or not. What is no JSON stays as it is.
pub(crate) fn of_hex(hex: &str, elements: bool) -> String {
    let text = text_of(hex).unwrap_or_else(|| hex.to_owned());
    let mut rest = text.chars().peekable();
    let form = value(&mut rest, elements);
    blanks(&mut rest);
    match form {
        Some(form) if rest.next().is_none() => form,
        _ => format!("no JSON: {text}"),
    }
}

/// Labels with commas between them, of JSON (an array or a text) or of that form itself.
pub(crate) fn labels_of_hex(hex: &str) -> String {
    let text = text_of(hex).unwrap_or_else(|| hex.to_owned());
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Array(labels)) => {
            let labels: Vec<&str> = labels.iter().filter_map(serde_json::Value::as_str).collect();
            labels.join(",")
        }
        _ => text,
    }
}

fn text_of(hex: &str) -> Option<String> {
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}

type Rest<'a> = Peekable<Chars<'a>>;

fn blanks(rest: &mut Rest<'_>) {
    while rest.next_if(char::is_ascii_whitespace).is_some() {}
}

fn value(rest: &mut Rest<'_>, elements: bool) -> Option<String> {
    blanks(rest);
    match rest.peek()? {
        '{' => object(rest, elements),
        '[' => array(rest, elements),
        '"' => string(rest).map(|text| if elements { element(&text) } else { format!("{text:?}") }),
        _ => {
            let mut word = String::new();
            while let Some(letter) = rest.next_if(|letter| !" \t\r\n,]}".contains(*letter)) {
                word.push(letter);
            }
            match word.as_str() {
                "null" | "true" | "false" => Some(word),
                _ => number(&word),
            }
        }
    }
}

fn object(rest: &mut Rest<'_>, elements: bool) -> Option<String> {
    let mut members = BTreeMap::new();
    rest.next();
    loop {
        blanks(rest);
        if rest.next_if_eq(&'}').is_some() {
            break;
        }
        let name = string(rest)?;
        blanks(rest);
        rest.next_if_eq(&':')?;
        let text = value(rest, elements)?;
        members.insert(name, text);
        blanks(rest);
        rest.next_if_eq(&',');
    }
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    Some(format!("{{{}}}", members.join(",")))
}

fn array(rest: &mut Rest<'_>, elements: bool) -> Option<String> {
    let mut items = Vec::new();
    rest.next();
    loop {
        blanks(rest);
        if rest.next_if_eq(&']').is_some() {
            return Some(format!("[{}]", items.join(",")));
        }
        items.push(value(rest, elements)?);
        blanks(rest);
        rest.next_if_eq(&',');
    }
}

fn string(rest: &mut Rest<'_>) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    rest.next_if_eq(&'"')?;
    let mut pair = [0; 2];
    loop {
        match rest.next()? {
            '"' => return String::from_utf16(&units).ok(),
            '\\' => match rest.next()? {
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                }
                letter => {
                    let plain = match letter {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        other => other,
                    };
                    units.extend_from_slice(plain.encode_utf16(&mut pair));
                }
            },
            letter => units.extend_from_slice(letter.encode_utf16(&mut pair)),
        }
    }
}

/// An element by its text: a number in its one form, booleans in one spelling, moments without `T`.
fn element(text: &str) -> String {
    match text {
        "t" | "true" => "true".to_owned(),
        "f" | "false" => "false".to_owned(),
        _ if is_moment(text) => format!("{:?}", text.replacen('T', " ", 1)),
        _ => number(text).unwrap_or_else(|| format!("{text:?}")),
    }
}

fn is_moment(text: &str) -> bool {
    text.len() > 18 && text.is_char_boundary(10) && {
        let (date, time) = text.split_at(10);
        date.bytes().filter(|letter| *letter == b'-').count() == 2 && time.starts_with('T')
    }
}

/// Digits without zeros at either end, and the power of ten behind them.
fn number(word: &str) -> Option<String> {
    let (mantissa, power) = word.split_once(['e', 'E']).unwrap_or((word, "0"));
    let power: i64 = power.trim_start_matches('+').parse().ok()?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let short = all.trim_end_matches('0');
    let power = power - i64::try_from(fraction.len()).ok()?
        + i64::try_from(all.len() - short.len()).ok()?;
    let short = short.trim_start_matches('0');
    Some(if short.is_empty() { "0".to_owned() } else { format!("{sign}{short}e{power}") })
}

#[test]
fn equal_values_have_one_form_and_others_do_not() {
    let form = |text: &str, elements| {
        let hex: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        of_hex(&hex, elements)
    };
    let same = |left, right| assert_eq!(form(left, false), form(right, false));
    same(r#"{"b":1.10, "a":[1e2,null]}"#, r#"{"a": [100, null], "b": 1.1}"#);
    same(r#""é\/😀""#, "\"\u{e9}/😀\"");
    same("-0", "0.0");
    for (left, right) in [
        ("18446744073709551616", "1.8446744073709552e19"),
        (r#"{"a":1}"#, r#"{"a":"1"}"#),
        ("[1,2]", "[2,1]"),
        (r#"["a b"]"#, r#"["a  b"]"#),
        ("10", "1"),
    ] {
        assert_ne!(form(left, false), form(right, false));
    }
    assert_eq!(form(r#"["1.50","t",null]"#, true), form("[1.5, true, null]", true));
    assert!(form("[1", false).starts_with("no JSON"));
}
