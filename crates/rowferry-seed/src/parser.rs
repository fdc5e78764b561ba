//! Text to expression: a table of operators, and one function per level below it.

use rowferry_core::nearest;

use crate::error::ParseError;
use crate::expression::{Expression, Operator};
use crate::function::Function;
use crate::pattern::Pattern;
use crate::token::{Placed, Token, tokens};
use crate::value::Value;

/// Brackets within brackets. Guessed: no person reads more, and the stack holds many times as many.
const DEPTH_MAX: usize = 64;

/// Reads an expression, in which names are those of these globals.
///
/// # Errors
///
/// What is wrong with the text, and where in it.
pub fn parse(text: &str, globals: &[&str]) -> Result<Expression, ParseError> {
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens, at: 0, end, depth: 0, globals };
    let expression = parser.choice()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expression),
        Some((column, token)) => Err(unexpected(*column, token)),
    }
}

struct Parser<'a> {
    tokens: Vec<Placed>,
    at: usize,
    end: usize,
    depth: usize,
    globals: &'a [&'a str],
}

fn unexpected(column: usize, token: &Token) -> ParseError {
    let what = match token {
        Token::Int(_) | Token::Float(_) => "a number".to_owned(),
        Token::Text(_) => "a text".to_owned(),
        Token::Name(name) => format!("the name {name}"),
        // Signs of the language that this version has no use for.
        Token::Sign(sign @ ("{" | "**" | ".." | "|")) => {
            return ParseError::later(column, &format!("{sign} in an expression"));
        }
        Token::Sign(sign) => format!("{sign:?}"),
    };
    ParseError::new(column, format!("{what} is not expected here"))
}

impl Parser<'_> {
    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), ParseError> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(ParseError::new(self.column(), format!("{sign:?} is missing here")))
    }

    /// `a ? b : c`, or what binds tighter.
    fn choice(&mut self) -> Result<Expression, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::new(self.column(), "too many brackets within brackets"));
        }
        let condition = self.binary(0)?;
        let chosen = if self.takes("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            let no = self.choice()?;
            Expression::Choice(Box::new(condition), Box::new(yes), Box::new(no))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(chosen)
    }

    /// Operators that bind tighter than `floor`, those of one level from the left.
    fn binary(&mut self, floor: u8) -> Result<Expression, ParseError> {
        let mut left = self.unary()?;
        while let Some((operator, level)) = self.operator().filter(|(_, level)| *level > floor) {
            self.at += 1;
            let right = self.binary(level)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let sign = match self.peek()? {
            Token::Sign(sign) => *sign,
            Token::Name(word) if word == "and" => "&&",
            Token::Name(word) if word == "or" => "||",
            Token::Name(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) => return None,
        };
        let found = Operator::ALL.iter().find(|(_, known, _)| *known == sign);
        found.map(|(operator, _, level)| (*operator, *level))
    }

    fn unary(&mut self) -> Result<Expression, ParseError> {
        let is_not = matches!(self.peek(), Some(Token::Name(word)) if word == "not");
        self.at += usize::from(is_not);
        let is_not = is_not || self.takes("!");
        if !is_not && !self.takes("-") {
            return self.fields();
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ParseError::new(self.column(), "too many signs before signs"));
        }
        let of = Box::new(self.unary()?);
        self.depth -= 1;
        Ok(if is_not { Expression::Not(of) } else { Expression::Minus(of) })
    }

    fn fields(&mut self) -> Result<Expression, ParseError> {
        let mut of = self.operand()?;
        while self.takes(".") {
            let column = self.column();
            let Some(Token::Name(name)) = self.next() else {
                return Err(ParseError::new(column, "a column's name must follow the point"));
            };
            of = Expression::Field(Box::new(of), name);
        }
        Ok(of)
    }

    fn operand(&mut self) -> Result<Expression, ParseError> {
        let column = self.column();
        let Some(token) = self.next() else {
            return Err(ParseError::new(column, "the expression ends too early"));
        };
        Ok(match token {
            Token::Int(number) => Expression::Literal(Value::Int(number)),
            Token::Float(number) => Expression::Literal(Value::Float(number)),
            Token::Text(text) => Expression::Literal(Value::Text(text)),
            Token::Sign("(") => {
                let inner = self.choice()?;
                self.expect(")")?;
                inner
            }
            Token::Sign("[") => Expression::List(self.list("]")?),
            Token::Name(name) => return self.named(&name, column),
            sign @ Token::Sign(_) => return Err(unexpected(column, &sign)),
        })
    }

    fn named(&mut self, name: &str, column: usize) -> Result<Expression, ParseError> {
        match name {
            "nil" | "null" => return Ok(Expression::Literal(Value::Null)),
            "true" => return Ok(Expression::Literal(Value::Bool(true))),
            "false" => return Ok(Expression::Literal(Value::Bool(false))),
            _ => {}
        }
        if self.takes("(") {
            let arguments = self.list(")")?;
            return call(name, column, arguments);
        }
        if self.globals.contains(&name) {
            return Ok(Expression::Global(name.to_owned()));
        }
        let error = ParseError::new(column, format!("there is no global {name}"));
        Err(match nearest(name, self.globals.iter().copied()) {
            Some(near) => error.with_next(format!("Did you mean {near}?")),
            None => error.with_next("Write texts in quotes; globals stand before they are used."),
        })
    }

    /// Expressions with commas between them, up to `end`.
    fn list(&mut self, end: &str) -> Result<Vec<Expression>, ParseError> {
        let mut parts = Vec::new();
        while !self.takes(end) {
            if !parts.is_empty() {
                self.expect(",")?;
                // A comma behind the last one.
                if self.takes(end) {
                    break;
                }
            }
            parts.push(self.choice()?);
        }
        Ok(parts)
    }
}

fn call(name: &str, column: usize, arguments: Vec<Expression>) -> Result<Expression, ParseError> {
    if name != "gen" {
        let function = Function::called(name, column, arguments.len())?;
        return Ok(Expression::Call(function, arguments));
    }
    match arguments.as_slice() {
        [Expression::Literal(Value::Text(pattern))] => {
            Pattern::parse(pattern, column).map(Expression::Generate)
        }
        _ => Err(ParseError::new(column, "gen takes one pattern in quotes")),
    }
}
