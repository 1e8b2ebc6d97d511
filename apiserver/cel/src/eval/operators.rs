//! Operators: arithmetic with its bounds, order, membership (cel-go's common/types).

use super::Error;
use super::equality::{compare, equal};
use super::value::Value;
use crate::time;
use std::cmp::Ordering;

/// What an operator makes of its operands; none for what is no operator.
pub(super) fn apply<'a>(function: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, Error>> {
    let result = operate(function, args)?;
    // One whose first operand knows nothing of it is named in the error.
    let named = args
        .first()
        .is_some_and(|operand| !takes_part(function, operand));
    Some(match result {
        Err(Error::Evaluation(why)) if named && why == NO_OVERLOAD => {
            Err(Error::new(format!("{NO_OVERLOAD}: {function}")))
        }
        result => result,
    })
}

const NO_OVERLOAD: &str = "no such overload";

/// Whether values of a type have an operator at all (the traits of cel-go's types); texts and times answer any call themselves.
fn takes_part(function: &str, operand: &Value<'_>) -> bool {
    use Value::{Bool, Bytes, Double, Duration, Int, List, Map, String, Timestamp, Uint};
    match operand {
        String(_) | Timestamp(..) | Duration(_) => true,
        Int(_) | Uint(_) => true,
        Double(_) => function != "_%_",
        Bytes(_) => ["!_", "_+_", "_<_", "_<=_", "_>_", "_>=_", "@in"].contains(&function),
        Bool(_) => ["!_", "-_", "_<_", "_<=_", "_>_", "_>=_", "@in"].contains(&function),
        List(_) => ["!_", "_+_", "@in"].contains(&function),
        Map(_) => ["@in", "!_"].contains(&function),
        _ => ["@in", "!_"].contains(&function),
    }
}

fn operate<'a>(function: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, Error>> {
    Some(match (function, args) {
        ("!_", [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        ("-_", [value]) => negate(value),
        ("_+_", [left, right]) => add(left, right),
        ("_-_", [left, right]) => subtract(left, right),
        ("_*_", [left, right]) => multiply(left, right),
        ("_/_", [left, right]) => divide(left, right),
        ("_%_", [left, right]) => modulo(left, right),
        ("_<_", [left, right]) => {
            compare(left, right).map(|order| Value::Bool(order == Ordering::Less))
        }
        ("_<=_", [left, right]) => {
            compare(left, right).map(|order| Value::Bool(order != Ordering::Greater))
        }
        ("_>_", [left, right]) => {
            compare(left, right).map(|order| Value::Bool(order == Ordering::Greater))
        }
        ("_>=_", [left, right]) => {
            compare(left, right).map(|order| Value::Bool(order != Ordering::Less))
        }
        ("@in" | "_in_" | "in", [value, Value::List(list)]) => Ok(Value::Bool(
            list.iter().any(|element| equal(&element, value)),
        )),
        ("@in" | "_in_" | "in", [key, Value::Map(map)]) => Ok(Value::Bool(map.get(key).is_some())),
        ("!_" | "@in" | "_in_" | "in", _) => Err(Error::new(NO_OVERLOAD)),
        _ => return None,
    })
}

fn no_overload<'a>() -> Result<Value<'a>, Error> {
    Err(Error::new(NO_OVERLOAD))
}

fn int<'a>(value: Option<i64>) -> Result<Value<'a>, Error> {
    value
        .map(Value::Int)
        .ok_or_else(|| Error::new("integer overflow"))
}

fn uint<'a>(value: Option<u64>) -> Result<Value<'a>, Error> {
    value
        .map(Value::Uint)
        .ok_or_else(|| Error::new("unsigned integer overflow"))
}

fn duration<'a>(value: Option<i64>) -> Result<Value<'a>, Error> {
    value
        .map(Value::Duration)
        .ok_or_else(|| Error::new("duration overflow"))
}

fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, Error> {
    match value {
        Value::Int(value) => int(value.checked_neg()),
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Duration(value) => duration(value.checked_neg()),
        _ => no_overload(),
    }
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Error> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_add(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_add(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => Ok(Value::text([&**a, &**b].concat())),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        (Value::List(a), Value::List(b)) => {
            let mut list = a.clone();
            list.append(b);
            Ok(Value::List(list))
        }
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(*b)),
        (Value::Duration(by), Value::Timestamp(seconds, nanoseconds))
        | (Value::Timestamp(seconds, nanoseconds), Value::Duration(by)) => {
            moved(*seconds, *nanoseconds, i128::from(*by))
        }
        _ => no_overload(),
    }
}

fn moved<'a>(seconds: i64, nanoseconds: u32, by: i128) -> Result<Value<'a>, Error> {
    const SECOND: i128 = 1_000_000_000;
    let total = i128::from(seconds) * SECOND + i128::from(nanoseconds) + by;
    let seconds = i64::try_from(total.div_euclid(SECOND))
        .ok()
        .filter(|seconds| time::in_range(*seconds));
    match seconds {
        Some(seconds) => Ok(Value::Timestamp(seconds, total.rem_euclid(SECOND) as u32)),
        None => Err(Error::new("timestamp overflow")),
    }
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Error> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_sub(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_sub(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(*b)),
        (Value::Timestamp(seconds, nanoseconds), Value::Duration(by)) => {
            moved(*seconds, *nanoseconds, -i128::from(*by))
        }
        (Value::Timestamp(a, x), Value::Timestamp(b, y)) => {
            let apart =
                (i128::from(*a) - i128::from(*b)) * 1_000_000_000 + i128::from(*x) - i128::from(*y);
            duration(i64::try_from(apart).ok())
        }
        _ => no_overload(),
    }
}

fn multiply<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Error> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_mul(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_mul(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        _ => no_overload(),
    }
}

fn divide<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Error> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Error::new("division by zero"))
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_div(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_div(*b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        _ => no_overload(),
    }
}

fn modulo<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Error> {
    match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Err(Error::new("modulus by zero"))
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_rem(*b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_rem(*b)),
        _ => no_overload(),
    }
}
