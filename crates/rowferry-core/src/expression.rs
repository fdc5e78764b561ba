//! Conditions that every database can say: the part of CHECK constraints that is carried over.
//!
//! The grammar is small on purpose: comparisons of columns and constants, `in`, `between`, `like`,
//! `is null`, and `and`, `or`, `not` over them. A function, a cast that computes, arithmetic or a
//! subquery is not read, and the constraint is listed as not translated instead.

use crate::expression_parser::Parser;

/// A condition over the columns of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A column.
    Column(String),
    /// A text constant.
    Text(String),
    /// A number as it was written.
    Number(String),
    /// True or false.
    Boolean(bool),
    /// Two operands compared.
    Compare {
        /// `=`, `<>`, `<`, `<=`, `>`, `>=`.
        operator: &'static str,
        /// Left operand.
        left: Box<Self>,
        /// Right operand.
        right: Box<Self>,
    },
    /// `left [not] in (items)`.
    In {
        /// What is looked for.
        left: Box<Self>,
        /// Constants.
        items: Vec<Self>,
        /// With `not`.
        negated: bool,
    },
    /// `left [not] between low and high`.
    Between {
        /// What is compared.
        left: Box<Self>,
        /// Inclusive lower end.
        low: Box<Self>,
        /// Inclusive upper end.
        high: Box<Self>,
        /// With `not`.
        negated: bool,
    },
    /// `left [not] like pattern`.
    Like {
        /// What is compared.
        left: Box<Self>,
        /// The pattern.
        pattern: Box<Self>,
        /// With `not`.
        negated: bool,
    },
    /// `left is [not] null`.
    IsNull {
        /// What is looked at.
        left: Box<Self>,
        /// With `not`.
        negated: bool,
    },
    /// All of them.
    And(Vec<Self>),
    /// One of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
}

/// How a database writes names and texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Quote around names: `"` or a backtick; doubled inside.
    pub name_quote: char,
    /// Whether a backslash in a text escapes the next character.
    pub backslash_escapes: bool,
}

impl Expression {
    /// Reads a condition as PostgreSQL, MySQL, MariaDB or SQLite print it; `None` for anything
    /// beyond the grammar.
    pub fn parse(text: &str, dialect: Dialect) -> Option<Self> {
        Parser::new(text, dialect)?.whole()
    }

    /// The condition in the words of a database. `renamed` gives the target's name of a column.
    pub fn render(&self, dialect: Dialect, renamed: &dyn Fn(&str) -> String) -> String {
        let mut out = String::new();
        Renderer { dialect, renamed }.expression(self, &mut out);
        out
    }

    /// Names of the columns in it, in order of appearance, each as often as it appears.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) => vec![name],
            Self::Text(_) | Self::Number(_) | Self::Boolean(_) => Vec::new(),
            Self::Compare { left, right: other, .. } | Self::Like { left, pattern: other, .. } => {
                [left.columns(), other.columns()].concat()
            }
            Self::Between { left, low, high, .. } => {
                [left.columns(), low.columns(), high.columns()].concat()
            }
            Self::In { left, .. } | Self::IsNull { left, .. } | Self::Not(left) => left.columns(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::columns).collect(),
        }
    }
}

struct Renderer<'a> {
    dialect: Dialect,
    renamed: &'a dyn Fn(&str) -> String,
}

impl Renderer<'_> {
    fn expression(&self, expression: &Expression, out: &mut String) {
        match expression {
            Expression::Column(name) => self.name(&(self.renamed)(name), out),
            Expression::Text(text) => self.text(text, out),
            Expression::Number(number) => out.push_str(number),
            Expression::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Expression::Compare { operator, left, right } => {
                self.operand(left, out);
                out.push(' ');
                out.push_str(operator);
                out.push(' ');
                self.operand(right, out);
            }
            Expression::In { left, items, negated } => {
                self.operand(left, out);
                out.push_str(if *negated { " not in (" } else { " in (" });
                self.list(items, ", ", out);
                out.push(')');
            }
            Expression::Between { left, low, high, negated } => {
                self.operand(left, out);
                out.push_str(if *negated { " not between " } else { " between " });
                self.operand(low, out);
                out.push_str(" and ");
                self.operand(high, out);
            }
            Expression::Like { left, pattern, negated } => {
                self.operand(left, out);
                out.push_str(if *negated { " not like " } else { " like " });
                self.operand(pattern, out);
            }
            Expression::IsNull { left, negated } => {
                self.operand(left, out);
                out.push_str(if *negated { " is not null" } else { " is null" });
            }
            Expression::And(parts) => self.list(parts, " and ", out),
            Expression::Or(parts) => self.list(parts, " or ", out),
            Expression::Not(inner) => {
                out.push_str("not ");
                self.operand(inner, out);
            }
        }
    }

    fn list(&self, parts: &[Expression], between: &str, out: &mut String) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.push_str(between);
            }
            self.operand(part, out);
        }
    }

    /// With parentheses unless it is a single word: no database's precedence is relied on.
    fn operand(&self, expression: &Expression, out: &mut String) {
        let single = matches!(
            expression,
            Expression::Column(_)
                | Expression::Text(_)
                | Expression::Number(_)
                | Expression::Boolean(_)
        );
        if single {
            self.expression(expression, out);
        } else {
            out.push('(');
            self.expression(expression, out);
            out.push(')');
        }
    }

    fn name(&self, name: &str, out: &mut String) {
        let quote = self.dialect.name_quote;
        out.push(quote);
        for sign in name.chars() {
            if sign == quote {
                out.push(quote);
            }
            out.push(sign);
        }
        out.push(quote);
    }

    fn text(&self, text: &str, out: &mut String) {
        out.push('\'');
        for sign in text.chars() {
            if sign == '\'' || (sign == '\\' && self.dialect.backslash_escapes) {
                out.push(sign);
            }
            out.push(sign);
        }
        out.push('\'');
    }
}
