//! What a plain scalar means in YAML 1.1, by the rules of go-yaml v2: yes and no, legacy octal, underscores in numbers, time stamps.

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// Stays a string, but is no plain one.
    Timestamp,
    /// `<<`
    Merge,
    String,
}

/// The meaning of a plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'<') => {
            word(text)
        }
        Some(b'.') => match word(text) {
            Scalar::String => go_float(text).map_or(Scalar::String, Scalar::Float),
            found => found,
        },
        Some(b'0'..=b'9' | b'+' | b'-') => match word(text) {
            Scalar::String => number(text),
            found => found,
        },
        _ => Scalar::String,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        "<<" => Scalar::Merge,
        _ => Scalar::String,
    }
}

fn number(text: &str) -> Scalar {
    if is_timestamp(text) {
        return Scalar::Timestamp;
    }
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, &plain[1..]),
        Some(b'+') => (false, &plain[1..]),
        _ => (false, plain.as_str()),
    };
    if let Some(size) = integer(digits) {
        match (negative, i64::try_from(size)) {
            (false, Ok(int)) => return Scalar::Int(int),
            (true, Ok(int)) => return Scalar::Int(-int),
            (true, Err(_)) if size == 1 << 63 => return Scalar::Int(i64::MIN),
            (false, Err(_)) if !plain.starts_with('+') => return Scalar::Uint(size),
            _ => {}
        }
    }
    if is_float(&plain) {
        go_float(&plain).map_or(Scalar::String, Scalar::Float)
    } else {
        Scalar::String
    }
}

/// Go's ParseInt with base 0: the prefix says the base, a leading zero means octal.
fn integer(digits: &str) -> Option<u64> {
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = if let Some(hex) = lower.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (binary, 2)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (octal, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    digits
        .bytes()
        .all(|b| b.is_ascii_alphanumeric())
        .then(|| u64::from_str_radix(digits, base).ok())
        .flatten()
}

/// `[-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or(("", mantissa));
    let signed = |e: &str| {
        e.strip_prefix(['-', '+'])
            .is_some_and(|e| !e.is_empty() && digits(e))
    };
    digits(whole) && !fraction.is_empty() && digits(fraction) && exponent.is_none_or(signed)
}

fn go_float(text: &str) -> Option<f64> {
    let plausible = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    text.parse()
        .ok()
        .filter(|f: &f64| plausible && f.is_finite())
}

/// Dates, and dates with a time: `2006-1-2`, `2006-1-2T15:4:5.9Z`, `2006-1-2 15:4:5.9`.
pub(super) fn is_timestamp(text: &str) -> bool {
    let Some((date, rest)) = date(text) else {
        return false;
    };
    if !date {
        return false;
    }
    match rest.as_bytes().first() {
        None => true,
        Some(b' ') => time(&rest[1..]).is_some_and(str::is_empty),
        Some(b'T' | b't') => time(&rest[1..]).is_some_and(is_zone),
        _ => false,
    }
}

/// Whether the date exists, and what follows it.
fn date(text: &str) -> Option<(bool, &str)> {
    let year: i64 = text
        .get(..4)
        .filter(|y| y.bytes().all(|b| b.is_ascii_digit()))?
        .parse()
        .ok()?;
    let (month, rest) = up_to_two(text[4..].strip_prefix('-')?)?;
    let (day, rest) = up_to_two(rest.strip_prefix('-')?)?;
    let valid =
        (1..=12).contains(&month) && day >= 1 && day <= triad_cel::time::month_length(year, month);
    Some((valid, rest))
}

fn time(text: &str) -> Option<&str> {
    let (hour, rest) = up_to_two(text)?;
    let (minute, rest) = up_to_two(rest.strip_prefix(':')?)?;
    let (second, rest) = up_to_two(rest.strip_prefix(':')?)?;
    let rest = match rest.strip_prefix(['.', ',']) {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(rest)
}

fn is_zone(text: &str) -> bool {
    let offset = |t: &str| {
        t.len() == 5 && t.as_bytes()[2] == b':' && t.bytes().filter(u8::is_ascii_digit).count() == 4
    };
    text == "Z" || text.strip_prefix(['+', '-']).is_some_and(offset)
}

fn up_to_two(text: &str) -> Option<(i64, &str)> {
    let count = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    Some((
        text.get(..count).filter(|t| !t.is_empty())?.parse().ok()?,
        &text[count..],
    ))
}

/// Sexagesimal numbers such as `1:30`: no numbers here, but quoted when written, for readers that have them.
pub(super) fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned
        .split_once('.')
        .map_or((unsigned, ""), |(w, f)| (w, f));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or("");
    let group = |p: &str| match p.as_bytes() {
        [d] => d.is_ascii_digit(),
        [t, d] => (b'0'..=b'5').contains(t) && d.is_ascii_digit(),
        _ => false,
    };
    let first_valid = first.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let rest: Vec<&str> = parts.collect();
    first_valid
        && !rest.is_empty()
        && rest.into_iter().all(group)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}
