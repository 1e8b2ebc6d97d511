//! Lists, maps and messages that an expression makes.

use super::{Result, Walk};
use crate::ast::{Entry, Expr, Field};
use crate::eval::value::{Map, Object, Value};
use crate::eval::{Error, convert, meter};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<'e, 'a> Walk<'e, '_, 'a> {
    pub(super) fn list(
        &mut self,
        expr: &Expr,
        elements: &'e [Expr],
        optional: &[usize],
    ) -> Result<Value<'a>> {
        let mut made = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            let value = self.evaluate(element)?;
            if !optional.contains(&at) {
                made.push(value);
                continue;
            }
            match value {
                Value::Optional(Some(value)) => made.push((*value).clone()),
                Value::Optional(None) => {}
                other => {
                    let shown = other.shown();
                    let why = format!(
                        "cannot initialize optional list element from non-optional value {shown}"
                    );
                    return Err(Error::new(why));
                }
            }
        }
        if !self.constants.contains(&expr.id) {
            self.meter.charge(meter::MAKE_LIST)?;
        }
        Ok(Value::list(made))
    }

    pub(super) fn map(&mut self, expr: &Expr, entries: &'e [Entry]) -> Result<Value<'a>> {
        let mut made = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.evaluate(&entry.key)?;
            let value = self.evaluate(&entry.value)?;
            match (entry.optional, value) {
                (false, value) => made.push((key, value)),
                (true, Value::Optional(Some(value))) => made.push((key, (*value).clone())),
                (true, Value::Optional(None)) => {}
                (true, other) => return Err(not_optional(&key.shown(), &other)),
            }
        }
        if !self.constants.contains(&expr.id) {
            self.meter.charge(meter::MAKE_MAP)?;
        }
        Map::from_entries(made).map(Value::Map)
    }

    pub(super) fn object(&mut self, name: &'e str, fields: &'e [Field]) -> Result<Value<'a>> {
        let mut made = BTreeMap::new();
        for field in fields {
            let value = self.evaluate(&field.value)?;
            match (field.optional, value) {
                (false, value) => made.insert(field.name.as_str().into(), value),
                (true, Value::Optional(Some(value))) => {
                    made.insert(field.name.as_str().into(), (*value).clone())
                }
                (true, Value::Optional(None)) => None,
                (true, other) => return Err(not_optional(&field.name, &other)),
            };
        }
        self.meter.charge(meter::MAKE_OBJECT)?;
        let name = name.strip_prefix('.').unwrap_or(name);
        let object = Object {
            name: name.into(),
            fields: made,
        };
        Ok(convert::message(&object).unwrap_or_else(|| Value::Object(Arc::new(object))))
    }
}

fn not_optional(name: &str, value: &Value<'_>) -> Error {
    let shown = value.shown();
    Error::new(format!(
        "cannot initialize optional entry '{name}' from non-optional value {shown}"
    ))
}
