//! `with-servers COMMAND…`: starts one server of each engine, runs the command with their URLs in
//! its environment, and stops them. A test run then shares three servers instead of starting one
//! per test process; a shell as the command gives a place to try things.

#![expect(clippy::print_stderr, reason = "a command line tool of the test run")]

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

use rowferry_testkit::{Server, mariadb, mysql, postgres};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: with-servers COMMAND [ARGUMENT]…");
        return ExitCode::from(2);
    };
    let mut command = Command::new(&program);
    command.args(words);
    let servers: [fn() -> Option<&'static Server>; 3] = [postgres, mariadb, mysql];
    let starts = servers.map(std::thread::spawn);
    for start in starts {
        // A thread panics when this run requires a server that is not there; it has said why.
        let Ok(server) = start.join() else { return ExitCode::FAILURE };
        if let Some((server, name)) =
            server.and_then(|server| Some((server, server.engine().url_variable()?)))
        {
            command.env(name, server.url());
        }
    }
    match command.status() {
        Ok(status) => {
            let code = status.code().or(status.signal().map(|signal| 128 + signal));
            ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("{} did not start: {error}", program.display());
            ExitCode::from(127)
        }
    }
}
