//! The functions of the language: those that are there, and those that are refused by name.

use rowferry_core::nearest;

use crate::error::ParseError;

/// A function, all but `gen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as in the language; see `docs/cli.md`")]
pub enum Function {
    Arg,
    Bool,
    Coalesce,
    Cond,
    Const,
    Float,
    Global,
    Int,
    Iter,
    Nullable,
    RefRand,
    RefSame,
    Seq,
    SetRand,
    Text,
    Uniform,
    UniformRounded,
    Uuid,
}

/// A name, its function, and how many arguments it takes.
type Entry = (&'static str, Function, usize, usize);

const FUNCTIONS: [Entry; 19] = [
    ("arg", Function::Arg, 1, 1),
    ("bool", Function::Bool, 0, 0),
    ("coalesce", Function::Coalesce, 1, usize::MAX),
    ("cond", Function::Cond, 3, 3),
    ("const", Function::Const, 1, 1),
    ("expr", Function::Const, 1, 1),
    ("float", Function::Float, 1, 1),
    ("global", Function::Global, 1, 1),
    ("int", Function::Int, 1, 1),
    ("iter", Function::Iter, 0, 0),
    ("nullable", Function::Nullable, 2, 2),
    ("ref_rand", Function::RefRand, 1, 1),
    ("ref_same", Function::RefSame, 1, 1),
    ("seq", Function::Seq, 2, 2),
    ("set_rand", Function::SetRand, 1, 2),
    ("string", Function::Text, 1, 1),
    ("uniform", Function::Uniform, 2, 2),
    ("uniform_f", Function::UniformRounded, 3, 3),
    ("uuid_v4", Function::Uuid, 0, 0),
];

/// Functions whose values depend on the clock: no seed can repeat them.
const OF_THE_CLOCK: [&str; 4] = ["date_offset", "uuid_v1", "uuid_v6", "uuid_v7"];

/// Functions of the language that are not there yet.
const LATER: [&str; 62] = [
    "array",
    "avg",
    "batch",
    "bit",
    "blob",
    "bytes",
    "count",
    "date",
    "distinct",
    "distribute_sum",
    "distribute_weighted",
    "duration",
    "env",
    "env_nil",
    "exp",
    "exp_f",
    "fail",
    "fatal",
    "gen_batch",
    "gen_locale",
    "inet",
    "json_arr",
    "json_obj",
    "len",
    "local",
    "lognorm",
    "lognorm_f",
    "lower",
    "ltree",
    "mask",
    "max",
    "min",
    "norm",
    "norm_f",
    "norm_n",
    "nurand",
    "nurand_n",
    "point",
    "point_wkt",
    "ref_diff",
    "ref_each",
    "ref_n",
    "ref_perm",
    "regex",
    "seq_exp",
    "seq_global",
    "seq_lognorm",
    "seq_norm",
    "seq_rand",
    "seq_zipf",
    "set_exp",
    "set_lognorm",
    "set_norm",
    "set_zipf",
    "sum",
    "template",
    "time",
    "timestamp",
    "timez",
    "uniq",
    "upper",
    "varbit",
];

/// The rest of them, which has no room above.
const LATER_TOO: [&str; 5] = ["vector", "vector_norm", "vector_zipf", "weighted_sample_n", "zipf"];

impl Function {
    /// Its name.
    pub fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function, ..)| *function == self).map_or("", |(name, ..)| name)
    }

    /// The function of this name, called at `column` with so many arguments.
    pub(crate) fn called(name: &str, column: usize, count: usize) -> Result<Self, ParseError> {
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            return Err(unknown(name, column));
        };
        if (*least..=*most).contains(&count) {
            return Ok(*function);
        }
        let wanted = match (least, most) {
            (least, most) if least == most => least.to_string(),
            (least, &usize::MAX) => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        Err(ParseError::new(
            column,
            format!("{name} takes {wanted} arguments, and {count} are given"),
        ))
    }
}

fn unknown(name: &str, column: usize) -> ParseError {
    if OF_THE_CLOCK.contains(&name) {
        return ParseError::later(column, &format!("{name}()")).with_next(
            "Its values depend on the clock, so that no seed repeats them; seq(1, 1) and uuid_v4() \
             give keys.",
        );
    }
    if LATER.contains(&name) || LATER_TOO.contains(&name) {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
        return ParseError::later(column, &format!("{name}()"))
            .with_next(format!("There are gen, {}.", names.join(", ")));
    }
    let error = ParseError::new(column, format!("there is no function {name}"));
    let known = FUNCTIONS.iter().map(|(name, ..)| *name).chain(["gen"]);
    match nearest(name, known) {
        Some(near) => error.with_next(format!("Did you mean {near}?")),
        None => error,
    }
}
