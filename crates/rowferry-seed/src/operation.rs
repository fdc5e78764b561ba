//! What operators do to values.

use std::cmp::Ordering;

use crate::error::EvaluateError;
use crate::expression::Operator;
use crate::value::Value;

type Result<T> = std::result::Result<T, EvaluateError>;

/// An operator whose both sides are known. `&&`, `||` and `??` look at their right side only where it
/// counts, so they are not here.
pub(crate) fn operate(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    Ok(match operator {
        Operator::Equal => Value::Bool(is_equal(left, right)),
        Operator::Unequal => Value::Bool(!is_equal(left, right)),
        Operator::Less => Value::Bool(ordered(operator, left, right)?.is_lt()),
        Operator::LessOrEqual => Value::Bool(ordered(operator, left, right)?.is_le()),
        Operator::Greater => Value::Bool(ordered(operator, left, right)?.is_gt()),
        Operator::GreaterOrEqual => Value::Bool(ordered(operator, left, right)?.is_ge()),
        Operator::Plus => match (left, right) {
            (Value::Text(left), Value::Text(right)) => Value::Text(format!("{left}{right}")),
            _ => arithmetic(operator, (left, right), i64::checked_add, |a, b| a + b)?,
        },
        Operator::Minus => arithmetic(operator, (left, right), i64::checked_sub, |a, b| a - b)?,
        Operator::Times => arithmetic(operator, (left, right), i64::checked_mul, |a, b| a * b)?,
        Operator::Divided => quotient(left, right)?,
        Operator::Remainder => remainder(left, right)?,
        Operator::And | Operator::Or | Operator::Coalesce => {
            return Err(mismatch(operator, left, right));
        }
    })
}

/// `-value`.
pub(crate) fn negative(value: &Value) -> Result<Value> {
    operate(Operator::Minus, &Value::Int(0), value)
}

fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => left == right,
        _ => match (left.number(), right.number()) {
            (Some(left), Some(right)) => left.partial_cmp(&right) == Some(Ordering::Equal),
            _ => left == right,
        },
    }
}

fn ordered(operator: Operator, left: &Value, right: &Value) -> Result<Ordering> {
    let found = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => match (left.number(), right.number()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => None,
        },
    };
    found.ok_or_else(|| mismatch(operator, left, right))
}

/// Whole numbers stay whole; with a float among them both are floats.
fn arithmetic(
    operator: Operator,
    (left, right): (&Value, &Value),
    of_whole: impl Fn(i64, i64) -> Option<i64>,
    of_floats: impl Fn(f64, f64) -> f64,
) -> Result<Value> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        return of_whole(*left, *right).map(Value::Int).ok_or_else(|| {
            EvaluateError::new(format!("a whole number is too large behind {}", operator.sign()))
        });
    }
    match (left.number(), right.number()) {
        (Some(left), Some(right)) => finite(of_floats(left, right)),
        _ => Err(mismatch(operator, left, right)),
    }
}

/// A division never is one of whole numbers.
fn quotient(left: &Value, right: &Value) -> Result<Value> {
    match (left.number(), right.number()) {
        (Some(_), Some(0.0)) => Err(by_zero()),
        (Some(left), Some(right)) => finite(left / right),
        _ => Err(mismatch(Operator::Divided, left, right)),
    }
}

fn remainder(left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) => Err(by_zero()),
        // -2^63 % -1 is 0, though the processor cannot say so.
        (Value::Int(left), Value::Int(right)) => Ok(Value::Int(left.wrapping_rem(*right))),
        _ => Err(mismatch(Operator::Remainder, left, right)),
    }
}

/// A float, unless it is too large to be one.
pub(crate) fn finite(number: f64) -> Result<Value> {
    if number.is_finite() {
        Ok(Value::Float(number))
    } else {
        Err(EvaluateError::new("a number is too large"))
    }
}

fn by_zero() -> EvaluateError {
    EvaluateError::new("a division by zero")
}

fn mismatch(operator: Operator, left: &Value, right: &Value) -> EvaluateError {
    let (left, right) = (left.kind(), right.kind());
    EvaluateError::new(format!("{} does not stand between {left} and {right}", operator.sign()))
}
