//! Semantic versions (k8s.io/apiserver pkg/cel/library/semverlib.go).

use super::Error;
use super::value::{Opaque, Value};
use std::cmp::Ordering;
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl Semver {
    /// Reads `MAJOR.MINOR.PATCH[-PRE][+BUILD]`; `lenient` takes a `v` before it, zeros before numbers and missing ones.
    fn parse(text: &str, lenient: bool) -> Result<Self, String> {
        let text = if lenient {
            text.trim().trim_start_matches('v')
        } else {
            text
        };
        let (rest, build) = text
            .split_once('+')
            .map_or((text, None), |(rest, build)| (rest, Some(build)));
        let (core, pre) = rest
            .split_once('-')
            .map_or((rest, None), |(core, pre)| (core, Some(pre)));
        let mut parts: Vec<&str> = core.split('.').collect();
        if lenient {
            while parts.len() < 3 {
                parts.push("0");
            }
        }
        let [major, minor, patch] = parts[..] else {
            return Err("No Major.Minor.Patch elements found".to_owned());
        };
        let number = |text: &str, name: &str| number(text, name, lenient);
        let numbers = [
            number(major, "major")?,
            number(minor, "minor")?,
            number(patch, "patch")?,
        ];
        let identifiers = |text: &str| {
            let fine = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            };
            text.split('.').all(fine)
        };
        if pre.is_some_and(|pre| !identifiers(pre))
            || build.is_some_and(|build| !identifiers(build))
        {
            return Err("Invalid character(s) found in prerelease".to_owned());
        }
        let pre = pre.map_or_else(Vec::new, |pre| pre.split('.').map(str::to_owned).collect());
        Ok(Self { numbers, pre })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let before = |a: &Self, b: &Self| match (a.pre.is_empty(), b.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = a.pre.iter().zip(&b.pre).map(|(a, b)| identifier(a, b));
                let differing = pairs.into_iter().find(|order| *order != Ordering::Equal);
                differing.unwrap_or(a.pre.len().cmp(&b.pre.len()))
            }
        };
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| before(self, other))
    }
}

fn number(text: &str, name: &str, lenient: bool) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {name} number {text:?}"
        ));
    }
    if !lenient && text.len() > 1 && text.starts_with('0') {
        let name = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        return Err(format!(
            "{name} number must not contain leading zeroes {text:?}"
        ));
    }
    text.parse()
        .map_err(|_| format!("strconv.ParseUint: parsing {text:?}: value out of range"))
}

/// Numbers come before texts.
fn identifier(a: &str, b: &str) -> Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

pub(super) fn call<'a>(
    function: &str,
    _member: bool,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, Error>> {
    let parsed = |text: &str, rest: &[Value<'_>]| {
        let lenient = matches!(rest, [Value::Bool(true)]);
        Semver::parse(text, lenient)
    };
    match (function, args) {
        ("semver", [Value::String(text), rest @ ..]) => Some(match parsed(text, rest) {
            Ok(version) => Ok(Value::Opaque(Opaque::Semver(Arc::new(version)))),
            Err(why) => Err(Error::new(why)),
        }),
        ("isSemver", [Value::String(text), rest @ ..]) => {
            Some(Ok(Value::Bool(parsed(text, rest).is_ok())))
        }
        (_, [Value::Opaque(Opaque::Semver(own))]) => {
            let at = ["major", "minor", "patch"]
                .iter()
                .position(|name| *name == function)?;
            let number = i64::try_from(own.numbers[at]);
            Some(
                number
                    .map(Value::Int)
                    .map_err(|_| Error::new("integer overflow")),
            )
        }
        (
            _,
            [
                Value::Opaque(Opaque::Semver(own)),
                Value::Opaque(Opaque::Semver(other)),
            ],
        ) => {
            let order = own.compare(other);
            Some(Ok(match function {
                "compareTo" => Value::Int(order as i64),
                "isGreaterThan" => Value::Bool(order == Ordering::Greater),
                "isLessThan" => Value::Bool(order == Ordering::Less),
                _ => return None,
            }))
        }
        _ => None,
    }
}
