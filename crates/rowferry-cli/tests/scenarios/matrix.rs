//! Every row of the matrices of types in every direction: what the plan says, what arrives, what is
//! refused.

use rowferry_testkit::Engine::{self, Mariadb, Mysql, Postgres, Sqlite};
use serde_json::Value as Json;

use crate::fixture::{Entry, Value};
use crate::ride::{KEY, Line, Ride, casts, compare, expect_none, make, of_table, rows_of};

fn direction(from: Engine, to: Engine) {
    let Some(ride) = Ride::new(from, to, "matrix") else { return };
    let mut found = wide(&ride);
    found.extend(refused_values(&ride));
    found.extend(refused_types(&ride));
    expect_none(&format!("{from:?} to {to:?}"), &found);
}

/// One wide table of everything that goes: letters, then values.
fn wide(ride: &Ride) -> Vec<String> {
    let to = ride.target.engine();
    let mut found = Vec::new();
    let goes: Vec<&Entry> = ride.entries.iter().filter(|entry| entry.goes(to)).collect();
    let values: Vec<Vec<&str>> = goes.iter().map(|entry| entry.good(to)).collect();
    ride.fill(&make(ride.source.engine(), "wide", &goes, rows_of(&values)));

    ride.job(&[Line::of("wide")]);
    let (_, planned) = ride.plan();
    let view = of_table(&planned, "wide");
    let refused = problems(view);
    for (column, words) in &refused {
        found.push(format!("{column}: refused: {words}"));
    }
    // Without them the plan speaks of the rest.
    let goes: Vec<&Entry> = goes
        .into_iter()
        .filter(|entry| !refused.iter().any(|(column, _)| *column == entry.name))
        .collect();
    let names: Vec<&str> = refused.iter().map(|(column, _)| column.as_str()).collect();
    let line = Line::of("wide");
    let line =
        if names.is_empty() { line } else { line.with(format!("exclude: [{}]", names.join(", "))) };
    ride.job(std::slice::from_ref(&line));
    let (_, planned) = ride.plan();
    found.extend(letters(of_table(&planned, "wide"), &goes, to));
    found.extend(same_words(of_table(&planned, "wide"), ride));

    let (told, report) = ride.run();
    if told.code == 0 {
        found.extend(compare(&ride.source, &ride.target, "wide", &goes));
    } else {
        found.push(format!("wide: exit {}: {}", told.code, words(&report["tables"][0])));
        found.extend(one_by_one(ride, &goes));
    }
    found
}

/// The same columns in tables of their own, to find the one that stopped the wide table.
fn one_by_one(ride: &Ride, entries: &[&Entry]) -> Vec<String> {
    let (from, to) = (ride.source.engine(), ride.target.engine());
    let mut found = Vec::new();
    let name = |entry: &Entry| format!("one_{}", entry.name);
    let statements: Vec<String> = entries
        .iter()
        .flat_map(|entry| make(from, &name(entry), &[entry], rows_of(&[entry.good(to)])))
        .collect();
    ride.fill(&statements);
    let lines: Vec<Line> = entries.iter().map(|entry| Line::of(name(entry))).collect();
    ride.job(&lines);
    let (_, report) = ride.run();
    for entry in entries {
        let table = of_table(&report["tables"], &name(entry));
        if table["exit_code"] == 0 {
            found.extend(compare(&ride.source, &ride.target, &name(entry), &[entry]));
        } else {
            found.push(format!("{} ({}): {}", entry.name, entry.declared, words(table)));
        }
    }
    found
}

/// Letters that the plan gives otherwise than the fixture.
fn letters(view: &Json, entries: &[&Entry], to: Engine) -> Vec<String> {
    let letter = |entry: &Entry| {
        let columns = view["columns"].as_array()?;
        let column = columns.iter().find(|column| column["name"] == entry.name.as_str())?;
        Some((column["flag"].clone(), column["rule"].clone()))
    };
    let mut found = Vec::new();
    for entry in entries {
        let expected = entry.flag(to).letter.to_string();
        match letter(entry) {
            Some((letter, rule)) => {
                if letter != expected.as_str() {
                    let (name, declared) = (&entry.name, &entry.declared);
                    found.push(format!("{name} ({declared}): {letter} instead of {expected}"));
                } else if expected == "V" && !rule.is_string() {
                    found.push(format!("{}: V without a rule", entry.name));
                }
            }
            None => found.push(format!("{}: not in the plan", entry.name)),
        }
    }
    found
}

/// Between two databases of one engine the declared type stays word for word.
fn same_words(view: &Json, ride: &Ride) -> Vec<String> {
    if ride.source.engine() != ride.target.engine() {
        return Vec::new();
    }
    let columns = view["columns"].as_array().cloned().unwrap_or_default();
    columns
        .iter()
        .filter(|column| column["source_type"] != column["target_type"])
        .map(|column| {
            format!(
                "{}: {} became {}",
                column["name"], column["source_type"], column["target_type"]
            )
        })
        .collect()
}

/// Each value out of range in a table of its own, beside one that fits.
fn refused_values(ride: &Ride) -> Vec<String> {
    let (from, to) = (ride.source.engine(), ride.target.engine());
    let mut cases: Vec<(String, &Entry, &Value)> = Vec::new();
    for entry in &ride.entries {
        for (number, value) in entry.bad(to).into_iter().enumerate() {
            cases.push((format!("bad_{}_{number}", entry.name), entry, value));
        }
    }
    if cases.is_empty() {
        return Vec::new();
    }
    let statements: Vec<String> = cases
        .iter()
        .flat_map(|(table, entry, value)| {
            let good = entry.good(to).first().map_or("null", |text| text).to_owned();
            let rows = [(1, vec![good.clone()]), (KEY, vec![value.literal.clone()])];
            let mut statements = make(from, table, &[entry], rows);
            if from == Sqlite {
                statements.push(decided(table, &good));
            }
            statements
        })
        .collect();
    ride.fill(&statements);
    let lines: Vec<Line> = cases
        .iter()
        .map(|(table, entry, _)| match &entry.flag(to).cast {
            Some(cast) => Line::of(table).with(casts(&entry.name, cast)),
            None => Line::of(table),
        })
        .collect();
    ride.job(&lines);
    let (told, report) = ride.run();
    let mut found = Vec::new();
    if told.code == 0 {
        found.push("values out of range: the run ended well".to_owned());
    }
    for (table, entry, value) in &cases {
        let report = of_table(&report["tables"], table);
        let told = words(report);
        let case = format!("{table} {} ({})", value.literal, entry.declared);
        if report["exit_code"] != 65 {
            found.push(format!("{case}: exit {} instead of 65: {told}", report["exit_code"]));
            continue;
        }
        let key = KEY.to_string();
        let lower = told.to_lowercase();
        let mut missing: Vec<&str> = [table.as_str(), entry.name.as_str(), key.as_str(), "cast"]
            .into_iter()
            .filter(|word| !told.contains(word))
            .collect();
        let rule = value.words.join("|");
        if !value.words.iter().any(|word| lower.contains(&word.to_lowercase())) {
            missing.push(&rule);
        }
        if !missing.is_empty() {
            found.push(format!("{case}: says nothing of {missing:?}: {told}"));
        }
    }
    let left = rows_left(ride);
    if !left.is_empty() {
        found.push(format!("refused chunks left rows behind: {left:?}"));
    }
    found
}

/// So many rows that the meaning of the column is decided before the bad one is met.
fn decided(table: &str, good: &str) -> String {
    format!(
        "insert into {table} with recursive n (i) as (select 2 union all select i + 1 from n \
         where i < 1100) select i, {good} from n"
    )
}

/// Tables of refused values, also unfinished ones, that hold rows.
fn rows_left(ride: &Ride) -> Vec<String> {
    let tables = match ride.target.engine() {
        Postgres => {
            "select quote_ident(relname) from pg_class where relkind = 'r' and relname like '%bad\\_%'"
        }
        Mariadb | Mysql => {
            "select concat('`', table_name, '`') from information_schema.tables \
             where table_schema = database() and table_name like '%bad\\_%'"
        }
        Sqlite => {
            "select '\"' || name || '\"' from sqlite_schema where type = 'table' and name like '%bad!_%' escape '!'"
        }
    };
    let tables = ride.target.query(tables);
    let counts: Vec<String> = tables
        .iter()
        .map(|table| format!("select '{table}', count(*) from {table} having count(*) > 0"))
        .collect();
    if counts.is_empty() { Vec::new() } else { ride.target.query(&counts.join(" union all ")) }
}

/// What `plan` refuses, and the line it prints with which the column goes.
fn refused_types(ride: &Ride) -> Vec<String> {
    let (from, to) = (ride.source.engine(), ride.target.engine());
    let cases: Vec<(String, &Entry)> = ride
        .entries
        .iter()
        .filter(|entry| !entry.goes(to))
        .map(|entry| (format!("type_{}", entry.name), entry))
        .collect();
    if cases.is_empty() {
        return Vec::new();
    }
    let statements: Vec<String> = cases
        .iter()
        .flat_map(|(table, entry)| make(from, table, &[entry], rows_of(&[entry.good(to)])))
        .collect();
    ride.fill(&statements);
    let lines: Vec<Line> = cases.iter().map(|(table, _)| Line::of(table)).collect();
    ride.job(&lines);
    let mut found = Vec::new();
    let (code, planned) = ride.plan();
    if code != 78 {
        found.push(format!("a plan of refused types ended with {code}"));
    }
    let text = ride.world.run(&["plan", "job.yaml"]).stdout;
    let mut pasted = Vec::new();
    for (table, entry) in &cases {
        let flag = entry.flag(to);
        let cast = flag.cast.clone().unwrap_or_default();
        let view = of_table(&planned, table);
        let problems = view["problems"].as_array().cloned().unwrap_or_default();
        let ours = problems.iter().find(|problem| problem["column"] == entry.name.as_str());
        let case = format!("{} ({})", entry.name, entry.declared);
        let Some(problem) = ours else {
            found.push(format!("{case}: not refused: {view}"));
            continue;
        };
        let offered = problem["casts"].as_array().cloned().unwrap_or_default();
        if !offered.iter().any(|offer| *offer == cast.as_str()) {
            found.push(format!("{case}: {cast} is not offered but {offered:?}: {problem}"));
        }
        let slug = if flag.letter == 'L' { "lossy" } else { "unsupported-type" };
        if problem["code"] != slug {
            found.push(format!("{case}: {} instead of {slug}", problem["code"]));
        }
        match offered_line(&text, table) {
            Some(line) => pasted.push((table, *entry, line)),
            None => found.push(format!("{case}: no line `casts:` to paste in:\n{text}")),
        }
    }
    if pasted.is_empty() {
        return found;
    }
    let lines: Vec<Line> =
        pasted.iter().map(|(table, _, line)| Line::of(*table).with(line)).collect();
    ride.job(&lines);
    let (told, report) = ride.run();
    if told.code != 0 {
        found.push(format!("with the pasted lines: exit {}", told.code));
    }
    for (table, entry, line) in pasted {
        let report = of_table(&report["tables"], table);
        if report["exit_code"] == 0 {
            found.extend(compare(&ride.source, &ride.target, table, &[entry]));
        } else {
            found.push(format!("{} with {line}: {}", entry.declared, words(report)));
        }
    }
    found
}

/// The line to paste that a plan prints below `table`.
fn offered_line(text: &str, table: &str) -> Option<String> {
    let below = text.lines().skip_while(|line| {
        !(line.starts_with("table ")
            && line.split(' ').any(|word| word == table || word.ends_with(&format!(".{table}"))))
    });
    let own = below.skip(1).take_while(|line| !line.starts_with("table "));
    let mut offer = own.skip_while(|line| !line.contains("casts to paste"));
    offer.nth(1).map(|line| line.trim().to_owned())
}

/// Columns with problems, and their words.
fn problems(view: &Json) -> Vec<(String, String)> {
    let problems = view["problems"].as_array().cloned().unwrap_or_default();
    problems
        .iter()
        .map(|problem| {
            let column = problem["column"].as_str().unwrap_or("the table").to_owned();
            (column, format!("{} {}", problem["code"], problem["message"]))
        })
        .collect()
}

/// All that a report says of a table's failure.
fn words(report: &Json) -> String {
    let error = &report["error"];
    if error.is_null() {
        return report.to_string();
    }
    let parts: Vec<&str> =
        ["code", "table", "message", "next"].iter().filter_map(|key| error[key].as_str()).collect();
    parts.join("; ")
}

every_direction!(direction);
