//! Base64 as Go's StdEncoding reads it: line breaks are skipped, bits after the last byte are ignored, and an error names the
//! byte where the input went wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The standard form with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes, or Go's message.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    // The library is quick and strict; what it refuses is read again by Go's rules.
    STANDARD
        .decode(text)
        .or_else(|_| decode_leniently(text.as_bytes()))
}

fn decode_leniently(text: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base64 data at input byte {at}");
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = [0_u8; 4];
    let mut filled = 0;
    let mut at = 0;
    let next = |mut at: usize| {
        while matches!(text.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        at
    };
    loop {
        at = next(at);
        let Some(byte) = text.get(at) else {
            return if filled == 0 {
                Ok(bytes)
            } else {
                Err(corrupt(text.len() - filled))
            };
        };
        at += 1;
        if let Some(value) = value(*byte) {
            group[filled] = value;
            filled += 1;
            if filled == 4 {
                bytes.extend(unpack(group));
                filled = 0;
            }
            continue;
        }
        if *byte != b'=' || filled < 2 {
            return Err(corrupt(at - 1));
        }
        if filled == 2 {
            at = next(at);
            match text.get(at) {
                None => return Err(corrupt(text.len())),
                Some(b'=') => at += 1,
                Some(_) => return Err(corrupt(at - 1)),
            }
        }
        at = next(at);
        if at < text.len() {
            return Err(corrupt(at));
        }
        group[filled..].fill(0);
        bytes.extend(&unpack(group)[..filled - 1]);
        return Ok(bytes);
    }
}

fn unpack([a, b, c, d]: [u8; 4]) -> [u8; 3] {
    [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
