//! The `generate:` source, the `null:` sink and the memory sink.
//!
//! Generated rows are a function of (seed, table, column, row number) and nothing else, so any
//! chunk can be made anywhere, in any order, twice, and is always the same. Keys rise with the row
//! number, hence a range of keys is a range of row numbers.

mod batch;
mod dice;
mod generate;
mod memory_lock;
mod memory_sink;
mod memory_state;
mod memory_writer;
mod null_sink;
mod numbering;
mod plain;
mod request;
mod shop;
mod snapshot;
mod table;
mod values;

pub use generate::GenerateSource;
pub use memory_sink::MemorySink;
pub use null_sink::NullSink;

#[cfg(test)]
mod tests;
