//! Which columns identify a row, in whose order the table is cut, and what follows from that.

use rowferry_core::{
    CanonicalType, Column, Duplicates, KeyColumn, KeyColumns, LoadInto, TableSchema, WriteMode,
};

use crate::draft::Draft;

/// The columns that identify a row, and whether the source promises that.
pub(crate) struct Identity {
    pub(crate) columns: Vec<String>,
    pub(crate) enforced: bool,
}
impl Draft<'_> {
    pub(crate) fn identity(&mut self, chosen: &[Column]) -> Identity {
        let entry = &self.task.entry;
        let unique_not_null =
            |columns: &[String]| columns.iter().all(|name| !is_nullable(self.source, name));
        if entry.key.is_empty() {
            let key = self.source.keys.iter().find(|key| {
                unique_not_null(&key.columns)
                    && key
                        .columns
                        .iter()
                        .all(|name| chosen.iter().any(|column| column.name == *name))
            });
            return match key {
                Some(key) => Identity { columns: key.columns.clone(), enforced: true },
                None => Identity { columns: Vec::new(), enforced: false },
            };
        }
        let wanted: std::collections::BTreeSet<&String> = entry.key.iter().collect();
        let enforced = self.source.keys.iter().any(|key| {
            unique_not_null(&key.columns) && key.columns.iter().all(|name| wanted.contains(name))
        });
        for name in &entry.key {
            if self.source.column(name).is_some() && !chosen.iter().any(|c| c.name == *name) {
                self.problem(
                    "key-not-copied",
                    Some(name),
                    "the key needs this column, but it is left out".to_owned(),
                    "Add it to `include`, or take it out of `exclude`.".to_owned(),
                );
            }
        }
        Identity { columns: entry.key.clone(), enforced }
    }

    /// Columns in whose order the table is cut: as asked, else the key, else a unique key with
    /// nullable columns, whose rows with nulls form a chunk of their own.
    pub(crate) fn cut_by(&mut self, identity: &Identity) -> Option<KeyColumns> {
        let entry = &self.task.entry;
        let asked = !entry.cut_by.is_empty() || !entry.key.is_empty();
        let names = if !entry.cut_by.is_empty() {
            entry.cut_by.clone()
        } else if !identity.columns.is_empty() {
            identity.columns.clone()
        } else {
            self.source.keys.iter().find(|key| !key.primary).map(|key| key.columns.clone())?
        };
        let mut columns = Vec::new();
        for name in &names {
            let column = self.source.column(name)?;
            if !column.canonical.as_ref().is_some_and(CanonicalType::orders_rows) {
                if asked {
                    self.problem(
                        "key-type",
                        Some(name),
                        format!("a table cannot be cut by type {}", column.native.declared),
                        "Name other columns in `cut_by`.".to_owned(),
                    );
                }
                return None;
            }
            columns.push(KeyColumn::of(column));
        }
        Some(KeyColumns(columns))
    }

    pub(crate) fn load(
        &mut self,
        write: WriteMode,
        identity: &Identity,
        cut: Option<&KeyColumns>,
    ) -> LoadInto {
        match write {
            WriteMode::Replace => LoadInto::StagingReplace,
            WriteMode::Append if cut.is_none() => LoadInto::StagingAppend,
            WriteMode::Append => LoadInto::Target,
            WriteMode::Upsert => {
                if identity.columns.is_empty() || cut.is_none() {
                    self.problem(
                        "key-needed",
                        None,
                        format!("table {} has no key, so rows cannot be merged", self.source.table),
                        "Name the columns that identify a row in `key`, or use `write: replace`."
                            .to_owned(),
                    );
                }
                LoadInto::Target
            }
        }
    }

    /// Duplicates meet in one chunk only when the table is cut by the key itself.
    pub(crate) fn duplicates(
        &mut self,
        write: WriteMode,
        identity: &Identity,
        cut: Option<&KeyColumns>,
    ) -> Option<Duplicates> {
        let asked = self.task.entry.on_duplicate;
        if identity.enforced || identity.columns.is_empty() {
            return None;
        }
        if asked.is_none() && write != WriteMode::Upsert {
            return None;
        }
        if cut.is_some_and(|cut| cut.names() != identity.columns) {
            self.problem(
                "cut-by-key",
                None,
                "equal keys are looked for inside a chunk, but the table is cut by other columns"
                    .to_owned(),
                "Leave `cut_by` out, or set it to the key.".to_owned(),
            );
        }
        if cut.is_none() && asked == Some(Duplicates::Last) {
            self.problem(
                "cut-by-key",
                None,
                "`on_duplicate: last` holds the rows of a chunk back, and without a key to cut by \
                 that is the whole table"
                    .to_owned(),
                "Use `on_duplicate: first`.".to_owned(),
            );
        }
        Some(asked.unwrap_or(Duplicates::Fail))
    }
}

pub(crate) fn is_nullable(schema: &TableSchema, name: &str) -> bool {
    schema.column(name).is_none_or(|column| column.nullable)
}
