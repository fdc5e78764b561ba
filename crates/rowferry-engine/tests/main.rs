//! The engine between a generated source and a sink in memory, both failing by script: what has
//! been promised about copies holds without any database.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod copying;
mod duplicates;
mod faults;
mod publishing;
mod simulation;
mod spoiled;
mod steps;
mod stopping;
mod values;
mod world;
