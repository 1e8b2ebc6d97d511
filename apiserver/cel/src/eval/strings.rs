//! Texts: cel-go's common/types/string.go and ext/strings.go at version 2. Positions count characters.

use super::value::{List, Map, Value};
use super::{Error, convert, times};
use crate::escapes::escaped;
use std::fmt::Write as _;

type Result<'a> = std::result::Result<Value<'a>, Error>;

pub(super) fn call<'a>(function: &str, _member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    if let ("join", [Value::List(list), rest @ ..]) = (function, args) {
        return joined(list, rest);
    }
    if let ("strings.quote", [Value::String(text)]) = (function, args) {
        return Some(Ok(Value::text(quote(text))));
    }
    let [Value::String(text), rest @ ..] = args else {
        return None;
    };
    let bool = |value| Some(Ok(Value::Bool(value)));
    let made = |text: String| Some(Ok(Value::text(text)));
    match (function, rest) {
        ("contains", [Value::String(part)]) => bool(text.contains(&**part)),
        ("startsWith", [Value::String(part)]) => bool(text.starts_with(&**part)),
        ("endsWith", [Value::String(part)]) => bool(text.ends_with(&**part)),
        ("lowerAscii", []) => made(text.to_ascii_lowercase()),
        ("upperAscii", []) => made(text.to_ascii_uppercase()),
        ("trim", []) => made(text.trim().to_owned()),
        ("charAt", [Value::Int(at)]) => Some(char_at(text, *at)),
        ("indexOf", [Value::String(part)]) => Some(index_of(text, part, 0)),
        ("indexOf", [Value::String(part), Value::Int(from)]) => Some(index_of(text, part, *from)),
        ("lastIndexOf", [Value::String(part)]) => Some(last_index_of(text, part, None)),
        ("lastIndexOf", [Value::String(part), Value::Int(from)]) => {
            Some(last_index_of(text, part, Some(*from)))
        }
        ("replace", [Value::String(from), Value::String(to)]) => made(text.replace(&**from, to)),
        ("replace", [Value::String(from), Value::String(to), Value::Int(most)]) => {
            made(match usize::try_from(*most) {
                Ok(most) => text.replacen(&**from, to, most),
                Err(_) => text.replace(&**from, to),
            })
        }
        ("split", [Value::String(at)]) => Some(Ok(split(text, at, -1))),
        ("split", [Value::String(at), Value::Int(most)]) => Some(Ok(split(text, at, *most))),
        ("substring", [Value::Int(from)]) => Some(substring(text, *from, None)),
        ("substring", [Value::Int(from), Value::Int(to)]) => {
            Some(substring(text, *from, Some(*to)))
        }
        ("format", [Value::List(args)]) => Some(format(text, args).map(Value::text)),
        _ => None,
    }
}

fn out_of_range<'a>(at: i64) -> Result<'a> {
    Err(Error::new(format!("index out of range: {at}")))
}

fn char_at<'a>(text: &str, at: i64) -> Result<'a> {
    let count = text.chars().count();
    match usize::try_from(at) {
        Ok(at) if at == count => Ok(Value::text("")),
        Ok(at) if at < count => Ok(Value::text(
            text.chars().skip(at).take(1).collect::<String>(),
        )),
        _ => out_of_range(at),
    }
}

fn index_of<'a>(text: &str, part: &str, from: i64) -> Result<'a> {
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let Ok(skipped) = usize::try_from(from) else {
        return out_of_range(from);
    };
    let Some((start, _)) = text.char_indices().nth(skipped) else {
        return Ok(Value::Int(-1));
    };
    let found = text[start..].find(part);
    Ok(Value::Int(found.map_or(-1, |at| {
        from + text[start..start + at].chars().count() as i64
    })))
}

fn last_index_of<'a>(text: &str, part: &str, from: Option<i64>) -> Result<'a> {
    let count = text.chars().count() as i64;
    if part.is_empty() {
        return Ok(Value::Int(from.unwrap_or(count)));
    }
    let last = count - part.chars().count() as i64;
    let from = match from {
        None => last,
        Some(from) if (0..count).contains(&from) => from.min(last),
        Some(from) => return out_of_range(from),
    };
    let found = text
        .char_indices()
        .enumerate()
        .filter(|(at, _)| *at as i64 <= from);
    let mut found: Vec<(usize, usize)> = found.map(|(at, (byte, _))| (at, byte)).collect();
    found.reverse();
    let found = found
        .into_iter()
        .find(|(_, byte)| text[*byte..].starts_with(part));
    Ok(Value::Int(found.map_or(-1, |(at, _)| at as i64)))
}

fn split<'a>(text: &str, at: &str, most: i64) -> Value<'a> {
    let pieces: Vec<&str> = match (most, at) {
        (0, _) => Vec::new(),
        (1, _) => vec![text],
        // Between characters, and not before the first or behind the last.
        (_, "") => {
            let mut pieces: Vec<&str> = text.split("").filter(|piece| !piece.is_empty()).collect();
            if let (Ok(most), true) = (usize::try_from(most), most > 0)
                && pieces.len() > most
            {
                let kept: usize = pieces[..most - 1].iter().map(|piece| piece.len()).sum();
                pieces.truncate(most - 1);
                pieces.push(&text[kept..]);
            }
            pieces
        }
        (most, at) => match usize::try_from(most) {
            Ok(most) => text.splitn(most, at).collect(),
            Err(_) => text.split(at).collect(),
        },
    };
    Value::list(pieces.into_iter().map(Value::text).collect())
}

fn substring<'a>(text: &str, from: i64, to: Option<i64>) -> Result<'a> {
    let count = text.chars().count() as i64;
    let end = to.unwrap_or(count);
    if from > end {
        if to.is_none() {
            return out_of_range(from);
        }
        let why = format!("invalid substring range. start: {from}, end: {end}");
        return Err(Error::new(why));
    }
    if !(0..=count).contains(&from) {
        return out_of_range(from);
    }
    if !(0..=count).contains(&end) {
        return out_of_range(end);
    }
    let cut = text.chars().skip(from as usize).take((end - from) as usize);
    Ok(Value::text(cut.collect::<String>()))
}

fn joined<'a>(list: &List<'a>, rest: &[Value<'a>]) -> Option<Result<'a>> {
    let separator = match rest {
        [] => "",
        [Value::String(separator)] => separator,
        _ => return None,
    };
    if list.get(0).is_some_and(|first| first.as_text().is_none()) {
        return None;
    }
    let mut texts = Vec::with_capacity(list.len());
    for element in list.iter() {
        match element {
            Value::String(text) => texts.push(text.to_string()),
            other => {
                let why = format!("join: invalid input: {}", other.shown());
                return Some(Err(Error::new(why)));
            }
        }
    }
    Some(Ok(Value::text(texts.join(separator))))
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match escaped(c) {
            Some(written) => out.push_str(written),
            None => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The most digits behind the point that a format may ask for.
const PRECISION: usize = 1_000;

/// `format`: clauses are `%[.N]c` with c of `s d f e b o x X`.
fn format(text: &str, args: &List<'_>) -> std::result::Result<String, Error> {
    let mut out = String::new();
    let mut args_used = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let Some(arg) = args.get(args_used) else {
            return Err(Error::new(format!("index {args_used} out of range")));
        };
        args_used += 1;
        let precision = match chars.next_if_eq(&'.') {
            None => None,
            Some(_) => {
                let mut digits = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                let parsed: usize = digits.parse().map_err(|_| Error::new("error while parsing precision: error while converting precision to integer"))?;
                if parsed > PRECISION {
                    let why = format!(
                        "error while parsing precision: precision {parsed} exceeds maximum allowed precision {PRECISION}"
                    );
                    return Err(Error::new(why));
                }
                Some(parsed)
            }
        };
        let clause = chars.next().ok_or_else(|| {
            Error::new("could not parse formatting clause: unexpected end of string")
        })?;
        let shown = clause_of(clause, precision.unwrap_or(6), &arg)?;
        out.push_str(&shown);
    }
    Ok(out)
}

fn clause_of(
    clause: char,
    precision: usize,
    arg: &Value<'_>,
) -> std::result::Result<String, Error> {
    let refused = |what: &str| {
        let of = arg.type_name();
        Error::new(format!(
            "error during formatting: {what} clause can only be used on {}, was given {of}",
            used_on(clause)
        ))
    };
    let number = || match arg {
        Value::Double(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::String(text) if ["NaN", "Infinity", "-Infinity"].contains(&&**text) => {
            text.replace("Infinity", "inf").parse().ok()
        }
        _ => None,
    };
    Ok(match (clause, arg) {
        ('s', _) => shown(arg)?,
        ('d', Value::Int(value)) => value.to_string(),
        ('d', Value::Uint(value)) => value.to_string(),
        ('d', _) => return Err(refused("decimal")),
        ('f', _) => special(number().ok_or_else(|| refused("fixed-point"))?)
            .unwrap_or_else(|value| format!("{value:.precision$}")),
        ('e', _) => special(number().ok_or_else(|| refused("scientific notation"))?)
            .unwrap_or_else(|value| scientific(value, precision)),
        ('b', Value::Int(value)) => signed(*value, |value| format!("{value:b}")),
        ('b', Value::Uint(value)) => format!("{value:b}"),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('b', _) => return Err(refused("binary")),
        ('o', Value::Int(value)) => signed(*value, |value| format!("{value:o}")),
        ('o', Value::Uint(value)) => format!("{value:o}"),
        ('o', _) => return Err(refused("octal")),
        ('x', value) => hexadecimal(value).ok_or_else(|| refused("hex"))?,
        ('X', value) => hexadecimal(value)
            .ok_or_else(|| refused("hex"))?
            .to_uppercase(),
        (other, _) => {
            let why = format!(
                "could not parse formatting clause: unrecognized formatting clause \"{other}\""
            );
            return Err(Error::new(why));
        }
    })
}

fn used_on(clause: char) -> &'static str {
    match clause {
        'f' | 'e' => "doubles",
        'b' => "integers and bools",
        'x' | 'X' => "integers, byte buffers, and strings",
        _ => "integers",
    }
}

fn special(value: f64) -> std::result::Result<String, f64> {
    match value {
        value if value.is_nan() => Ok("NaN".to_owned()),
        value if value == f64::INFINITY => Ok("∞".to_owned()),
        value if value == f64::NEG_INFINITY => Ok("-∞".to_owned()),
        value => Err(value),
    }
}

fn scientific(value: f64, precision: usize) -> String {
    let written = format!("{value:.precision$e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let raised: String = exponent
        .abs()
        .to_string()
        .chars()
        .map(|digit| SUPERSCRIPT[digit as usize - '0' as usize])
        .collect();
    let sign = if exponent < 0 { "⁻" } else { "" };
    let pad = if exponent.abs() < 10 { "⁰" } else { "" };
    format!("{digits}×10{sign}{pad}{raised}")
}

const SUPERSCRIPT: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

fn signed(value: i64, form: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", form(value.unsigned_abs()))
}

fn hexadecimal(value: &Value<'_>) -> Option<String> {
    let bytes = |bytes: &[u8]| {
        let mut out = String::new();
        for byte in bytes {
            // Writing to a string does not fail.
            let _ = write!(out, "{byte:02x}");
        }
        out
    };
    Some(match value {
        Value::Int(value) => signed(*value, |value| format!("{value:x}")),
        Value::Uint(value) => format!("{value:x}"),
        Value::String(text) => bytes(text.as_bytes()),
        Value::Bytes(value) => bytes(value),
        _ => return None,
    })
}

/// A value as `%s` has it.
fn shown(value: &Value<'_>) -> std::result::Result<String, Error> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Double(value) => special(*value).unwrap_or_else(crate::plan::shortest),
        Value::List(list) => {
            let mut parts = Vec::new();
            for element in list.iter() {
                parts.push(nested(&element)?);
            }
            format!("[{}]", parts.join(", "))
        }
        Value::Map(map) => shown_map(map)?,
        Value::Duration(nanoseconds) => times::seconds(*nanoseconds),
        Value::Type(name) => name.to_string(),
        other => match convert::string(other)? {
            Value::String(text) => text.to_string(),
            _ => String::new(),
        },
    })
}

/// Inside lists and maps texts are quoted, and times named.
fn nested(value: &Value<'_>) -> std::result::Result<String, Error> {
    Ok(match value {
        Value::String(text) => quote(text),
        Value::Double(value) => format!("{value:.6}"),
        Value::Timestamp(..) => format!("timestamp({})", quote(&shown(value)?)),
        Value::Duration(_) => format!("duration({})", quote(&shown(value)?)),
        Value::Bytes(_) => format!("b{}", quote(&shown(value)?)),
        other => shown(other)?,
    })
}

fn shown_map(map: &Map<'_>) -> std::result::Result<String, Error> {
    let mut entries = Vec::new();
    for (key, value) in map.entries() {
        let key = match &key {
            Value::String(text) => quote(text),
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) => shown(&key)?,
            other => {
                let of = other.type_name();
                return Err(Error::new(format!(
                    "no formatting function for map key of type {of}"
                )));
            }
        };
        entries.push(format!("{key}:{}", nested(&value)?));
    }
    entries.sort();
    Ok(format!("{{{}}}", entries.join(", ")))
}
