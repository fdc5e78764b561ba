//! From an endpoint to its connector. The only place in the program that names databases.

use std::sync::Arc;

use rowferry_core::{Endpoint, EndpointKind, Mender, ScriptSession, Sink, Source};
use rowferry_cx::{ConnectorxSource, Program};
use rowferry_engine::JobEnds;
use rowferry_mysql::{MysqlScript, MysqlSink, MysqlSource};
use rowferry_postgres::{PostgresScript, PostgresSink, PostgresSource};
use rowferry_runtime::ComputePool;
use rowferry_sqlite::{SqliteSink, SqliteSource};
use rowferry_synthetic::{GenerateSource, NullSink};

use crate::failure::{Failure, Result};

/// Connects the reading end.
pub(crate) async fn source(endpoint: &Endpoint, compute: &ComputePool) -> Result<Arc<dyn Source>> {
    let pool = compute.clone();
    // Looked for first: without it nothing needs to be connected.
    let helper = endpoint.through_connectorx.then(Program::find).transpose()?;
    let compute = compute.clone();
    let native: Arc<dyn Source> = match endpoint.kind {
        EndpointKind::Postgres => Arc::new(PostgresSource::connect(endpoint, compute).await?),
        EndpointKind::Mysql => Arc::new(MysqlSource::connect(endpoint, compute).await?),
        EndpointKind::Sqlite => Arc::new(SqliteSource::open(endpoint, compute).await?),
        EndpointKind::Generate => Arc::new(GenerateSource::open(&endpoint.generate)?),
        EndpointKind::Null => {
            return Err(Failure::setup(
                "not-a-source",
                "null: can only be written to",
                "Name a database or `generate:` as the source.",
            ));
        }
    };
    Ok(match helper {
        Some(helper) => Arc::new(ConnectorxSource::new(native, endpoint, helper, pool)?),
        None => native,
    })
}

/// Connects the writing end.
pub(crate) async fn sink(endpoint: &Endpoint, compute: &ComputePool) -> Result<Arc<dyn Sink>> {
    check_target(endpoint)?;
    let compute = compute.clone();
    Ok(match endpoint.kind {
        EndpointKind::Postgres => Arc::new(PostgresSink::connect(endpoint, compute).await?),
        EndpointKind::Mysql => Arc::new(MysqlSink::connect(endpoint, compute).await?),
        EndpointKind::Sqlite => Arc::new(SqliteSink::open(endpoint, compute).await?),
        EndpointKind::Null => Arc::new(NullSink::new()),
        EndpointKind::Generate => {
            return Err(Failure::setup(
                "not-a-target",
                "generate: can only be read from",
                "Name a database or `null:` as the target.",
            ));
        }
    })
}

/// Connects the end whose rows are put right.
pub(crate) async fn mender(endpoint: &Endpoint, compute: &ComputePool) -> Result<Arc<dyn Mender>> {
    check_target(endpoint)?;
    let compute = compute.clone();
    Ok(match endpoint.kind {
        EndpointKind::Postgres => Arc::new(PostgresSink::connect(endpoint, compute).await?),
        EndpointKind::Mysql => Arc::new(MysqlSink::connect(endpoint, compute).await?),
        EndpointKind::Sqlite => Arc::new(SqliteSink::open(endpoint, compute).await?),
        EndpointKind::Null | EndpointKind::Generate => {
            return Err(Failure::setup(
                "not-a-target",
                format!("{endpoint} has no rows to repair"),
                "Name a database as the target.",
            ));
        }
    })
}

/// Opens a session for statements that a person wrote.
pub(crate) async fn script(
    endpoint: &Endpoint,
    compute: &ComputePool,
) -> Result<Box<dyn ScriptSession>> {
    check_script(endpoint)?;
    if endpoint.kind == EndpointKind::Postgres {
        return Ok(Box::new(PostgresScript::open(endpoint).await?));
    }
    Ok(Box::new(MysqlScript::open(endpoint, compute.clone()).await?))
}

/// Refuses an end that has no such session.
pub(crate) fn check_script(endpoint: &Endpoint) -> Result<()> {
    match endpoint.kind {
        EndpointKind::Postgres | EndpointKind::Mysql => Ok(()),
        EndpointKind::Sqlite | EndpointKind::Generate | EndpointKind::Null => {
            Err(Failure::not_supported_yet(&format!("sync run on {}", endpoint.kind.word())))
        }
    }
}

/// Refuses an end that no rows can go to.
fn check_target(endpoint: &Endpoint) -> Result<()> {
    if endpoint.through_connectorx {
        return Err(Failure::setup(
            "not-a-target",
            "ConnectorX can only be read from",
            "Take `connectorx+` out of the URL of the target.",
        ));
    }
    Ok(())
}

/// Connects both ends at once.
pub(crate) async fn ends(
    from: &Endpoint,
    into: &Endpoint,
    compute: &ComputePool,
) -> Result<JobEnds> {
    let (source, sink) = tokio::join!(source(from, compute), sink(into, compute));
    Ok(JobEnds::new(source?, sink?))
}
