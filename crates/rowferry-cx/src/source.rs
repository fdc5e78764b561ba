//! The reading end.

use std::sync::Arc;

use async_trait::async_trait;
use rowferry_core::{
    Cast, CastTarget, CheckLine, Column, Consistency, Endpoint, EndpointKind, PlanProblem, Result,
    Snapshot, Source, TableListing, TableRef, TableSchema, TimeLimits, WireFormat,
};
use rowferry_runtime::ComputePool;

use crate::error::USE_NATIVE;
use crate::program::Program;
use crate::snapshot::{ConnectorxSnapshot, no_script};
use crate::{forms, url};

/// A server whose rows ConnectorX reads. All else is asked of our own connection.
pub struct ConnectorxSource {
    native: Arc<dyn Source>,
    way: Arc<Way>,
    /// Whether another session can enter a view of a whole table.
    joins_views: bool,
}

/// How ConnectorX gets there.
pub(crate) struct Way {
    pub(crate) program: Program,
    /// Holds the password.
    pub(crate) url: String,
    pub(crate) limits: TimeLimits,
    pub(crate) compute: ComputePool,
}

impl ConnectorxSource {
    /// Reads the rows of `native`, which was connected to `endpoint`, through `program`.
    ///
    /// # Errors
    ///
    /// Class `Setup` when ConnectorX cannot protect the wire as the endpoint asks.
    pub fn new(
        native: Arc<dyn Source>,
        endpoint: &Endpoint,
        program: Program,
        compute: ComputePool,
    ) -> Result<Self> {
        let way = Way { program, url: url::of(endpoint)?, limits: endpoint.limits, compute };
        let joins_views = endpoint.kind == EndpointKind::Postgres;
        Ok(Self { native, way: Arc::new(way), joins_views })
    }
}

#[async_trait]
impl Source for ConnectorxSource {
    fn engine(&self) -> &str {
        self.native.engine()
    }

    async fn identity(&self) -> Result<String> {
        self.native.identity().await
    }

    async fn tables(&self) -> Result<Vec<TableListing>> {
        self.native.tables().await
    }

    async fn describe(&self, table: &TableRef) -> Result<TableSchema> {
        self.native.describe(table).await
    }

    async fn snapshot(
        &self,
        table: &TableSchema,
        consistency: Consistency,
        readers: usize,
    ) -> Result<Box<dyn Snapshot>> {
        let consistency = if self.joins_views { consistency } else { Consistency::Chunk };
        let view: Arc<dyn Snapshot> =
            Arc::from(self.native.snapshot(table, consistency, readers).await?);
        if view.script().is_none() {
            return Err(no_script());
        }
        Ok(Box::new(ConnectorxSnapshot { view, way: Arc::clone(&self.way) }))
    }

    fn offers(&self, _format: WireFormat, _columns: &[Column]) -> bool {
        false
    }

    /// What ConnectorX cannot carry is read as the server's text where the user takes that.
    fn reading(
        &self,
        column: &Column,
        cast: Option<&Cast>,
    ) -> std::result::Result<Column, Box<PlanProblem>> {
        if column.canonical.is_none() || forms::form(column).is_some() {
            return Ok(column.clone());
        }
        let text = Column { canonical: Some(forms::as_text()), ..column.clone() };
        let has_text = forms::form(&text).is_some();
        if has_text && cast.is_some_and(|cast| cast.to == Some(CastTarget::Text)) {
            return Ok(text);
        }
        let name = &column.name;
        let message = format!(
            "ConnectorX does not carry every value of type {} exactly",
            column.native.declared
        );
        let as_text = if has_text { " Or take its text with the cast `text`." } else { "" };
        let next = format!(
            "{USE_NATIVE} does.{as_text} Or leave the column out with `exclude: [{name}]`."
        );
        let problem = PlanProblem::of_column("not-carried", name, message, next);
        Err(Box::new(problem.with_casts(has_text.then_some("text"))))
    }

    async fn missing_grants(&self, table: &TableRef) -> Result<Vec<String>> {
        self.native.missing_grants(table).await
    }

    async fn check(&self) -> Result<Vec<CheckLine>> {
        let mut lines = self.native.check().await?;
        lines.push(CheckLine {
            name: "rows are read by".to_owned(),
            found: "ConnectorX".to_owned(),
            advice: Some(if self.joins_views {
                "Our own reader is faster and carries every type.".to_owned()
            } else {
                "Each chunk is read in a view of its own; our own reader gives one view to a whole \
                 table, and carries every type."
                    .to_owned()
            }),
            fatal: false,
        });
        Ok(lines)
    }
}
