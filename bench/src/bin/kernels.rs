//! All cases in one process, for `scripts/instructions` and for a quick look.
//!
//! ```text
//! kernels list [FILTER]    name, bytes per row and rows of each case
//! kernels time [FILTER]    and the best of several rounds: GB/s, million rows per second
//! kernels once NAME        one case twice: to warm up, and to be counted by callgrind
//! ```
//!
//! FILTER is a part of the name.

use std::{env, time::Instant};

use anyhow::{Result, bail};
use rowferry_bench::{Case, Family, Shape};

/// Rounds of a case; the best one counts, since anything slower was disturbed.
const ROUNDS: usize = 40;

fn main() -> Result<()> {
    // As the program does: else a third of the time goes into zeroed pages.
    rowferry_runtime::give_back_large_blocks();
    let mut arguments = env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let filter = arguments.next().unwrap_or_default();
    for family in Family::ALL {
        for shape in Shape::ALL {
            let name = format!("{}/{}", family.word(), shape.word());
            match mode.as_str() {
                "once" if name == filter => {
                    let mut case = family.case(shape)?;
                    case.warm_up()?;
                    case.counted_work()?;
                }
                "list" if name.contains(&filter) => print(&family.case(shape)?, None),
                "time" if name.contains(&filter) => {
                    let mut case = family.case(shape)?;
                    let seconds = best(&mut case)?;
                    print(&case, Some(seconds));
                }
                "once" | "list" | "time" => {}
                _ => bail!("usage: kernels list|time|once [FILTER]"),
            }
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench prints its numbers")]
#[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
fn print(case: &Case, seconds: Option<f64>) {
    let (name, bytes, rows) = (&case.name, case.bytes as f64, case.rows as f64);
    let row_bytes = bytes / rows;
    match seconds {
        None => println!("{name} {row_bytes:.0} {rows}"),
        Some(seconds) => println!(
            "{name} {row_bytes:.0} {rows} {:.2} {:.2}",
            bytes / seconds / 1e9,
            rows / seconds / 1e6
        ),
    }
}

/// Seconds of the fastest round.
fn best(case: &mut Case) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        case.counted_work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
