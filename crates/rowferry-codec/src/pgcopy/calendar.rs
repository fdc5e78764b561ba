//! Dates and times between two epochs: 1970 in Arrow, 2000 in PostgreSQL.
//!
//! The infinities are in-band on both sides and map to each other; the zero date of MySQL has no
//! place here. All arithmetic is checked: PostgreSQL's range is wider than a microsecond
//! timestamp's at one end, and Arrow's is wider at the other.

use super::rule::Rule;

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Range of a finite date, from 2000-01-01: Julian day 0 to 5874897-12-31 (`IS_VALID_DATE`).
const PG_DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
/// Range of a finite timestamp, from 2000-01-01 (`IS_VALID_TIMESTAMP`).
const PG_TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
/// 24:00:00, which both servers accept.
const DAY_MICROS: i64 = 86_400_000_000;

#[inline]
pub(super) fn date_from_pg(days: i32) -> Result<i32, Rule> {
    if PG_DATES.contains(&days) {
        Ok(days + EPOCH_DAYS)
    } else if days == i32::MAX || days == i32::MIN {
        Ok(days)
    } else {
        Err(Rule::CALENDAR)
    }
}

#[inline]
pub(super) fn date_to_pg(days: i32) -> Result<i32, Rule> {
    let pg = days.wrapping_sub(EPOCH_DAYS);
    if PG_DATES.contains(&pg) && days > i32::MIN + 1 {
        Ok(pg)
    } else if days == i32::MAX || days == i32::MIN {
        Ok(days)
    } else if days == i32::MIN + 1 {
        Err(Rule::ZERO_DATE)
    } else {
        Err(Rule::TARGET_CALENDAR)
    }
}

#[inline]
pub(super) fn timestamp_from_pg(micros: i64) -> Result<i64, Rule> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(micros);
    }
    // The greatest value is taken by infinity.
    match micros.checked_add(EPOCH_MICROS) {
        Some(unix) if unix < i64::MAX && PG_TIMESTAMPS.contains(&micros) => Ok(unix),
        _ => Err(Rule::CALENDAR),
    }
}

/// A timestamp for a column that keeps fractions in steps of `step` microseconds.
#[inline]
pub(super) fn timestamp_to_pg(micros: i64, step: i64) -> Result<i64, Rule> {
    if micros == i64::MAX || micros == i64::MIN {
        return Ok(micros);
    }
    if micros == i64::MIN + 1 {
        return Err(Rule::ZERO_DATE);
    }
    if step > 1 && micros % step != 0 {
        return Err(Rule::FRACTION);
    }
    match micros.checked_sub(EPOCH_MICROS) {
        Some(pg) if PG_TIMESTAMPS.contains(&pg) => Ok(pg),
        _ => Err(Rule::TARGET_CALENDAR),
    }
}

#[inline]
pub(super) fn time_from_pg(micros: i64) -> Result<i64, Rule> {
    if (0..=DAY_MICROS).contains(&micros) { Ok(micros) } else { Err(Rule::CALENDAR) }
}

#[inline]
pub(super) fn time_to_pg(micros: i64, step: i64) -> Result<i64, Rule> {
    if !(0..=DAY_MICROS).contains(&micros) {
        Err(Rule::TIME_OF_DAY)
    } else if step > 1 && micros % step != 0 {
        Err(Rule::FRACTION)
    } else {
        Ok(micros)
    }
}

/// A length of time for a column that keeps fractions in steps of `step` microseconds.
#[inline]
pub(super) fn whole_steps(micros: i64, step: i64) -> Result<i64, Rule> {
    if step > 1 && micros % step != 0 { Err(Rule::FRACTION) } else { Ok(micros) }
}

/// Microseconds of the last digit that a column with `digits` fraction digits keeps.
pub(super) const fn step(digits: u8) -> i64 {
    match digits {
        0 => 1_000_000,
        1 => 100_000,
        2 => 10_000,
        3 => 1_000,
        4 => 100,
        5 => 10,
        _ => 1,
    }
}
