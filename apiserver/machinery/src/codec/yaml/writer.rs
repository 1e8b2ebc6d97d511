//! JSON values as block-style YAML in go-yaml's layout: lists are not indented below their key, long lines break at a space after
//! column 80, strings are quoted only where they would read as something else.

use serde_json::{Key, Map, Number, Value};

use super::key_order::compare;
use super::scalar_style::{Style, choose, is_break, is_printable};

/// Lines are broken at the first space after this column.
const WIDTH: usize = 80;
/// Longer keys are written with a question mark.
const LONGEST_SIMPLE_KEY: usize = 128;

/// A document, with a newline at its end.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut writer = Writer {
        out: String::new(),
        column: 0,
    };
    match value {
        Value::Object(map) if !map.is_empty() => writer.map(map, 0),
        Value::Array(items) if !items.is_empty() => writer.list(items, 0),
        scalar => writer.scalar(scalar, 0, false),
    }
    if writer.column > 0 {
        writer.new_line();
    }
    writer.out.into_bytes()
}

struct Writer {
    out: String,
    column: usize,
}

impl Writer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Goes to a column of a fresh line.
    fn indent(&mut self, indent: usize) {
        if self.column > 0 {
            self.new_line();
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    fn map(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<(&Key, &Value)> = map.iter().collect();
        entries.sort_by(|a, b| compare(a.0, b.0));
        for (i, (key, value)) in entries.into_iter().enumerate() {
            if i > 0 {
                self.indent(indent);
            }
            let simple = key.len() <= LONGEST_SIMPLE_KEY && !key.contains(is_break);
            if !simple {
                self.put("? ");
            }
            self.string(key, indent + 2, true);
            if !simple {
                self.indent(indent);
            }
            self.put(":");
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.indent(indent + 2);
                    self.map(inner, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.indent(indent);
                    self.list(items, indent);
                }
                scalar => {
                    self.put(" ");
                    self.scalar(scalar, indent + 2, false);
                }
            }
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.indent(indent);
            }
            self.put("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + 2),
                Value::Array(items) if !items.is_empty() => self.list(items, indent + 2),
                scalar => self.scalar(scalar, indent + 2, false),
            }
        }
    }

    /// Scalars, and collections without content.
    fn scalar(&mut self, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(b) => self.put(if *b { "true" } else { "false" }),
            Value::Number(number) => self.put(&number_text(number)),
            Value::String(text) => self.string(text, indent, key),
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
        }
    }

    fn string(&mut self, text: &str, indent: usize, key: bool) {
        match choose(text, key) {
            Style::Plain => self.folded(text, indent, key, false),
            Style::SingleQuoted => {
                self.put("'");
                self.folded(text, indent, key, true);
                self.put("'");
            }
            Style::DoubleQuoted => self.double_quoted(text, indent, key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// Plain and single-quoted text, broken at single spaces.
    fn folded(&mut self, text: &str, indent: usize, key: bool, quoted: bool) {
        let mut chars = text.char_indices().peekable();
        let mut spaces = false;
        while let Some((at, c)) = chars.next() {
            let inner = !quoted || at > 0 && at + 1 < text.len();
            let next_is_space = chars.peek().is_some_and(|(_, next)| *next == ' ');
            if c == ' ' && !key && !spaces && self.column > WIDTH && inner && !next_is_space {
                self.indent(indent);
            } else {
                if quoted && c == '\'' {
                    self.put_char('\'');
                }
                self.put_char(c);
            }
            spaces = c == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.put("\"");
        let mut chars = text.char_indices().peekable();
        let mut spaces = false;
        while let Some((at, c)) = chars.next() {
            if !is_printable(c) || is_break(c) || matches!(c, '"' | '\\' | '\u{feff}') {
                self.put(&escape(c));
                spaces = false;
                continue;
            }
            let inner = at > 0 && at + 1 < text.len();
            if c == ' ' && !key && !spaces && self.column > WIDTH && inner {
                self.indent(indent);
                if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                    self.put("\\");
                }
            } else {
                self.put_char(c);
            }
            spaces = c == ' ';
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.put("2");
        }
        let mut from_end = text.chars().rev();
        match (
            from_end.next().is_some_and(is_break),
            from_end.next().map(is_break),
        ) {
            (false, _) => self.put("-"),
            (true, None | Some(true)) => self.put("+"),
            (true, Some(false)) => {}
        }
        self.new_line();
        let mut fresh = true;
        for c in text.chars() {
            if is_break(c) {
                self.out.push(c);
                self.column = 0;
                fresh = true;
                continue;
            }
            if fresh {
                self.indent(indent);
                fresh = false;
            }
            self.put_char(c);
        }
    }
}

fn escape(c: char) -> String {
    match c {
        '\0' => "\\0".to_owned(),
        '\u{07}' => "\\a".to_owned(),
        '\u{08}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{0b}' => "\\v".to_owned(),
        '\u{0c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{85}' => "\\N".to_owned(),
        '\u{2028}' => "\\L".to_owned(),
        '\u{2029}' => "\\P".to_owned(),
        c if u32::from(c) <= 0xff => format!("\\x{:02X}", u32::from(c)),
        c if u32::from(c) <= 0xffff => format!("\\u{:04X}", u32::from(c)),
        c => format!("\\U{:08X}", u32::from(c)),
    }
}

/// Integers as they are; floats as Go's `%g` with the shortest digits.
fn number_text(number: &Number) -> String {
    let float = match number.as_f64() {
        Some(float) if number.is_f64() => float,
        _ => return number.to_string(),
    };
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
