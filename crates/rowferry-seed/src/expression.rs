//! Expressions as plain values. Their text, read again, is the same expression.

use std::fmt;

use crate::function::Function;
use crate::pattern::Pattern;
use crate::value::Value;

/// An expression of `args`, `count`, `size` or `globals`.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// nil, true, false, a number or a text.
    Literal(Value),
    /// `[a, b]`.
    List(Vec<Expression>),
    /// A global.
    Global(String),
    /// `gen('pattern')`.
    Generate(Pattern),
    /// A call of any other function.
    Call(Function, Vec<Expression>),
    /// A column of a row.
    Field(Box<Expression>, String),
    /// `!a`.
    Not(Box<Expression>),
    /// `-a`.
    Minus(Box<Expression>),
    /// `a + b` and its kind.
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `a ? b : c`.
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

/// Signs between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their signs say what they are")]
pub enum Operator {
    Coalesce,
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Remainder,
}

impl Operator {
    /// All of them, with their signs and how tightly they bind.
    pub(crate) const ALL: [(Self, &'static str, u8); 14] = [
        (Self::Coalesce, "??", 1),
        (Self::Or, "||", 2),
        (Self::And, "&&", 3),
        (Self::Equal, "==", 4),
        (Self::Unequal, "!=", 4),
        (Self::Less, "<", 5),
        (Self::LessOrEqual, "<=", 5),
        (Self::Greater, ">", 5),
        (Self::GreaterOrEqual, ">=", 5),
        (Self::Plus, "+", 6),
        (Self::Minus, "-", 6),
        (Self::Times, "*", 7),
        (Self::Divided, "/", 7),
        (Self::Remainder, "%", 7),
    ];

    /// Its sign.
    pub fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(operator, ..)| *operator == self).map_or("", |(_, sign, _)| sign)
    }
}

impl Expression {
    /// Calls `visit` with this expression and all within it.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Literal(_) | Self::Global(_) | Self::Generate(_) => {}
            Self::List(parts) | Self::Call(_, parts) => {
                for part in parts {
                    part.each(visit);
                }
            }
            Self::Field(of, _) | Self::Not(of) | Self::Minus(of) => of.each(visit),
            Self::Binary(_, left, right) => {
                left.each(visit);
                right.each(visit);
            }
            Self::Choice(condition, yes, no) => {
                condition.each(visit);
                yes.each(visit);
                no.each(visit);
            }
        }
    }

    /// Names of the statements whose rows it refers to, where they are written out.
    pub fn referred(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.each(&mut |part| {
            if let Self::Call(Function::RefRand | Function::RefSame, arguments) = part
                && let Some(Self::Literal(Value::Text(name))) = arguments.first()
            {
                names.push(name.as_str());
            }
        });
        names
    }
}

/// With all its brackets.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Self]| {
            for (index, part) in parts.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{part}")?;
            }
            Ok(())
        };
        match self {
            Self::Literal(Value::Text(text)) => quoted(f, text),
            // A float stays one when it is read again.
            Self::Literal(Value::Float(number)) => write!(f, "{number:?}"),
            Self::Literal(value) => write!(f, "{value}"),
            Self::List(parts) => {
                f.write_str("[")?;
                list(f, parts)?;
                f.write_str("]")
            }
            Self::Global(name) => f.write_str(name),
            Self::Generate(pattern) => {
                f.write_str("gen(")?;
                quoted(f, &pattern.to_string())?;
                f.write_str(")")
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                list(f, arguments)?;
                f.write_str(")")
            }
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Not(of) => write!(f, "(!{of})"),
            Self::Minus(of) => write!(f, "(-{of})"),
            Self::Binary(operator, left, right) => {
                write!(f, "({left} {} {right})", operator.sign())
            }
            Self::Choice(condition, yes, no) => write!(f, "({condition} ? {yes} : {no})"),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
    write!(f, "'{escaped}'")
}
