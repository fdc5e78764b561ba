//! One rustls set-up for all connectors, in libpq's five modes; MySQL's five mean the same.
//!
//! | mode | encrypted | chain | name |
//! |---|---|---|---|
//! | `disable`, `DISABLED` | no | | |
//! | `prefer`, `PREFERRED` | if the server offers it | no | no |
//! | `require`, `REQUIRED` | or refused | no | no |
//! | `verify-ca`, `VERIFY_CA` | or refused | yes | no |
//! | `verify-full`, `VERIFY_IDENTITY` | or refused | yes | yes |
//!
//! A file of roots beside `require` has become `verify-ca` when a job was read, as libpq does it.

mod certificate;
mod client;
mod identity;
mod refusal;
mod verify;

pub use certificate::end_point_hash;
pub use client::{Possession, TlsClient};
pub use refusal::{cause, is_refusal, not_offered, refused};
