//! Which function a call means: by its name and what its arguments turn out to be. Each library has a file of its own.

use super::value::{Map, Opaque, Value};
use super::{
    Error, addresses, convert, formats, lists, meter, quantities, regexes, semver, strings, times,
    urls,
};
use std::sync::Arc;

type Result<'a> = std::result::Result<Value<'a>, Error>;

/// What a function makes of its arguments, the target of a member's call being the first.
pub(super) fn call<'a>(function: &str, member: bool, args: &[Value<'a>]) -> Result<'a> {
    let libraries = [
        optional,
        convert::call,
        strings::call,
        regexes::call,
        lists::call,
        times::call,
        quantities::call,
        addresses::call,
        urls::call,
        semver::call,
        formats::call,
        own,
    ];
    let found = libraries
        .iter()
        .find_map(|library| library(function, member, args));
    found.unwrap_or_else(|| Err(no_overload(function, args)))
}

pub(super) fn no_overload(function: &str, args: &[Value<'_>]) -> Error {
    let types: Vec<&str> = args.iter().map(Value::type_name).collect();
    Error::new(format!(
        "no such overload: {function}({})",
        types.join(", ")
    ))
}

/// Calls on Kubernetes' values, and on what the server gives.
fn own<'a>(function: &str, member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    match (function, args) {
        (
            "size",
            [value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))],
        ) => Some(Ok(Value::Int(meter::size(value) as i64))),
        ("size", [_]) => Some(Err(Error::new("no such overload: size"))),
        ("cel.@mapInsert", [Value::Map(map), key, value]) => {
            let mut map = map.clone();
            Some(
                map.insert(key.clone(), value.clone())
                    .map(|()| Value::Map(map)),
            )
        }
        ("cel.@mapInsert", [Value::Map(map), Value::Map(more)]) => Some(inserted(map, more)),
        ("jsonpatch.escapeKey", [Value::String(key)]) => {
            Some(Ok(Value::text(key.replace('~', "~0").replace('/', "~1"))))
        }
        (_, [Value::Opaque(Opaque::Access(access)), rest @ ..]) if member => {
            access.call(function, rest)
        }
        _ => None,
    }
}

fn inserted<'a>(map: &Map<'a>, more: &Map<'a>) -> Result<'a> {
    let mut map = map.clone();
    for (key, value) in more.entries() {
        map.insert(key, value)?;
    }
    Ok(Value::Map(map))
}

fn optional<'a>(function: &str, _member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    Some(Ok(match (function, args) {
        ("optional.none", []) => Value::NONE,
        ("optional.of", [value]) => Value::some(value.clone()),
        ("optional.ofNonZeroValue", [value]) => match is_zero(value) {
            true => Value::NONE,
            false => Value::some(value.clone()),
        },
        ("hasValue", [Value::Optional(value)]) => Value::Bool(value.is_some()),
        ("value", [Value::Optional(value)]) => match value {
            Some(value) => (**value).clone(),
            None => return Some(Err(Error::new("optional.none() dereference"))),
        },
        ("optional.unwrap" | "unwrapOpt", [Value::List(list)]) => {
            let mut values = Vec::new();
            for value in list.iter() {
                match value {
                    Value::Optional(Some(value)) => values.push(Arc::unwrap_or_clone(value)),
                    Value::Optional(None) => {}
                    other => {
                        let why = format!("value {} is not optional", other.shown());
                        return Some(Err(Error::new(why)));
                    }
                }
            }
            Value::list(values)
        }
        _ => return None,
    }))
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Optional(None) => true,
        Value::Bool(value) => !value,
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Duration(value) => *value == 0,
        Value::Timestamp(seconds, nanoseconds) => (*seconds, *nanoseconds) == (-62_135_596_800, 0),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Object(object) => object.fields.is_empty(),
        _ => false,
    }
}
