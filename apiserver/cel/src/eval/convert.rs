//! Conversions between types (cel-go's common/types), and values made of protobuf's own messages.

use super::value::{Object, Opaque, Value};
use super::{Error, times};
use crate::time;

type Result<'a> = std::result::Result<Value<'a>, Error>;

pub(super) fn call<'a>(function: &str, _member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    let [value] = args else {
        return None;
    };
    if !takes(function, value) {
        return None;
    }
    Some(match function {
        "dyn" => Ok(value.clone()),
        "type" => Ok(Value::Type(value.type_name().into())),
        "int" => int(value),
        "uint" => uint(value),
        "double" => double(value),
        "bool" => boolean(value),
        "string" => string(value),
        "bytes" => match value {
            Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
            Value::Bytes(_) => Ok(value.clone()),
            _ => mismatch(value, "bytes"),
        },
        "duration" => match value {
            Value::Duration(_) => Ok(value.clone()),
            Value::String(text) => time::parse_duration(text).map_or_else(
                || mismatch(value, "google.protobuf.Duration"),
                |nanoseconds| Ok(Value::Duration(nanoseconds)),
            ),
            _ => mismatch(value, "google.protobuf.Duration"),
        },
        "timestamp" => timestamp(value),
        _ => return None,
    })
}

/// Whether a conversion has an overload for values of this type.
fn takes(function: &str, value: &Value<'_>) -> bool {
    use Value::{Bool, Bytes, Double, Duration, Int, Opaque as Own, String, Timestamp, Uint};
    match value {
        String(_) => true,
        Int(_) => [
            "int",
            "uint",
            "double",
            "string",
            "timestamp",
            "dyn",
            "type",
        ]
        .contains(&function),
        Uint(_) | Double(_) => {
            ["int", "uint", "double", "string", "dyn", "type"].contains(&function)
        }
        Bool(_) => ["bool", "string", "dyn", "type"].contains(&function),
        Bytes(_) => ["bytes", "string", "dyn", "type"].contains(&function),
        Duration(_) => ["duration", "int", "string", "dyn", "type"].contains(&function),
        Timestamp(..) => ["timestamp", "int", "string", "dyn", "type"].contains(&function),
        Own(Opaque::Address(_) | Opaque::Network(_)) => {
            ["string", "dyn", "type"].contains(&function)
        }
        _ => ["dyn", "type"].contains(&function),
    }
}

fn mismatch<'a>(value: &Value<'_>, to: &str) -> Result<'a> {
    let from = value.type_name();
    Err(Error::new(format!(
        "type conversion error from '{from}' to '{to}'"
    )))
}

fn int<'a>(value: &Value<'a>) -> Result<'a> {
    let overflow = || Error::new("integer overflow");
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(value) => i64::try_from(*value)
            .map(Value::Int)
            .map_err(|_| overflow()),
        // The bounds themselves are refused as well: as doubles they are not told from what is beyond them.
        Value::Double(value)
            if *value > -9_223_372_036_854_775_808.0 && *value < 9_223_372_036_854_775_808.0 =>
        {
            Ok(Value::Int(*value as i64))
        }
        Value::Double(_) => Err(overflow()),
        Value::String(text) => text
            .parse()
            .map(Value::Int)
            .or_else(|_| mismatch(value, "int")),
        Value::Timestamp(seconds, _) => Ok(Value::Int(*seconds)),
        Value::Duration(nanoseconds) => Ok(Value::Int(nanoseconds / 1_000_000_000)),
        _ => mismatch(value, "int"),
    }
}

fn uint<'a>(value: &Value<'a>) -> Result<'a> {
    let overflow = || Error::new("unsigned integer overflow");
    match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(value) => u64::try_from(*value)
            .map(Value::Uint)
            .map_err(|_| overflow()),
        Value::Double(value) if *value >= 0.0 && *value < 18_446_744_073_709_551_616.0 => {
            Ok(Value::Uint(*value as u64))
        }
        Value::Double(_) => Err(overflow()),
        Value::String(text) if !text.starts_with('+') => text
            .parse()
            .map(Value::Uint)
            .or_else(|_| mismatch(value, "uint")),
        _ => mismatch(value, "uint"),
    }
}

fn double<'a>(value: &Value<'a>) -> Result<'a> {
    match value {
        Value::Double(_) => Ok(value.clone()),
        Value::Int(value) => Ok(Value::Double(*value as f64)),
        Value::Uint(value) => Ok(Value::Double(*value as f64)),
        Value::String(text) => crate::plan::parse_double(text).map_or_else(
            || mismatch(value, "double"),
            |number| Ok(Value::Double(number)),
        ),
        _ => mismatch(value, "double"),
    }
}

fn boolean<'a>(value: &Value<'a>) -> Result<'a> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => mismatch(value, "bool"),
        },
        _ => mismatch(value, "bool"),
    }
}

pub(super) fn string<'a>(value: &Value<'a>) -> Result<'a> {
    Ok(Value::text(match value {
        Value::String(_) => return Ok(value.clone()),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => crate::plan::shortest(*value),
        Value::Bytes(bytes) => {
            let invalid = || Error::new("invalid UTF-8 in bytes, cannot convert to string");
            std::str::from_utf8(bytes)
                .map_err(|_| invalid())?
                .to_owned()
        }
        Value::Duration(nanoseconds) => times::seconds(*nanoseconds),
        Value::Timestamp(seconds, nanoseconds) => times::rfc3339(*seconds, *nanoseconds),
        Value::Opaque(Opaque::Address(address)) => address.to_string(),
        Value::Opaque(Opaque::Network(network)) => network.to_string(),
        _ => return mismatch(value, "string"),
    }))
}

fn timestamp<'a>(value: &Value<'a>) -> Result<'a> {
    match value {
        Value::Timestamp(..) => Ok(value.clone()),
        Value::Int(seconds) if time::in_range(*seconds) => Ok(Value::Timestamp(*seconds, 0)),
        Value::Int(_) => Err(Error::new("timestamp overflow")),
        Value::String(text) => match time::parse_timestamp(text) {
            Some((seconds, nanoseconds)) => Ok(Value::Timestamp(seconds, nanoseconds)),
            None => mismatch(value, "google.protobuf.Timestamp"),
        },
        _ => mismatch(value, "google.protobuf.Timestamp"),
    }
}

/// The value that one of protobuf's messages stands for; none for other types.
pub(super) fn message<'a>(object: &Object<'a>) -> Option<Value<'a>> {
    let short = object.name.strip_prefix("google.protobuf.")?;
    let field = |name: &str| object.fields.get(name).cloned();
    let number = |name: &str| match object.fields.get(name) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    };
    Some(match short {
        "BoolValue" => field("value").unwrap_or(Value::Bool(false)),
        "BytesValue" => field("value").unwrap_or(Value::Bytes([].into())),
        "DoubleValue" | "FloatValue" => field("value").unwrap_or(Value::Double(0.0)),
        "Int32Value" | "Int64Value" => field("value").unwrap_or(Value::Int(0)),
        "UInt32Value" | "UInt64Value" => field("value").unwrap_or(Value::Uint(0)),
        "StringValue" => field("value").unwrap_or_else(|| Value::text("")),
        "ListValue" => field("values").unwrap_or_else(|| Value::list(Vec::new())),
        "Struct" => match field("fields") {
            Some(fields) => fields,
            None => Value::Map(super::Map::from_entries([]).ok()?),
        },
        "Value" => object
            .fields
            .values()
            .next()
            .cloned()
            .unwrap_or(Value::Null),
        "Duration" => Value::Duration(
            number("seconds")
                .checked_mul(1_000_000_000)?
                .checked_add(number("nanos"))?,
        ),
        "Timestamp" => Value::Timestamp(number("seconds"), u32::try_from(number("nanos")).ok()?),
        _ => return None,
    })
}

/// Bytes in standard base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            match at <= chunk.len() {
                true => out.push(ALPHABET[(word >> (18 - 6 * at) & 63) as usize] as char),
                false => out.push('='),
            }
        }
    }
    out
}
