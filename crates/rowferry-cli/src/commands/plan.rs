//! `plan`: everything that would be done, before any row moves. `--dry-run` of `copy` and `run`
//! ends here too.

use std::sync::Arc;

use rowferry_core::Job;
use rowferry_engine::{JobEnds, PlannedTable, RunContext, foresee, plan_job};
use rowferry_runtime::{CancellationToken, ComputePool};

use crate::args::{CopyArgs, PlanArgs, RunArgs};
use crate::block_on::block_on;
use crate::context::{context, cores};
use crate::ending::Ending;
use crate::failure::Result;
use crate::flags::OutputFormat;
use crate::observer::Silent;
use crate::plan_view::JobView;
use crate::settle::Request;
use crate::{exit, out, registry, same_table};

pub(super) fn run(args: &PlanArgs) -> Ending {
    let request = match args.ends.as_slice() {
        [source, target] => super::copy::request(&CopyArgs {
            source: source.clone(),
            target: target.clone(),
            all: args.all,
            tables: args.tables.clone(),
            shape: args.shape.clone(),
            limits: args.limits.clone(),
            control: args.control.clone(),
            output: args.output.clone(),
            config: args.config.clone(),
            print_config: false,
        }),
        rest => super::run::request(&RunArgs {
            file: rest.first().map(Into::into),
            job: args.job.clone(),
            tables: args.tables.clone(),
            shape: args.shape.clone(),
            limits: args.limits.clone(),
            control: args.control.clone(),
            output: args.output.clone(),
        }),
    };
    match request {
        Ok(request) => show(&request),
        Err(failure) => Ending::failed(&failure, args.output.form.output),
    }
}

/// Plans and prints what `request` would do.
pub(super) fn show(request: &Request) -> Ending {
    match plan(request) {
        Ok(code) => Ending::of(code),
        Err(failure) => Ending::failed(&failure, request.output),
    }
}

fn plan(request: &Request) -> Result<u8> {
    let views = block_on(async {
        let compute = ComputePool::new(cores())?;
        let mut views = Vec::new();
        for job in &request.jobs {
            views.push(view(job, request, &compute).await.map_err(|f| f.in_job(&job.name))?);
        }
        Ok(views)
    })?;
    match request.output {
        OutputFormat::Json => out::result(&super::json_line(&views)),
        OutputFormat::Text => {
            let texts: Vec<String> = views.iter().map(JobView::render).collect();
            out::result(&texts.join("\n"));
        }
    }
    Ok(if views.iter().any(JobView::has_problems) { exit::SETUP } else { exit::OK })
}

async fn view(job: &Job, request: &Request, compute: &ComputePool) -> Result<JobView> {
    for warning in &job.warnings {
        out::talk(&format!("warning: {warning}"));
    }
    same_table::refuse_by_address(job)?;
    let ends = registry::ends(&job.source, &job.target, compute).await?;
    // Nothing runs, so nothing can be stopped.
    let never = CancellationToken::new();
    let observer = Arc::new(Silent);
    let context = context(&job.settings, &request.options, compute, (&never, &never), observer);
    let planned = plan_job(job, &ends, &request.only_of(job), &context).await?;
    same_table::refuse_planned(job, &ends, &planned).await?;
    let states = states(&planned, &ends, &context).await;
    Ok(JobView::new(job, &planned, states, context.workers))
}

/// For each table what a run would make of the progress in the target. That it cannot be read keeps
/// nobody from looking at the plan.
async fn states(
    planned: &[PlannedTable],
    ends: &JobEnds,
    context: &RunContext,
) -> Vec<Option<String>> {
    let plans = || planned.iter().map(|table| table.plan.as_ref());
    let schema = plans().flatten().find_map(|plan| plan.stream.progress_schema.as_deref());
    let known = ends.sink.streams(schema).await;
    plans()
        .map(|plan| {
            let plan = plan?;
            match &known {
                Err(error) => Some(format!("error[{}]: {error}", error.code)),
                Ok(states) => states
                    .iter()
                    .find(|state| state.stream_id == plan.stream.stream_id)
                    .map(|state| foresee(plan, state, &context.options)),
            }
        })
        .collect()
}
