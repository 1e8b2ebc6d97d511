//! Strings and numbers as Go's encoding/json writes them: HTML-safe escapes, and the shortest float that reads back the same.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that need a look: control characters, quotes, HTML, and the first byte of U+2028 and U+2029.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[b'&' as usize] = false;
    plain[0xe2] = false;
    plain
};

/// Appends a quoted string without regard to HTML.
pub(super) fn write_plain_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'<' | b'>' | b'&' | 0xe2 => out.push(byte),
            byte => write_byte(out, byte),
        }
    }
    out.push(b'"');
}

/// Appends a quoted string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    write_text(out, text.as_bytes());
}

/// Appends a quoted string that is known to be UTF-8.
pub(crate) fn write_text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let plain = plain_blocks(bytes);
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate().skip(plain) {
        if PLAIN[*byte as usize] {
            continue;
        }
        if *byte == 0xe2 {
            if bytes.get(at + 1) == Some(&0x80) && matches!(bytes.get(at + 2), Some(0xa8 | 0xa9)) {
                out.extend_from_slice(&bytes[start..at]);
                out.extend_from_slice(if bytes[at + 2] == 0xa8 {
                    b"\\u2028"
                } else {
                    b"\\u2029"
                });
                start = at + 3;
            }
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        write_byte(out, *byte);
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

/// How many bytes from the start surely need no look, found out a block at a time.
fn plain_blocks(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let special =
        |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&') || byte == 0xe2;
    // Without a way out within a block, so that it is done for all its bytes at once.
    let blocks = bytes.chunks_exact(BLOCK);
    let plain = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | special(*byte));
    blocks.take_while(plain).count() * BLOCK
}

/// One byte of a string, escaped where it must be.
fn write_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        byte if PLAIN[byte as usize] => out.push(byte),
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[(byte >> 4) as usize]);
            out.push(HEX[(byte & 15) as usize]);
        }
    }
}

/// Appends an integer.
pub(crate) fn write_int(out: &mut Vec<u8>, number: i64) {
    let mut buffer = [0_u8; 20];
    let mut at = buffer.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Appends a float: plain digits from 1e-6 up to 1e21, an exponent beyond.
pub(crate) fn write_float(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        // Rust writes 1e-7 and 1.5e21 with the shortest digits; Go puts a plus before positive exponents.
        let text = format!("{number:e}");
        let text = if size >= 1e21 {
            text.replace('e', "e+")
        } else {
            text
        };
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend_from_slice(format!("{number}").as_bytes());
    }
}
