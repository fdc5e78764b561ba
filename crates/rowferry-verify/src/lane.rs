//! How the columns of both sides are read and brought into one form at the moment.
//!
//! A reader that meets a value its column's type cannot hold says so. The column is then read wider on
//! that side, which may change the form of both; folds of different lanes are never compared.

use arrow_array::RecordBatch;
use rowferry_core::{
    CanonicalType, Column, ColumnPlan, ConnectorError, Predicate, ReadSpec, Result, TableRef,
};
use rowferry_kernels::{Comparable, EqualForm, FormedColumn};

use crate::casts::Casts;
use crate::comparison::{Comparison, Pair};
use crate::equality::equality;
use crate::side::Both;
use crate::{EqualityRule, RuleUsed, Side, VerifyContext};

/// Bytes of a payload at most: as of a copy, 2 MiB keep its columns in the cache.
const PAYLOAD_BYTES: u64 = 2 << 20;

/// Slug of a reader's error about a value beyond its column's type.
pub(crate) const UNREPRESENTABLE: &str = "unrepresentable";

/// One way to read both sides.
#[derive(Debug)]
pub(crate) struct Lane {
    /// 0 for the first; each wider column adds 1.
    pub(crate) number: u64,
    pub(crate) columns: Vec<Pair>,
    pub(crate) key: Vec<usize>,
    pub(crate) specs: Both<ReadSpec>,
    pub(crate) rules: Vec<RuleUsed>,
    /// The target table, as its server resolved it.
    pub(crate) target: TableRef,
    casts: Casts,
    formed: Both<Vec<FormedColumn>>,
    strict: bool,
}

impl Lane {
    pub(crate) fn first(
        comparison: &Comparison,
        predicate: Option<&Predicate>,
        context: &VerifyContext,
    ) -> Self {
        let spec = |predicate: Option<&Predicate>| ReadSpec {
            columns: Vec::new(),
            predicate: predicate.cloned(),
            wire: None,
            batch_bytes: PAYLOAD_BYTES,
            batch_rows: context.batch_rows.max(1),
            ordered: false,
        };
        let specs = Both { source: spec(predicate), target: spec(None) };
        let (columns, key) = (comparison.columns.clone(), comparison.key.clone());
        let target = comparison.tables.target.table.clone();
        let casts = comparison.casts.clone();
        Self::new((0, target), (columns, casts), key, specs, context.strict)
    }

    fn new(
        (number, target): (u64, TableRef),
        (columns, casts): (Vec<Pair>, Casts),
        key: Vec<usize>,
        mut specs: Both<ReadSpec>,
        strict: bool,
    ) -> Self {
        specs.source.columns = columns.iter().map(|pair| pair.source.clone()).collect();
        specs.target.columns = columns.iter().map(|pair| pair.target.clone()).collect();
        let mut formed = Both::<Vec<FormedColumn>>::default();
        let mut rules = Vec::new();
        for (place, pair) in columns.iter().enumerate() {
            let cast = casts.of(place);
            let read = pair.source.canonical.as_ref();
            // Columns without a meaning were refused when the tables were compared by name.
            let (Some(source), Some(target)) =
                (cast.map_or(read, ColumnPlan::written), &pair.target.canonical)
            else {
                continue;
            };
            let equality = equality(source, target, strict);
            let name = &pair.source.name;
            rules.extend(cast.map(|_| RuleUsed { column: name.clone(), rule: EqualityRule::Cast }));
            rules.extend(equality.rule.map(|rule| RuleUsed { column: name.clone(), rule }));
            formed.source.push((name.clone(), source.clone(), equality.source));
            formed.target.push((name.clone(), target.clone(), equality.target));
        }
        Self { number, columns, key, specs, rules, target, casts, formed, strict }
    }

    /// The lane in which `column` of `side` is read wider; `None` when there is no wider type.
    pub(crate) fn widened(&self, side: Side, column: &str) -> Option<Self> {
        let mut columns = self.columns.clone();
        let of = |pair: &Pair| match side {
            Side::Source => pair.source.name == column,
            Side::Target => pair.target.name == column,
        };
        let (place, pair) = columns.iter_mut().enumerate().find(|(_, pair)| of(pair))?;
        let (one, other) = match side {
            Side::Source => (&mut pair.source, &mut pair.target),
            Side::Target => (&mut pair.target, &mut pair.source),
        };
        // A list's wider type is the server's own text, which equals nothing but its like.
        if is_list(one) {
            if !is_list(other) {
                return None;
            }
            other.canonical = wider(other);
        }
        one.canonical = Some(wider(one)?);
        let mut casts = self.casts.clone();
        casts.read_as(place, pair.source.canonical.as_ref()?);
        let (key, specs) = (self.key.clone(), self.specs.clone());
        let named = (self.number + 1, self.target.clone());
        Some(Self::new(named, (columns, casts), key, specs, self.strict))
    }

    /// Rows of `side` as they were read; those of the source as a copy writes them.
    pub(crate) fn as_copied(&self, side: Side, batch: RecordBatch) -> Result<RecordBatch> {
        match side {
            Side::Source => self.casts.apply(batch),
            Side::Target => Ok(batch),
        }
    }

    /// Rows of `side` in the form in which they are compared.
    pub(crate) fn comparable(&self, side: Side, batch: &RecordBatch) -> Result<Comparable> {
        // Any two different numbers: a value without a form equals nothing of the other side.
        let salt = match side {
            Side::Source => 1,
            Side::Target => 2,
        };
        Comparable::new(batch, self.formed.of(side), salt).map_err(kernel_failed)
    }

    /// What the values of a column mean as they are read.
    pub(crate) fn meaning(&self, side: Side, place: usize) -> Option<&FormedColumn> {
        self.formed.of(side).get(place)
    }

    /// Whether rows can be put into the order of their keys: a single integer.
    pub(crate) fn integer_key(&self) -> Option<usize> {
        let [place] = self.key.as_slice() else { return None };
        let (_, meaning, form) = self.meaning(Side::Source, *place)?;
        (meaning.is_integer() && *form == EqualForm::AsItIs).then_some(*place)
    }
}

fn is_list(column: &Column) -> bool {
    matches!(column.canonical, Some(CanonicalType::List { .. }))
}

fn wider(column: &Column) -> Option<CanonicalType> {
    column.canonical.as_ref()?.demoted()
}

/// A kernel's refusal: the forms are ours, so it is our mistake.
pub(crate) fn kernel_failed(
    error: impl std::error::Error + Send + Sync + 'static,
) -> ConnectorError {
    ConnectorError::bug(format!("could not compare rows: {error}")).with_source(error)
}
