//! Indented output, as Go's MarshalIndent with two spaces. Works on pieces of any length, so that nobody needs the whole text.

/// Re-indents compact JSON. The input is this crate's own output: it is not checked.
pub fn pretty(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    Indenter::default().push(compact, &mut out);
    out
}

/// Re-indents compact JSON that comes in pieces. A newline at its end is dropped.
#[derive(Default)]
pub struct Indenter {
    depth: usize,
    place: Place,
}

#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Between,
    /// Behind a bracket of which it is not known yet whether it is closed at once.
    Opened,
    Text,
    /// Behind a backslash in a text.
    Escape,
}

impl Indenter {
    /// Appends the next piece.
    pub fn push(&mut self, compact: &[u8], out: &mut Vec<u8>) {
        let mut rest = compact;
        while let Some((byte, behind)) = rest.split_first() {
            match self.place {
                Place::Text => {
                    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                    let end = end.map_or(rest.len(), |end| end + 1);
                    self.place = match rest[end - 1] {
                        b'"' => Place::Between,
                        b'\\' => Place::Escape,
                        _ => Place::Text,
                    };
                    out.extend_from_slice(&rest[..end]);
                    rest = &rest[end..];
                    continue;
                }
                Place::Escape => {
                    out.push(*byte);
                    self.place = Place::Text;
                }
                Place::Opened if matches!(byte, b'}' | b']') => {
                    out.push(*byte);
                    self.place = Place::Between;
                }
                Place::Opened => {
                    self.depth += 1;
                    self.new_line(out);
                    self.between(*byte, out);
                }
                Place::Between => self.between(*byte, out),
            }
            rest = behind;
        }
    }

    fn between(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.place = Place::Between;
        match byte {
            b'"' => {
                out.push(byte);
                self.place = Place::Text;
            }
            b'{' | b'[' => {
                out.push(byte);
                self.place = Place::Opened;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.new_line(out);
                out.push(byte);
            }
            b',' => {
                out.push(b',');
                self.new_line(out);
            }
            b':' => out.extend_from_slice(b": "),
            b'\n' => {}
            byte => out.push(byte),
        }
    }

    fn new_line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + self.depth * 2, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_indented_as_the_whole() {
        let compact = br#"{"a":[],"b":{},"c":[1,{"d":"x,\"{\\"}],"e":"\\","f":[[]]}"#;
        let whole = String::from_utf8(pretty(compact)).unwrap();
        let wanted = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": \"x,\\\"{\\\\\"\n    }\n  ],\n  \"e\": \"\\\\\",\n  \"f\": [\n    []\n  ]\n}";
        assert_eq!(whole, wanted);
        for size in 1..compact.len() {
            let (mut indenter, mut out) = (Indenter::default(), Vec::new());
            let pieces = compact.chunks(size);
            pieces.for_each(|piece| indenter.push(piece, &mut out));
            indenter.push(b"\n", &mut out);
            assert_eq!(out, whole.as_bytes(), "{size}");
        }
    }
}
