//! Damaged inputs for whatever reads what others wrote: no panic, no hang, no memory without end.
//!
//! A corpus in `fixtures/fuzz/NAME/` is mutated for a second (`ROWFERRY_FUZZ_SECONDS` for longer). The
//! seed is printed, and with it every input can be made again: `ROWFERRY_FUZZ_SEED`. An input that was
//! once a fault goes into the corpus.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Seconds of one target in a test run that does not say how long: a dozen targets stay below what
/// a test run may cost.
const SECONDS: u64 = 1;
/// Longest input. Guessed: beyond every buffer's first growth, and far below a second's work.
const BYTES_MAX: usize = 16 << 10;
/// One input may take so long, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// Memory that all inputs together may need at once. Guessed: a thousand times their bytes.
const MEMORY_MAX: u64 = 256 << 20;

/// Inputs that were read, and how many of them were taken as right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fuzzed {
    /// Inputs.
    pub inputs: u64,
    /// Inputs for which the target said yes.
    pub taken: u64,
}

/// Gives mutations of the corpus `name`, mixed with `words`, to `target`, which says whether it took
/// them as right.
///
/// # Panics
///
/// When `target` does, after the input was printed; when it hangs or needs too much memory; and
/// when everything or nothing was taken, which would say little.
pub fn fuzz(name: &str, words: &[&str], mut target: impl FnMut(&[u8]) -> bool) -> Fuzzed {
    let corpus = corpus(name);
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_secs());
    let seed = number("ROWFERRY_FUZZ_SEED").unwrap_or(now);
    let time = Duration::from_secs(number("ROWFERRY_FUZZ_SECONDS").unwrap_or(SECONDS));
    println!("ROWFERRY_FUZZ_SEED={seed}");
    let watch = Watch::start(name);
    let before = peak_memory();
    let mut mutations = Mutations { state: seed | 1, corpus: &corpus, words };
    let mut fuzzed = Fuzzed::default();
    let clock = Instant::now();
    // The corpus itself comes first.
    let mut inputs = corpus.clone().into_iter();
    while clock.elapsed() < time || inputs.len() > 0 {
        let input = inputs.next().unwrap_or_else(|| mutations.input());
        watch.begin(&input);
        match catch_unwind(AssertUnwindSafe(|| target(&input))) {
            Ok(taken) => fuzzed.taken += u64::from(taken),
            Err(panic) => {
                println!("{name}: b\"{}\"", input.escape_ascii());
                resume_unwind(panic);
            }
        }
        fuzzed.inputs += 1;
    }
    let memory = peak_memory().saturating_sub(before);
    println!("{name}: {} inputs, {} taken, {} KiB", fuzzed.inputs, fuzzed.taken, memory >> 10);
    println!("faults: {}", fuzzed.inputs);
    assert!(memory < MEMORY_MAX, "{name} needs {memory} bytes");
    let some = fuzzed.inputs / 1_000..fuzzed.inputs;
    assert!(some.contains(&fuzzed.taken), "{name}: {fuzzed:?}");
    fuzzed
}

/// All files of the corpus, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz").join(name);
    let files = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let whole = paths.iter().map(|path| std::fs::read(path).expect("a readable file"));
    // Short inputs share a file, one a line.
    let mut corpus = Vec::new();
    for (path, bytes) in paths.iter().zip(whole) {
        if path.extension().is_some_and(|extension| extension == "lines") {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            corpus.extend(lines.map(<[u8]>::to_vec));
        } else {
            corpus.push(bytes);
        }
    }
    corpus
}

/// Peak memory of the process in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) << 10
}

/// Ends the process when one input takes too long, since nothing else can.
struct Watch {
    current: Arc<Mutex<(Instant, Vec<u8>)>>,
    over: Arc<AtomicBool>,
}

impl Watch {
    fn start(name: &str) -> Self {
        let current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
        let over = Arc::new(AtomicBool::new(false));
        let (watched, ended, name) = (Arc::clone(&current), Arc::clone(&over), name.to_owned());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                let current = watched.lock().unwrap_or_else(PoisonError::into_inner);
                if current.0.elapsed() > PATIENCE {
                    println!("{name} hangs: b\"{}\"", current.1.escape_ascii());
                    std::process::abort();
                }
            }
        });
        Self { current, over }
    }

    fn begin(&self, input: &[u8]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.0 = Instant::now();
        current.1.clear();
        current.1.extend_from_slice(input);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Inputs made of others.
struct Mutations<'a> {
    state: u64,
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
}

/// What is likely to be read wrongly whatever is read.
const EVERYWHERE: [&str; 18] = [
    "\0",
    "\n",
    "\r\n",
    "\t",
    "\u{feff}",
    "\u{202e}",
    "é",
    "😀",
    "\"",
    "'",
    "\\",
    "0",
    "-1",
    "9223372036854775808",
    "1e999",
    "NaN",
    "null",
    "[",
];

impl Mutations<'_> {
    /// xorshift64: <https://www.jstatsoft.org/article/view/v008i14>.
    fn roll(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % (end.max(1) as u64)).unwrap_or(0)
    }

    fn input(&mut self) -> Vec<u8> {
        let place = self.below(self.corpus.len());
        let mut input = self.corpus.get(place).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.mutate(&mut input);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let until = (at + 1 + self.below(12)).min(input.len());
        match self.below(9) {
            0 => {
                let bit = self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            1 => input.truncate(at),
            2 => drop(input.splice(at..until.max(at), [])),
            3 => {
                let other = self.below(self.corpus.len());
                let other = self.corpus.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len());
                input.truncate(at);
                input.extend(other.into_iter().skip(from));
            }
            4 => {
                // The same thing again and again: depth, counts, width.
                let part: Vec<u8> = input.get(at..until).unwrap_or_default().to_vec();
                let times = [2, 3, 40, 2_000][self.below(4)];
                input.splice(at..at, part.repeat(times.min(BYTES_MAX / part.len().max(1))));
            }
            5 => {
                let byte = u8::try_from(self.below(256)).unwrap_or(0);
                input.insert(at, byte);
            }
            6 => {
                let word = EVERYWHERE[self.below(EVERYWHERE.len())];
                input.splice(at..at, word.bytes());
            }
            _ => {
                let place = self.below(self.words.len());
                let word = self.words.get(place).copied().unwrap_or_default();
                input.splice(at..at, word.bytes());
            }
        }
    }
}
