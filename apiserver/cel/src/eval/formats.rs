//! Named formats (k8s.io/apiserver pkg/cel/library/format.go), with the words of apimachinery's pkg/util/validation.

use super::Error;
use super::urls::Url;
use super::value::{Opaque, Value};
use crate::time;

/// One of the formats, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format(usize);

/// What is wrong with a text; nothing when it is of the format.
type Check = fn(&str) -> Vec<String>;

/// Name, the length of its pattern that is counted as cost, check.
const FORMATS: [(&str, u64, Check); 13] = [
    ("dns1123Label", 30, |text| name(text, &LABEL)),
    ("dns1123Subdomain", 60, |text| name(text, &SUBDOMAIN)),
    ("dns1035Label", 30, |text| name(text, &LABEL_1035)),
    ("qualifiedName", 60, qualified_name),
    ("dns1123LabelPrefix", 30, |text| name(&prefix(text), &LABEL)),
    ("dns1123SubdomainPrefix", 60, |text| {
        name(&prefix(text), &SUBDOMAIN)
    }),
    ("dns1035LabelPrefix", 30, |text| {
        name(&prefix(text), &LABEL_1035)
    }),
    ("labelValue", 40, label_value),
    ("uri", 1_103, |text| {
        Url::parse(text).err().into_iter().collect()
    }),
    ("uuid", 71, |text| {
        unless(is_uuid(text), "does not match the UUID format")
    }),
    ("byte", 84, |text| unless(is_base64(text), "invalid base64")),
    ("date", 70, |text| {
        unless(
            time::parse_timestamp(&format!("{text}T00:00:00Z")).is_some(),
            "invalid date",
        )
    }),
    ("datetime", 70, |text| {
        unless(time::parse_timestamp(text).is_some(), "invalid datetime")
    }),
];

impl Format {
    pub(super) fn pattern_length(&self) -> u64 {
        FORMATS[self.0].1
    }

    fn named(name: &str) -> Option<Self> {
        FORMATS
            .iter()
            .position(|(known, ..)| *known == name)
            .map(Self)
    }
}

pub(super) fn call<'a>(
    function: &str,
    _member: bool,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, Error>> {
    let value = |format| Value::Opaque(Opaque::Format(format));
    match (function, args) {
        ("format.named", [Value::String(name)]) => Some(Ok(
            Format::named(name).map_or(Value::NONE, |format| Value::some(value(format)))
        )),
        ("validate", [Value::Opaque(Opaque::Format(format)), Value::String(text)]) => {
            let problems = (FORMATS[format.0].2)(text);
            Some(Ok(match problems.is_empty() {
                true => Value::NONE,
                false => Value::some(Value::list(problems.into_iter().map(Value::text).collect())),
            }))
        }
        (name, []) => Some(Ok(value(Format::named(name.strip_prefix("format.")?)?))),
        _ => None,
    }
}

fn unless(fine: bool, why: &str) -> Vec<String> {
    if fine {
        Vec::new()
    } else {
        vec![why.to_owned()]
    }
}

/// A kind of names: how long, of what, and what is said of others.
struct Names {
    longest: usize,
    fits: fn(&str) -> bool,
    why: &'static str,
}

const LABEL: Names = Names {
    longest: 63,
    fits: |text| {
        edges(
            text,
            |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(),
            b"-",
        )
    },
    why: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
};
const SUBDOMAIN: Names = Names {
    longest: 253,
    fits: |text| text.split('.').all(LABEL.fits),
    why: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
};
const LABEL_1035: Names = Names {
    longest: 63,
    fits: |text| (LABEL.fits)(text) && text.starts_with(|c: char| c.is_ascii_lowercase()),
    why: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
};

/// Of `inner` bytes too, but not at its ends.
fn edges(text: &str, edge: fn(&u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let whole = bytes.iter().all(|byte| edge(byte) || inner.contains(byte));
    whole && bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge)
}

fn name(text: &str, names: &Names) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > names.longest {
        problems.push(format!("must be no more than {} characters", names.longest));
    }
    if !(names.fits)(text) {
        problems.push(names.why.to_owned());
    }
    problems
}

/// A dash at the end of what more is put behind.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => text.to_owned(),
    }
}

const PLAIN: fn(&u8) -> bool = |byte| byte.is_ascii_alphanumeric();

fn qualified_name(text: &str) -> Vec<String> {
    const WHY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let parts: Vec<&str> = text.split('/').collect();
    let mut problems = Vec::new();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                problems.extend(
                    self::name(prefix, &SUBDOMAIN)
                        .into_iter()
                        .map(|why| format!("prefix part {why}")),
                );
            }
            name
        }
        _ => {
            let why = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {WHY} {why}")];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 characters".to_owned());
    }
    if !edges(name, PLAIN, b"-_.") {
        problems.push(format!("name part {WHY}"));
    }
    problems
}

fn label_value(text: &str) -> Vec<String> {
    const WHY: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push("must be no more than 63 characters".to_owned());
    }
    if !text.is_empty() && !edges(text, PLAIN, b"-_.") {
        problems.push(WHY.to_owned());
    }
    problems
}

fn is_uuid(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| *c != '-').collect();
    let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    let placed = dashes.is_empty() || dashes == [8, 13, 18, 23];
    bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) && placed
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(plain) && !text.is_empty()
}
