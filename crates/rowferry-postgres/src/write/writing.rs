//! One session that writes, with what it has made for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use rowferry_codec::pgcopy::Rewrite;
use rowferry_core::{ColumnPlan, Prepared, Result};
use tokio_postgres::Statement;

use crate::buffer::{self, Moving};
use crate::config::Purpose;
use crate::error::failed;
use crate::lock::session_name;
use crate::oids::TargetTypes;
use crate::pool::SessionPool;
use crate::session::Session;
use crate::sql;
use crate::types::Words;
use crate::ways::{self, Way};
use crate::wire::ChunkEncoder;

/// A session that writes the chunks of one stream, with what it has made for that.
pub(super) struct Writing {
    pub(super) session: Session,
    /// One per form of payload, made when the first payload of that form comes, for the columns as
    /// they were planned then: a column may be read by a wider meaning later.
    paths: BTreeMap<Form, (Vec<ColumnPlan>, Path)>,
}

/// In which form rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Arrow batches.
    Batches,
    /// Tuples that pass undecoded.
    Wire,
}

/// The way of rows of one form into the table.
#[derive(Clone)]
pub(super) struct Path {
    pub(super) copy: Statement,
    pub(super) moving: Option<Moving>,
    pub(super) rows: Rows,
}

/// What is done to rows before they are sent.
#[derive(Clone)]
pub(super) enum Rows {
    Encode(ChunkEncoder),
    Rewrite(Arc<Rewrite>),
}

impl Writing {
    pub(super) async fn open(sessions: &SessionPool, prepared: &Prepared) -> Result<Self> {
        let name = session_name(&prepared.stream.stream_id, prepared.epoch);
        let session = sessions.take(Purpose::Chunk, Some(&name)).await?;
        Ok(Self { session, paths: BTreeMap::new() })
    }

    /// Whether the way for rows of this form is made.
    pub(super) fn knows(&self, prepared: &Prepared, form: Form) -> bool {
        self.paths.get(&form).is_some_and(|(columns, _)| *columns == prepared.columns)
    }

    /// The way for rows of this form, made once per session.
    pub(super) async fn path(
        &mut self,
        prepared: &Prepared,
        form: Form,
        money_digits: u8,
    ) -> Result<Path> {
        if let Some((columns, path)) = self.paths.get(&form)
            && *columns == prepared.columns
        {
            return Ok(path.clone());
        }
        let path = self.make_path(prepared, form, money_digits).await?;
        self.paths.insert(form, (prepared.columns.clone(), path.clone()));
        Ok(path)
    }

    async fn make_path(&self, prepared: &Prepared, form: Form, money_digits: u8) -> Result<Path> {
        let attempt = || format!("could not set up a writer of table {}", prepared.load_table);
        let columns: Vec<&ColumnPlan> = written(&prepared.columns).collect();
        let types = TargetTypes::load(&self.session, &prepared.load_table).await?;
        let (rows, as_text, word) = match form {
            Form::Batches => {
                let words = Words::to_write(&types.catalog, money_digits);
                let encoder = ChunkEncoder::new(&prepared.target, &columns, &words)?;
                let as_text = columns
                    .iter()
                    .map(|column| ways::writing(&words, column) == Some(Way::Text))
                    .collect();
                (Rows::Encode(encoder), as_text, "batches")
            }
            Form::Wire => {
                let as_text: Vec<bool> =
                    columns.iter().map(|column| column.source.native.text_only).collect();
                let shapes = columns
                    .iter()
                    .zip(&as_text)
                    .map(|(column, as_text)| types.shape(&column.target.name, *as_text))
                    .collect();
                (Rows::Rewrite(Arc::new(Rewrite::new(shapes))), as_text, "tuples")
            }
        };
        let columns: Vec<(&ColumnPlan, bool)> = columns.into_iter().zip(as_text).collect();
        let names = sql::list(columns.iter().map(|(column, _)| column.target.name.as_str()));
        let buffer = buffer::buffer(&self.session, prepared, &columns, word).await?;
        let (into, moving) = match buffer {
            Some(buffer) => {
                let create = &buffer.create;
                self.session.client.batch_execute(create).await.map_err(failed(attempt()))?;
                (buffer.name, Some(buffer.moving))
            }
            None => (sql::table(&prepared.load_table), None),
        };
        let copy = format!("copy {into} ({names}) from stdin (format binary)");
        let copy = self.session.client.prepare(&copy).await.map_err(failed(attempt()))?;
        Ok(Path { copy, moving, rows })
    }
}

/// Columns that are written; the others are computed by the database.
fn written(columns: &[ColumnPlan]) -> impl Iterator<Item = &ColumnPlan> {
    columns.iter().filter(|column| !column.target.generated)
}
