//! What stands behind `generate:`.

use rowferry_core::{ConnectorError, ErrorClass, Result, nearest};

/// Rows of the whole shop at scale 1.
pub(crate) const SHOP_ROWS: u64 = 300_000;

/// Which set of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Six tables with all kinds of columns and keys.
    Shop,
    /// One table `rows` with a dense integer key, for benches; the others are for benches too.
    Rows,
    /// One table `lineitem` with the columns of TPC-H's.
    Lineitem,
    /// One table `narrow` of four integers.
    Narrow,
    /// One table `wide` of a hundred columns.
    Wide,
    /// One table `texts` with texts of two thousand characters.
    Texts,
    /// One table `sparse`, nine cells of ten NULL.
    Sparse,
}

impl Set {
    const ALL: [Self; 7] = [
        Self::Shop,
        Self::Rows,
        Self::Lineitem,
        Self::Narrow,
        Self::Wide,
        Self::Texts,
        Self::Sparse,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Rows => "rows",
            Self::Lineitem => "lineitem",
            Self::Narrow => "narrow",
            Self::Wide => "wide",
            Self::Texts => "texts",
            Self::Sparse => "sparse",
        }
    }
}

/// `shop?rows=300000&seed=1`, `shop?scale=2`, `rows?rows=60000000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) set: Set,
    /// Rows of all tables together.
    pub(crate) rows: u64,
    pub(crate) seed: u64,
}

impl Request {
    /// # Errors
    ///
    /// Class `Setup`, slug `generate-spec`, when a word is not known or a number is none.
    pub(crate) fn parse(spec: &str) -> Result<Self> {
        let (name, options) = spec.split_once('?').unwrap_or((spec, ""));
        let Some(set) = Set::ALL.into_iter().find(|set| set.word() == name) else {
            return Err(unknown("set of tables", name, &Set::ALL.map(Set::word)));
        };
        let mut request = Self { set, rows: SHOP_ROWS, seed: 1 };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (key, text) = option.split_once('=').unwrap_or((option, ""));
            let number = || {
                text.parse::<u64>().map_err(|error| {
                    refuse(format!("{key} in generate:{spec} is not a whole number"))
                        .with_source(error)
                })
            };
            match key {
                "rows" => request.rows = number()?,
                "scale" => request.rows = number()?.saturating_mul(SHOP_ROWS),
                "seed" => request.seed = number()?,
                _ => return Err(unknown("option", key, &["rows", "scale", "seed"])),
            }
        }
        Ok(request)
    }
}

fn refuse(message: String) -> ConnectorError {
    ConnectorError::new(ErrorClass::Setup, "generate-spec", message)
        .with_next("Write it like `generate:shop?rows=300000&seed=1` or `generate:rows?rows=1000`.")
}

fn unknown(what: &str, word: &str, known: &[&'static str]) -> ConnectorError {
    let hint = nearest(word, known.iter().copied())
        .map(|near| format!(", did you mean {near}?"))
        .unwrap_or_default();
    refuse(format!("generate: knows no {what} {word:?}{hint}"))
}
