//! What literals say: escapes in strings and bytes (cel-go's parser/unescape.go), numbers as Go's strconv reads them.

/// The contents of a string or bytes literal as written, prefix `r` included, prefix `b` not. Bytes may be any.
pub(crate) fn unescape(text: &str, bytes: bool) -> Result<Vec<u8>, &'static str> {
    const BAD: &str = "unable to unescape string";
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.chars().count() < 2 {
        return Err(BAD);
    }
    let (raw, text) = match text.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let inner = ["'''", "\"\"\"", "'", "\""]
        .iter()
        .find_map(|quote| {
            text.strip_prefix(quote)?
                .strip_suffix(quote)
                .filter(|_| text.len() >= 2 * quote.len())
        })
        .ok_or(BAD)?;
    if raw || !inner.contains('\\') {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => escape(&rest[1..], bytes, &mut out)?,
            c => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                &rest[c.len_utf8()..]
            }
        };
    }
    Ok(out)
}

/// Reads what follows a backslash, gives what is after it.
fn escape<'a>(rest: &'a str, bytes: bool, out: &mut Vec<u8>) -> Result<&'a str, &'static str> {
    const BAD: &str = "unable to unescape string";
    let kind = rest
        .chars()
        .next()
        .ok_or("unable to unescape string, found '\\' as last character")?;
    let after = &rest[kind.len_utf8()..];
    let simple = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' | '`' | '?' => u8::try_from(kind).map_err(|_| BAD)?,
        'u' | 'U' if bytes => return Err(BAD),
        'x' | 'X' => return code(after, 2, 16, bytes, out, BAD),
        'u' => return code(after, 4, 16, bytes, out, BAD),
        'U' => return code(after, 8, 16, bytes, out, BAD),
        '0'..='3' => {
            const OCTAL: &str = "unable to unescape octal sequence in string";
            return code(rest, 3, 8, bytes, out, OCTAL);
        }
        _ => return Err(BAD),
    };
    out.push(simple);
    Ok(after)
}

fn code<'a>(
    rest: &'a str,
    length: usize,
    radix: u32,
    bytes: bool,
    out: &mut Vec<u8>,
    bad: &'static str,
) -> Result<&'a str, &'static str> {
    let digits = rest.get(..length).ok_or(bad)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(bad);
    }
    let value = u32::from_str_radix(digits, radix).map_err(|_| bad)?;
    if bytes {
        out.push(u8::try_from(value).map_err(|_| bad)?);
    } else {
        let c = char::from_u32(value).ok_or("invalid unicode code point")?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(&rest[length..])
}

/// An integer with its sign, decimal or `0x`.
pub(crate) fn int(text: &str, negative: bool) -> Option<i64> {
    let sign = if negative { "-" } else { "" };
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(&format!("{sign}{hex}"), 16).ok(),
        None => format!("{sign}{text}").parse().ok(),
    }
}

/// An unsigned integer with its `u`.
pub(crate) fn uint(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['u', 'U']);
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A double; one too large for any is none, as for Go's strconv.
pub(crate) fn double(text: &str, negative: bool) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let signed = if negative { -value } else { value };
    value.is_finite().then_some(signed)
}
