//! `docs/cli.md` holds the help of every command as the binary prints it.
//! `BLESS=1 cargo nextest run -p rowferry-cli the_page` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::world::World;

const MARK: &str = "## Commands\n";

const COMMANDS: [&[&str]; 28] = [
    &[],
    &["copy"],
    &["run"],
    &["plan"],
    &["verify"],
    &["repair"],
    &["drift"],
    &["sync"],
    &["sync", "run"],
    &["sync", "verify"],
    &["sync", "down"],
    &["check"],
    &["tables"],
    &["status"],
    &["state"],
    &["state", "list"],
    &["state", "show"],
    &["state", "reset"],
    &["state", "accept"],
    &["state", "unlock"],
    &["worker"],
    &["bench"],
    &["config"],
    &["config", "validate"],
    &["config", "show"],
    &["config", "schema"],
    &["config", "migrate"],
    &["completions"],
];

#[test]
fn the_page_holds_the_help_as_it_is_printed() {
    let world = World::new();
    let mut wanted = String::from(MARK);
    for command in COMMANDS {
        let help = world.run(&[command, &["--help"]].concat()).expect(0).stdout;
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let name = [&["rowferry"], command].concat().join(" ");
        let help = lines.join("\n");
        writeln!(wanted, "\n### {name}\n\n```text\n{}\n```", help.trim_end()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, commands) = page.split_once(MARK).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{wanted}")).unwrap();
        return;
    }
    let commands = format!("{MARK}{commands}");
    assert!(commands == wanted, "docs/cli.md is stale: run this test with BLESS=1");
}
