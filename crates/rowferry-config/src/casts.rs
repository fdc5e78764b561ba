//! Casts of a table and of a whole job: other target types, and what becomes of values that do not
//! fit.

use std::collections::BTreeMap;

use rowferry_core::{Cast, CastTarget, Policy, TypeCast};

use crate::ConfigError;
use crate::document::{Document, Keys, Section};
use crate::yaml::Node;

pub(crate) const DEFAULTS: Keys = Keys { of: "defaults", known: &["casts", "types"], later: &[] };
pub(crate) const TYPE_CAST: Keys = Keys { of: "a cast", known: &["from", "to"], later: &[] };

/// `casts` and `types` of a table: column to cast. The second is the first without policies.
pub(crate) fn of_table(doc: &mut Document<'_>, section: Section<'_>) -> BTreeMap<String, Cast> {
    let mut casts = BTreeMap::new();
    for (key, read) in [("casts", cast as fn(&mut Document<'_>, &Node) -> _), ("types", plain)] {
        let Some(node) = section.get(key) else { continue };
        for (column, at, to) in doc.entries(node) {
            let Some(cast) = read(doc, to) else { continue };
            if casts.insert(column.to_owned(), cast).is_some() {
                let message = format!("column {column:?} is cast twice");
                let error = ConfigError::new("contradiction", message);
                doc.wrong(at, error.with_next("Keep it in `casts` or in `types`."));
            }
        }
    }
    casts
}

/// `defaults` of a job: casts for every column of a source type. Those of `casts` come first.
pub(crate) fn of_job(doc: &mut Document<'_>, node: &Node) -> Vec<TypeCast> {
    let Some(section) = doc.section(node, &DEFAULTS) else { return Vec::new() };
    let mut casts = Vec::new();
    for item in section.get("casts").map(|node| doc.items(node)).unwrap_or_default() {
        let Some(entry) = doc.section(item, &TYPE_CAST) else { continue };
        let from = doc.required(entry, TYPE_CAST.of, "from");
        let to = doc.required(entry, TYPE_CAST.of, "to");
        let to = to.and_then(|_| entry.get("to")).and_then(|to| cast(doc, to));
        casts.extend(from.zip(to).map(|(from, cast)| TypeCast { from, cast }));
    }
    if let Some(node) = section.get("types") {
        for (from, _, to) in doc.entries(node) {
            let from = from.to_owned();
            casts.extend(plain(doc, to).map(|cast| TypeCast { from, cast }));
        }
    }
    casts
}

/// Reads `TYPE`, `else POLICY` or `TYPE else POLICY`.
///
/// # Errors
///
/// `bad-value`, with the forms that there are.
pub fn parse_cast(text: &str) -> Result<Cast, ConfigError> {
    text.parse().map_err(|why: String| {
        ConfigError::new("bad-value", format!("cast {text:?}: {why}")).with_next(
            "Write for example \"decimal(38,10)\", \"text\", \"else null\" or \"datetime(6) else \
             clamp\".",
        )
    })
}

fn cast(doc: &mut Document<'_>, node: &Node) -> Option<Cast> {
    let text = doc.text(node)?;
    match parse_cast(&text) {
        Ok(cast) => Some(cast),
        Err(error) => {
            doc.wrong(node, error);
            None
        }
    }
}

/// A type alone.
fn plain(doc: &mut Document<'_>, node: &Node) -> Option<Cast> {
    let cast = cast(doc, node)?;
    if cast.to.is_some() && cast.epoch.is_none() && cast.otherwise == Policy::Strict {
        return Some(cast);
    }
    let error = ConfigError::new("bad-value", "`types` holds types alone");
    doc.wrong(node, error.with_next("Move the column to `casts`, where `else POLICY` may follow."));
    None
}

/// A cast to a type in the target's words.
pub(crate) fn to_type(from: &str, declared: String) -> TypeCast {
    let cast = Cast { to: Some(CastTarget::Type(declared)), ..Cast::default() };
    TypeCast { from: from.to_owned(), cast }
}
