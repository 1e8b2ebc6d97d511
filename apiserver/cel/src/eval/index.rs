//! Fields and elements of values: cel-go's interpreter/attributes.go.

use super::value::Value;
use super::{Activation, Error};

/// What a field of a value is. `Ok(None)`: the value could have it and has not.
pub(super) fn field<'a>(
    of: &Value<'a>,
    name: &str,
    variables: &dyn Activation<'a>,
) -> Result<Option<Value<'a>>, Error> {
    match of {
        Value::Map(map) => Ok(map.field(name)),
        Value::Object(object) => Ok(object.fields.get(name).cloned()),
        Value::Variables => variables.lazy(name).transpose(),
        Value::Optional(Some(inner)) => field(inner, name, variables),
        Value::Optional(None) => Ok(None),
        Value::List(_) => Err(Error::new("unsupported index type 'string' in list")),
        _ => Ok(None),
    }
}

/// An element, by what stands in brackets. `Ok(None)`: there is none there.
pub(super) fn element<'a>(of: &Value<'a>, at: &Value<'a>) -> Result<Option<Value<'a>>, Error> {
    use Value::{Bool, Double, Int, String, Uint};
    if !matches!(at, Bool(_) | Int(_) | Uint(_) | Double(_) | String(_)) {
        let of = if matches!(at, Value::Null) {
            "<nil>"
        } else {
            at.go_type()
        };
        return Err(Error::new(format!("invalid qualifier type: {of}")));
    }
    match of {
        Value::Map(map) => Ok(map.get(at)),
        Value::List(list) => {
            let at = position(at)?;
            Ok(usize::try_from(at).ok().and_then(|at| list.get(at)))
        }
        Value::Optional(Some(inner)) => element(inner, at),
        Value::Object(object) => Ok(at
            .as_text()
            .and_then(|name| object.fields.get(name).cloned())),
        _ => Ok(None),
    }
}

/// A number that may be an index (types.IndexOrError).
fn position(at: &Value<'_>) -> Result<i64, Error> {
    match at {
        Value::Int(at) => Ok(*at),
        Value::Uint(at) => i64::try_from(*at)
            .map_err(|_| Error::new(format!("unsupported index value {at} in list"))),
        Value::Double(at) if at.fract() == 0.0 && at.abs() < 9.2e18 => Ok(*at as i64),
        Value::Double(at) => Err(Error::new(format!("unsupported index value {at} in list"))),
        other => Err(Error::new(format!(
            "unsupported index type '{}' in list",
            other.type_name()
        ))),
    }
}

/// What is said of an element or field that is not there.
pub(super) fn missing(of: &Value<'_>, at: &Value<'_>) -> Error {
    match of {
        Value::List(_) => Error::new(format!("index out of bounds: {}", at.shown())),
        _ => Error::new(format!("no such key: {}", at.shown())),
    }
}
