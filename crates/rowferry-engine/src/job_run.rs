//! All tables of a job: several at once, one failing table never stops the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rowferry_core::{ConnectorError, ErrorClass, Job, PublishWhen, Result, Sink, Source};
use rowferry_runtime::spawn;

use crate::expand::{TableTask, expand};
use crate::reading_turn::ReadingTurns;
use crate::table_run::TableRun;
use crate::{RunContext, TableFailure, TableReport};

/// Tables planned at once before a run. A guess: catalogue queries are short, and two answer while
/// two are on their way.
const PLANNED_AT_ONCE: usize = 4;

/// The two connected ends of a job. Cloning shares them.
#[derive(Clone)]
pub struct JobEnds {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where rows go.
    pub sink: Arc<dyn Sink>,
    pub(crate) reading_turns: ReadingTurns,
}

impl JobEnds {
    /// The two ends of a job.
    pub fn new(source: Arc<dyn Source>, sink: Arc<dyn Sink>) -> Self {
        let reading_turns = ReadingTurns::new(sink.writes_in_turn());
        Self { source, sink, reading_turns }
    }
}

/// Runs every table of `job`, or those that `only` names, and reports each. Nothing is written
/// when a table of the job cannot be planned.
///
/// # Errors
///
/// Only what is not about one table: a pattern that matches nothing, a listing that failed. What
/// happens to a table stands in its report.
pub async fn run_job(
    job: &Job,
    ends: &JobEnds,
    only: &[String],
    context: &RunContext,
) -> Result<Vec<TableReport>> {
    let stopped = || {
        let message = "stopped before the first table was started";
        ConnectorError::new(ErrorClass::Busy, RunContext::STOPPED, message)
    };
    let expanded = context.unless_stopped(expand(job, ends, only)).await;
    let tasks = expanded.ok_or_else(stopped)??;
    let job = Arc::new(job.clone());
    let tasks: Arc<[TableTask]> = tasks.into();
    let run = |task: &TableTask| {
        let (job, tasks) = (Arc::clone(&job), Arc::clone(&tasks));
        TableRun::new(job, task.clone(), tasks, ends.clone(), context.clone())
    };
    let mut waiting: Vec<(usize, TableRun)> = tasks.iter().map(run).enumerate().collect();
    if waiting.len() > 1 {
        let planned = context.unless_stopped(plan_ahead(&mut waiting)).await;
        let refused = planned.ok_or_else(stopped)?;
        if !refused.is_empty() {
            return Ok(refuse(waiting, refused, context).await);
        }
        for (index, table) in &waiting {
            if let Err(failure) = table.unlink().await {
                let refused = BTreeMap::from([(*index, failure)]);
                return Ok(refuse(waiting, refused, context).await);
            }
        }
    }
    waiting.reverse();
    let mut running = FuturesUnordered::new();
    let mut ended: Vec<(usize, TableRun, Option<TableFailure>)> = Vec::new();
    loop {
        while running.len() < job.settings.parallel_tables.max(1)
            && let Some((index, mut table)) = waiting.pop()
        {
            let publish_now = job.publish == PublishWhen::Table;
            let name = table.report(None).source;
            let patience = context.clone();
            let task = spawn("copy table", async move {
                // What is dropped here rolls back; what is durable stays.
                let result = tokio::select! {
                    biased;
                    result = load(&mut table, publish_now) => result,
                    () = patience.out_of_patience() => Err(TableFailure::Stopped),
                };
                table.mark_end();
                (table, result)
            });
            running.push(async move { (index, task.join().await, name) });
        }
        let Some((index, joined, name)) = running.next().await else { break };
        match joined {
            Ok((table, result)) => {
                if result.is_err() || job.publish == PublishWhen::Table {
                    context.observer.table_finished(&table.report(result.as_ref().err())).await;
                }
                ended.push((index, table, result.err()));
            }
            Err(panic) => {
                let message = format!("copying table {name} failed");
                return Err(ConnectorError::bug(message).with_source(panic));
            }
        }
    }
    if job.publish == PublishWhen::Job {
        publish_together(&mut ended, context).await;
    }
    // Validation reads whole tables: a run that was told to stop leaves it to the next one.
    if !context.stop.is_cancelled() {
        for (_, table, _) in &mut ended {
            if context.within_grace(table.link()).await.is_none() {
                break;
            }
        }
    }
    ended.sort_by_key(|(index, _, _)| *index);
    Ok(ended.iter().map(|(_, table, failure)| table.report(failure.as_ref())).collect())
}

/// Plans every table before the first one is touched, and hands back what forbids the run.
async fn plan_ahead(tables: &mut [(usize, TableRun)]) -> BTreeMap<usize, TableFailure> {
    let planning = tables.iter_mut().map(|(index, table)| {
        let index = *index;
        async move {
            let planned = table.plan_ahead().await.map_err(TableFailure::from);
            (index, table.advised(planned).await)
        }
    });
    let planned = futures_util::stream::iter(planning).buffered(PLANNED_AT_ONCE);
    let refused = planned.filter_map(|(index, planned)| async move {
        planned.err().map(|failure| (index, failure))
    });
    refused.collect().await
}

/// Reports a job of which nothing is done: tables with problems failed, the others were left alone.
async fn refuse(
    tables: Vec<(usize, TableRun)>,
    mut refused: BTreeMap<usize, TableFailure>,
    context: &RunContext,
) -> Vec<TableReport> {
    let mut reports = Vec::new();
    for (index, mut table) in tables {
        let failure = refused.remove(&index).unwrap_or_else(|| {
            TableFailure::Skipped("not copied: another table of the job is refused".to_owned())
        });
        table.mark_end();
        let report = table.report(Some(&failure));
        context.observer.table_finished(&report).await;
        reports.push(report);
    }
    reports
}

async fn load(table: &mut TableRun, publish_now: bool) -> Result<(), TableFailure> {
    let loaded = table.load().await;
    let done = match loaded {
        Ok(()) if publish_now => table.publish().await,
        other => other,
    };
    table.advised(done).await
}

/// Publishes all tables, or none when one did not get that far.
async fn publish_together(
    ended: &mut [(usize, TableRun, Option<TableFailure>)],
    context: &RunContext,
) {
    let held_back = ended.iter().any(|(_, _, failure)| {
        matches!(failure, Some(TableFailure::Failed(_) | TableFailure::Stopped))
    });
    for (_, table, failure) in ended {
        if !table.is_loaded() {
            continue;
        }
        *failure = if held_back {
            Some(TableFailure::from(
                ConnectorError::new(
                    ErrorClass::Busy,
                    "not-published",
                    "the rows are loaded, but another table of the job failed and `publish: job` \
                     shows all tables or none",
                )
                .with_next("Mend the other table and run again; this one is not copied again."),
            ))
        } else {
            let published = context.within_grace(table.publish()).await;
            table.advised(published.unwrap_or(Err(TableFailure::Stopped))).await.err()
        };
        table.mark_end();
        context.observer.table_finished(&table.report(failure.as_ref())).await;
    }
}
