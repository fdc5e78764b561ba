//! Rows folded into sums, so that two tables can be compared without holding either.
//!
//! A row falls into a bucket by the hash of its key, and is added there as the hash of the whole row.
//! Sums do not depend on the order of rows. Buckets that differ say whose rows are to be looked at;
//! all others hold the same rows.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use rowferry_core::CanonicalType;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::{EqualForm, KernelError, row_bytes};

/// A column of one side: what its values mean and the form in which they are compared.
pub type FormedColumn = (String, CanonicalType, EqualForm);

/// Rows of one side in the form in which they are compared.
#[derive(Clone, Debug)]
pub struct Comparable {
    batch: RecordBatch,
    /// Row and column of values that have no such form.
    misfits: Vec<(usize, usize)>,
    salt: u128,
}

impl Comparable {
    /// Brings `batch` into the form that `columns` say. A value that has no such form equals nothing
    /// of the other side; `salt` is another one there, so that two of them do not meet either.
    ///
    /// # Nulls
    ///
    /// Stay null, and equal one another.
    ///
    /// # Errors
    ///
    /// [`KernelError`] when a column cannot be brought into its form.
    pub fn new(
        batch: &RecordBatch,
        columns: &[FormedColumn],
        salt: u128,
    ) -> Result<Self, KernelError> {
        if columns.iter().all(|(_, _, form)| *form == EqualForm::AsItIs) {
            return Ok(Self { batch: batch.clone(), misfits: Vec::new(), salt });
        }
        let mut misfits = Vec::new();
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays = Vec::with_capacity(columns.len());
        for (at, ((name, meaning, form), array)) in columns.iter().zip(batch.columns()).enumerate()
        {
            let formed = form.apply(array, meaning)?;
            misfits.extend(formed.misfits.iter().map(|misfit| (misfit.row, at)));
            fields.push(form.meaning(meaning).field(name));
            arrays.push(formed.array);
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema, arrays)
            .map_err(|error| KernelError::Arrow(error.to_string()))?;
        misfits.sort_unstable();
        Ok(Self { batch, misfits, salt })
    }

    /// The hash of each row's `columns`, with all of which two rows are equal or not.
    ///
    /// # Errors
    ///
    /// [`KernelError`] when a column is missing or has no canonical bytes.
    pub fn hashes(&self, columns: &[usize]) -> Result<Vec<u128>, KernelError> {
        let mut hashes = Vec::with_capacity(self.batch.num_rows());
        row_bytes::for_each_row(&self.batch, columns, |_row, bytes| hashes.push(xxh3_128(bytes)))?;
        for (row, column) in &self.misfits {
            if let Some(hash) = hashes.get_mut(*row)
                && columns.contains(column)
            {
                // Added, so that two of a row do not take each other away.
                *hash = hash.wrapping_add(self.salt);
            }
        }
        Ok(hashes)
    }

    /// The hash of each row's key, from which its bucket follows.
    fn key_hashes(&self, key: &[usize]) -> Result<Vec<u64>, KernelError> {
        let mut hashes = Vec::with_capacity(self.batch.num_rows());
        row_bytes::for_each_row(&self.batch, key, |_row, bytes| hashes.push(xxh3_64(bytes)))?;
        Ok(hashes)
    }

    /// Whether each row's bucket is among the `wanted` ones.
    ///
    /// # Errors
    ///
    /// As [`Self::hashes`].
    pub fn rows_of(&self, key: &[usize], wanted: &[bool]) -> Result<Vec<bool>, KernelError> {
        let flag = |hash| wanted.get(bucket(hash, wanted.len())).copied().unwrap_or_default();
        Ok(self.key_hashes(key)?.into_iter().map(flag).collect())
    }
}

/// The bucket of a key, by its hash.
fn bucket(hash: u64, buckets: usize) -> usize {
    usize::try_from(hash % buckets.max(1) as u64).unwrap_or_default()
}

/// Rows and the sum modulo 2^128 of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: u128,
}

/// Sums of rows by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    sums: Vec<Sum>,
}

impl Fold {
    /// No rows yet, in so many buckets.
    pub fn new(buckets: usize) -> Self {
        Self { sums: vec![Sum::default(); buckets.max(1)] }
    }

    /// Adds rows, whose buckets follow from the columns `key`.
    ///
    /// # Nulls
    ///
    /// A null differs from every value and equals another null, also in a key.
    ///
    /// # Errors
    ///
    /// [`KernelError`] when a column is missing or has no canonical bytes.
    pub fn add(&mut self, rows: &Comparable, key: &[usize]) -> Result<(), KernelError> {
        let all: Vec<usize> = (0..rows.batch.num_columns()).collect();
        let hashes = rows.hashes(&all)?;
        let buckets = self.sums.len();
        for (hash, key) in hashes.into_iter().zip(rows.key_hashes(key)?) {
            if let Some(sum) = self.sums.get_mut(bucket(key, buckets)) {
                sum.rows += 1;
                sum.hashes = sum.hashes.wrapping_add(hash);
            }
        }
        Ok(())
    }

    /// Adds the rows of another fold of as many buckets.
    pub fn merge(&mut self, more: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(&more.sums) {
            sum.rows += more.rows;
            sum.hashes = sum.hashes.wrapping_add(more.hashes);
        }
    }

    /// Rows in all buckets.
    pub fn rows(&self) -> u64 {
        self.sums.iter().map(|sum| sum.rows).sum()
    }

    /// Buckets that differ from those of `other`, each with its rows on both sides.
    pub fn differing(&self, other: &Self) -> Vec<(usize, u64)> {
        let pairs = self.sums.iter().zip(&other.sums).enumerate();
        let differing = pairs.filter(|(_, (left, right))| left != right);
        differing.map(|(at, (left, right))| (at, left.rows + right.rows)).collect()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn rows(rows: &[(i64, &str)]) -> Comparable {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
        let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
        Comparable { batch, misfits: Vec::new(), salt: 1 }
    }

    fn fold(batches: &[&Comparable]) -> Fold {
        let mut fold = Fold::new(16);
        for batch in batches {
            fold.add(batch, &[0]).unwrap();
        }
        fold
    }

    #[test]
    fn order_and_batches_do_not_matter() {
        let whole = fold(&[&rows(&[(1, "a"), (2, "b"), (3, "c")])]);
        let parts = fold(&[&rows(&[(3, "c")]), &rows(&[(2, "b"), (1, "a")])]);
        assert_eq!(whole, parts);
        assert_eq!(whole.rows(), 3);
    }

    #[test]
    fn a_changed_row_is_found_in_the_bucket_of_its_key() {
        let left = rows(&[(1, "a"), (2, "b"), (3, "c")]);
        let right = rows(&[(1, "a"), (2, "x"), (3, "c")]);
        let differing = fold(&[&left]).differing(&fold(&[&right]));
        let [(found, _)] = differing.as_slice() else { panic!("{differing:?}") };
        let mut wanted = vec![false; 16];
        wanted[*found] = true;
        assert!(left.rows_of(&[0], &wanted).unwrap()[1]);
    }

    #[test]
    fn swapped_values_and_doubled_rows_are_differences() {
        let straight = fold(&[&rows(&[(1, "a"), (2, "b")])]);
        assert!(!straight.differing(&fold(&[&rows(&[(1, "b"), (2, "a")])])).is_empty());
        let doubled = rows(&[(1, "a"), (2, "b"), (2, "b")]);
        assert!(!straight.differing(&fold(&[&doubled])).is_empty());
    }

    #[test]
    fn values_without_a_form_never_meet() {
        let misfit = |salt| Comparable { misfits: vec![(0, 1)], salt, ..rows(&[(1, "")]) };
        assert!(!fold(&[&misfit(1)]).differing(&fold(&[&misfit(2)])).is_empty());
    }

    proptest! {
        #[test]
        fn folds_differ_exactly_when_rows_do(
            left in proptest::collection::vec((0_i64..6, 0_u8..2), 0..8),
            right in proptest::collection::vec((0_i64..6, 0_u8..2), 0..8),
        ) {
            let named = |list: &[(i64, u8)]| {
                let mut list: Vec<(i64, &str)> =
                    list.iter().map(|(id, text)| (*id, ["a", "b"][usize::from(*text)])).collect();
                list.sort_unstable();
                list
            };
            let (left, right) = (named(&left), named(&right));
            let differing = fold(&[&rows(&left)]).differing(&fold(&[&rows(&right)]));
            prop_assert_eq!(differing.is_empty(), left == right);
        }
    }
}
