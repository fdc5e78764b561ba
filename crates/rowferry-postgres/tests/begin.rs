//! How the server plans a read.

use rowferry_core::{Chunk, ChunkNo, Consistency, KeyRange};

use crate::reads::{spec, view};
use crate::server::{self, Server};

/// A table for which the server likes to take workers of its own and to compile, and a view of it.
const LARGE: &str = "create table large as select generate_series(1, 20000) as id;
    create view seen as select * from large;
    analyze large;
    do $$ declare setting text; begin
        foreach setting in array array['parallel_setup_cost', 'parallel_tuple_cost',
            'min_parallel_table_scan_size', 'jit_above_cost'] loop
            execute format('alter database %I set %s = 0', current_database(), setting);
        end loop;
    end $$;";

/// The plan of a reader of the whole of `table`, as psql tells it from inside the view.
async fn plan(server: &Server, table: &str, consistency: Consistency) -> String {
    let (schema, view) = view(server, table, consistency).await;
    let (no, range) = (ChunkNo(1), KeyRange::Whole);
    let chunk = Chunk { no, table: schema.table.clone(), range, rows_estimated: None };
    let script = view.script().unwrap();
    let query = script.query(&chunk, &spec(schema.columns), &["{}".to_owned()]).unwrap();
    server.psql(&format!("{}; explain {query}", script.before().join("; ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_read_by_one_process_and_without_a_compiler() {
    let Some(server) = server::start() else { return };
    server.psql(LARGE);
    let left_alone = server.psql("explain select id from large");
    assert!(left_alone.contains("Gather"), "the server would not have done it: {left_alone}");
    for consistency in [Consistency::Table, Consistency::Chunk] {
        let plan = plan(&server, "large", consistency).await;
        assert!(plan.contains("Seq Scan on large"), "{plan}");
        assert!(!plan.contains("Gather") && !plan.contains("JIT"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_below_a_view_is_left_to_the_server() {
    let Some(server) = server::start() else { return };
    server.psql(LARGE);
    let plan = plan(&server, "seen", Consistency::Table).await;
    assert!(plan.contains("Gather"), "{plan}");
}
