//! Text to tokens: the longest match wins, as in the lexer that ANTLR makes of cel-go's CEL.g4. What matches nothing is
//! reported up to the character at which the last hope died, and skipped.

use super::token::{
    self, BYTES, COMMENT, EOF, ESC_IDENTIFIER, Kind, NUM_FLOAT, NUM_INT, NUM_UINT, STRING,
    WHITESPACE,
};
use crate::issue::Issues;
use crate::source::Source;

/// A token: code points `start..end`; `end` is before `start` in one that was made up to go on after an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where the token is said to begin: an offset, or -1 for the end of an empty text.
    pub(crate) offset: i32,
}

impl Token {
    /// Whitespace and comments are kept for errors that repeat a stretch of text; the grammar never sees them.
    pub(crate) fn hidden(&self) -> bool {
        matches!(self.kind, WHITESPACE | COMMENT)
    }
}

enum Scan {
    Token(Kind, usize),
    /// Nothing matches; the character at this index was the one too many.
    Dead(usize),
}

/// All tokens, hidden ones too, the end last. What is no token is reported.
pub(crate) fn tokens(source: &Source, issues: &mut Issues) -> Vec<Token> {
    let chars = source.chars();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match scan(chars, at) {
            Scan::Token(kind, end) => {
                found.push(token(kind, at, end));
                at = end;
            }
            Scan::Dead(last) => {
                let text = source.slice(at, last + 1);
                issues.report(
                    source.location(offset(at)),
                    format!("Syntax error: token recognition error at: '{text}'"),
                );
                at = (last + 1).min(chars.len());
            }
        }
    }
    let mut end = token(EOF, chars.len(), chars.len());
    if chars.is_empty() {
        end.offset = -1;
    }
    found.push(end);
    found
}

fn token(kind: Kind, start: usize, end: usize) -> Token {
    Token {
        kind,
        start,
        end,
        offset: offset(start),
    }
}

fn offset(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

fn scan(chars: &[char], at: usize) -> Scan {
    match chars[at] {
        '\t' | ' ' | '\r' | '\n' | '\u{c}' => Scan::Token(
            WHITESPACE,
            run(chars, at, |c| {
                matches!(c, '\t' | ' ' | '\r' | '\n' | '\u{c}')
            }),
        ),
        '/' if chars.get(at + 1) == Some(&'/') => {
            Scan::Token(COMMENT, run(chars, at, |c| c != '\n'))
        }
        '0'..='9' => number(chars, at),
        '.' if chars.get(at + 1).is_some_and(char::is_ascii_digit) => number(chars, at),
        '"' | '\'' => match quoted(chars, at) {
            Ok(end) => Scan::Token(STRING, end),
            Err(dead) => Scan::Dead(dead),
        },
        '`' => escaped_identifier(chars, at),
        'a'..='z' | 'A'..='Z' | '_' => word_or_prefixed(chars, at),
        _ => operator(chars, at),
    }
}

/// The end of the run of characters that `keep` holds for, from `at` on.
fn run(chars: &[char], at: usize, keep: impl Fn(char) -> bool) -> usize {
    at + chars[at..].iter().take_while(|c| keep(**c)).count()
}

fn digits(chars: &[char], at: usize) -> usize {
    run(chars, at.min(chars.len()), |c| c.is_ascii_digit())
}

fn number(chars: &[char], at: usize) -> Scan {
    if chars[at] == '0' && chars.get(at + 1) == Some(&'x') {
        let end = run(chars, at + 2, |c| c.is_ascii_hexdigit());
        if end > at + 2 {
            return unsigned(chars, end);
        }
    }
    let whole = digits(chars, at);
    let mut end = whole;
    if chars.get(whole) == Some(&'.') && digits(chars, whole + 1) > whole + 1 {
        end = digits(chars, whole + 1);
    }
    end = exponent(chars, end);
    match end > whole {
        true => Scan::Token(NUM_FLOAT, end),
        false => unsigned(chars, end),
    }
}

fn unsigned(chars: &[char], end: usize) -> Scan {
    match chars.get(end) {
        Some('u' | 'U') => Scan::Token(NUM_UINT, end + 1),
        _ => Scan::Token(NUM_INT, end),
    }
}

fn exponent(chars: &[char], at: usize) -> usize {
    if !matches!(chars.get(at), Some('e' | 'E')) {
        return at;
    }
    let sign = usize::from(matches!(chars.get(at + 1), Some('+' | '-')));
    let end = digits(chars, at + 1 + sign);
    if end > at + 1 + sign { end } else { at }
}

/// A string without prefix at `at`: its end, or where it died.
fn quoted(chars: &[char], at: usize) -> Result<usize, usize> {
    let quote = chars[at];
    if chars.get(at + 1) != Some(&quote) {
        return body(chars, at + 1, |c| c == quote, |c| matches!(c, '\n' | '\r'));
    }
    // Two quotes are a string already; three begin one over several lines, if it ends.
    if chars.get(at + 2) != Some(&quote) {
        return Ok(at + 2);
    }
    let mut from = at + 3;
    loop {
        if closes(chars, from, quote) {
            return Ok(from + 3);
        }
        match chars.get(from) {
            Some('\\') => match escape(chars, from) {
                Ok(next) => from = next,
                Err(_) => return Ok(at + 2),
            },
            Some(_) => from += 1,
            None => return Ok(at + 2),
        }
    }
}

fn closes(chars: &[char], at: usize, quote: char) -> bool {
    chars
        .get(at..at + 3)
        .is_some_and(|three| three.iter().all(|c| *c == quote))
}

fn body(
    chars: &[char],
    mut at: usize,
    ends: impl Fn(char) -> bool,
    bars: impl Fn(char) -> bool,
) -> Result<usize, usize> {
    while let Some(c) = chars.get(at) {
        match *c {
            c if ends(c) => return Ok(at + 1),
            '\\' => at = escape(chars, at)?,
            c if bars(c) => break,
            _ => at += 1,
        }
    }
    Err(at)
}

/// The end of the escape at `at`, or the character that spoils it.
fn escape(chars: &[char], at: usize) -> Result<usize, usize> {
    let (from, count, fits): (usize, usize, fn(&char) -> bool) = match chars.get(at + 1) {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => {
            return Ok(at + 2);
        }
        Some('x' | 'X') => (at + 2, 2, char::is_ascii_hexdigit),
        Some('u') => (at + 2, 4, char::is_ascii_hexdigit),
        Some('U') => (at + 2, 8, char::is_ascii_hexdigit),
        Some('0'..='3') => (at + 2, 2, |c| matches!(c, '0'..='7')),
        _ => return Err(at + 1),
    };
    let good = (from..from + count)
        .take_while(|index| chars.get(*index).is_some_and(fits))
        .count();
    if good == count {
        Ok(from + count)
    } else {
        Err(from + good)
    }
}

/// A raw string: from its quote at `at` to its end.
fn raw(chars: &[char], at: usize) -> Option<usize> {
    let quote = *chars.get(at).filter(|c| matches!(c, '"' | '\''))?;
    if chars.get(at + 1) == Some(&quote) {
        let close = (at + 3..chars.len()).find(|from| closes(chars, *from, quote));
        return match (chars.get(at + 2) == Some(&quote), close) {
            (true, Some(from)) => Some(from + 3),
            _ => Some(at + 2),
        };
    }
    let end = run(chars, at + 1, |c| c != quote && !matches!(c, '\n' | '\r'));
    (chars.get(end) == Some(&quote)).then_some(end + 1)
}

/// What a string is with the prefixes that may stand before it: its kind and end.
fn prefixed(chars: &[char], at: usize) -> Option<(Kind, usize)> {
    match (chars[at], chars.get(at + 1)) {
        ('r' | 'R', Some('"' | '\'')) => raw(chars, at + 1).map(|end| (STRING, end)),
        ('b' | 'B', Some('"' | '\'')) => quoted(chars, at + 1).ok().map(|end| (BYTES, end)),
        ('b' | 'B', Some('r' | 'R')) => raw(chars, at + 2).map(|end| (BYTES, end)),
        _ => None,
    }
}

fn word_or_prefixed(chars: &[char], at: usize) -> Scan {
    let end = run(chars, at, |c| c.is_ascii_alphanumeric() || c == '_');
    match prefixed(chars, at) {
        Some((kind, longer)) if longer > end => Scan::Token(kind, longer),
        _ => {
            let text: String = chars[at..end].iter().collect();
            Scan::Token(token::word(&text), end)
        }
    }
}

fn escaped_identifier(chars: &[char], at: usize) -> Scan {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ');
    let end = run(chars, at + 1, fits);
    match chars.get(end) {
        Some('`') if end > at + 1 => Scan::Token(ESC_IDENTIFIER, end + 1),
        _ => Scan::Dead(end),
    }
}

fn operator(chars: &[char], at: usize) -> Scan {
    match token::operator(&chars[at..]) {
        Some((length, kind)) => Scan::Token(kind, at + length),
        // Half of an operator dies at the character after it.
        None if matches!(chars[at], '&' | '|' | '=') => Scan::Dead(at + 1),
        None => Scan::Dead(at),
    }
}
