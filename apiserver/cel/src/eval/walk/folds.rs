//! Macros over lists and maps: an accumulator that takes one step for each element.

use super::attributes::{Chain, is_attribute};
use super::{Result, Walk};
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprKind};
use crate::eval::Error;
use crate::eval::value::Value;

impl<'e, 'a> Walk<'e, '_, 'a> {
    pub(super) fn fold(&mut self, fold: &'e Comprehension) -> Result<Value<'a>> {
        let range = self.evaluate(&fold.range)?;
        let init = self.evaluate(&fold.init);
        if init == Err(Error::Budget) {
            return Err(Error::Budget);
        }
        let depth = self.frames.len();
        self.frames.push((&fold.accumulator, init));
        let mut result = self.iterate(fold, depth, &range);
        if result.is_ok() {
            self.frames.truncate(depth + 1);
            result = self.evaluate(&fold.result);
        } else {
            result = result.map(|_| Value::Null);
        }
        self.frames.truncate(depth);
        result
    }

    fn iterate(
        &mut self,
        fold: &'e Comprehension,
        depth: usize,
        range: &Value<'a>,
    ) -> Result<Value<'a>> {
        match (range, &fold.variable2) {
            (Value::List(list), None) => {
                for value in list.iter() {
                    if !self.step(fold, depth, value, None)? {
                        break;
                    }
                }
            }
            (Value::List(list), Some(_)) => {
                for (at, value) in list.iter().enumerate() {
                    if !self.step(fold, depth, Value::Int(at as i64), Some(value))? {
                        break;
                    }
                }
            }
            (Value::Map(map), second) => {
                for (key, value) in map.entries() {
                    if !self.step(fold, depth, key, second.is_some().then_some(value))? {
                        break;
                    }
                }
            }
            (other, Some(_)) => {
                let of = other.go_type();
                return Err(Error::new(format!(
                    "unsupported comprehension range type: {of}"
                )));
            }
            (other, None) => {
                let of = other.go_type();
                return Err(Error::new(format!("got '{of}', expected iterable type")));
            }
        }
        Ok(Value::Null)
    }

    /// One element; false when the rest need not be looked at.
    fn step(
        &mut self,
        fold: &'e Comprehension,
        depth: usize,
        first: Value<'a>,
        second: Option<Value<'a>>,
    ) -> Result<bool> {
        self.frames.truncate(depth + 1);
        self.frames.push((&fold.variable, Ok(first)));
        if let (Some(name), Some(value)) = (&fold.variable2, second) {
            self.frames.push((name, Ok(value)));
        }
        match self.evaluate(&fold.condition) {
            Ok(Value::Bool(false)) => return Ok(false),
            Err(Error::Budget) => return Err(Error::Budget),
            _ => {}
        }
        match self.accumulate(&fold.step, depth) {
            Err(Error::Budget) => Err(Error::Budget),
            next => {
                self.frames[depth].1 = next;
                Ok(true)
            }
        }
    }

    /// The accumulator's next value. What is appended to it is appended in place, so that a list is not copied at each step.
    fn accumulate(&mut self, step: &'e Expr, depth: usize) -> Result<Value<'a>> {
        let ExprKind::Call {
            function,
            target: None,
            args,
        } = &step.kind
        else {
            return self.evaluate(step);
        };
        match (function.as_str(), args.as_slice()) {
            ("_?_:_", [condition, yes, no]) if self.frames[depth].0 == ACCUMULATOR => {
                match self.evaluate(condition)? {
                    Value::Bool(true) => self.branch(yes, depth),
                    Value::Bool(false) => self.branch(no, depth),
                    _ => Err(Error::new("no such overload")),
                }
            }
            ("_+_", [accumulator, more]) if self.is_accumulator(accumulator, depth) => {
                if !matches!(self.frames[depth].1, Ok(Value::List(_))) {
                    return self.evaluate(step);
                }
                self.meter.charge(1)?;
                let Value::List(more) = self.evaluate(more)? else {
                    return Err(Error::new("no such overload"));
                };
                let held = std::mem::replace(&mut self.frames[depth].1, Ok(Value::Null));
                let Ok(Value::List(mut list)) = held else {
                    return held;
                };
                list.append(&more);
                self.meter.charge(1)?;
                Ok(Value::List(list))
            }
            _ => self.evaluate(step),
        }
    }

    /// A branch of a conditional step: an attribute there costs nothing as a whole.
    fn branch(&mut self, step: &'e Expr, depth: usize) -> Result<Value<'a>> {
        if is_attribute(step) && !self.constants.contains(&step.id) {
            return self.chain(step).map(Chain::finished);
        }
        self.accumulate(step, depth)
    }

    fn is_accumulator(&self, expr: &Expr, depth: usize) -> bool {
        let name = self.frames[depth].0;
        // A macro inside has an accumulator of the same name, which hides this one.
        expr.ident() == Some(name)
            && self.frames[depth + 1..]
                .iter()
                .all(|(inner, _)| *inner != name)
    }
}
