//! Three hundred differences at random places, in every direction: each is named, none is made up, and
//! a repair leaves nothing of them.

use std::collections::BTreeSet;

use rowferry_testkit::Engine;

use crate::dump::{assert_same, dump};
use crate::mixed::{COLUMNS, fill, number};
use crate::random::{Random, seed};
use crate::two_ends::TwoEnds;
use crate::world::Told;

/// Rows altered, rows removed, rows added.
const EACH: usize = 100;

/// What alters a value of a column, whatever it is.
const ALTERED: [&str; 4] = [
    "name = 'altered'",
    "small = case when small = 7 then 8 else 7 end",
    "amount = case when amount = 1.5 then 2.5 else 1.5 end",
    "note = case when note = 'Note' then 'note' else 'Note' end",
];

fn verify(ends: &TwoEnds, words: &[&str]) -> Told {
    let verify = ["verify", "job.yaml", "--output", "json"];
    ends.world.run(&[&verify[..], words].concat())
}

fn list(ids: &[String]) -> String {
    ids.join(", ")
}

/// The keys of the rows that were told of, by the kind of difference.
fn told_of(told: &Told, kind: &str) -> BTreeSet<String> {
    let lines = told.stdout.lines().filter_map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_meant = row["kind"] == kind;
        is_meant.then(|| row["key"]["id"].as_str().unwrap().to_owned())
    });
    lines.collect()
}

fn random_differences_are_found_and_repaired(from: Engine, to: Engine) {
    let Some(ends) = TwoEnds::new(from, to, "repaired") else { return };
    let rows = number("ROWFERRY_VERIFY_ROWS", 4_000);
    fill(&ends.source, rows);
    ends.write_job(&format!("chunk_rows: {}", rows.div_ceil(6)), &["source: t_bigint"]);
    ends.run_job(&[]).expect(0);

    let mut ids = ends.source.query("select id from t_bigint order by id");
    let mut random = Random::new(seed());
    let mut taken = || {
        let mut take = |_| {
            let place = usize::try_from(random.below(ids.len() as u64)).unwrap();
            ids.swap_remove(place)
        };
        (0..EACH).map(&mut take).collect::<Vec<String>>()
    };
    let (altered, removed, added) = (taken(), taken(), taken());
    for (index, id) in altered.iter().enumerate() {
        let altered = ALTERED[index % ALTERED.len()];
        ends.target.exec(&format!("update t_bigint set {altered} where id = {id}"));
    }
    ends.target.exec(&format!("delete from t_bigint where id in ({})", list(&removed)));
    ends.source.exec(&format!("delete from t_bigint where id in ({})", list(&added)));

    let told = verify(&ends, &["--verbose"]).expect(1);
    for (kind, ids) in [("mismatch", altered), ("missing", removed), ("extra", added)] {
        assert_eq!(told_of(&told, kind), ids.into_iter().collect(), "{kind}");
    }
    assert_eq!(told.json()["differences"], 3 * EACH as u64);

    let report = verify(&ends, &["--repair", "apply", "--undo", "undo.sql"]).expect(0).json();
    assert_eq!(report["tables"][0]["repaired"], 3 * EACH as u64, "{report}");
    assert_eq!(verify(&ends, &[]).expect(0).json()["differences"], 0);
    let rows = |database| dump(database, "t_bigint", &COLUMNS);
    assert_same("t_bigint", &rows(&ends.source), &rows(&ends.target));
}

every_direction!(nine: random_differences_are_found_and_repaired);
