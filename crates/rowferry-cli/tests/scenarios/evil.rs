//! Names that break out of quotes, hide in patterns or end at a limit.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};

/// Quotes, comments, ends of statements, patterns, places of values, reserved words.
const SIGNS: &[&str] = &[
    "it's",
    "say \"hi\"",
    "back`tick",
    "''",
    "\"\"",
    "``",
    "'",
    "\"",
    "`",
    "x\"; drop table planted; --",
    "x'; drop table planted; --",
    "x`; drop table planted; --",
    "/* remark */",
    "*/ drop table planted",
    "-- remark",
    "#remark",
    ";",
    "a;b",
    "\\",
    "\\'",
    "\\\"",
    "a\\nb",
    "\\N",
    "\\.",
    "line\nfeed",
    "tab\tulator",
    "carriage\rreturn",
    "select",
    "table",
    "order",
    "user",
    "values",
    "null",
    "true",
    "%s",
    "%d%n%",
    "{}",
    "{0}",
    "{table}",
    "{schema}",
    "${HOME}",
    "$1",
    "$$",
    "$tag$",
    "?",
    ":name",
    "@var",
    "@@version",
    "ferry😀boat",
    "日本語",
    "שלום",
    "e\u{301}",
    "\u{feff}bom",
    " lead",
    "trail ",
    " ",
    "a.b",
    "public.t",
    "[x]",
    "*",
    "a*b",
    "a,b",
    "a=b",
    "(a)",
    "C:\\temp",
    "--restart",
    // What statements of a copy are made of.
    "t",
    "s",
    "excluded",
    "new",
    "chunk",
    "ctid",
    "rowid",
    "oid",
    "_rowid_",
    "key",
    "0",
    "1e5",
    "-1",
    "main",
    "pg_temp",
    "mysql",
];

/// Names as a hostile or careless user gives them.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = SIGNS.iter().copied().map(str::to_owned).collect();
    // Around the limits: 63 bytes, 64 characters.
    for (part, length) in
        [("a", 63), ("a", 64), ("a", 65), ("ä", 31), ("ä", 32), ("ä", 64), ("ä", 65)]
    {
        names.push(part.repeat(length));
    }
    names
}

/// The name as this engine quotes it.
pub(crate) fn quoted(engine: Engine, name: &str) -> String {
    match engine {
        Postgres | Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        Mariadb | Mysql => format!("`{}`", name.replace('`', "``")),
    }
}

/// The text as a literal of this engine.
pub(crate) fn literal(engine: Engine, text: &str) -> String {
    let text = text.replace('\'', "''");
    match engine {
        Postgres | Sqlite => format!("'{text}'"),
        Mariadb | Mysql => format!("'{}'", text.replace('\\', "\\\\")),
    }
}

/// `name` behind a letter and its length, so that it is one of its own within all limits.
pub(crate) fn beside(letter: char, name: &str) -> String {
    let mut other = format!("{letter}{}{name}", name.len());
    while other.len() > 63 {
        other.pop();
    }
    if other.ends_with(' ') {
        other.push('.');
    }
    other
}
