//! Regular expressions: RE2 as cel-go and k8s.io/apiserver pkg/cel/library/regex.go use it. A pattern is compiled when it is
//! used, with a bound on what it may grow to.

use super::Error;
use super::value::Value;
use crate::pattern;
use regex::{Regex, RegexBuilder};

/// What a compiled pattern may take, in bytes.
const COMPILED: usize = 4 << 20;

pub(super) fn call<'a>(
    function: &str,
    _member: bool,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, Error>> {
    let [Value::String(text), Value::String(pattern), rest @ ..] = args else {
        return None;
    };
    match (function, rest) {
        ("matches", []) => {
            Some(compile(pattern, "").map(|regex| Value::Bool(regex.is_match(text))))
        }
        ("find", []) => Some(compile(pattern, "Illegal regex: ").map(|regex| {
            let found = regex.find(text);
            Value::text(found.map_or("", |found| found.as_str()))
        })),
        ("findAll", []) => Some(find_all(text, pattern, -1)),
        ("findAll", [Value::Int(most)]) => Some(find_all(text, pattern, *most)),
        _ => None,
    }
}

fn find_all<'a>(text: &str, pattern: &str, most: i64) -> Result<Value<'a>, Error> {
    let regex = compile(pattern, "Illegal regex: ")?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = regex.find_iter(text).take(most);
    Ok(Value::list(
        found.map(|found| Value::text(found.as_str())).collect(),
    ))
}

fn compile(text: &str, prefix: &str) -> Result<Regex, Error> {
    pattern::check(text).map_err(|why| Error::new(format!("{prefix}{why}")))?;
    let built = RegexBuilder::new(&translated(text))
        .size_limit(COMPILED)
        .build();
    built.map_err(|error| Error::new(format!("{prefix}{error}")))
}

/// Go's syntax in that of the library: `\z` is the end of the text, `\pN` and classes are the same, `\C` is not to be had.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        if c != '\\' {
            if quoted {
                out.push_str(&regex::escape(&c.to_string()));
            } else {
                out.push(c);
            }
            continue;
        }
        match chars.next() {
            Some('Q') if !quoted => quoted = true,
            Some('E') => quoted = false,
            Some(other) if quoted => {
                out.push_str("\\\\");
                out.push_str(&regex::escape(&other.to_string()));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// A pattern in Go's syntax, for those who match texts outside expressions. The error is what Go says of it.
pub fn regex(text: &str) -> Result<Regex, String> {
    compile(text, "").map_err(|error| error.to_string())
}
