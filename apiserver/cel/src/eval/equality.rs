//! Equality and order of values: cel-go's common/types, where numbers of all types are compared with each other and what is of
//! different types is unequal.

use super::Error;
use super::value::{Opaque, Value};
use std::cmp::Ordering;

pub(super) fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => **a == **b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a, x), Value::Timestamp(b, y)) => (a, x) == (b, y),
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(&a, &b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.entries()
                    .all(|(key, value)| b.get(&key).is_some_and(|other| equal(&value, &other)))
        }
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => equal(a, b),
            _ => false,
        },
        (Value::Object(a), Value::Object(b)) => {
            a.name == b.name
                && a.fields.len() == b.fields.len()
                && a.fields.iter().all(|(name, value)| {
                    b.fields.get(name).is_some_and(|other| equal(value, other))
                })
        }
        (Value::Opaque(a), Value::Opaque(b)) => opaque(a, b),
        _ => numbers(left, right) == Some(Ordering::Equal),
    }
}

fn opaque(left: &Opaque<'_>, right: &Opaque<'_>) -> bool {
    match (left, right) {
        (Opaque::Quantity(a), Opaque::Quantity(b)) => a == b,
        (Opaque::Address(a), Opaque::Address(b)) => a == b,
        (Opaque::Network(a), Opaque::Network(b)) => a == b,
        (Opaque::Url(a), Opaque::Url(b)) => a == b,
        (Opaque::Semver(a), Opaque::Semver(b)) => a == b,
        (Opaque::Format(a), Opaque::Format(b)) => a == b,
        (Opaque::Access(a), Opaque::Access(b)) => {
            std::ptr::addr_eq(std::sync::Arc::as_ptr(a), std::sync::Arc::as_ptr(b))
        }
        _ => false,
    }
}

/// How two numbers compare, whatever their types; none for what is no number, and for NaN.
pub(super) fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    match (left, right) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), other) => with_double(whole(other)?, *a).map(Ordering::reverse),
        (other, Value::Double(b)) => with_double(whole(other)?, *b),
        _ => Some(whole(left)?.cmp(&whole(right)?)),
    }
}

fn with_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= 1.9e19 {
        return Some(Ordering::Less);
    }
    if double <= -1.0e19 {
        return Some(Ordering::Greater);
    }
    let floor = double.floor();
    let ordering = whole.cmp(&(floor as i128));
    Some(match ordering {
        Ordering::Equal if double > floor => Ordering::Less,
        other => other,
    })
}

/// How two values that have an order compare.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, Error> {
    let no_overload = || Error::new("no such overload");
    Ok(match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => (**a).cmp(&**b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Timestamp(a, x), Value::Timestamp(b, y)) => (a, x).cmp(&(b, y)),
        _ => {
            let nan = |value: &Value<'_>| matches!(value, Value::Double(value) if value.is_nan());
            let number = |value: &Value<'_>| {
                matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
            };
            if number(left) && number(right) && (nan(left) || nan(right)) {
                return Err(Error::new("NaN values cannot be ordered"));
            }
            numbers(left, right).ok_or_else(no_overload)?
        }
    })
}
