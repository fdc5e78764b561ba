//! Expressions to values: the dice, the counter and the rows of earlier statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dice::Dice;
use crate::error::EvaluateError;
use crate::expression::{Expression, Operator};
use crate::function::Function;
use crate::operation::{finite, negative, operate};
use crate::pattern::uuid;
use crate::statement::{Argument, Script};
use crate::value::{Row, Value};

type Result<T> = std::result::Result<T, EvaluateError>;

/// Decimals of `uniform_f` at most: a float has no more.
const DECIMALS_MAX: i64 = 15;

/// What one end's rows are made from. Each end starts with the same seed, so that both get the same.
#[derive(Clone, Debug)]
pub struct Generator {
    dice: Dice,
    /// Calls of `seq` so far, by whomever.
    sequence: i64,
    globals: BTreeMap<String, Value>,
    data: BTreeMap<String, Vec<Row>>,
}

/// What is known while the arguments of one row are made.
#[derive(Default)]
struct Making<'a> {
    /// Number of the row, from 1.
    number: u64,
    arguments: &'a [Argument],
    values: Vec<Value>,
    same: BTreeMap<String, Row>,
}

impl Generator {
    /// A new generator with the globals of a script.
    ///
    /// # Errors
    ///
    /// A global that has no value.
    pub fn new(seed: u64, script: &Script) -> Result<Self> {
        let mut generator = Self {
            dice: Dice::new(seed),
            sequence: 0,
            globals: BTreeMap::new(),
            data: BTreeMap::new(),
        };
        for (name, expression) in &script.globals {
            let value = generator
                .value(expression, &mut Making::default())
                .map_err(|error| EvaluateError::new(format!("global {name}: {error}")))?;
            generator.globals.insert(name.clone(), value);
        }
        Ok(generator)
    }

    /// Keeps the rows of an answer under the name of their statement, behind those that it has.
    ///
    /// Servers give rows back in an order of their own. Here they are sorted by their texts, so that
    /// the same rows give the same choices on every end.
    pub fn keep(&mut self, name: &str, columns: &[String], rows: Vec<Vec<Option<String>>>) {
        let kept = self.data.entry(name.to_owned()).or_default();
        let mut texts: Vec<Vec<Option<String>>> = rows;
        texts.sort_unstable();
        for row in texts {
            let values = row.into_iter().map(|value| value.map_or(Value::Null, Value::Text));
            kept.push(Arc::new(columns.iter().cloned().zip(values).collect()));
        }
    }

    /// Rows kept under a name.
    pub fn kept(&self, name: &str) -> usize {
        self.data.get(name).map_or(0, Vec::len)
    }

    /// A count of rows.
    ///
    /// # Errors
    ///
    /// What is no whole number from 0.
    pub fn count(&mut self, expression: &Expression) -> Result<u64> {
        let value = self.value(expression, &mut Making::default())?;
        let count = value.whole().and_then(|count| u64::try_from(count).ok());
        count.ok_or_else(|| {
            EvaluateError::new(format!(
                "a count of rows must be a whole number from 0, not {value}"
            ))
        })
    }

    /// The arguments of row `number` of a statement, counted from 1.
    ///
    /// # Errors
    ///
    /// An argument that has no value, by its place or name.
    pub fn row(&mut self, arguments: &[Argument], number: u64) -> Result<Vec<Value>> {
        let mut making = Making { number, arguments, ..Making::default() };
        for (index, argument) in arguments.iter().enumerate() {
            let value = self.value(&argument.value, &mut making).map_err(|error| {
                let name = argument.name.clone().unwrap_or_else(|| (index + 1).to_string());
                EvaluateError::new(format!("argument {name}, row {number}: {error}"))
            })?;
            making.values.push(value);
        }
        Ok(making.values)
    }

    fn value(&mut self, expression: &Expression, making: &mut Making<'_>) -> Result<Value> {
        Ok(match expression {
            Expression::Literal(value) => value.clone(),
            Expression::List(parts) => Value::List(self.values(parts, making)?),
            Expression::Global(name) => self.global(name)?,
            Expression::Generate(pattern) => pattern.value(&mut self.dice),
            Expression::Call(function, arguments) => {
                let arguments = self.values(arguments, making)?;
                self.call(*function, &arguments, making)?
            }
            Expression::Field(of, name) => field(&self.value(of, making)?, name)?,
            Expression::Not(of) => Value::Bool(!truth(&self.value(of, making)?)?),
            Expression::Minus(of) => negative(&self.value(of, making)?)?,
            Expression::Binary(operator, left, right) => {
                let left = self.value(left, making)?;
                match (operator, &left) {
                    (Operator::Coalesce, Value::Null) => self.value(right, making)?,
                    (Operator::Coalesce, _) => left,
                    (Operator::And, left) if !truth(left)? => Value::Bool(false),
                    (Operator::Or, left) if truth(left)? => Value::Bool(true),
                    (Operator::And | Operator::Or, _) => {
                        Value::Bool(truth(&self.value(right, making)?)?)
                    }
                    (operator, left) => operate(*operator, left, &self.value(right, making)?)?,
                }
            }
            Expression::Choice(condition, yes, no) => {
                let chosen = if truth(&self.value(condition, making)?)? { yes } else { no };
                self.value(chosen, making)?
            }
        })
    }

    fn values(&mut self, parts: &[Expression], making: &mut Making<'_>) -> Result<Vec<Value>> {
        parts.iter().map(|part| self.value(part, making)).collect()
    }

    fn global(&self, name: &str) -> Result<Value> {
        let found = self.globals.get(name).cloned();
        found.ok_or_else(|| EvaluateError::new(format!("there is no global {name}")))
    }

    /// A function whose arguments are known. Their number was looked at when it was read.
    fn call(
        &mut self,
        function: Function,
        arguments: &[Value],
        making: &mut Making<'_>,
    ) -> Result<Value> {
        let name = function.name();
        let number = |index: usize| {
            let value = arguments.get(index).and_then(Value::number);
            value.ok_or_else(|| EvaluateError::new(format!("{name} takes numbers")))
        };
        let whole = |index: usize| {
            let value = arguments.get(index).and_then(Value::whole);
            value.ok_or_else(|| EvaluateError::new(format!("{name} takes whole numbers")))
        };
        let any = |index: usize| arguments.get(index).cloned().unwrap_or(Value::Null);
        Ok(match function {
            Function::Arg => making.argument(&any(0))?,
            Function::Bool => Value::Bool(self.dice.below(2) == 1),
            Function::Coalesce => {
                let found = arguments.iter().find(|value| **value != Value::Null);
                found.cloned().unwrap_or(Value::Null)
            }
            Function::Cond => any(if truth(&any(0))? { 1 } else { 2 }),
            Function::Const => any(0),
            Function::Float => float(&any(0))?,
            Function::Global => self.global(&any(0).to_string())?,
            Function::Int => int(&any(0))?,
            Function::Iter => Value::Int(i64::try_from(making.number).unwrap_or(i64::MAX)),
            Function::Nullable => {
                let is_null = self.dice.unit() < number(1)?;
                if is_null { Value::Null } else { any(0) }
            }
            Function::RefRand => Value::Row(self.any_row(&any(0))?),
            Function::RefSame => {
                let (name, known) = (any(0).to_string(), making.same.get(&any(0).to_string()));
                let row = known.cloned().map_or_else(|| self.any_row(&any(0)), Ok)?;
                making.same.insert(name, Arc::clone(&row));
                Value::Row(row)
            }
            Function::Seq => {
                let step = self.sequence.checked_mul(whole(1)?);
                let next = step.and_then(|step| whole(0).ok()?.checked_add(step));
                self.sequence += 1;
                Value::Int(next.ok_or_else(|| EvaluateError::new("seq is too large"))?)
            }
            Function::SetRand => self.choose(&any(0), &any(1))?,
            Function::Text => text(&any(0))?,
            Function::Uniform => finite(self.between(number(0)?, number(1)?)?)?,
            Function::UniformRounded => {
                let decimals = whole(2)?;
                if !(0..=DECIMALS_MAX).contains(&decimals) {
                    return Err(EvaluateError::new("uniform_f takes 0 to 15 decimals"));
                }
                let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or_default());
                finite((self.between(number(0)?, number(1)?)? * scale).round() / scale)?
            }
            Function::Uuid => Value::Text(uuid(&mut self.dice)),
        })
    }

    fn between(&mut self, least: f64, most: f64) -> Result<f64> {
        if least > most {
            return Err(EvaluateError::new("the first bound is above the second"));
        }
        Ok(least + (most - least) * self.dice.unit())
    }

    fn any_row(&mut self, name: &Value) -> Result<Row> {
        let rows = self.data.get(&name.to_string()).filter(|rows| !rows.is_empty());
        let rows = rows.ok_or_else(|| {
            EvaluateError::new(format!("the statement {name} has given no row to refer to"))
        })?;
        let index = usize::try_from(self.dice.below(rows.len() as u64)).unwrap_or_default();
        rows.get(index).cloned().ok_or_else(|| EvaluateError::new("no row"))
    }

    /// One of a list, as often as the weights say.
    fn choose(&mut self, values: &Value, weights: &Value) -> Result<Value> {
        let wrong = |words: &str| EvaluateError::new(format!("set_rand {words}"));
        let Value::List(values) = values else { return Err(wrong("takes a list of values")) };
        if values.is_empty() {
            return Err(wrong("has nothing to choose from"));
        }
        let weights = match weights {
            Value::Null => &[],
            Value::List(weights) => weights.as_slice(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Row(_) => {
                return Err(wrong("takes a list of weights"));
            }
        };
        if weights.is_empty() {
            let items: Vec<&Value> = values.iter().collect();
            return Ok(self.dice.pick(&items).cloned().unwrap_or(Value::Null));
        }
        let weights: Option<Vec<f64>> = weights.iter().map(Value::number).collect();
        let weights = weights.filter(|weights| {
            weights.len() == values.len()
                && weights.iter().all(|weight| *weight >= 0.0)
                && weights.iter().sum::<f64>() > 0.0
        });
        let weights = weights.ok_or_else(|| {
            wrong("takes a weight for each value: numbers from 0, not all of them 0")
        })?;
        let mut left = self.dice.unit() * weights.iter().sum::<f64>();
        let mut chosen = None;
        for (value, weight) in values.iter().zip(weights).filter(|(_, weight)| *weight > 0.0) {
            chosen = Some(value);
            if left < weight {
                break;
            }
            left -= weight;
        }
        Ok(chosen.cloned().unwrap_or(Value::Null))
    }
}

impl Making<'_> {
    /// An argument before this one, by its place from 0 or its name.
    fn argument(&self, which: &Value) -> Result<Value> {
        let index = if let Value::Text(name) = which {
            self.arguments.iter().position(|argument| argument.name.as_ref() == Some(name))
        } else {
            which.whole().and_then(|index| usize::try_from(index).ok())
        };
        let found = index.and_then(|index| self.values.get(index)).cloned();
        found.ok_or_else(|| EvaluateError::new(format!("no argument {which} before this one")))
    }
}

fn truth(value: &Value) -> Result<bool> {
    if let Value::Bool(value) = value {
        return Ok(*value);
    }
    Err(EvaluateError::new(format!("{} is neither true nor false", value.kind())))
}

fn field(of: &Value, name: &str) -> Result<Value> {
    let Value::Row(row) = of else {
        return Err(EvaluateError::new(format!("{} has no column {name}", of.kind())));
    };
    row.get(name).cloned().ok_or_else(|| {
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        EvaluateError::new(format!("there is no column {name}, only {}", columns.join(", ")))
    })
}

fn float(value: &Value) -> Result<Value> {
    let number = if let Value::Text(text) = value {
        text.trim().parse::<f64>().ok()
    } else {
        value.number()
    };
    number.map_or_else(|| Err(no_number("float", value)), finite)
}

/// The whole part of a number.
fn int(value: &Value) -> Result<Value> {
    let number = match value {
        Value::Text(text) => text.trim().parse::<i64>().ok(),
        Value::Int(number) => Some(*number),
        Value::Float(number) => Value::Float(number.trunc()).whole(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Row(_) => None,
    };
    number.map(Value::Int).ok_or_else(|| no_number("int", value))
}

fn text(value: &Value) -> Result<Value> {
    match value {
        Value::List(_) | Value::Row(_) => {
            Err(EvaluateError::new(format!("string makes no text of {}", value.kind())))
        }
        Value::Null => Ok(Value::Null),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
            Ok(Value::Text(value.to_string()))
        }
    }
}

fn no_number(function: &str, value: &Value) -> EvaluateError {
    EvaluateError::new(format!("{function} makes no number of {}", value.kind()))
}
