//! What this process has cost so far, by the word of the kernel. Nothing where there is no `/proc`.

/// Kernel ticks in a second, as every Linux shows them to programs (`sysconf(_SC_CLK_TCK)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    ticks: u64,
}

impl Cost {
    /// Up to now.
    pub(crate) fn so_far() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        // Fields 14 and 15 of proc_pid_stat(5), counted behind the second.
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        Some(Self { ticks: ticks.sum::<Result<u64, _>>().ok()? })
    }

    /// Seconds from then to now.
    pub(crate) fn since(self) -> Option<f64> {
        let ticks = Self::so_far()?.ticks.saturating_sub(self.ticks);
        Some(f64::from(u32::try_from(ticks).ok()?) / TICKS_PER_SECOND)
    }
}

/// The greatest size that the process has had, in bytes.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn work_costs_time_and_memory() {
        let before = Cost::so_far().unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(100) {}
        let spent = before.since().unwrap();
        assert!(spent > 0.01 && spent < 10.0, "{spent}");
        assert!(peak_bytes().unwrap() > 1 << 20);
    }
}
