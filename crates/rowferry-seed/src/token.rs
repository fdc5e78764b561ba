//! The words and signs of an expression.

use crate::error::ParseError;

/// Signs of two characters come before those that they start with.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "**", "..", "|", "<", ">", "!", "+", "-", "*", "/",
    "%", "(", ")", "[", "]", "{", "}", ",", ".", "?",
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Sign(&'static str),
}

/// A token and its place, in characters from 1.
pub(crate) type Placed = (usize, Token);

pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, ParseError> {
    let signs: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = signs.get(at).copied() {
        let rest = signs.get(at..).unwrap_or_default();
        let (token, length) = match first {
            _ if first.is_whitespace() => {
                at += 1;
                continue;
            }
            '\'' | '"' => text_in_quotes(rest, first, at + 1)?,
            '0'..='9' => number(rest, at + 1)?,
            '.' if rest.get(1).is_some_and(char::is_ascii_digit) => number(rest, at + 1)?,
            '_' | 'a'..='z' | 'A'..='Z' => {
                let name: String =
                    rest.iter().copied().take_while(|sign| is_of_name(*sign)).collect();
                let length = name.chars().count();
                (Token::Name(name), length)
            }
            ':' => (Token::Sign(":"), 1),
            _ => sign(rest)
                .ok_or_else(|| ParseError::new(at + 1, format!("{first:?} means nothing here")))?,
        };
        found.push((at + 1, token));
        at += length;
    }
    Ok(found)
}

const fn is_of_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

fn sign(rest: &[char]) -> Option<(Token, usize)> {
    let starts = |sign: &&&str| {
        let length = sign.chars().count();
        rest.get(..length).is_some_and(|start| start.iter().copied().eq(sign.chars()))
    };
    let sign = SIGNS.iter().find(starts)?;
    Some((Token::Sign(sign), sign.chars().count()))
}

/// The text between two quotes of one kind; a backslash takes the next character as it is, or as
/// `n`, `r`, `t` say.
fn text_in_quotes(rest: &[char], quote: char, place: usize) -> Result<(Token, usize), ParseError> {
    let mut text = String::new();
    let mut signs = rest.iter().copied().enumerate().skip(1);
    while let Some((index, sign)) = signs.next() {
        if sign == quote {
            return Ok((Token::Text(text), index + 1));
        }
        if sign != '\\' {
            text.push(sign);
            continue;
        }
        match signs.next() {
            Some((_, 'n')) => text.push('\n'),
            Some((_, 'r')) => text.push('\r'),
            Some((_, 't')) => text.push('\t'),
            Some((_, escaped @ ('\\' | '\'' | '"'))) => text.push(escaped),
            Some((index, other)) => {
                let words = format!("\\{other} is no escape of this language");
                return Err(ParseError::new(place + index, words));
            }
            None => break,
        }
    }
    Err(ParseError::new(place, "a text without its closing quote"))
}

fn number(rest: &[char], place: usize) -> Result<(Token, usize), ParseError> {
    let mut text = String::new();
    let mut signs = rest.iter().copied().peekable();
    while let Some(sign) =
        signs.next_if(|sign| sign.is_ascii_alphanumeric() || *sign == '.' || *sign == '_')
    {
        text.push(sign);
        // The sign of an exponent.
        if matches!(sign, 'e' | 'E') && signs.peek().is_some_and(|next| matches!(next, '+' | '-')) {
            text.extend(signs.next());
        }
    }
    let length = text.chars().count();
    let digits = text.replace('_', "");
    if digits.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(whole) = digits.parse()
    {
        return Ok((Token::Int(whole), length));
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((Token::Float(number), length)),
        _ => Err(ParseError::new(place, format!("{text} is no number"))),
    }
}
