//! The connector against a real server, with psql as the oracle.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod begin;
mod delivery;
mod encrypted;
mod every_type;
mod ferry;
mod hashed;
mod list_literals;
mod literals;
mod objects;
mod reads;
mod server;
mod shapes;
mod types;
