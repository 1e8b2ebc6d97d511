//! JSON without a schema: integers that fit stay integers, other numbers are floats; duplicate keys keep the last value.

use serde_json::{Map, Number, Value};

use super::known_key;
use super::reader::Fail;
use super::typed::Decoder;
use crate::codec::deep::at_depth;

impl Decoder<'_, '_> {
    /// Any value. `raw` keeps integers beyond i64 where they fit into u64 (nothing decodes them yet).
    pub(super) fn any(&mut self, raw: bool) -> Result<Value, Fail> {
        at_depth(self.depth, || self.any_here(raw))
    }

    fn any_here(&mut self, raw: bool) -> Result<Value, Fail> {
        match self.reader.peek()? {
            b'"' => Ok(Value::String(self.reader.string()?.into_owned())),
            b'{' => self.any_object(raw),
            b'[' => self.any_list(raw),
            b't' => self.reader.literal("true").map(|()| Value::Bool(true)),
            b'f' => self.reader.literal("false").map(|()| Value::Bool(false)),
            b'n' => self.reader.literal("null").map(|()| Value::Null),
            b'-' | b'0'..=b'9' => self.any_number(raw),
            _ => Err(Fail::Syntax),
        }
    }

    fn any_number(&mut self, raw: bool) -> Result<Value, Fail> {
        let text = self.reader.number()?;
        if let Ok(number) = text.parse::<i64>() {
            return Ok(Value::from(number));
        }
        if raw && let Ok(number) = text.parse::<u64>() {
            return Ok(Value::from(number));
        }
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => {
                let message = self.type_error(&format!("number {text}"), "float64");
                self.save(message);
                Ok(Value::Null)
            }
        }
    }

    fn any_list(&mut self, raw: bool) -> Result<Value, Fail> {
        self.enter()?;
        let mut items = Vec::new();
        if self.reader.peek()? == b']' {
            self.reader.at += 1;
        } else {
            loop {
                let path_len = self.strict.as_mut().map(|s| s.enter_index(items.len()));
                items.push(self.any(raw)?);
                self.leave(path_len);
                if !self.reader.more(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Array(items))
    }

    fn any_object(&mut self, raw: bool) -> Result<Value, Fail> {
        self.enter()?;
        let mut map = Map::new();
        if self.reader.peek()? == b'}' {
            self.reader.at += 1;
        } else {
            loop {
                let key = known_key::key(self.reader.key()?);
                let mut path_len = None;
                if let Some(strict) = &mut self.strict {
                    if map.contains_key(&key) {
                        strict.duplicate(&key);
                    }
                    path_len = Some(strict.enter_key(&key));
                }
                let value = self.any(raw)?;
                self.leave(path_len);
                map.put(key, value);
                if !self.reader.more(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Object(map))
    }

    fn leave(&mut self, path_len: Option<usize>) {
        if let (Some(strict), Some(length)) = (&mut self.strict, path_len) {
            strict.leave(length);
        }
    }
}
