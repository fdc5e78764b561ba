use clap::{ArgAction, Command as Clap};

use clap::FromArgMatches as _;

use super::{Cli, command};

/// What `--help` of the command at `path` prints, without a terminal.
fn help(path: &str) -> String {
    let words = path.split(' ').chain(["--help"]);
    command().try_get_matches_from(words).unwrap_err().to_string()
}

fn each(command: &Clap, path: &str, visit: &mut impl FnMut(&str, &Clap)) {
    visit(path, command);
    for sub in command.get_subcommands() {
        each(sub, &format!("{path} {}", sub.get_name()), visit);
    }
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn every_flag_has_its_environment_twin() {
    let mut count = 0;
    each(&command(), "rowferry", &mut |path, command| {
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            if matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
                continue;
            }
            let twin = format!("ROWFERRY_{}", long.replace('-', "_").to_uppercase());
            let found = arg.get_env().map(|name| name.to_string_lossy().into_owned());
            assert_eq!(found, Some(twin), "{path} --{long}");
            count += 1;
        }
    });
    assert!(count > 60, "{count}");
}

#[test]
fn every_command_helps_in_seventy_lines_with_two_examples() {
    let mut root = command();
    root.build();
    each(&root, "rowferry", &mut |path, command| {
        if command.is_hide_set() || command.get_name() == "help" || path.contains(" help ") {
            return;
        }
        let help = help(path);
        let lines = help.lines().count();
        assert!(lines <= 70, "{path}: {lines} lines\n{help}");
        let examples = help.lines().skip_while(|line| !line.starts_with("Examples:")).skip(1);
        assert_eq!(examples.count(), 2, "{path}\n{help}");
    });
}

#[test]
fn the_examples_of_every_command_are_accepted() {
    let mut examples = Vec::new();
    let mut root = command();
    root.build();
    each(&root, "rowferry", &mut |path, command| {
        if command.is_hide_set() || path.contains("help") {
            return;
        }
        let help = help(path);
        examples.extend(
            help.lines()
                .skip_while(|line| !line.starts_with("Examples:"))
                .skip(1)
                .map(|line| line.trim().split(" > ").next().unwrap_or_default().to_owned()),
        );
    });
    for example in examples {
        let words = example.split_whitespace().collect::<Vec<_>>();
        let matches = command().try_get_matches_from(&words);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
        assert!(cli.is_ok(), "{example}: {:?}", cli.err().map(|error| error.to_string()));
    }
}
