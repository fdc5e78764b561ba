//! The coordinator's hold on one stream of a memory sink.

use std::collections::btree_map::Entry;

use async_trait::async_trait;
use rowferry_core::{
    Claim, ClaimStart, ConnectorError, ErrorClass, LoadInto, Phase, Prepared, Published,
    ReplaceMode, Result, Sealed, SeenState, StreamLock, StreamSpec, StreamState, TablePlan,
    TableRef, WriteMode,
};

use crate::memory_state::{MemoryStream, MemoryTable, Shared, State};

pub(crate) struct MemoryLock {
    shared: Shared,
    stream: StreamSpec,
    /// Whose lock it is, should it be taken away and given to another.
    holder: u64,
    seen: SeenState,
}

impl MemoryLock {
    /// The lock of the target table, unless somebody holds it.
    pub(crate) fn take(shared: &Shared, stream: &StreamSpec) -> Option<Self> {
        let mut guard = shared.state();
        let state = &mut *guard;
        let Entry::Vacant(free) = state.locked.entry(stream.target_table.clone()) else {
            return None;
        };
        state.holders += 1;
        let holder = *free.insert(state.holders);
        Some(Self {
            shared: shared.clone(),
            stream: stream.clone(),
            holder,
            seen: SeenState::default(),
        })
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.locked.get(&self.stream.target_table) == Some(&self.holder) {
            state.locked.remove(&self.stream.target_table);
        }
    }
}

#[async_trait]
impl StreamLock for MemoryLock {
    async fn state(&mut self) -> Result<Option<StreamState>> {
        let state = self.shared.state();
        let id = &self.stream.stream_id;
        let other = state.streams.iter().find(|(other, stream)| {
            *other != id
                && stream.spec.target_table == self.stream.target_table
                && !(stream.spec.shared_target && self.stream.shared_target)
        });
        if let Some((_, other)) = other {
            let message = format!(
                "table {} is the target of job {}",
                self.stream.target_table, other.spec.job
            );
            return Err(ConnectorError::new(ErrorClass::Conflict, "target-shared", message));
        }
        let row = state.streams.get(id).map(|stream| stream.row.clone());
        self.seen.note(row.as_ref());
        Ok(row)
    }

    async fn claim(&mut self, start: ClaimStart) -> Result<Claim> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let spec = &self.stream;
        let row = state.streams.get(&spec.stream_id).map(|stream| &stream.row);
        let row = row.map(|row| (row.epoch, row.phase));
        if !state.unfenced {
            self.seen.check(row, &spec.target_table)?;
        }
        let epoch = row.map_or(0, |(epoch, _)| epoch) + 1;
        self.seen.raised(epoch);
        let stream =
            state.streams.entry(spec.stream_id.clone()).or_insert_with(|| new_stream(spec));
        let row = &mut stream.row;
        row.epoch += 1;
        row.owner.clone_from(&spec.owner);
        row.age_seconds = 0;
        if start == ClaimStart::Anew {
            row.watermark = None;
        }
        if start != ClaimStart::Continue {
            row.run += 1;
            row.run_key.clone_from(&spec.run_key);
            row.fingerprint = spec.fingerprint.clone();
            row.phase = Phase::Loading;
            row.rows = 0;
            row.chunks = 0;
            stream.receipts.clear();
            if let Some(staging) = row.staging.take() {
                state.tables.remove(&staging);
            }
        }
        stream.spec = spec.clone();
        let (run, epoch, phase) = (stream.row.run, stream.row.epoch, stream.row.phase);
        Ok(Claim { run, epoch, phase, receipts: stream.receipts.clone() })
    }

    async fn prepare(&mut self, plan: &TablePlan, claim: &Claim) -> Result<Prepared> {
        let staged = plan.load != LoadInto::Target;
        let load_table =
            if staged { staging_name(&plan.target, claim.run) } else { plan.target.clone() };
        let mut prepared = Prepared::of(plan, claim, plan.target.clone(), load_table);
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let there = state.tables.contains_key(&prepared.load_table);
        let stream = state.fenced(&prepared)?;
        let loading = stream.row.phase == Phase::Loading;
        prepared.staging_lost = staged && loading && !there && !stream.receipts.is_empty();
        if staged {
            stream.row.staging = Some(prepared.load_table.clone());
        }
        // Once published, a staging table is rightly gone.
        if !there && (loading || !staged) {
            let table = MemoryTable {
                columns: plan.columns.iter().map(|column| column.target.clone()).collect(),
                key: plan.key.clone(),
                unique: plan.key_enforced,
                ..MemoryTable::default()
            };
            state.tables.insert(prepared.load_table.clone(), table);
        }
        Ok(prepared)
    }

    async fn target_rows(&mut self, limit: Option<u64>) -> Result<u64> {
        if !self.shared.keep_rows {
            return Ok(0);
        }
        let state = self.shared.state();
        let rows = state.tables.get(&self.stream.target_table).map_or(0, |table| table.rows);
        Ok(rows.min(limit.unwrap_or(u64::MAX)))
    }

    async fn seal(&mut self, prepared: &Prepared) -> Result<Sealed> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let stream = state.fenced(prepared)?;
        if stream.row.phase == Phase::Loading {
            stream.row.phase = Phase::Publishing;
        }
        if prepared.load == LoadInto::Target {
            return Ok(Sealed { rows: None });
        }
        Ok(Sealed { rows: state.tables.get(&prepared.load_table).map(|table| table.rows) })
    }

    async fn publish(&mut self, prepared: &Prepared, watermark: Option<&str>) -> Result<Published> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        state.fenced(prepared)?;
        // Already swapped by an earlier call: the staging table is gone.
        if prepared.load != LoadInto::Target
            && let Some(staging) = state.tables.remove(&prepared.load_table)
        {
            match prepared.load {
                LoadInto::StagingReplace => replace(state, prepared, staging),
                LoadInto::StagingAppend | LoadInto::Target => append(state, prepared, staging)?,
            }
        }
        let rows_in_target = state.tables.get(&prepared.target).map(|table| table.rows);
        let row = &mut state.fenced(prepared)?.row;
        row.phase = Phase::Done;
        row.staging = None;
        row.age_seconds = 0;
        if let Some(watermark) = watermark {
            row.watermark = Some(watermark.to_owned());
        }
        Ok(Published { rows_in_target })
    }

    async fn heartbeat(&mut self) -> Result<()> {
        Ok(())
    }
}

fn replace(state: &mut State, prepared: &Prepared, staging: MemoryTable) {
    let old = match prepared.replace {
        ReplaceMode::Swap => state.tables.insert(prepared.target.clone(), staging),
        ReplaceMode::Truncate => {
            let target = state
                .tables
                .entry(prepared.target.clone())
                .or_insert_with(|| MemoryTable { batches: Vec::new(), ..staging.clone() });
            target.batches = staging.batches;
            target.rows = staging.rows;
            target.seen = staging.seen;
            None
        }
    };
    if let (true, Some(old)) = (prepared.keep_old, old) {
        let name = format!("{}_old", prepared.target.name);
        state.tables.insert(TableRef { name, ..prepared.target.clone() }, old);
    }
}

fn append(state: &mut State, prepared: &Prepared, staging: MemoryTable) -> Result<()> {
    match state.tables.get_mut(&prepared.target) {
        None => {
            state.tables.insert(prepared.target.clone(), staging);
            Ok(())
        }
        Some(target) => {
            let added = target.add(&staging.batches, WriteMode::Append);
            if added.is_err() {
                // Rolled back: the staging table stays.
                state.tables.insert(prepared.load_table.clone(), staging);
            }
            added
        }
    }
}

/// Carries the run in its name, as every object of a run does.
fn staging_name(target: &TableRef, run: i64) -> TableRef {
    TableRef { schema: target.schema.clone(), name: format!("_rowferry_{}_{run}", target.name) }
}

fn new_stream(spec: &StreamSpec) -> MemoryStream {
    // Memory has no past: the times of all its streams are the same.
    let start = "1970-01-01T00:00:00Z";
    MemoryStream {
        spec: spec.clone(),
        receipts: Vec::new(),
        row: StreamState {
            stream_id: spec.stream_id.clone(),
            job: spec.job.clone(),
            source_table: spec.source_table.to_string(),
            target_table: spec.target_table.to_string(),
            run: 0,
            epoch: 0,
            run_key: spec.run_key.clone(),
            phase: Phase::Loading,
            fingerprint: spec.fingerprint.clone(),
            staging: None,
            watermark: None,
            rows: 0,
            chunks: 0,
            started_at: start.to_owned(),
            updated_at: start.to_owned(),
            age_seconds: 0,
            owner: spec.owner.clone(),
        },
    }
}
