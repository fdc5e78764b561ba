//! `tables`: what a database offers.

use rowferry_core::TableListing;
use rowferry_runtime::ComputePool;

use crate::args::TablesArgs;
use crate::block_on::block_on;
use crate::failure::Result;
use crate::flags::OutputFormat;
use crate::{context, exit, job_file, out, registry, summary, units};

pub(super) fn run(args: &TablesArgs) -> Result<u8> {
    let endpoint = job_file::endpoint(&args.url)?;
    let listing = block_on(async {
        let compute = ComputePool::new(context::cores())?;
        Ok(registry::source(&endpoint, &compute).await?.tables().await?)
    })?;
    match args.output.output {
        OutputFormat::Json => out::result(&super::json_line(&listing)),
        OutputFormat::Text if listing.is_empty() => {
            out::talk(&format!("{endpoint} has no tables that this login may read"));
        }
        OutputFormat::Text => out::result(&render(&listing)),
    }
    Ok(exit::OK)
}

fn render(listing: &[TableListing]) -> String {
    let mut table = summary::plain_table(&["table", "key", "rows", "size"], &[2, 3]);
    for listed in listing {
        table.add_row([
            listed.table.to_string(),
            listed.key.join(", "),
            listed
                .rows_estimated
                .map_or_else(String::new, |rows| format!("~{}", units::grouped(rows))),
            listed.bytes_estimated.map_or_else(String::new, units::bytes),
        ]);
    }
    summary::trimmed(&table)
}
