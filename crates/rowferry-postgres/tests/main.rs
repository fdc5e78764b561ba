//! The connector against a real server, with psql as the oracle.

mod delivery;
mod ferry;
mod server;
mod shapes;
mod types;
