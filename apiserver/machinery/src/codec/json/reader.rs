//! Tokens of JSON: strings, numbers, literals and skipping, over a byte slice. Accepts exactly what Go's scanner accepts; what is
//! wrong with refused input is said by `syntax`, off the quick path.

use std::borrow::Cow;

/// Why decoding stopped.
#[derive(Debug)]
pub(super) enum Fail {
    /// Not JSON; `syntax::check` knows the words.
    Syntax,
    /// An unmarshaler refused a value: upstream stops there.
    Fatal(String),
}

/// Go refuses JSON nested deeper than this.
pub(super) const MAX_DEPTH: usize = 10_000;

pub(super) struct Reader<'a> {
    pub(super) data: &'a [u8],
    /// The same where all of it is UTF-8: looked at once, and not string by string.
    whole: Option<&'a str>,
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Reader {
            data,
            whole: std::str::from_utf8(data).ok(),
            at: 0,
        }
    }

    /// The text between two places, that at the end being ASCII.
    #[inline]
    fn text(&self, start: usize, end: usize) -> Cow<'a, str> {
        match self.whole.and_then(|whole| whole.get(start..end)) {
            Some(text) => Cow::Borrowed(text),
            None => text(&self.data[start..end]),
        }
    }

    /// The next byte that is no space, without taking it.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, Fail> {
        while let Some(byte) = self.data.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(Fail::Syntax)
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Fail> {
        if self.peek()? != byte {
            return Err(Fail::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// Takes `,` (true) or the closing byte (false).
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Fail> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Ok(true),
            byte if byte == close => Ok(false),
            _ => Err(Fail::Syntax),
        }
    }

    /// Nothing but spaces may be left.
    pub(super) fn end(&mut self) -> Result<(), Fail> {
        match self.peek() {
            Ok(_) => Err(Fail::Syntax),
            Err(_) => Ok(()),
        }
    }

    pub(super) fn literal(&mut self, word: &str) -> Result<(), Fail> {
        if !self.data[self.at..].starts_with(word.as_bytes()) {
            return Err(Fail::Syntax);
        }
        self.at += word.len();
        Ok(())
    }

    /// A string, `"` being next. Invalid UTF-8 and lone surrogates become U+FFFD, byte for byte as in Go.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fail> {
        let start = self.at + 1;
        let at = self.plain_end(start);
        match self.data.get(at) {
            Some(b'"') => {
                self.at = at + 1;
                Ok(self.text(start, at))
            }
            Some(b'\\') => self.escaped_string(start, at),
            _ => Err(Fail::Syntax),
        }
    }

    /// Passes over a string.
    fn skip_string(&mut self) -> Result<(), Fail> {
        let at = self.plain_end(self.at + 1);
        if self.data.get(at) != Some(&b'"') {
            return self.string().map(drop);
        }
        self.at = at + 1;
        Ok(())
    }

    /// Where a run of bytes that need no look ends: at a quote, a backslash, a control character or the end. Eight bytes at a time.
    #[inline]
    fn plain_end(&self, mut at: usize) -> usize {
        const ONES: u64 = u64::MAX / 255;
        const TOPS: u64 = ONES << 7;
        // A byte of zero borrows from its top bit, which no other does unless it was set.
        let any_zero = |word: u64| word.wrapping_sub(ONES) & !word;
        while let Some((bytes, _)) = self
            .data
            .get(at..)
            .and_then(|rest| rest.split_first_chunk())
        {
            let word = u64::from_le_bytes(*bytes);
            let controls = word.wrapping_sub(ONES * 0x20) & !word;
            let quotes = any_zero(word ^ (ONES * u64::from(b'"')));
            let escapes = any_zero(word ^ (ONES * u64::from(b'\\')));
            let found = (controls | quotes | escapes) & TOPS;
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        let rest = self.data.get(at..).unwrap_or_default();
        let plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
        at + rest.iter().take_while(|byte| plain(byte)).count()
    }

    #[cold]
    fn escaped_string(&mut self, start: usize, first: usize) -> Result<Cow<'a, str>, Fail> {
        let mut out = text(&self.data[start..first]).into_owned();
        let mut at = first;
        loop {
            match self.data.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at + 1, &mut out)?,
                _ => {
                    let rest = &self.data[at..];
                    let plain = rest
                        .iter()
                        .position(|b| matches!(b, b'"' | b'\\') || *b < b' ')
                        .ok_or(Fail::Syntax)?;
                    if plain == 0 {
                        return Err(Fail::Syntax);
                    }
                    out.push_str(&text(&rest[..plain]));
                    at += plain;
                }
            }
        }
        self.at = at + 1;
        Ok(Cow::Owned(out))
    }

    /// One escape, `at` being behind the backslash; gives the place after it.
    fn escape(&self, at: usize, out: &mut String) -> Result<usize, Fail> {
        let c = match self.data.get(at).ok_or(Fail::Syntax)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{08}',
            b'f' => '\u{0c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex(at + 1).ok_or(Fail::Syntax)?;
                let low = (self.data.get(at + 5..at + 7) == Some(b"\\u"))
                    .then(|| self.hex(at + 7))
                    .flatten();
                if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (unit, low) {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    return Ok(at + 11);
                }
                out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(at + 5);
            }
            _ => return Err(Fail::Syntax),
        };
        out.push(c);
        Ok(at + 1)
    }

    fn hex(&self, at: usize) -> Option<u32> {
        let digits = self.data.get(at..at + 4)?;
        digits
            .iter()
            .try_fold(0, |n, b| Some(n * 16 + char::from(*b).to_digit(16)?))
    }

    /// A number's text.
    #[inline]
    pub(super) fn number(&mut self) -> Result<&'a str, Fail> {
        let start = self.at;
        let mut at = self.at + usize::from(self.data[start] == b'-');
        match self.data.get(at) {
            Some(b'0') => at += 1,
            Some(b'1'..=b'9') => at = self.digits(at),
            _ => return Err(Fail::Syntax),
        }
        if self.data.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.data.get(at) {
            at += 1 + usize::from(matches!(self.data.get(at + 1), Some(b'+' | b'-')));
            at = self.some_digits(at)?;
        }
        self.at = at;
        std::str::from_utf8(&self.data[start..at]).map_err(|_| Fail::Syntax)
    }

    fn digits(&self, mut at: usize) -> usize {
        while self.data.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    }

    fn some_digits(&self, at: usize) -> Result<usize, Fail> {
        let end = self.digits(at);
        if end == at {
            Err(Fail::Syntax)
        } else {
            Ok(end)
        }
    }

    /// Passes over one value and gives its text; `depth` counts the containers around it. Uses no stack for nesting.
    pub(super) fn skip(&mut self, depth: usize) -> Result<&'a [u8], Fail> {
        self.peek()?;
        let start = self.at;
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                b'-' | b'0'..=b'9' => drop(self.number()?),
                opening @ (b'{' | b'[') => {
                    let close = opening + 2;
                    if depth + open.len() >= MAX_DEPTH {
                        return Err(Fail::Syntax);
                    }
                    self.at += 1;
                    if self.peek()? != close {
                        open.push(close);
                        if opening == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    self.at += 1;
                }
                _ => return Err(Fail::Syntax),
            }
            loop {
                let Some(close) = open.last().copied() else {
                    return Ok(&self.data[start..self.at]);
                };
                if self.more(close)? {
                    if close == b'}' {
                        self.key()?;
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    /// A key and its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>, Fail> {
        if self.peek()? != b'"' {
            return Err(Fail::Syntax);
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }
}

/// Text of a string without escapes.
#[inline]
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(mend(bytes)),
    }
}

/// The same as an owned string.
#[inline]
pub(crate) fn text_of(bytes: &[u8]) -> String {
    text(bytes).into_owned()
}

/// Every byte that belongs to no UTF-8 sequence becomes one U+FFFD.
#[cold]
fn mend(mut bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    while !bytes.is_empty() {
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        out.push_str(std::str::from_utf8(&bytes[..valid]).unwrap_or_default());
        bytes = &bytes[valid..];
        if !bytes.is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
            bytes = &bytes[1..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Eight bytes at a time end where one at a time do.
        #[test]
        fn runs_of_plain_bytes_end_where_they_do(data in prop::collection::vec(prop_oneof![8 => any::<u8>(), 2 => Just(b'"'), 2 => Just(b'\\'), 1 => Just(0x1f)], 0..40), at in 0usize..44) {
            let plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
            let rest = data.get(at..).unwrap_or_default();
            let slow = at + rest.iter().take_while(|byte| plain(byte)).count();
            prop_assert_eq!(Reader::new(&data).plain_end(at), slow);
        }
    }
}
