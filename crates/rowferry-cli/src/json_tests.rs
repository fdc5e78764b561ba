use rowferry_core::{ConnectorError, ErrorClass};
use rowferry_engine::{ErrorReport, Phases, RunReport, RunStatus, TableReport};

use super::{LINE_BYTES_MAX, ReportFile, line};

fn table(number: usize, failed: bool) -> TableReport {
    let error = ConnectorError::new(ErrorClass::Setup, "unknown-table", "x".repeat(5_000));
    TableReport {
        job: "shop".into(),
        source: format!("public.table_{number}"),
        target: format!("table_{number}"),
        mode: "full".into(),
        write: "replace".into(),
        status: if failed { RunStatus::Failed } else { RunStatus::Ok },
        exit_code: if failed { 78 } else { 0 },
        consistency: "table".into(),
        snapshots: 1,
        rows_read: 10,
        rows_written: 10,
        rows_updated: None,
        rows_in_target: Some(10),
        rows_rejected: 0,
        duplicates: 0,
        bytes_read: 100,
        bytes_written: 100,
        chunks: 1,
        chunks_resumed: 0,
        rows_per_second: 10.0,
        seconds: 1.0,
        watermark: None,
        digest: String::new(),
        values: Vec::new(),
        warnings: vec!["w".repeat(1_000); 50],
        phases: Phases::default(),
        error: failed.then(|| ErrorReport::new(&error, "shop", "t", "")),
    }
}

#[test]
fn the_line_is_short_and_holds_failed_tables_first() {
    let tables = (0..500).map(|number| table(number, number == 499)).collect();
    let report = RunReport::of(tables, None);
    let text = line(&report);
    assert!(text.len() < LINE_BYTES_MAX, "{}", text.len());
    assert!(!text.contains('\n'));
    let back: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shown = back["tables"].as_array().unwrap();
    assert_eq!(shown[0]["source"], "public.table_499");
    assert_eq!(back["tables_omitted"], 500 - shown.len());
    assert_eq!(back["totals"]["tables"], 500);
    assert_eq!(back["error"]["code"], "unknown-table");
}

#[test]
fn a_short_report_is_whole() {
    let mut one = table(1, false);
    one.warnings.clear();
    let report = RunReport::of(vec![one], None);
    assert_eq!(line(&report), serde_json::to_string(&report).unwrap());
}

#[test]
fn the_file_appears_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let file = ReportFile::prepare(&path).unwrap();
    assert!(!path.exists());
    file.write(&RunReport::of(vec![table(1, false)], None)).unwrap();
    drop(file);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("}\n"));
    let refused = ReportFile::prepare(&folder.path().join("no/such/r.json")).unwrap_err();
    assert_eq!((refused.exit_code, refused.report.code.as_str()), (74, "report-unwritable"));
}
