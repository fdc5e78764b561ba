//! A failure as people read it: what failed, what is saved, what to do next.

use rowferry_engine::ErrorReport;

/// `error[slug]: message`, then where, what is saved, and the next step.
pub(crate) fn render(report: &ErrorReport) -> String {
    let mut lines = vec![format!("error[{}]: {}", report.code, report.message.trim_end())];
    for (name, value) in [
        ("job", &report.job),
        ("table", &report.table),
        ("saved", &report.saved),
        ("next", &report.next),
    ] {
        if !value.is_empty() {
            lines.push(format!("  {name}: {value}"));
        }
    }
    lines.join("\n")
}

/// Prints it on stderr.
pub(crate) fn print(report: &ErrorReport) {
    crate::out::talk(&render(report));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_left_out() {
        let report = ErrorReport {
            code: "locked".into(),
            class: "busy".into(),
            job: "shop".into(),
            table: String::new(),
            message: "job \"shop\" is already running".into(),
            saved: String::new(),
            next: "Wait for it.".into(),
        };
        assert_eq!(
            render(&report),
            "error[locked]: job \"shop\" is already running\n  job: shop\n  next: Wait for it."
        );
    }
}
