//! Finding out what an object is before its type is known: kind and apiVersion, read as upstream's MetaFactory reads them.

use super::reader::{Fail, Reader};
use super::syntax;
use crate::codec::DecodeError;

/// kind and apiVersion as an object states them; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeMeta {
    pub api_version: String,
    pub kind: String,
}

const GO_TYPE: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

impl TypeMeta {
    /// Group and version; no group is the core group.
    pub fn group_version(&self) -> (&str, &str) {
        self.api_version
            .split_once('/')
            .unwrap_or(("", &self.api_version))
    }
}

/// Reads kind and apiVersion. Names match in any case here, as in Go; the last of several counts.
pub fn interpret(data: &[u8]) -> Result<TypeMeta, DecodeError> {
    let refuse = |message: String| {
        DecodeError::Malformed(format!(
            "couldn't get version/kind; json parse error: {message}"
        ))
    };
    let mut scan = Scan {
        reader: Reader::new(data),
        meta: TypeMeta::default(),
        saved: None,
    };
    match scan.document() {
        Err(_) => {
            Err(refuse(syntax::check(data).err().unwrap_or_else(|| {
                "unexpected end of JSON input".to_owned()
            })))
        }
        Ok(()) => scan
            .saved
            .map_or(Ok(scan.meta), |message| Err(refuse(message))),
    }
}

struct Scan<'a> {
    reader: Reader<'a>,
    meta: TypeMeta,
    saved: Option<String>,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Fail> {
        match self.reader.peek()? {
            b'{' => self.object()?,
            b'n' => self.reader.literal("null")?,
            next => {
                self.reader.skip(0)?;
                self.saved = Some(format!(
                    "json: cannot unmarshal {} into Go value of type {GO_TYPE}",
                    kind_of(next)
                ));
            }
        }
        self.reader.end()
    }

    fn object(&mut self) -> Result<(), Fail> {
        self.reader.expect(b'{')?;
        if self.reader.peek()? == b'}' {
            return self.reader.expect(b'}');
        }
        loop {
            let key = self.reader.key()?;
            if key.eq_ignore_ascii_case("kind") {
                self.text("kind")?;
            } else if key.eq_ignore_ascii_case("apiVersion") {
                self.text("apiVersion")?;
            } else {
                self.reader.skip(1)?;
            }
            if !self.reader.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn text(&mut self, name: &str) -> Result<(), Fail> {
        match self.reader.peek()? {
            b'"' => {
                let text = self.reader.string()?.into_owned();
                match name {
                    "kind" => self.meta.kind = text,
                    _ => self.meta.api_version = text,
                }
                Ok(())
            }
            b'n' => self.reader.literal("null"),
            next => {
                self.reader.skip(1)?;
                let what = kind_of(next);
                self.saved.get_or_insert_with(|| {
                    format!(
                        "json: cannot unmarshal {what} into Go struct field .{name} of type string"
                    )
                });
                Ok(())
            }
        }
    }
}

fn kind_of(first: u8) -> &'static str {
    match first {
        b'"' => "string",
        b'{' => "object",
        b'[' => "array",
        b't' | b'f' => "bool",
        _ => "number",
    }
}
