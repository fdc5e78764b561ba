//! Nouns and contracts of rowferry. No IO, no tokio, no rayon.
//!
//! Everything the planner decides is a plain value that can be printed, stored, retried and sent to
//! another machine: [`TableSchema`], [`KeyRange`], [`Chunk`], [`Receipt`], [`TablePlan`]. Handles
//! (connections, streams) appear only behind the four traits at the ends: [`Source`], [`Snapshot`],
//! [`Sink`] with its [`StreamLock`], and [`ChunkWriter`].
//!
//! A [`Chunk`] goes out, a [`Receipt`] comes back: that is the whole interface between the control
//! plane and the data plane.

mod canonical;
mod cast;
mod chunk;
mod coverage;
mod cut;
#[cfg(test)]
mod cut_tests;
mod endpoint;
mod epoch;
mod error;
mod expression;
mod expression_parser;
mod fidelity;
mod holder;
mod job;
mod key_range;
mod limits;
mod mend;
mod nearest;
mod plan;
mod predicate;
mod rate;
mod read_script;
mod script;
mod secret;
mod server_digest;
mod short_copy;
mod sink;
mod source;
mod stream;
mod table;
mod table_shape;
mod time_limits;

pub use canonical::{CanonicalType, JsonFlavor};
pub use cast::{Cast, CastTarget, Policy, TypeCast};
pub use chunk::{Chunk, ChunkNo, ChunkTotals, Digest, Receipt, RejectedRow};
pub use coverage::{CHUNK_NO_STEP, Coverage, Hole};
pub use cut::{ChunkSpec, Cutter, KeyProbe};
pub use endpoint::{ChannelBinding, Endpoint, EndpointKind, TlsMode};
pub use epoch::Epoch;
pub use error::{ConnectorError, ErrorClass, Result};
pub use expression::{Dialect, Expression};
pub use fidelity::{ColumnChoice, ColumnWish, Fidelity};
pub use holder::{Holder, HolderRole};
pub use job::{Guard, Job, OnBadRow, PublishWhen, Settings, TableJob};
pub use key_range::{KeyColumn, KeyColumns, KeyRange, KeyTuple, KeyValue};
pub use limits::ValueLimits;
pub use mend::{Mend, MendCell, MendValue, MendWords, Mender};
pub use nearest::nearest;
pub use plan::{
    ColumnPlan, Consistency, Duplicates, LoadInto, Mode, PlanProblem, ReplaceMode, TablePlan,
    WriteMode,
};
pub use predicate::{Comparison, Literal, Predicate};
pub use rate::Rate;
pub use read_script::ReadScript;
pub use script::{ScriptAnswer, ScriptSession, ScriptWords};
pub use secret::{Secret, redact};
pub use server_digest::ServerDigest;
pub use short_copy::copy_short;
pub use sink::{
    Access, Begun, CheckLine, ChunkWriter, Prepared, Published, Reference, Sealed, Sink,
    StreamLock, TargetTable, Tried,
};
pub use source::{
    ChunkReader, Horizon, Payload, ReadSpec, Snapshot, Source, TableListing, WireFormat,
};
pub use stream::{
    Claim, ClaimStart, Fingerprint, Phase, Position, SeenState, StreamSpec, StreamState,
};
pub use table::{
    CheckConstraint, Column, DefaultMeaning, ForeignKey, Identity, Index, Key, NativeType, Seen,
    TableRef, TableSchema, TypeDefinition, Untranslated,
};
pub use table_shape::{ShapeColumn, TableShape, source_altered, target_altered};
pub use time_limits::TimeLimits;
