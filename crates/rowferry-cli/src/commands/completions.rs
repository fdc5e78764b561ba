//! `completions`: a script for the user's shell.

use crate::args::{self, CompletionsArgs};
use crate::ending::Ending;
use crate::{exit, out};

pub(super) fn run(args: &CompletionsArgs) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "rowferry", &mut script);
    out::result(&String::from_utf8_lossy(&script));
    Ending::of(exit::OK)
}
