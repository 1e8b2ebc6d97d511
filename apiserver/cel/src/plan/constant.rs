//! Conversions of constants (cel-go's common/types: int.go, uint.go, double.go, string.go, bytes.go).

use crate::ast::Literal;
use crate::time;

/// A value that is known before an expression runs.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Literal(Literal),
    /// Seconds since 1970.
    Timestamp(i64),
    /// Nanoseconds.
    Duration(i64),
    /// Known to be constant and of this type, of no more interest.
    Other(&'static str),
}

impl Constant {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Literal(Literal::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// What a conversion makes of a constant; none for other functions.
pub(super) fn converted(function: &str, value: &Constant) -> Result<Option<Constant>, String> {
    let result = match (function, value) {
        ("dyn", value) => Ok(value.clone()),
        ("type", _) => Ok(Constant::Other("type")),
        // Its text is not worked out here.
        (
            "bool" | "bytes" | "double" | "duration" | "int" | "timestamp" | "uint",
            Constant::Other("string"),
        ) => {
            return Ok(None);
        }
        ("int", value) => int(value).map(|value| Constant::Literal(Literal::Int(value))),
        ("uint", value) => uint(value).map(|value| Constant::Literal(Literal::Uint(value))),
        ("double", value) => double(value).map(|value| Constant::Literal(Literal::Double(value))),
        ("bool", value) => boolean(value).map(|value| Constant::Literal(Literal::Bool(value))),
        ("string", value) => string(value),
        ("bytes", Constant::Literal(Literal::String(text))) => {
            Ok(Constant::Literal(Literal::Bytes(text.clone().into_bytes())))
        }
        ("bytes", Constant::Literal(Literal::Bytes(_))) => Ok(value.clone()),
        ("bytes", value) => mismatch(value, "bytes"),
        ("duration", value) => duration(value),
        ("timestamp", value) => timestamp(value),
        _ => return Ok(None),
    };
    result.map(Some)
}

impl Constant {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Literal(Literal::Null) => "null_type",
            Self::Literal(Literal::Bool(_)) => "bool",
            Self::Literal(Literal::Int(_)) => "int",
            Self::Literal(Literal::Uint(_)) => "uint",
            Self::Literal(Literal::Double(_)) => "double",
            Self::Literal(Literal::String(_)) => "string",
            Self::Literal(Literal::Bytes(_)) => "bytes",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Other(name) => name,
        }
    }
}

/// A text that is none of the type's, or a value that the function does not take.
fn mismatch<T>(value: &Constant, function: &str) -> Result<T, String> {
    let to = match function {
        "duration" => "google.protobuf.Duration",
        "timestamp" => "google.protobuf.Timestamp",
        other => other,
    };
    Err(match value {
        Constant::Literal(Literal::String(_)) => {
            format!("type conversion error from 'string' to '{to}'")
        }
        _ => format!("no such overload: {function}({})", value.type_name()),
    })
}

fn int(value: &Constant) -> Result<i64, String> {
    const TOO_LARGE: &str = "integer overflow";
    match value {
        Constant::Literal(Literal::Int(value)) => Ok(*value),
        Constant::Literal(Literal::Uint(value)) => {
            i64::try_from(*value).map_err(|_| TOO_LARGE.to_owned())
        }
        // The bounds themselves are refused as well: as doubles they are not told from what is beyond them.
        Constant::Literal(Literal::Double(value)) => {
            let fits =
                *value > -9_223_372_036_854_775_808.0 && *value < 9_223_372_036_854_775_808.0;
            if fits {
                Ok(*value as i64)
            } else {
                Err(TOO_LARGE.to_owned())
            }
        }
        Constant::Literal(Literal::String(text)) => {
            text.parse().or_else(|_| mismatch(value, "int"))
        }
        Constant::Timestamp(seconds) => Ok(*seconds),
        Constant::Duration(nanoseconds) => Ok(nanoseconds / 1_000_000_000),
        _ => mismatch(value, "int"),
    }
}

fn uint(value: &Constant) -> Result<u64, String> {
    const OUTSIDE: &str = "unsigned integer overflow";
    match value {
        Constant::Literal(Literal::Uint(value)) => Ok(*value),
        Constant::Literal(Literal::Int(value)) => {
            u64::try_from(*value).map_err(|_| OUTSIDE.to_owned())
        }
        Constant::Literal(Literal::Double(value)) => {
            let fits = *value >= 0.0 && *value < 18_446_744_073_709_551_616.0;
            if fits {
                Ok(*value as u64)
            } else {
                Err(OUTSIDE.to_owned())
            }
        }
        Constant::Literal(Literal::String(text)) if !text.starts_with('+') => {
            text.parse().or_else(|_| mismatch(value, "uint"))
        }
        _ => mismatch(value, "uint"),
    }
}

fn double(value: &Constant) -> Result<f64, String> {
    match value {
        Constant::Literal(Literal::Double(value)) => Ok(*value),
        Constant::Literal(Literal::Int(value)) => Ok(*value as f64),
        Constant::Literal(Literal::Uint(value)) => Ok(*value as f64),
        Constant::Literal(Literal::String(text)) => {
            parse_double(text).map_or_else(|| mismatch(value, "double"), Ok)
        }
        _ => mismatch(value, "double"),
    }
}

/// A text as a double; none where it is no number.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let parsed: Option<f64> = without_underscores(text).and_then(|text| text.parse().ok());
    // A number too large for any double is none; infinity has a name of its own.
    let too_large =
        |number: &f64| number.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    parsed.filter(|number| !too_large(number))
}

fn boolean(value: &Constant) -> Result<bool, String> {
    match value {
        Constant::Literal(Literal::Bool(value)) => Ok(*value),
        Constant::Literal(Literal::String(text)) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => mismatch(value, "bool"),
        },
        _ => mismatch(value, "bool"),
    }
}

fn string(value: &Constant) -> Result<Constant, String> {
    let text = match value {
        Constant::Literal(Literal::String(text)) => text.clone(),
        Constant::Literal(Literal::Int(value)) => value.to_string(),
        Constant::Literal(Literal::Uint(value)) => value.to_string(),
        Constant::Literal(Literal::Bool(value)) => value.to_string(),
        Constant::Literal(Literal::Bytes(bytes)) => String::from_utf8(bytes.clone())
            .map_err(|_| "invalid UTF-8 in bytes, cannot convert to string".to_owned())?,
        Constant::Literal(Literal::Double(value)) => shortest(*value),
        // How these read is for whoever runs the expression.
        Constant::Timestamp(_) | Constant::Duration(_) => return Ok(Constant::Other("string")),
        _ => return mismatch(value, "string"),
    };
    Ok(Constant::Literal(Literal::String(text)))
}

fn duration(value: &Constant) -> Result<Constant, String> {
    match value {
        Constant::Duration(_) => Ok(value.clone()),
        Constant::Literal(Literal::String(text)) => match time::parse_duration(text) {
            Some(nanoseconds) => Ok(Constant::Duration(nanoseconds)),
            None => mismatch(value, "duration"),
        },
        _ => mismatch(value, "duration"),
    }
}

fn timestamp(value: &Constant) -> Result<Constant, String> {
    match value {
        Constant::Timestamp(_) => Ok(value.clone()),
        Constant::Literal(Literal::Int(seconds)) if time::in_range(*seconds) => {
            Ok(Constant::Timestamp(*seconds))
        }
        Constant::Literal(Literal::Int(_)) => Err("timestamp overflow".to_owned()),
        Constant::Literal(Literal::String(text)) => match time::parse_timestamp(text) {
            Some((seconds, _)) => Ok(Constant::Timestamp(seconds)),
            None => mismatch(value, "timestamp"),
        },
        _ => mismatch(value, "timestamp"),
    }
}

/// A number without the underscores between its digits; none where they stand elsewhere.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    let good = bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'_' || (digit(at.checked_sub(1)) && digit(Some(at + 1))));
    good.then(|| text.replace('_', ""))
}

/// From here on a double is written with an exponent.
const LARGE_EXPONENT: i32 = 6;

/// As Go's `%g` writes a double: the fewest digits that tell it from others.
pub(crate) fn shortest(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let written = format!("{value:e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..LARGE_EXPONENT).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
