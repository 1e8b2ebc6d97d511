//! Values that are not of the type wanted: what Go says of them, and what is stored in their place.

use super::reader::Fail;
use super::typed::{Decoder, Got, Target};
use crate::schema::{Field, FieldType};

impl<'s> Decoder<'_, 's> {
    /// null, or a value of the wrong kind.
    pub(super) fn mismatch(&mut self, target: Target<'s>, next: u8) -> Result<Got, Fail> {
        if next == b'n' {
            self.reader.literal("null")?;
            return Ok(match target.ty {
                FieldType::List(_) | FieldType::Wrapper(_) | FieldType::Map(_) => Got::Nil,
                _ => Got::Keep,
            });
        }
        let what = self.skip_naming()?;
        self.save_type_error(&what, target);
        Ok(Got::Keep)
    }

    /// Passes over a value; says what Go calls it.
    pub(super) fn skip_naming(&mut self) -> Result<String, Fail> {
        let what = match self.reader.peek()? {
            b'"' => "string",
            b'{' => "object",
            b'[' => "array",
            b't' | b'f' => "bool",
            b'n' => "null",
            _ => "number",
        };
        self.reader.skip(self.depth)?;
        Ok(what.to_owned())
    }

    pub(super) fn save(&mut self, message: String) {
        self.saved.get_or_insert(message);
    }

    pub(super) fn save_type_error(&mut self, what: &str, target: Target<'s>) {
        let go_type = self.schema.go_type_at(target.field, target.level);
        let message = self.type_error(what, &go_type);
        self.save(message);
    }

    /// Go's UnmarshalTypeError with the context that it is in.
    pub(super) fn type_error(&self, what: &str, go_type: &str) -> String {
        match self.stack.last() {
            None => format!("json: cannot unmarshal {what} into Go value of type {go_type}"),
            Some((owner, _)) => {
                let embedded =
                    |f: &'s Field| (!f.embedded.is_empty()).then_some(f.embedded.as_ref());
                let names = self
                    .stack
                    .iter()
                    .flat_map(|(_, f)| embedded(f).into_iter().chain([f.name.as_ref()]));
                let names: Vec<&str> = names.collect();
                let owner = &self.schema.get(*owner).go_name;
                format!(
                    "json: cannot unmarshal {what} into Go struct field {owner}.{} of type {go_type}",
                    names.join(".")
                )
            }
        }
    }
}
