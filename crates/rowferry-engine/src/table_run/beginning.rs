//! How a run of a table begins: anew, behind what is durable, or not at all.

use rowferry_core::{
    ClaimStart, ConnectorError, ErrorClass, Position, Receipt, Result, StreamState, TablePlan,
};

use super::TableRun;
use crate::TableFailure;
use crate::heartbeat::HeldLock;
use crate::persistence::VIEW_LOST;
use crate::start::{Again, Found, Start, again, decide};

/// Starts from zero of a table that cannot be continued, in one process. Guessed: a source that
/// loses the view more often than this does not keep one as long as the table needs.
const STARTS_FROM_ZERO: u32 = 2;

impl TableRun {
    /// How the run is claimed; `None` when an earlier attempt of this process has published it.
    pub(super) async fn start(
        &mut self,
        plan: &TablePlan,
        lock: &HeldLock,
        state: Option<&StreamState>,
    ) -> Result<Option<ClaimStart>, TableFailure> {
        if let Some(run) = self.run {
            return match again(plan, run, state)? {
                Again::Continue => Ok(Some(ClaimStart::Continue)),
                Again::Published => {
                    if let Some(state) = state {
                        self.learned(plan, &state.position(), &[]).await?;
                    }
                    Ok(None)
                }
                Again::FromZero if self.starts_from_zero == STARTS_FROM_ZERO => {
                    Err(view_lost(plan).into())
                }
                Again::FromZero => {
                    self.starts_from_zero += 1;
                    self.start_over(plan, "it has no key to go on by after a fault");
                    Ok(Some(ClaimStart::NewRun))
                }
            };
        }
        match self.decide(plan, lock, state).await? {
            Start::Finished => {
                if let Some(state) = &state {
                    self.learned(plan, &state.position(), &[]).await?;
                }
                let why = "finished earlier under the same run key; left alone";
                Err(TableFailure::Skipped(why.to_owned()))
            }
            Start::New(why) => {
                if let Some(why) = why {
                    self.context.observer.note(&self.tally.source, &why);
                }
                Ok(Some(anew(self.context.options.restart)))
            }
            Start::Continue => Ok(Some(ClaimStart::Continue)),
        }
    }

    /// Tells the observer where the stream stands by the word of the target.
    pub(super) async fn learned(
        &self,
        plan: &TablePlan,
        position: &Position,
        receipts: &[Receipt],
    ) -> Result<()> {
        match &self.target_id {
            Some(target) => self.context.observer.learned(plan, target, position, receipts).await,
            None => Ok(()),
        }
    }

    async fn decide(
        &self,
        plan: &TablePlan,
        lock: &HeldLock,
        state: Option<&StreamState>,
    ) -> Result<Start> {
        let remembered = match &self.target_id {
            Some(target) => self.context.observer.remembered(plan, target).await?,
            None => None,
        };
        if let (Some(_), Some(state)) = (&self.target_id, state) {
            log_news(plan, remembered.as_ref(), &state.position());
        }
        let target_exists = plan.target_existing.is_some();
        let asks_for_rows = state.is_none() && target_exists;
        let target_has_rows = asks_for_rows && lock.target_rows(Some(1)).await? > 0;
        let found = Found {
            state,
            remembered: remembered.as_ref(),
            target_exists,
            target_has_rows,
            write_is_explicit: self.task.entry.write.is_some(),
        };
        decide(plan, &found, &self.context.options)
    }
}

fn view_lost(plan: &TablePlan) -> ConnectorError {
    let table = &plan.source.table;
    let message = format!(
        "table {table} has no key to go on by, and {} attempts at it were cut off",
        STARTS_FROM_ZERO + 1
    );
    ConnectorError::new(ErrorClass::Transient, VIEW_LOST, message).with_next(
        "Name a column to cut it by with `--cut-by`, or run again when the ends are steady.",
    )
}

/// Says once that the target knows more than was remembered; it is taken over when the table starts.
fn log_news(plan: &TablePlan, remembered: Option<&Position>, now: &Position) {
    let (table, run, chunks) = (&plan.source.table, now.run, now.chunks);
    match remembered {
        None => tracing::info!(%table, run, chunks, "progress was found in the target"),
        Some(before) if before != now && !before.is_ahead_of(now) => {
            tracing::info!(%table, run, chunks, "the target is further than was remembered");
        }
        Some(_) => {}
    }
}

/// A new run; one that was asked for by hand forgets the watermark too.
pub(super) const fn anew(forgets: bool) -> ClaimStart {
    if forgets { ClaimStart::Anew } else { ClaimStart::NewRun }
}
