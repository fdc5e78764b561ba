//! Identity of a stream and the fields that must not change while it is unfinished.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rowferry_core::{
    ColumnPlan, Fingerprint, KeyColumns, LoadInto, Mode, Policy, Predicate, TableRef, WriteMode,
};
use xxhash_rust::xxh3::xxh3_128;

/// What a fingerprint is made of.
pub(crate) struct Ingredients<'a> {
    pub(crate) source_id: &'a str,
    pub(crate) source: &'a TableRef,
    pub(crate) target: &'a TableRef,
    pub(crate) columns: &'a [ColumnPlan],
    pub(crate) cut_by: Option<&'a KeyColumns>,
    pub(crate) key: &'a [String],
    pub(crate) predicate: Option<&'a Predicate>,
    pub(crate) mode: Mode,
    pub(crate) write: WriteMode,
    pub(crate) load: LoadInto,
}

/// Hash of who the stream is: 32 hex digits.
pub(crate) fn stream_id(
    job: &str,
    source_id: &str,
    source: &TableRef,
    target: &TableRef,
) -> String {
    // Parts are length-prefixed, so that no two lists of parts read alike.
    let parts = [job.to_owned(), source_id.to_owned(), source.to_string(), target.to_string()];
    let mut text = String::new();
    for part in &parts {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

/// The fields, each as short text; never a setting.
pub(crate) fn fingerprint(from: &Ingredients<'_>) -> Fingerprint {
    let columns: Vec<String> = from
        .columns
        .iter()
        .map(|column| {
            // The target's type is left out: once its table exists, the server may spell it
            // otherwise than the statement that made it.
            let mut text = format!(
                "{} {} -> {}",
                column.source.name, column.source.native.declared, column.target.name
            );
            // Half a table of one meaning and half of another is nobody's wish.
            if let Some(epoch) = column.cast.epoch {
                write!(text, " epoch={epoch}").unwrap_or_default();
            }
            if column.cast.otherwise != Policy::Strict {
                write!(text, " else {}", column.cast.otherwise).unwrap_or_default();
            }
            text
        })
        .collect();
    let cut_by = from.cut_by.map_or_else(
        || "no key".to_owned(),
        |key| {
            let columns: Vec<String> = key
                .0
                .iter()
                .map(|column| {
                    let collation = column.collation.as_deref().unwrap_or_default();
                    format!("{} {} {collation}", column.name, column.native.declared)
                })
                .collect();
            columns.join(", ")
        },
    );
    let fields = [
        ("source", format!("{} {}", from.source_id, from.source)),
        ("target", from.target.to_string()),
        ("columns", columns.join("; ")),
        ("cut_by", cut_by),
        ("key", from.key.join(", ")),
        ("filters", from.predicate.map(|predicate| format!("{predicate:?}")).unwrap_or_default()),
        ("mode", format!("{:?}", from.mode).to_lowercase()),
        ("write", format!("{:?}", from.write).to_lowercase()),
        ("load", format!("{:?}", from.load).to_lowercase()),
    ];
    Fingerprint(
        fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect::<BTreeMap<_, _>>(),
    )
}
