//! The formats of texts that schemas may ask for (apiextensions-apiserver pkg/apiserver/validation/formats.go and kube-openapi
//! pkg/validation/strfmt; its patterns are govalidator's).

use regex::Regex;
use std::sync::OnceLock;

use crate::names;
use crate::validation::{parse_cidr, parse_ip};

/// Whether a text fits a format.
type Fits = fn(&str) -> bool;

/// Formats by their name without dashes, and what fits them.
const TEXTS: &[(&str, Fits)] = &[
    ("bsonobjectid", |text| matches(Shape::BsonObjectId, text)),
    ("byte", |text| {
        !text.is_empty() && matches(Shape::Base64, text)
    }),
    ("cidr", |text| parse_cidr(text).is_some()),
    ("creditcard", is_credit_card),
    ("date", is_date),
    ("datetime", is_date_time),
    ("duration", is_duration),
    ("email", is_email),
    ("hexcolor", |text| matches(Shape::HexColor, text)),
    ("hostname", is_hostname),
    ("ipv4", |text| {
        text.contains('.') && parse_ip(text).is_some()
    }),
    ("ipv6", |text| {
        text.contains(':') && parse_ip(text).is_some()
    }),
    ("isbn", |text| is_isbn10(text) || is_isbn13(text)),
    ("isbn10", is_isbn10),
    ("isbn13", is_isbn13),
    ("k8slongname", |text| {
        names::dns1123_subdomain(text).is_empty()
    }),
    ("k8sshortname", |text| names::dns1123_label(text).is_empty()),
    ("mac", is_mac),
    ("password", |_| true),
    ("rgbcolor", |text| matches(Shape::RgbColor, text)),
    ("ssn", |text| matches(Shape::Ssn, text)),
    ("uri", is_request_uri),
    ("uuid", |text| matches(Shape::Uuid, text)),
    ("uuid3", |text| matches(Shape::Uuid3, text)),
    ("uuid4", |text| matches(Shape::Uuid4, text)),
    ("uuid5", |text| matches(Shape::Uuid5, text)),
];

/// The format, where it is one for the type; else nothing: unknown formats are let be.
pub(super) fn supported<'a>(kind: &str, format: &'a str) -> &'a str {
    let known = match kind {
        "" | "string" => text_format(format).is_some(),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    };
    if known { format } else { "" }
}

fn text_format(format: &str) -> Option<Fits> {
    let name = format.replace('-', "");
    let found = TEXTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, fits)| *fits)
}

/// Whether a text fits a format of texts; none where there is no such format.
pub(super) fn fits(format: &str, text: &str) -> Option<bool> {
    text_format(format).map(|fits| fits(text))
}

#[derive(Clone, Copy)]
enum Shape {
    Base64,
    BsonObjectId,
    CreditCard,
    HexColor,
    Hostname,
    RgbColor,
    Ssn,
    Uuid,
    Uuid3,
    Uuid4,
    Uuid5,
}

const SHAPES: [&str; 11] = [
    r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$",
    r"^[0-9a-fA-F]{24}$",
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}|6[27][0-9]{14})$",
    r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$",
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    r"^rgb\(\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*\)$",
    r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$",
    r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
    r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
];

fn matches(shape: Shape, text: &str) -> bool {
    static COMPILED: [OnceLock<Option<Regex>>; 11] = [const { OnceLock::new() }; 11];
    let at = shape as usize;
    let regex = COMPILED[at].get_or_init(|| Regex::new(SHAPES[at]).ok());
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

fn is_hostname(text: &str) -> bool {
    matches(Shape::Hostname, text)
        && text.len() <= 255
        && text.split('.').all(|part| part.len() <= 63)
}

/// What net/mail's ParseAddress takes: `a@b`, or that in angle brackets behind a name.
fn is_email(text: &str) -> bool {
    let text = text.trim();
    let address = match text.strip_suffix('>') {
        Some(front) => match front.rsplit_once('<') {
            Some((_, address)) => address,
            None => return false,
        },
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let atom = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| {
                c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
            })
    };
    (quoted || local.split('.').all(atom)) && domain.split('.').all(atom)
}

/// As Go's url.ParseRequestURI takes it: an absolute path or an absolute address.
fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) || !escapes(text) {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.chars();
    let named = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    named && !rest.is_empty()
}

/// Whether every percent sign begins an escape.
fn escapes(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

fn is_date(text: &str) -> bool {
    let digits = |at: std::ops::Range<usize>| -> Option<u32> {
        let part = text.get(at)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let separated = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let (Some(year), Some(month), Some(day), true) =
        (digits(0..4), digits(5..7), digits(8..10), separated)
    else {
        return false;
    };
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// A date, `t`, a time with seconds, and maybe an offset (strfmt.IsDateTime).
fn is_date_time(text: &str) -> bool {
    static TIME: OnceLock<Option<Regex>> = OnceLock::new();
    let shape = TIME.get_or_init(|| {
        Regex::new(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$").ok()
    });
    let lower = text.to_lowercase();
    let Some((date, time)) = lower.split_once('t') else {
        return false;
    };
    let Some(parts) = shape.as_ref().and_then(|shape| shape.captures(time)) else {
        return false;
    };
    let number = |at: usize| parts[at].parse::<u32>().unwrap_or(u32::MAX);
    is_date(date) && number(1) <= 23 && number(2) <= 59 && number(3) <= 59
}

/// Go's durations, and Scala's: a number and a unit's name.
fn is_duration(text: &str) -> bool {
    if triad_cel::time::parse_duration(text).is_some() {
        return true;
    }
    const UNITS: [&[&str]; 7] = [
        &["ns", "nano", "nanos", "nanosecond", "nanoseconds"],
        &["us", "µs", "micro", "micros", "microsecond", "microseconds"],
        &["ms", "milli", "millis", "millisecond", "milliseconds"],
        &["s", "sec", "secs", "second", "seconds"],
        &["m", "min", "mins", "minute", "minutes"],
        &["h", "hr", "hour", "hours"],
        &["d", "w", "wk", "day", "days", "week", "weeks"],
    ];
    static PARTS: OnceLock<Option<Regex>> = OnceLock::new();
    let parts = PARTS.get_or_init(|| Regex::new(r"(?i)([0-9]+)\s*([A-Za-zµ]+)").ok());
    let Some(parts) = parts else { return false };
    let mut found = parts.captures_iter(text).peekable();
    found.peek().is_some()
        && found.all(|part| {
            let unit = part[2].to_lowercase();
            UNITS.iter().any(|names| names.contains(&unit.as_str()))
        })
}

fn is_mac(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let all = |separator: char, length: usize, counts: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| hex(part, length))
    };
    all(':', 2, &[6, 8, 20]) || all('-', 2, &[6, 8, 20]) || all('.', 4, &[3, 4, 10])
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if !matches(Shape::CreditCard, &digits) {
        return false;
    }
    let sum: u32 = (digits.bytes().rev().enumerate())
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') * if at % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

fn bare(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect()
}

fn is_isbn10(text: &str) -> bool {
    let text = bare(text);
    let digit = |(at, byte): (usize, u8)| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'X' | b'x' if at == 9 => Some(10),
        _ => None,
    };
    let digits: Option<Vec<u32>> = text.bytes().enumerate().map(digit).collect();
    digits.is_some_and(|digits| {
        let weighted = digits.iter().zip(1..).map(|(digit, weight)| digit * weight);
        digits.len() == 10 && weighted.sum::<u32>().is_multiple_of(11)
    })
}

fn is_isbn13(text: &str) -> bool {
    let text = bare(text);
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
    digits.is_some_and(|digits| {
        let weighted = digits.iter().zip([1, 3].into_iter().cycle());
        let sum: u32 = weighted.map(|(digit, weight)| digit * weight).sum();
        digits.len() == 13 && sum.is_multiple_of(10)
    })
}
