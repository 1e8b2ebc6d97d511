//! Protobuf messages as text, as far as conformance tests are written in it: fields in their order, values as they stand there.

/// A message: its fields, several of one name where it repeats.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message(Vec<(String, Field)>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Message(Message),
    /// The bytes between quotes, escapes resolved.
    Quoted(Vec<u8>),
    /// A number, a word: as it is written.
    Bare(String),
}

impl Message {
    /// Reads a whole file.
    pub(crate) fn read(text: &str) -> Self {
        let mut reader = Reader {
            text: text.as_bytes(),
            at: 0,
        };
        let message = reader.message();
        assert_eq!(reader.at, text.len(), "there is more at byte {}", reader.at);
        message
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, field)| field)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Field> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, field)| field)
    }

    pub(crate) fn message(&self, name: &str) -> Option<&Message> {
        self.get(name).and_then(Field::message)
    }

    pub(crate) fn messages<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Message> {
        self.all(name).filter_map(Field::message)
    }

    /// A text or word; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).map(Field::text).unwrap_or_default()
    }

    pub(crate) fn first(&self) -> Option<(&str, &Field)> {
        self.0.first().map(|(name, field)| (name.as_str(), field))
    }
}

impl Field {
    pub(crate) fn message(&self) -> Option<&Message> {
        match self {
            Field::Message(message) => Some(message),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Field::Quoted(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Field::Bare(word) => word.clone(),
            Field::Message(_) => String::new(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Field::Quoted(bytes) => bytes,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes blanks, comments and what may stand between fields.
    fn pass_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' => self.at += 1,
                _ => return,
            }
        }
    }

    fn pass(&mut self, wanted: u8) -> bool {
        self.pass_blanks();
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    /// Up to the brace that closes it, or the end.
    fn message(&mut self) -> Message {
        let mut fields = Vec::new();
        loop {
            self.pass_blanks();
            if matches!(self.peek(), None | Some(b'}' | b'>')) {
                return Message(fields);
            }
            let name = self.name();
            self.pass(b':');
            if self.pass(b'[') {
                while !self.pass(b']') {
                    fields.push((name.clone(), self.field()));
                }
            } else {
                fields.push((name, self.field()));
            }
        }
    }

    /// A field's name, or in brackets that of a type.
    fn name(&mut self) -> String {
        if !self.pass(b'[') {
            return self.word();
        }
        let start = self.at;
        while self.peek().is_some_and(|byte| byte != b']') {
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8_lossy(&self.text[start..self.at - 1]).into_owned()
    }

    fn word(&mut self) -> String {
        let start = self.at;
        let of_word =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+');
        while self.peek().is_some_and(of_word) {
            self.at += 1;
        }
        assert!(self.at > start, "no word at byte {start}");
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn field(&mut self) -> Field {
        self.pass_blanks();
        match self.peek() {
            Some(b'{' | b'<') => {
                self.at += 1;
                let message = self.message();
                self.at += 1;
                Field::Message(message)
            }
            Some(b'"' | b'\'') => {
                let mut bytes = Vec::new();
                while matches!(self.peek(), Some(b'"' | b'\'')) {
                    self.quoted(&mut bytes);
                    self.pass_blanks();
                }
                Field::Quoted(bytes)
            }
            _ => Field::Bare(self.word()),
        }
    }

    fn quoted(&mut self, out: &mut Vec<u8>) {
        let quote = self.text[self.at];
        self.at += 1;
        while self.text[self.at] != quote {
            if self.text[self.at] == b'\\' {
                self.at += 1;
                self.escaped(out);
            } else {
                out.push(self.text[self.at]);
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn escaped(&mut self, out: &mut Vec<u8>) {
        let kind = self.text[self.at];
        let (radix, from, most) = match kind {
            b'x' | b'X' => (16, self.at + 1, 2),
            b'u' => (16, self.at + 1, 4),
            b'U' => (16, self.at + 1, 8),
            b'0'..=b'7' => (8, self.at, 3),
            _ => {
                out.push(match kind {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    other => other,
                });
                self.at += 1;
                return;
            }
        };
        let digits = self.text[from..]
            .iter()
            .take(most)
            .take_while(|byte| char::from(**byte).is_digit(radix))
            .count();
        let text = String::from_utf8_lossy(&self.text[from..from + digits]);
        let code = u32::from_str_radix(&text, radix).expect("digits");
        self.at = from + digits;
        match (kind, char::from_u32(code)) {
            (b'u' | b'U', Some(character)) => out.extend(character.to_string().bytes()),
            _ => out.push(code as u8),
        }
    }
}
