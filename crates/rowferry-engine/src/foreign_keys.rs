//! Foreign keys between the tables of one job, in the target's names.

use rowferry_core::{ForeignKey, Reference, TableSchema};

use crate::expand::{TableTask, same_table};

/// The keys of `source` whose parent is copied by the same job, with tables and columns as the
/// targets have them. A key with a column that is left out is left out too.
pub(crate) fn of_job(
    source: &TableSchema,
    task: &TableTask,
    tasks: &[TableTask],
) -> Vec<ForeignKey> {
    source
        .foreign_keys
        .iter()
        .filter_map(|key| {
            let parent = tasks.iter().find(|other| same_table(&other.source, &key.to))?;
            let columns = in_target(task, &key.columns)?;
            // SQLite keeps no names of foreign keys; servers want one.
            let name = match key.name.as_str() {
                "" => format!("{}_{}_fkey", task.target.name, columns.join("_")),
                name => name.to_owned(),
            };
            Some(ForeignKey {
                name,
                columns,
                to: parent.target.clone(),
                to_columns: in_target(parent, &key.to_columns)?,
                on_delete: key.on_delete.clone(),
                on_update: key.on_update.clone(),
            })
        })
        .collect()
}

/// Whether the table that has the key is a target of this job, which then takes it off in time.
pub(crate) fn is_ours(reference: &Reference, tasks: &[TableTask]) -> bool {
    tasks.iter().any(|task| same_table(&task.target, &reference.table))
}

/// Names of columns in the target; `None` when one of them is not copied.
fn in_target(task: &TableTask, columns: &[String]) -> Option<Vec<String>> {
    let entry = &task.entry;
    let copied = |name: &String| {
        (entry.include.is_empty() || entry.include.contains(name)) && !entry.exclude.contains(name)
    };
    columns
        .iter()
        .map(|name| {
            copied(name).then(|| entry.rename.get(name).cloned().unwrap_or_else(|| name.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rowferry_core::{TableJob, TableRef};

    use super::*;

    fn task(source: &str, target: &str) -> TableTask {
        let source = TableRef::parse(source);
        TableTask {
            entry: TableJob::of(source.clone()),
            source,
            target: TableRef::parse(target),
            rows_estimated: None,
        }
    }

    fn child_of(parent: &str) -> TableSchema {
        let key = ForeignKey {
            name: "of".into(),
            columns: vec!["parent".into()],
            to: TableRef::parse(parent),
            to_columns: vec!["id".into()],
            on_delete: Some("cascade".into()),
            on_update: None,
        };
        TableSchema { foreign_keys: vec![key], ..TableSchema::default() }
    }

    #[test]
    fn a_key_is_said_in_the_names_of_the_target() {
        let mut child = task("child", "new.kid");
        child.entry.rename.insert("parent".into(), "owner".into());
        let mut parent = task("parent", "new.elder");
        parent.entry.rename.insert("id".into(), "number".into());
        let tasks = [child.clone(), parent];
        let keys = of_job(&child_of("public.parent"), &child, &tasks);
        let [key] = keys.as_slice() else { panic!("one key: {keys:?}") };
        assert_eq!(
            (key.columns.as_slice(), key.to_columns.as_slice()),
            (["owner".to_owned()].as_slice(), ["number".to_owned()].as_slice())
        );
        assert_eq!(key.to, TableRef::parse("new.elder"));
        assert_eq!(key.on_delete.as_deref(), Some("cascade"));
    }

    #[test]
    fn a_key_to_a_table_or_a_column_that_is_not_copied_is_left_out() {
        let child = task("child", "child");
        assert_eq!(of_job(&child_of("parent"), &child, std::slice::from_ref(&child)), []);
        let mut less = task("child", "child");
        less.entry.exclude.push("parent".into());
        let tasks = [less.clone(), task("parent", "parent")];
        assert_eq!(of_job(&child_of("parent"), &less, &tasks), []);
    }

    #[test]
    fn a_key_of_a_target_of_the_job_is_ours() {
        let tasks = [task("a", "child")];
        let reference = |table: &str| Reference { table: TableRef::parse(table), name: "k".into() };
        assert!(is_ours(&reference("public.child"), &tasks));
        assert!(!is_ours(&reference("public.other"), &tasks));
    }
}
