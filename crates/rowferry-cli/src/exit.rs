//! Exit codes that no error class stands for. The whole table is in `docs/cli.md`.

/// Done, or nothing to do.
pub(crate) const OK: u8 = 0;
/// Ran fully, and the answer is negative.
pub(crate) const NEGATIVE: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;
/// A bug of rowferry.
pub(crate) const BUG: u8 = 70;
/// Local disk or ledger.
pub(crate) const LOCAL: u8 = 74;
/// Try again later.
pub(crate) const LATER: u8 = 75;
/// Configuration or schema contract.
pub(crate) const SETUP: u8 = 78;
/// Skipped, on request.
pub(crate) const SKIPPED: u8 = 99;
