//! The connector against real servers, with the databases' own client as the judge.

mod copy;
mod servers;
mod types;
mod write;
