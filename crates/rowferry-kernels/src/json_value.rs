//! One text for each JSON value: members sorted, the last of equal names, no spaces, numbers by
//! their value. What a server stores as a value (`jsonb`, MySQL's JSON) is compared by this text.
//!
//! ```text
//! { "b" : 1.10, "a": "\u00e9", "b": 100 }   →   {"a":"é","b":1e2}
//! ```

use std::collections::BTreeMap;

use crate::text_form::quote;

/// Deepest nesting that is followed; beyond it a document is left as it is. Guessed: no table holds
/// such values, and so many frames fit any thread's stack.
const DEPTH_MAX: usize = 256;

/// Appends the one text of the value that `text` says. False, with nothing appended, when it says
/// none: it is broken, too deep, or holds half of a surrogate pair.
pub(crate) fn append(text: &str, out: &mut String) -> bool {
    let mut reader = Reader { rest: text };
    let Some(value) = reader.value(0) else { return false };
    reader.blanks();
    if !reader.rest.is_empty() {
        return false;
    }
    value.append(out);
    true
}

enum Value {
    /// `true`, `false`, `null`, or a number in its one form.
    Word(String),
    Text(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Value {
    fn append(&self, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Text(text) => quote(out, text),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.append(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quote(out, name);
                    out.push(':');
                    value.append(out);
                }
                out.push('}');
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, sign: char) -> bool {
        self.blanks();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.rest.as_bytes().first()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.text().map(Value::Text),
            _ => self.word().map(Value::Word),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.take('[');
        if self.take(']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(']') {
                return Some(Value::Array(items));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut members = BTreeMap::new();
        self.take('{');
        if self.take('}') {
            return Some(Value::Object(members));
        }
        loop {
            self.blanks();
            let name = self.text()?;
            if !self.take(':') {
                return None;
            }
            // The last of equal names wins, as in the servers.
            members.insert(name, self.value(depth + 1)?);
            if self.take('}') {
                return Some(Value::Object(members));
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    /// A string, unescaped.
    fn text(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix('"')?;
        let mut text = String::new();
        loop {
            let end = self.rest.find(['"', '\\'])?;
            let (plain, rest) = self.rest.split_at_checked(end)?;
            text.push_str(plain);
            if let Some(rest) = rest.strip_prefix('"') {
                self.rest = rest;
                return Some(text);
            }
            let mut letters = rest.chars();
            letters.next();
            let escaped = letters.next()?;
            self.rest = letters.as_str();
            text.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => self.unicode()?,
                '"' | '\\' | '/' => escaped,
                _ => return None,
            });
        }
    }

    /// The character of `XXXX` or `XXXX\uXXXX` behind `\u`.
    fn unicode(&mut self) -> Option<char> {
        let high = self.unit()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high);
        }
        self.rest = self.rest.strip_prefix("\\u")?;
        let low = self.unit()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + low)
    }

    fn unit(&mut self) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self) -> Option<String> {
        let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
        let (word, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        match word {
            "true" | "false" | "null" => Some(word.to_owned()),
            _ => number(word),
        }
    }
}

/// Sign, digits without zeros at either end, and the power of ten behind them.
fn number(token: &str) -> Option<String> {
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let mut power: i64 = power.parse().ok()?;
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [integer, fraction].concat();
    if integer.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    power = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    power = power.checked_add(i64::try_from(zeros).ok()?)?;
    let sign = if unsigned.len() < token.len() { "-" } else { "" };
    Some(format!("{sign}{significant}e{power}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_text(text: &str) -> Option<String> {
        let mut out = String::new();
        append(text, &mut out).then_some(out)
    }

    #[test]
    fn equal_values_have_one_text() {
        for (left, right) in [
            (r#"{"b": 1.10, "a":100}"#, r#" { "a" : 1e2, "b":1.1 } "#),
            (r#"{"a": 1, "a": 2}"#, r#"{"a":2}"#),
            (r#"["\u00e9\/", "\ud83d\ude00"]"#, r#"["é/", "😀"]"#),
            ("-0", "0.00"),
            ("0.000120", "12E-5"),
            ("18446744073709551616", "1.8446744073709551616e19"),
            (r#"{"": [], "x": {}}"#, r#"{"x":{ },"":[ ]}"#),
        ] {
            assert_eq!(one_text(left), one_text(right), "{left} {right}");
            assert!(one_text(left).is_some(), "{left}");
        }
    }

    #[test]
    fn other_values_have_another() {
        for (left, right) in
            [("1", r#""1""#), ("[1,2]", "[2,1]"), ("null", r#""null""#), ("-1", "1"), ("1", "10")]
        {
            assert_ne!(one_text(left), one_text(right), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "{", "[1", "[1,]", "1 2", r#""\ud83d""#, r#"{"a" 1}"#, "NaN", "+1", &deep]
        {
            assert_eq!(one_text(text), None, "{text:.20}");
        }
    }
}
