//! Servers that end with the process that started them, however it ends.
//!
//! Each server runs under a small shell that holds the read end of a pipe. The write end is ours
//! alone: when this process exits, panics or is killed, the shell reads end-of-file, stops the
//! server by its pid and removes its folder. No signal handler of ours has to run for that.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Waits for end-of-file, then stops the server: politely first, for good after five seconds.
/// `$1` is the folder to remove, unless it holds a file `keep`; the rest is the command.
const SCRIPT: &str = r#"
folder=$1; shift
"$@" </dev/null &
server=$!
echo $server >"$folder/server"
( while read -r _; do :; done; kill -INT $server; i=0
  while [ $i -lt 50 ] && kill -0 $server; do sleep 0.1; i=$((i+1)); done
  kill -KILL $server ) 2>/dev/null <&3 &
wait $server
[ -e "$folder/keep" ] || rm -rf "$folder"
"#;

/// A running server. Dropping it stops the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
    folder: PathBuf,
    command: Vec<OsString>,
}

impl Watched {
    /// Starts `command` with its output in `folder`/log.
    pub(crate) fn start(folder: &Path, command: &[OsString]) -> std::io::Result<Self> {
        let log = File::create(folder.join("log"))?;
        let shell = Command::new("sh")
            // The pipe arrives as standard input; background jobs of a shell lose that, so it is
            // kept as descriptor 3.
            .args(["-c", &format!("exec 3<&0\n{SCRIPT}"), "watchdog"])
            .arg(folder)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { shell, folder: folder.to_owned(), command: command.to_vec() })
    }

    /// Ends the server by `signal` and waits until it is gone; its folder stays.
    pub(crate) fn end(&mut self, signal: &str) -> std::io::Result<()> {
        std::fs::write(self.kept(), "")?;
        let pid = std::fs::read_to_string(self.folder.join("server"))?;
        Command::new("kill").args([signal, pid.trim()]).status()?;
        self.shell.wait()?;
        Ok(())
    }

    /// Starts the server again after [`Self::end`], in the same folder.
    pub(crate) fn again(&mut self) -> std::io::Result<()> {
        *self = Self::start(&self.folder, &self.command)?;
        Ok(())
    }

    /// The server is up again: its folder goes with it.
    pub(crate) fn is_back(&self) -> std::io::Result<()> {
        std::fs::remove_file(self.kept())
    }

    fn kept(&self) -> PathBuf {
        self.folder.join("keep")
    }

    /// What the server has printed so far.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}
