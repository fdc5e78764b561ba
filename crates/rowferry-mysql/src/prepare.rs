//! What a run makes before its first chunk: the target, or a staging table beside it.

use std::sync::Arc;

use rowferry_core::{
    Claim, LoadInto, Phase, Prepared, Result, TablePlan, TableRef, WriteMode, target_altered,
};

use crate::lock::MysqlLock;
use crate::{altered, describe, error, merge, sql, staging};

impl MysqlLock {
    /// Does one try of it, on a session without a transaction.
    pub(crate) async fn prepare_once(
        &mut self,
        plan: &TablePlan,
        claim: &Claim,
    ) -> Result<Prepared> {
        let server = Arc::clone(&self.sink.server);
        let target = self.target.clone();
        let exists = staging::exists(self.work()?, &target).await?;
        // What the run creates gets the source's indexes; what was there keeps its own.
        self.indexes = if exists { Vec::new() } else { staging::secondaries(plan, server.flavor) };
        let mut staging_lost = false;
        let load_table = match plan.load {
            LoadInto::Target => target.clone(),
            LoadInto::StagingReplace | LoadInto::StagingAppend => {
                let table = staging::name(&server, &target, &self.stream.stream_id, claim.run);
                staging_lost = self.make_staging(plan, claim, &table).await?;
                table
            }
        };
        if plan.load != LoadInto::StagingReplace && !exists {
            let create = staging::create(&server, plan, &target);
            let attempt = format!("could not create target table {target}");
            self.execute(&create, &attempt).await?;
            // It stays, so no later step knows that its indexes are missing.
            for index in std::mem::take(&mut self.indexes) {
                let statement = format!("alter table {} {}", sql::table(&target), index.clause);
                self.execute(&statement, &attempt).await?;
            }
        }
        if plan.write == WriteMode::Upsert {
            let found = describe::table(&server, self.work()?, &target).await?;
            if let Some(found) = found {
                merge::check_key(&found.schema, &plan.key)?;
            }
        }
        if load_table != target {
            let statement = format!(
                "update {} set staging_name = {} where stream_id = {} and epoch = {}",
                self.progress.stream,
                sql::text(&load_table.to_string()),
                sql::text(&self.stream.stream_id),
                claim.epoch
            );
            self.execute(&statement, "could not record the staging table").await?;
        }
        let shape = altered::shape(&server, self.work()?, &load_table).await?;
        // Once all rows are there, the table may have been renamed already.
        let loading = claim.phase == Phase::Loading;
        let existed = loading
            && plan.target_existing.is_some()
            && (plan.load == LoadInto::Target || plan.keeps_shape());
        let planned = plan.columns.iter().map(|column| &column.target);
        if let Some(change) = altered::since_plan(&shape, planned).filter(|_| existed) {
            return Err(target_altered(&target, &change));
        }
        Ok(Prepared { shape, staging_lost, ..Prepared::of(plan, claim, target, load_table) })
    }

    /// Whether a table holds no row.
    async fn is_empty(&mut self, table: &TableRef) -> Result<bool> {
        let query = format!("select 1 from {} limit 1", sql::table(table));
        let found: Option<u8> = self
            .work()?
            .query_first(query)
            .await
            .map_err(|error| error::of(error, format!("could not read table {table}")))?;
        Ok(found.is_none())
    }

    /// A table made like another has checks named after itself, and would take these names into the
    /// target's place, where they may be too long.
    async fn name_checks(&mut self, table: &TableRef) -> Result<()> {
        if !staging::needs_names_for_checks(&self.sink.server, &self.target) {
            return Ok(());
        }
        let attempt = format!("could not name the checks of staging table {table}");
        let shown: Option<(String, String)> = self
            .work()?
            .query_first(format!("show create table {}", sql::table(table)))
            .await
            .map_err(|error| error::of(error, attempt.clone()))?;
        let stream_id = self.stream.stream_id.clone();
        let statement =
            shown.and_then(|(_, shown)| staging::name_checks(table, &stream_id, &shown));
        match statement {
            Some(statement) => self.execute(&statement, &attempt).await,
            None => Ok(()),
        }
    }

    /// A table made like another starts to number anew; it goes on from the greater of both ends.
    async fn keep_numbering(&mut self, plan: &TablePlan, table: &TableRef) -> Result<()> {
        let existing = plan.target_existing.as_ref();
        let counts = existing
            .is_some_and(|target| target.columns.iter().any(|column| column.identity.is_some()));
        let next = existing.and_then(|target| target.next_identity).max(plan.source.next_identity);
        match next.filter(|next| counts && *next > 0) {
            Some(next) => {
                let statement =
                    format!("alter table {} auto_increment = {next}", sql::table(table));
                self.execute(&statement, "could not carry the numbering over").await
            }
            None => Ok(()),
        }
    }

    /// Makes the staging table; true when receipts of this run had filled one that is gone.
    async fn make_staging(
        &mut self,
        plan: &TablePlan,
        claim: &Claim,
        table: &TableRef,
    ) -> Result<bool> {
        let written: u64 = claim.receipts.iter().map(|receipt| receipt.totals.rows_written).sum();
        let there = staging::exists(self.work()?, table).await?;
        // Rows come with their receipts. Without any, they are those of a run of the same number, whose
        // receipts somebody has dropped.
        if there && self.is_empty(table).await? == (written == 0) {
            // The process that made it may have been killed before it did so.
            self.name_checks(table).await?;
            return Ok(false);
        }
        // A finished swap has no staging table any more: publishing looks at the catalogue itself.
        if !there && claim.phase != Phase::Loading {
            return Ok(false);
        }
        let attempt = format!("could not create staging table {table}");
        let drop_first = format!("drop table if exists {}", sql::table(table));
        self.execute(&drop_first, &attempt).await?;
        let target = self.target.clone();
        let same_shape = plan.keeps_shape() && staging::exists(self.work()?, &target).await?;
        let create = if same_shape {
            // The target keeps its shape: keys, indexes, defaults, columns that are not copied.
            format!("create table {} like {}", sql::table(table), sql::table(&target))
        } else {
            staging::create(&self.sink.server, plan, table)
        };
        self.execute(&create, &attempt).await?;
        if same_shape {
            self.keep_numbering(plan, table).await?;
            self.name_checks(table).await?;
        }
        Ok(written > 0)
    }
}
