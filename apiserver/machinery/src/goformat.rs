//! Renderings of Go's `fmt` and `encoding/json` that clients see in messages: `%q`, `%v` and compact JSON.
//! Only for texts; the codec writes objects. Called by status, patch, selector and managed field errors.

use std::fmt::Write;

use serde_json::{Key, Number, Value};
use triad_cel::escapes::escaped;

/// `strconv.Quote`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        quote_char(&mut out, c);
    }
    out.push('"');
    out
}

fn quote_char(out: &mut String, c: char) {
    if let Some(written) = escaped(c) {
        out.push_str(written);
        return;
    }
    match c {
        c if c < ' ' || c == '\u{7f}' => push(out, format_args!("\\x{:02x}", c as u32)),
        c if is_printable(c) => out.push(c),
        c if (c as u32) < 0x10000 => push(out, format_args!("\\u{:04x}", c as u32)),
        c => push(out, format_args!("\\U{:08x}", c as u32)),
    }
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space, as `unicode.IsPrint` has it.
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // Behind another character a combining mark counts as printable, in front it would be escaped.
    let mut probe = [0u8; 8];
    probe[0] = b'x';
    let len = c.encode_utf8(&mut probe[1..]).len();
    std::str::from_utf8(&probe[..=len]).is_ok_and(|s| s.escape_debug().nth(1) == Some(c))
}

/// `fmt.Sprintf("%v")` of a decoded JSON value: `map[a:1 b:[x y]]`, `<nil>`.
pub fn plain(value: &Value) -> String {
    let mut out = String::new();
    push_plain(&mut out, value);
    out
}

fn push_plain(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(b) => push(out, format_args!("{b}")),
        Value::Number(n) => out.push_str(&number(n, -4)),
        Value::String(s) => out.push_str(s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                push_plain(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&Key> = map.keys().collect();
            keys.sort();
            out.push_str("map[");
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                push_plain(out, &map[key]);
            }
            out.push(']');
        }
    }
}

/// Compact JSON as `json.Marshal` writes it, keys in the order of the value.
pub fn json_text(value: &Value) -> String {
    let mut out = String::new();
    push_json(&mut out, value);
    out
}

fn push_json(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => push(out, format_args!("{b}")),
        Value::Number(n) => out.push_str(&number(n, -6)),
        Value::String(s) => push_json_string(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_json_string(out, key);
                out.push(':');
                push_json(out, item);
            }
            out.push('}');
        }
    }
}

/// A JSON string with the characters escaped that `json.Marshal` escapes, `<`, `>` and `&` among them.
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                push(out, format_args!("\\u{:04x}", c as u32))
            }
            c if c < ' ' => push(out, format_args!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number; floats switch to an exponent below `10^low` and from 10^21 on.
fn number(number: &Number, low: i32) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let shortest = format!("{float:e}");
            let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            if float == 0.0 || (low..21).contains(&exponent) {
                return format!("{float}");
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            let width = if low == -4 || exponent > 0 { 2 } else { 1 };
            format!("{digits}e{sign}{:0width$}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

fn push(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(args);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quoting() {
        for (text, want) in [
            ("a", r#""a""#),
            ("a\"\\\n\u{1}\u{7f}", r#""a\"\\\n\x01\x7f""#),
            ("ü\u{301}", "\"ü\u{301}\""),
            ("\u{200b}\u{e000}\u{10ffff}", r#""\u200b\ue000\U0010ffff""#),
        ] {
            assert_eq!(quote(text), want);
        }
    }

    #[test]
    fn plain_values() {
        let value = json!({"b": [1, 2.5, "x y", null], "a": {"c": true, "d": 1e30, "e": 0.00001}});
        assert_eq!(
            plain(&value),
            "map[a:map[c:true d:1e+30 e:1e-05] b:[1 2.5 x y <nil>]]"
        );
    }

    #[test]
    fn json_values() {
        let value = json!({"b": [1.0, 1e21, 1e-7], "a": "<&>\u{2028}\u{1}"});
        assert_eq!(
            json_text(&value),
            r#"{"b":[1,1e+21,1e-7],"a":"\u003c\u0026\u003e\u2028\u0001"}"#
        );
    }
}
