//! Job file to [`Job`](rowferry_core::Job): native YAML and the older shapes; connection strings;
//! secrets.
//!
//! A file is parsed into a tree whose nodes know their place (module `yaml`), variables are filled in
//! afterwards (so that no value is ever read as YAML), and one reader per shape turns the tree into
//! jobs. All mistakes of a file are reported together. Nothing here opens a connection.

mod casts;
mod connection;
mod document;
mod dotnet;
mod dotnet_string;
mod endpoint;
mod env;
mod error;
mod glob;
mod go_dsn;
mod job_file;
mod libpq_string;
mod measure;
mod native;
mod option_file;
mod pairs;
mod passfile;
mod predicate;
mod print;
mod private_file;
mod schema;
mod secret;
mod seed_file;
mod service_file;
mod sync_config;
mod syncset;
mod table;
mod url;
mod yaml;

pub use casts::parse_cast;
pub use endpoint::parse_endpoint;
pub use env::{Env, ProcessEnv};
pub use error::{ConfigError, ConfigErrors};
pub use glob::{glob_match, is_pattern};
pub use job_file::{JobFile, Shape, load_file, load_str};
pub use measure::{parse_bytes, parse_duration, parse_rate};
pub use pairs::check_pairs;
pub use predicate::parse_predicate;
pub use print::print_config;
pub use rowferry_core::nearest as did_you_mean;
pub use schema::schema;
pub use seed_file::{load_seed_file, load_seed_str};
