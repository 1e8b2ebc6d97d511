//! Quoting as Go's strconv.Quote does it, for messages that carry client input.

/// `"text"` with Go's escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    text.chars().for_each(|c| push_escaped(&mut quoted, c, '"'));
    quoted.push('"');
    quoted
}

/// `'c'` as encoding/json shows the byte that it stumbled over.
pub(crate) fn quote_byte(byte: u8) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, char::from(byte), '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(out: &mut String, c: char, delimiter: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        '\u{07}' => out.push_str("\\a"),
        '\u{08}' => out.push_str("\\b"),
        '\u{0c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{0b}' => out.push_str("\\v"),
        c if is_print(c) => out.push(c),
        c if c < '\u{80}' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if c < '\u{10000}' => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Letters, marks, numbers, punctuation, symbols and the plain space.
fn is_print(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}'))
}
