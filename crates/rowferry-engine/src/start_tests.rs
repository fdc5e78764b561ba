//! The rules of run, resume and run again, as a table.

use std::collections::BTreeMap;
use std::time::Duration;

use rowferry_core::{
    Fingerprint, KeyColumn, KeyColumns, NativeType, ReplaceMode, StreamSpec, TableRef, TableSchema,
};

use super::*;

fn plan(mode: Mode, write: WriteMode, load: LoadInto) -> TablePlan {
    let native = NativeType::new("x", "bigint");
    let key =
        KeyColumn { name: "id".into(), native, nullable: false, integer: true, collation: None };
    TablePlan {
        foreign_keys: Vec::new(),
        stream: StreamSpec {
            stream_id: "s".into(),
            job: "j".into(),
            source_id: "a".into(),
            source_table: TableRef::bare("t"),
            target_table: TableRef::bare("t"),
            progress_schema: None,
            run_key: None,
            fingerprint: Fingerprint(BTreeMap::from([("columns".into(), "id".into())])),
            owner: "o".into(),
            shared_target: false,
            tool_version: "0".into(),
        },
        source: TableSchema {
            table: TableRef::bare("t"),
            columns: Vec::new(),
            keys: Vec::new(),
            indexes: Vec::new(),
            rows_estimated: None,
            bytes_estimated: None,
            comment: None,
            ..TableSchema::default()
        },
        target: TableRef::bare("t"),
        target_existing: None,
        columns: Vec::new(),
        key: vec!["id".into()],
        key_enforced: true,
        cut_by: Some(KeyColumns(vec![key])),
        mode,
        write,
        load,
        replace: ReplaceMode::Swap,
        keep_old: false,
        duplicates: None,
        predicate: None,
        insert_batch_rows: 1,
        warnings: Vec::new(),
    }
}

fn full() -> TablePlan {
    plan(Mode::Full, WriteMode::Replace, LoadInto::StagingReplace)
}

fn append() -> TablePlan {
    plan(Mode::Full, WriteMode::Append, LoadInto::Target)
}

fn incremental() -> TablePlan {
    plan(Mode::Incremental, WriteMode::Upsert, LoadInto::Target)
}

fn state(plan: &TablePlan, phase: Phase) -> StreamState {
    StreamState {
        stream_id: "s".into(),
        job: "j".into(),
        source_table: "t".into(),
        target_table: "t".into(),
        run: 1,
        epoch: 1,
        run_key: None,
        phase,
        fingerprint: plan.stream.fingerprint.clone(),
        staging: None,
        watermark: None,
        rows: 10,
        chunks: 1,
        started_at: String::new(),
        updated_at: String::new(),
        age_seconds: 60,
        owner: String::new(),
    }
}

fn options(run_key: Option<&str>, restart: bool) -> RunOptions {
    RunOptions {
        run_key: run_key.map(str::to_owned),
        restart,
        resume_within: Duration::from_hours(12),
        accept_shrink: false,
        shutdown_grace: Duration::from_secs(20),
    }
}

/// `new`, `continue`, `finished` or the slug of the refusal.
fn outcome(
    plan: &TablePlan,
    state: Option<&StreamState>,
    (target_exists, target_has_rows, write_is_explicit): (bool, bool, bool),
    options: &RunOptions,
) -> String {
    remembering(plan, (state, None), (target_exists, target_has_rows, write_is_explicit), options)
}

/// As [`outcome`], with what was remembered of the stream.
fn remembering(
    plan: &TablePlan,
    (state, remembered): (Option<&StreamState>, Option<&Position>),
    (target_exists, target_has_rows, write_is_explicit): (bool, bool, bool),
    options: &RunOptions,
) -> String {
    let found = Found { state, remembered, target_exists, target_has_rows, write_is_explicit };
    match decide(plan, &found, options) {
        Ok(Start::New(_)) => "new".into(),
        Ok(Start::Continue) => "continue".into(),
        Ok(Start::Finished) => "finished".into(),
        Err(error) => error.code.into(),
    }
}

const THERE: (bool, bool, bool) = (true, true, false);
const GONE: (bool, bool, bool) = (false, false, false);

#[test]
fn a_foreign_target_with_rows_asks_for_a_write_mode() {
    let any = options(None, false);
    assert_eq!(outcome(&full(), None, THERE, &any), "target-not-empty");
    assert_eq!(outcome(&full(), None, (true, true, true), &any), "new");
    assert_eq!(outcome(&full(), None, (true, false, false), &any), "new");
    assert_eq!(outcome(&full(), None, GONE, &any), "new");
}

#[test]
fn a_finished_full_runs_again_and_a_finished_append_does_not() {
    let done = state(&full(), Phase::Done);
    assert_eq!(outcome(&full(), Some(&done), THERE, &options(None, false)), "new");
    assert_eq!(outcome(&full(), Some(&done), GONE, &options(None, false)), "new");
    assert_eq!(outcome(&append(), Some(&done), THERE, &options(None, false)), "already-appended");
    assert_eq!(outcome(&append(), Some(&done), THERE, &options(Some("b"), false)), "new");
    assert_eq!(outcome(&append(), Some(&done), THERE, &options(None, true)), "new");
}

#[test]
fn a_finished_run_key_is_left_alone() {
    let mut done = state(&full(), Phase::Done);
    done.run_key = Some("monday".into());
    assert_eq!(outcome(&full(), Some(&done), THERE, &options(Some("monday"), false)), "finished");
    assert_eq!(outcome(&full(), Some(&done), THERE, &options(Some("tuesday"), false)), "new");
}

#[test]
fn an_unfinished_run_continues_by_key_or_by_age() {
    let mut open = state(&full(), Phase::Loading);
    assert_eq!(outcome(&full(), Some(&open), THERE, &options(None, false)), "continue");
    open.age_seconds = 13 * 3600;
    assert_eq!(outcome(&full(), Some(&open), THERE, &options(None, false)), "new");
    open.run_key = Some("monday".into());
    assert_eq!(outcome(&full(), Some(&open), THERE, &options(Some("monday"), false)), "continue");
    assert_eq!(outcome(&full(), Some(&open), THERE, &options(Some("tuesday"), false)), "new");
    assert_eq!(outcome(&full(), Some(&open), THERE, &options(Some("monday"), true)), "new");
}

#[test]
fn an_unfinished_append_is_never_appended_twice() {
    let mut open = state(&append(), Phase::Loading);
    open.age_seconds = 13 * 3600;
    assert_eq!(outcome(&append(), Some(&open), THERE, &options(None, false)), "append-unfinished");
    assert_eq!(outcome(&append(), Some(&open), THERE, &options(None, true)), "new");
    open.chunks = 0;
    assert_eq!(outcome(&append(), Some(&open), THERE, &options(None, false)), "new");
}

#[test]
fn progress_without_its_target_is_a_conflict() {
    let any = options(None, false);
    let open = state(&append(), Phase::Loading);
    assert_eq!(outcome(&append(), Some(&open), GONE, &any), "target-gone");
    let done = state(&incremental(), Phase::Done);
    assert_eq!(outcome(&incremental(), Some(&done), GONE, &any), "target-gone");
}

#[test]
fn a_changed_plan_is_named() {
    let mut open = state(&full(), Phase::Loading);
    open.fingerprint.0.insert("columns".into(), "id, name".into());
    let found = Found {
        state: Some(&open),
        remembered: None,
        target_exists: true,
        target_has_rows: true,
        write_is_explicit: false,
    };
    let error = decide(&full(), &found, &options(None, false)).unwrap_err();
    assert_eq!(error.code, "plan-changed");
    assert!(error.message.contains("columns"), "{}", error.message);
}

#[test]
fn without_a_key_an_unfinished_load_starts_anew_but_a_finished_one_publishes() {
    let mut keyless = full();
    keyless.cut_by = None;
    let loading = state(&keyless, Phase::Loading);
    assert_eq!(outcome(&keyless, Some(&loading), THERE, &options(None, false)), "new");
    let publishing = state(&keyless, Phase::Publishing);
    assert_eq!(outcome(&keyless, Some(&publishing), THERE, &options(None, false)), "continue");
}

#[test]
fn a_target_that_lost_what_it_said_asks_a_person() {
    let any = options(None, false);
    for plan in [full(), append(), incremental()] {
        for phase in [Phase::Loading, Phase::Done] {
            let state = state(&plan, phase);
            let mut heard = state.position();
            let says = |heard: &Position, options: &RunOptions| {
                remembering(&plan, (Some(&state), Some(heard)), THERE, options)
            };
            assert_eq!(says(&heard, &any), outcome(&plan, Some(&state), THERE, &any));
            heard.epoch += 1;
            assert_eq!(says(&heard, &any), "target-behind");
            assert_eq!(says(&heard, &options(heard.run_key.as_deref(), true)), "new");
        }
    }
}

#[test]
fn progress_that_is_gone_starts_a_full_copy_anew_and_stops_what_cannot_be_repeated() {
    let any = options(None, false);
    let heard = |done| Position { run: 1, epoch: 1, done, chunks: 3, run_key: None };
    let gone = |plan: &TablePlan, done: bool, there, options: &RunOptions| {
        remembering(plan, (None, Some(&heard(done))), there, options)
    };
    let empty = (true, false, false);
    for done in [false, true] {
        assert_eq!(gone(&full(), done, THERE, &any), "new");
        assert_eq!(gone(&incremental(), done, THERE, &any), "progress-gone");
        assert_eq!(gone(&incremental(), done, THERE, &options(None, true)), "new");
        assert_eq!(gone(&append(), done, THERE, &any), "progress-gone");
        assert_eq!(gone(&append(), done, THERE, &options(None, true)), "new");
    }
    assert_eq!(gone(&append(), false, empty, &any), "progress-gone");
    assert_eq!(gone(&append(), true, empty, &any), "new");
    assert_eq!(gone(&append(), false, THERE, &options(Some("next"), false)), "progress-gone");
    assert_eq!(gone(&append(), true, THERE, &options(Some("next"), false)), "new");
}
