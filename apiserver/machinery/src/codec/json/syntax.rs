//! What is wrong with bytes that are not JSON, in the words of Go's encoding/json. Walks the input once more, so the quick path
//! needs no messages.

use super::reader::MAX_DEPTH;
use crate::codec::go_quote::quote_byte;

const END: &str = "unexpected end of JSON input";

/// Go's complaint about the first byte that cannot be part of a JSON document; Ok when the bytes are one.
pub(crate) fn check(data: &[u8]) -> Result<(), String> {
    let mut scan = Scan { data, at: 0 };
    scan.document()
}

struct Scan<'a> {
    data: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), String> {
        let mut open: Vec<u8> = Vec::new();
        'value: loop {
            match self.space()? {
                b'"' => self.string()?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                opening @ (b'{' | b'[') => {
                    if open.len() >= MAX_DEPTH {
                        return Err(self.wrong("exceeded max depth"));
                    }
                    self.at += 1;
                    let next = self.space()?;
                    if next != opening + 2 {
                        open.push(opening + 2);
                        if opening == b'{' {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    self.at += 1;
                }
                _ => return Err(self.wrong("looking for beginning of value")),
            }
            loop {
                let Some(close) = open.last().copied() else {
                    return match self.space() {
                        Ok(_) => Err(self.wrong("after top-level value")),
                        Err(_) => Ok(()),
                    };
                };
                let next = self.space()?;
                if next == close {
                    self.at += 1;
                    open.pop();
                    continue;
                }
                if next != b',' {
                    let place = if close == b'}' {
                        "after object key:value pair"
                    } else {
                        "after array element"
                    };
                    return Err(self.wrong(place));
                }
                self.at += 1;
                if close == b'}' {
                    self.space()?;
                    self.key()?;
                }
                continue 'value;
            }
        }
    }

    fn space(&mut self) -> Result<u8, String> {
        while let Some(byte) = self.data.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(END.to_owned())
    }

    fn byte(&self) -> Result<u8, String> {
        self.data
            .get(self.at)
            .copied()
            .ok_or_else(|| END.to_owned())
    }

    fn wrong(&self, place: &str) -> String {
        match self.data.get(self.at) {
            Some(byte) => format!("invalid character {} {place}", quote_byte(*byte)),
            None => END.to_owned(),
        }
    }

    fn key(&mut self) -> Result<(), String> {
        if self.byte()? != b'"' {
            return Err(self.wrong("looking for beginning of object key string"));
        }
        self.string()?;
        if self.space()? != b':' {
            return Err(self.wrong("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                byte if byte < b' ' => return Err(self.wrong("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.byte()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.byte()?.is_ascii_hexdigit() {
                        return Err(self.wrong("in \\u hexadecimal character escape"));
                    }
                }
                self.at += 1;
            }
            _ => return Err(self.wrong("in string escape code")),
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if self.byte()? != expected {
                return Err(self.wrong(&format!(
                    "in literal {word} (expecting {})",
                    quote_byte(expected)
                )));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        match self.byte()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.wrong("in numeric literal")),
        }
        if self.data.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.data.get(self.at) {
            self.at += 1;
            if matches!(self.byte()?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.data.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: &str) -> Result<(), String> {
        if !self.byte()?.is_ascii_digit() {
            return Err(self.wrong(place));
        }
        self.digits();
        Ok(())
    }
}
