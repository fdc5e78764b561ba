//! Nothing that arrives can make the readers panic.
//!
//! Tuples that a server wrote are damaged at random and given to everything that reads wire bytes.
//! Ten million of them, before a release:
//!
//! ```text
//! ROWFERRY_MUTATIONS=10000000 cargo test --release -p rowferry-codec mutation -- --nocapture
//! ```
//!
//! The seed is printed; `ROWFERRY_MUTATION_SEED` repeats a run.

use std::{env, time::SystemTime};

use super::{
    super::{DecodePlan, HEADER, RawTuples, Rewrite, TRAILER, TypeShape},
    column, recorded,
};

/// Damaged tuples of a run that does not say how many: a few seconds without optimisation.
const MUTATIONS: u64 = 200_000;

/// Xorshift: <https://www.jstatsoft.org/article/view/v008i14>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`, which is not zero.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|number| number.parse().expect("a number"))
}

/// Words that lengths, counts and numbers of dimensions are likely to be confused by.
const WORDS: [i32; 12] =
    [0, 1, 2, 3, 6, 7, -1, -2, 0x7fff_ffff, i32::MIN, 0x0100_0000, 0x3fff_ffff];

fn damage(tuple: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if tuple.is_empty() {
            return;
        }
        let at = random.below(tuple.len());
        match random.below(8) {
            0 | 1 => tuple[at] ^= 1 << random.below(8),
            2 => tuple[at] = random.byte(),
            3 | 4 => {
                let word = random.pick(&WORDS).to_be_bytes();
                tuple.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
            }
            5 => tuple.truncate(at),
            6 => tuple.insert(at, random.byte()),
            _ => {
                let from = random.below(other.len());
                tuple.splice(at.., other[from..].iter().copied());
            }
        }
    }
    // Damage behind a length that fits is what reaches the readers of single types.
    if tuple.len() > 6 && random.below(2) == 0 {
        let length = i32::try_from(tuple.len() - 6).unwrap();
        tuple.splice(..6, [0, 1].into_iter().chain(length.to_be_bytes()));
    }
}

#[test]
fn mutation_never_makes_a_reader_panic() {
    let tuples: Vec<Vec<u8>> = recorded::names().into_iter().map(recorded::bytes).collect();
    // Each column and shape starts from a value of its own as often as from a foreign one.
    let plans: Vec<(Vec<u8>, DecodePlan)> = recorded::meaningful()
        .into_iter()
        .map(|(name, canonical, pg)| {
            let plan = DecodePlan::new(&[column(name, canonical, pg)]).unwrap();
            (recorded::bytes(name), plan)
        })
        .collect();
    let shapes: Vec<(Vec<u8>, Rewrite)> = recorded::shapes("there")
        .into_iter()
        .chain([("pair", TypeShape::Plain)])
        .map(|(name, shape)| {
            let rewrite = Rewrite::new(vec![(name.to_owned(), shape)]);
            (recorded::bytes(&format!("here_{name}")), rewrite)
        })
        .collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let seed = number("ROWFERRY_MUTATION_SEED")
        .unwrap_or_else(|| u64::try_from(now & u128::from(u64::MAX)).unwrap());
    let mutations = number("ROWFERRY_MUTATIONS").unwrap_or(MUTATIONS);
    println!("{mutations} mutations, ROWFERRY_MUTATION_SEED={seed}");
    // A state of zero would stay zero.
    let mut random = Random(seed | 1);
    let (mut decoded, mut rewritten, mut collected) = (0_u64, 0_u64, 0_u64);
    for _ in 0..mutations {
        let other = random.pick(&tuples);
        let (own, plan) = random.pick(&plans);
        let mut tuple = if random.below(4) == 0 { other.clone() } else { own.clone() };
        damage(&mut tuple, other, &mut random);
        decoded += u64::from(plan.decode(&tuple, 1).is_ok());
        let (own, rewrite) = random.pick(&shapes);
        let mut walked = if random.below(4) == 0 { other.clone() } else { own.clone() };
        damage(&mut walked, other, &mut random);
        let length = walked.len();
        rewritten += u64::from(rewrite.rewrite(&mut walked, 1).is_ok());
        assert_eq!(walked.len(), length, "a rewrite never moves a byte");
        let mut stream = [HEADER, &tuple, &walked, TRAILER].concat();
        if random.below(4) == 0 {
            damage(&mut stream, other, &mut random);
        }
        let cut = random.below(stream.len().max(1)).min(stream.len());
        let (first, second) = stream.split_at(cut);
        let mut raw = RawTuples::new();
        let is_whole = raw.push(first).is_ok() && raw.push(second).is_ok();
        collected += u64::from(is_whole);
        // Whatever was collected is whole tuples, which any plan takes or refuses.
        let taken = raw.take();
        drop(plan.decode(&taken.bytes, taken.rows));
    }
    println!("{decoded} decoded, {rewritten} rewritten, {collected} collected all the same");
    // A run in which nothing or everything is refused would say little.
    for passed in [decoded, rewritten, collected] {
        assert!(mutations < 10_000 || (mutations / 100..mutations).contains(&passed));
    }
}
