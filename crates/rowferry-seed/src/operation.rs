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
            _ => arithmetic(operator, left, right)?,
        },
        Operator::Minus | Operator::Times | Operator::Divided | Operator::Remainder => {
            arithmetic(operator, left, right)?
        }
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
            (Some(left), Some(right)) => left.total_cmp(&right).is_eq() || left == right,
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

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let whole = match operator {
            Operator::Plus => left.checked_add(*right),
            Operator::Minus => left.checked_sub(*right),
            Operator::Times => left.checked_mul(*right),
            Operator::Remainder if *right == 0 => return Err(by_zero()),
            // -2^63 % -1 is 0, though the processor cannot say so.
            Operator::Remainder => Some(left.checked_rem(*right).unwrap_or(0)),
            _ => return quotient(left_right(operator, *left, *right)?),
        };
        return whole.map(Value::Int).ok_or_else(|| {
            EvaluateError::new(format!("a whole number is too large behind {}", operator.sign()))
        });
    }
    let (Some(a), Some(b)) = (left.number(), right.number()) else {
        return Err(mismatch(operator, left, right));
    };
    match operator {
        Operator::Plus => finite(a + b),
        Operator::Minus => finite(a - b),
        Operator::Times => finite(a * b),
        Operator::Divided => quotient((a, b)),
        _ => Err(mismatch(operator, left, right)),
    }
}

/// Two whole numbers as floats, for the division that never is one of whole numbers.
fn left_right(operator: Operator, left: i64, right: i64) -> Result<(f64, f64)> {
    let (left, right) = (Value::Int(left), Value::Int(right));
    match (operator, left.number(), right.number()) {
        (Operator::Divided, Some(a), Some(b)) => Ok((a, b)),
        _ => Err(mismatch(operator, &left, &right)),
    }
}

fn quotient((left, right): (f64, f64)) -> Result<Value> {
    if right == 0.0 { Err(by_zero()) } else { finite(left / right) }
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
