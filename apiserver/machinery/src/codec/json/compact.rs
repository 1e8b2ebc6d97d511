//! Whether raw JSON is written again as it stands: then it is copied instead of read and written.

/// Deeper raw values are read and written.
const MAX_DEPTH: usize = 32;
/// Keys of one object whose order says nothing about their being different; with more, the value is read and written.
const MAX_KEYS: usize = 64;

/// Whether an object or array would come out of `decode_raw` and `write_raw` byte for byte as it is. False means only that it
/// was not seen at a glance.
pub(crate) fn is_compact(data: &[u8]) -> bool {
    let mut glance = Glance { data, at: 0 };
    matches!(data.first(), Some(b'{' | b'['))
        && glance.value(0).is_some()
        && glance.at == data.len()
}

/// Whether JSON that `encode_raw` made is what `write_raw` makes of the same: they differ in what could end a script within HTML.
pub(crate) fn is_html_safe(encoded: &[u8]) -> bool {
    let special = |byte: u8| matches!(byte, b'<' | b'>' | b'&') || byte == 0xe2;
    // Without a way out, so that it is done for many bytes at once.
    !encoded.iter().fold(false, |any, byte| any | special(*byte))
}

struct Glance<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Glance<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn literal(&mut self, rest: &[u8]) -> Option<()> {
        self.data[self.at..].starts_with(rest).then_some(())?;
        self.at += rest.len();
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.next()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(|_| ()),
            b't' => self.literal(b"rue"),
            b'f' => self.literal(b"alse"),
            b'n' => self.literal(b"ull"),
            first => self.integer(first),
        }
    }

    /// Up to 15 digits, no sign of zero, nothing behind.
    fn integer(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        let start = self.at;
        while self.data.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let more = self.at - start;
        let zero = first == b'0' && more == 0 && self.data[start.saturating_sub(2)] != b'-';
        let ends = !matches!(self.data.get(self.at), Some(b'.' | b'e' | b'E'));
        (ends && (zero || matches!(first, b'1'..=b'9') && more < 15)).then_some(())
    }

    /// Printable ASCII without HTML; quotes and backslashes escaped.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            match self.next()? {
                b'"' => return Some(&self.data[start..self.at - 1]),
                b'\\' => matches!(self.next()?, b'"' | b'\\').then_some(())?,
                b'<' | b'>' | b'&' | ..0x20 | 0x80.. => return None,
                _ => {}
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        if self.data.get(self.at) == Some(&b']') {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        if self.data.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Some(());
        }
        let mut last: &[u8] = &[];
        let mut ascending = true;
        let mut keys: Vec<&[u8]> = Vec::new();
        let start = self.at;
        loop {
            (self.next()? == b'"').then_some(())?;
            let key = self.string()?;
            if ascending && last >= key && self.at - key.len() - 2 != start {
                // Out of order: from here on each key is compared with all before it.
                ascending = false;
                keys = Glance {
                    data: self.data,
                    at: start,
                }
                .keys_until(self.at - key.len() - 2)?;
            }
            if !ascending {
                (!keys.contains(&key) && keys.len() < MAX_KEYS).then_some(())?;
                keys.push(key);
            }
            last = key;
            (self.next()? == b':').then_some(())?;
            self.value(depth + 1)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// The keys of an object's members up to where the next one begins; they were looked at before.
    fn keys_until(mut self, end: usize) -> Option<Vec<&'a [u8]>> {
        let mut keys = Vec::new();
        while self.at < end {
            (self.next()? == b'"').then_some(())?;
            keys.push(self.string()?);
            (self.next()? == b':').then_some(())?;
            self.value(0)?;
            (self.next()? == b',').then_some(())?;
        }
        Some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::{decode_raw, write_raw};
    use proptest::prelude::*;

    fn again(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        write_raw(&mut out, &decode_raw(text.as_bytes()).ok()?);
        Some(out)
    }

    #[test]
    fn managed_fields_are_compact() {
        for text in [
            r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{}}}}}"#,
            r#"{"b":1,"a":[true,null,-12,0,""]}"#,
            "[]",
        ] {
            assert!(is_compact(text.as_bytes()), "{text}");
            assert_eq!(again(text).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_written_otherwise_is_not() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"b":1,"a":2,"b":3}"#,
            r#"{"c":1,"b":{"x":1},"b":3}"#,
            r#"{ "a":1}"#,
            r#"{"a":-0}"#,
            r#"[-0]"#,
            r#"{"a":01}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e3}"#,
            r#"{"a":"<"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":1}x"#,
            r#"{"a""#,
            "null",
            "",
        ] {
            assert!(!is_compact(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn compact_is_what_comes_out_the_same(text in r#"([{}\[\],:"\\a-b01e.-]|"a"|"b"|\{"a":|,"b":|\}){0,14}"#) {
            if is_compact(text.as_bytes()) {
                prop_assert_eq!(again(&text), Some(text.clone().into_bytes()));
            }
        }
    }
}
