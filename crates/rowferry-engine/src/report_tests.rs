use super::*;

fn table(status: RunStatus, exit_code: u8) -> TableReport {
    TableReport {
        job: "shop".into(),
        source: "a".into(),
        target: "b".into(),
        mode: "full".into(),
        write: "replace".into(),
        status,
        exit_code,
        consistency: "table".into(),
        snapshots: 1,
        rows_read: 1,
        rows_written: 1,
        rows_updated: None,
        rows_in_target: None,
        rows_rejected: 0,
        duplicates: 0,
        bytes_read: 1,
        bytes_written: 1,
        chunks: 1,
        chunks_resumed: 0,
        rows_per_second: 1.0,
        seconds: 1.0,
        watermark: None,
        digest: String::new(),
        values: Vec::new(),
        warnings: Vec::new(),
        phases: Phases::default(),
        error: None,
    }
}

fn check(tables: &[(RunStatus, u8)], status: RunStatus, code: u8) {
    let tables = tables.iter().map(|(status, code)| table(*status, *code)).collect();
    let report = RunReport::of(tables, None);
    assert_eq!((report.status, report.exit_code), (status, code));
}

#[test]
fn exit_codes_follow_the_contract() {
    use RunStatus::{Failed, Ok, Partial, Skipped, Stopped};
    check(&[(Ok, 0), (Ok, 0)], Ok, 0);
    check(&[(Failed, 78)], Failed, 78);
    check(&[(Failed, 78), (Failed, 78)], Failed, 78);
    check(&[(Failed, 78), (Failed, 65)], Failed, 1);
    check(&[(Ok, 0), (Failed, 65)], Partial, 1);
    check(&[(Ok, 0), (Failed, 69)], Partial, 69);
    check(&[(Failed, 75), (Failed, 69)], Failed, 75);
    check(&[(Ok, 0), (Stopped, 75)], Stopped, 75);
    check(&[(Skipped, 0)], Skipped, 0);
    check(&[(Skipped, 0), (Ok, 0)], Ok, 0);
    check(&[], Ok, 0);
}
