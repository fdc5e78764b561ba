//! Reads conditions as databases print them: parentheses around everything, casts of constants,
//! `= any (array[…])` for `in`, introducers of character sets.

use crate::expression::{Dialect, Expression};

/// Nesting beyond which a condition is not read: far more than people write, far less than a
/// thread's stack holds.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A bare word, as written.
    Word(String),
    /// A quoted name.
    Name(String),
    Text(String),
    Number(String),
    /// `(`, `)`, `[`, `]`, `,`, `::`, comparison operators, `~~`, `!~~`, `-`.
    Sign(&'static str),
}

/// Signs, longest first.
const SIGNS: [&str; 18] = [
    "!~~", "::", "<>", "!=", "<=", ">=", "==", "~~", "(", ")", "[", "]", ",", "=", "<", ">", "-",
    "+",
];

pub(crate) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// `None` when the text has a sign that the grammar does not know.
    pub(crate) fn new(text: &str, dialect: Dialect) -> Option<Self> {
        Some(Self { tokens: tokens(text, dialect)?, next: 0, depth: 0 })
    }

    /// The whole text as a condition.
    pub(crate) fn whole(mut self) -> Option<Expression> {
        let expression = self.or()?;
        let condition = !matches!(expression, Expression::Text(_) | Expression::Number(_));
        (self.next == self.tokens.len() && condition).then_some(expression)
    }

    fn or(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        self.depth -= 1;
        Some(single(parts, Expression::Or))
    }

    fn and(&mut self) -> Option<Expression> {
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Some(single(parts, Expression::And))
    }

    fn not(&mut self) -> Option<Expression> {
        let mut negated = false;
        while self.word("not") {
            negated = !negated;
        }
        let inner = self.predicate()?;
        Some(if negated { Expression::Not(Box::new(inner)) } else { inner })
    }

    fn predicate(&mut self) -> Option<Expression> {
        let left = self.operand()?;
        let negated = self.word("not");
        if self.word("in") {
            let items = self.constants("(", ")")?;
            return Some(Expression::In { left: Box::new(left), items, negated });
        }
        if self.word("between") {
            let low = Box::new(self.operand()?);
            if !self.word("and") {
                return None;
            }
            let high = Box::new(self.operand()?);
            return Some(Expression::Between { left: Box::new(left), low, high, negated });
        }
        if self.word("like") {
            let pattern = Box::new(self.operand()?);
            return Some(Expression::Like { left: Box::new(left), pattern, negated });
        }
        if negated {
            return None;
        }
        if self.word("is") {
            let negated = self.word("not");
            let is_null = Expression::IsNull { left: Box::new(left), negated };
            return self.word("null").then_some(is_null);
        }
        for (sign, negated) in [("~~", false), ("!~~", true)] {
            if self.sign(sign) {
                let pattern = Box::new(self.operand()?);
                return Some(Expression::Like { left: Box::new(left), pattern, negated });
            }
        }
        self.comparison(left)
    }

    fn comparison(&mut self, left: Expression) -> Option<Expression> {
        const OPERATORS: [(&str, &str); 8] = [
            ("=", "="),
            ("==", "="),
            ("<>", "<>"),
            ("!=", "<>"),
            ("<=", "<="),
            (">=", ">="),
            ("<", "<"),
            (">", ">"),
        ];
        let found = OPERATORS.iter().find(|(sign, _)| self.sign(sign));
        let Some((_, operator)) = found else { return Some(left) };
        let left = Box::new(left);
        let every = *operator == "<>" && self.word("all");
        if every || (*operator == "=" && self.word("any")) {
            let items = self.array()?;
            return Some(Expression::In { left, items, negated: every });
        }
        let right = Box::new(self.operand()?);
        Some(Expression::Compare { operator, left, right })
    }

    /// `(array[…])`, with or without a cast and more parentheses.
    fn array(&mut self) -> Option<Vec<Expression>> {
        let mut open = 0;
        while self.sign("(") {
            open += 1;
        }
        if !self.word("array") {
            return None;
        }
        let items = self.constants("[", "]")?;
        self.casts()?;
        for _ in 0..open {
            if !self.sign(")") {
                return None;
            }
            self.casts()?;
        }
        Some(items)
    }

    fn constants(&mut self, open: &str, close: &str) -> Option<Vec<Expression>> {
        if !self.sign(open) {
            return None;
        }
        let mut items = Vec::new();
        loop {
            let item = self.operand()?;
            if matches!(item, Expression::Text(_) | Expression::Number(_)) {
                items.push(item);
            } else {
                return None;
            }
            if self.sign(close) {
                return Some(items);
            }
            if !self.sign(",") {
                return None;
            }
        }
    }

    fn operand(&mut self) -> Option<Expression> {
        let operand = self.primary()?;
        self.casts()?;
        Some(operand)
    }

    fn primary(&mut self) -> Option<Expression> {
        if self.sign("(") {
            let inner = self.or()?;
            return self.sign(")").then_some(inner);
        }
        let negative = self.sign("-");
        if !negative {
            self.sign("+");
        }
        let token = self.tokens.get(self.next)?.clone();
        self.next += 1;
        match token {
            Token::Number(number) => {
                Some(Expression::Number(if negative { format!("-{number}") } else { number }))
            }
            _ if negative => None,
            Token::Text(text) => Some(Expression::Text(text)),
            Token::Name(name) => Some(Expression::Column(name)),
            Token::Word(word) => self.bare(&word),
            Token::Sign(_) => None,
        }
    }

    /// A constant or a column; a name before a parenthesis is a function.
    fn bare(&mut self, word: &str) -> Option<Expression> {
        const RESERVED: [&str; 12] = [
            "and", "or", "not", "in", "is", "between", "like", "null", "case", "any", "all",
            "array",
        ];
        let lower = word.to_ascii_lowercase();
        if self.peek_is("(") || RESERVED.contains(&lower.as_str()) {
            return None;
        }
        match lower.as_str() {
            "true" => Some(Expression::Boolean(true)),
            "false" => Some(Expression::Boolean(false)),
            _ => {
                if let (true, Some(Token::Text(text))) =
                    (lower.starts_with('_') || lower == "n", self.tokens.get(self.next))
                {
                    let text = Expression::Text(text.clone());
                    self.next += 1;
                    return Some(text);
                }
                Some(Expression::Column(word.to_owned()))
            }
        }
    }

    /// Casts of what came before: they name a type and compute nothing that matters here.
    fn casts(&mut self) -> Option<()> {
        while self.sign("::") {
            self.type_name()?;
        }
        Some(())
    }

    fn type_name(&mut self) -> Option<()> {
        const MORE: [&str; 7] =
            ["varying", "precision", "with", "without", "time", "zone", "unsigned"];
        match self.tokens.get(self.next)? {
            Token::Word(_) | Token::Name(_) => self.next += 1,
            Token::Text(_) | Token::Number(_) | Token::Sign(_) => return None,
        }
        loop {
            let known = match self.tokens.get(self.next) {
                Some(Token::Word(word)) => MORE.iter().any(|more| word.eq_ignore_ascii_case(more)),
                _ => false,
            };
            if known {
                self.next += 1;
            } else if self.sign("(") {
                while !self.sign(")") {
                    self.tokens.get(self.next)?;
                    self.next += 1;
                }
            } else if self.sign("[") {
                if !self.sign("]") {
                    return None;
                }
            } else {
                return Some(());
            }
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = self.peek_is(sign);
        self.next += usize::from(found);
        found
    }

    fn peek_is(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.next), Some(Token::Sign(next)) if *next == sign)
    }
}

fn single(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

fn tokens(text: &str, dialect: Dialect) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' => {
                let (text, length) = quoted(rest, '\'', dialect.backslash_escapes)?;
                (Token::Text(text), length)
            }
            '"' | '`' => {
                let (name, length) = quoted(rest, first, false)?;
                (Token::Name(name), length)
            }
            '0'..='9' | '.' => {
                let length = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
                let number = rest.get(..length.unwrap_or(rest.len()))?;
                (Token::Number(number.to_owned()), number.len())
            }
            _ if first.is_alphabetic() || first == '_' => {
                let in_word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '$';
                let length = rest.find(|sign| !in_word(sign));
                let word = rest.get(..length.unwrap_or(rest.len()))?;
                (Token::Word(word.to_owned()), word.len())
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}

/// The text inside quotes, doubled ones undone, and the length with its quotes.
fn quoted(text: &str, quote: char, backslash: bool) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((place, sign)) = signs.next() {
        if sign == '\\' && backslash {
            let (_, escaped) = signs.next()?;
            // The other escapes stand for control characters, which no condition here needs.
            if !matches!(escaped, '\'' | '\\' | '"') {
                return None;
            }
            inside.push(escaped);
        } else if sign != quote {
            inside.push(sign);
        } else if signs.peek().is_some_and(|(_, next)| *next == quote) {
            signs.next();
            inside.push(quote);
        } else {
            return Some((inside, place + quote.len_utf8()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Dialect = Dialect { name_quote: '"', backslash_escapes: false };
    const MYSQL: Dialect = Dialect { name_quote: '`', backslash_escapes: true };

    fn plain(text: &str, from: Dialect) -> Option<String> {
        Expression::parse(text, from).map(|found| found.render(PLAIN, &str::to_owned))
    }

    #[test]
    fn what_the_servers_print_is_read() {
        for (text, from, wanted) in [
            ("(price > (0)::numeric)", PLAIN, r#""price" > 0"#),
            (
                "((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
                PLAIN,
                r#""status" in ('a', 'b')"#,
            ),
            ("((a >= 0) AND (a <= 10))", PLAIN, r#"("a" >= 0) and ("a" <= 10)"#),
            ("(name ~~ 'x%'::text)", PLAIN, r#""name" like 'x%'"#),
            ("(d > '2020-01-01'::date)", PLAIN, r#""d" > '2020-01-01'"#),
            ("(kind <> ALL (ARRAY[1, 2]))", PLAIN, r#""kind" not in (1, 2)"#),
            ("(`qty` between 0 and 10)", MYSQL, r#""qty" between 0 and 10"#),
            ("(`s` in (_utf8mb4'a',_utf8mb4'it\\'s'))", MYSQL, r#""s" in ('a', 'it''s')"#),
            ("`a` is not null or not(`b` < -1)", MYSQL, r#"("a" is not null) or (not ("b" < -1))"#),
            ("Qty != 3 AND ok == true", PLAIN, r#"("Qty" <> 3) and ("ok" = true)"#),
        ] {
            assert_eq!(plain(text, from).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_beyond_the_grammar_is_not() {
        for text in [
            "length(name) > 3",
            "a + 1 > 2",
            "a % 2 = 0",
            "a in (select 1)",
            "json_valid(`x`)",
            "case when a then b end",
            "a > 0 extra",
            "a ~ '^x'",
            "'x'",
            "",
            "(a > 0",
            "a = 'open",
            "a = 1e5",
        ] {
            assert_eq!(plain(text, PLAIN), None, "{text}");
        }
        assert_eq!(plain(&"(".repeat(100_000), PLAIN), None);
    }

    fn expressions() -> impl Strategy<Value = Expression> {
        let column = "[a-zA-Z_ \"`]{1,8}".prop_map(Expression::Column);
        let text = ".{0,8}"
            .prop_filter("control", |text| !text.contains(char::is_control))
            .prop_map(Expression::Text);
        let number = "-?[0-9]{1,5}(\\.[0-9]{1,3})?".prop_map(Expression::Number);
        let constant = prop_oneof![text, number];
        let boxed = |column: Expression| Box::new(column);
        let leaf = prop_oneof![
            (column.clone(), constant.clone(), 0..6_usize).prop_map(move |(left, right, index)| {
                let operator = ["=", "<>", "<", "<=", ">", ">="].get(index).copied();
                Expression::Compare {
                    operator: operator.unwrap_or("="),
                    left: boxed(left),
                    right: boxed(right),
                }
            }),
            (column.clone(), prop::collection::vec(constant.clone(), 1..4), any::<bool>())
                .prop_map(move |(left, items, negated)| Expression::In {
                    left: boxed(left),
                    items,
                    negated
                }),
            (column.clone(), constant.clone(), constant, any::<bool>()).prop_map(
                move |(left, low, high, negated)| Expression::Between {
                    left: boxed(left),
                    low: boxed(low),
                    high: boxed(high),
                    negated
                }
            ),
            (column, any::<bool>())
                .prop_map(move |(left, negated)| Expression::IsNull { left: boxed(left), negated }),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
                inner.prop_map(|inner| Expression::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(expression in expressions()) {
            for dialect in [PLAIN, MYSQL] {
                let text = expression.render(dialect, &str::to_owned);
                prop_assert_eq!(Expression::parse(&text, dialect), Some(expression.clone()), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Expression::parse(&text, PLAIN);
            let _ = Expression::parse(&text, MYSQL);
        }
    }
}
