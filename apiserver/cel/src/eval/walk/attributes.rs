//! Chains of selections and indexes (cel-go's interpreter/attributes.go): what one comes to, and what its parts cost.

use super::{Result, Walk};
use crate::ast::{Expr, ExprKind, Literal};
use crate::eval::value::{Value, type_value};
use crate::eval::{Error, index};
use crate::types::Type;

/// What a chain has come to.
pub(super) struct Chain<'a> {
    pub(super) value: Value<'a>,
    /// One of its parts was optional: what it comes to is too. Without a value nothing further is looked at.
    optional: bool,
    absent: bool,
    /// What the chain costs as a whole.
    pub(super) own: u64,
}

impl<'e, 'a> Walk<'e, '_, 'a> {
    fn identifier(&self, expr: &Expr, name: &str) -> Result<Value<'a>> {
        let global = name.strip_prefix('.');
        if global.is_none()
            && let Some((_, value)) = self.frames.iter().rev().find(|(known, _)| *known == name)
        {
            return value.clone();
        }
        let name = global.unwrap_or(name);
        if let Some(value) = self.variables.variable(name) {
            return Ok(value);
        }
        match self.checked.type_of(expr) {
            Type::Type(Some(of)) => Ok(type_value(&of)),
            Type::Type(None) => Ok(Value::Type("type".into())),
            _ if name == "google.protobuf.NullValue.NULL_VALUE" => Ok(Value::Null),
            _ => Err(Error::new(format!("no such attribute(s): {name}"))),
        }
    }

    /// An attribute without what it costs as a whole.
    pub(super) fn chain(&mut self, expr: &'e Expr) -> Result<Chain<'a>> {
        match &expr.kind {
            ExprKind::Ident(name) => Ok(Chain::from(self.identifier(expr, name)?)),
            ExprKind::Select {
                operand,
                field,
                test: false,
            } => {
                let chain = self.root(operand)?;
                self.select(chain, field, false)
            }
            ExprKind::Call { function, args, .. } => match (function.as_str(), args.as_slice()) {
                ("_[_]", [operand, at]) => self.indexed(operand, at, false),
                ("_[?_]", [operand, at]) => self.indexed(operand, at, true),
                ("_?._", [operand, field]) => {
                    let chain = self.root(operand)?;
                    let ExprKind::Literal(Literal::String(field)) = &field.kind else {
                        return Err(Error::new("unsupported optional field selection"));
                    };
                    self.select(chain, field, true)
                }
                ("_?_:_", [condition, yes, no]) => self.chosen(condition, yes, no),
                _ => Err(Error::new("not an attribute")),
            },
            _ => Err(Error::new("not an attribute")),
        }
    }

    /// What a chain begins with: another chain, or any value.
    fn root(&mut self, operand: &'e Expr) -> Result<Chain<'a>> {
        if is_attribute(operand) && !self.constants.contains(&operand.id) {
            return self.chain(operand);
        }
        let value = self.evaluate(operand)?;
        Ok(Chain::from(value))
    }

    fn chosen(&mut self, condition: &'e Expr, yes: &'e Expr, no: &'e Expr) -> Result<Chain<'a>> {
        let chosen = match self.evaluate(condition)? {
            Value::Bool(true) => yes,
            Value::Bool(false) => no,
            _ => return Err(Error::new("no such overload")),
        };
        let chain = match &chosen.kind {
            ExprKind::Select { test: true, .. } => Chain::from(self.present(chosen, false)?),
            _ if is_attribute(chosen) && !self.constants.contains(&chosen.id) => {
                self.chain(chosen)?
            }
            _ => Chain::from(self.evaluate(chosen)?),
        };
        Ok(Chain { own: 0, ..chain })
    }

    fn select(
        &mut self,
        mut chain: Chain<'a>,
        field: &'e str,
        optional: bool,
    ) -> Result<Chain<'a>> {
        if chain.absent {
            return Ok(chain);
        }
        chain.enter_optional(optional);
        if chain.absent {
            return Ok(chain);
        }
        let found = index::field(&chain.value, field, self.variables);
        self.looked_up(&chain, &found)?;
        let found = found?;
        let of = chain.value.clone();
        chain.follow(found, || index::missing(&of, &Value::text(field)))
    }

    fn indexed(&mut self, operand: &'e Expr, at: &'e Expr, optional: bool) -> Result<Chain<'a>> {
        let mut chain = self.root(operand)?;
        if chain.absent {
            return Ok(chain);
        }
        chain.enter_optional(optional);
        if chain.absent {
            return Ok(chain);
        }
        let at = if is_attribute(at) && !self.constants.contains(&at.id) {
            self.chain(at).map(Chain::finished)
        } else {
            self.evaluate(at)
        };
        let found = match &at {
            Err(error) => Err(error.clone()),
            Ok(Value::String(name)) if matches!(chain.value, Value::Variables) => {
                index::field(&chain.value, name, self.variables)
            }
            Ok(at) => index::element(&chain.value, at),
        };
        self.looked_up(&chain, &found)?;
        let (at, found) = (at?, found?);
        let of = chain.value.clone();
        chain.follow(found, || index::missing(&of, &at))
    }

    /// A part of a chain costs one, unless it is optional and not there.
    fn looked_up(&mut self, chain: &Chain<'a>, found: &Result<Option<Value<'a>>>) -> Result<()> {
        match found {
            Ok(None) | Err(_) if chain.optional => Ok(()),
            Err(Error::Budget) => Err(Error::Budget),
            _ => self.meter.charge(1),
        }
    }

    /// `has(operand.field)`; as a whole it costs nothing.
    pub(super) fn present(&mut self, expr: &'e Expr, _own: bool) -> Result<Value<'a>> {
        let ExprKind::Select { operand, field, .. } = &expr.kind else {
            return Err(Error::new("not a test of presence"));
        };
        let mut chain = self.root(operand)?;
        chain.enter_optional(false);
        if chain.absent {
            return Ok(Value::Bool(false));
        }
        self.meter.charge(1)?;
        let found = match &chain.value {
            Value::Variables => self.variables.lazy(field).transpose()?.is_some(),
            value => index::field(value, field, self.variables)?.is_some(),
        };
        Ok(Value::Bool(found))
    }
}

impl<'a> Chain<'a> {
    fn from(value: Value<'a>) -> Self {
        Chain {
            value,
            optional: false,
            absent: false,
            own: 1,
        }
    }

    /// Goes on inside an optional value.
    fn enter_optional(&mut self, optional: bool) {
        self.optional |= optional;
        match &self.value {
            Value::Optional(Some(inner)) => {
                self.optional = true;
                self.value = (**inner).clone();
            }
            Value::Optional(None) => {
                self.optional = true;
                self.absent = true;
            }
            _ => {}
        }
    }

    fn follow(mut self, found: Option<Value<'a>>, missing: impl FnOnce() -> Error) -> Result<Self> {
        match found {
            Some(value) => self.value = value,
            None if self.optional => self.absent = true,
            None => return Err(missing()),
        }
        Ok(self)
    }

    pub(super) fn finished(self) -> Value<'a> {
        match (self.optional, self.absent) {
            (_, true) => Value::NONE,
            (true, false) => Value::some(self.value),
            (false, false) => self.value,
        }
    }
}

pub(super) fn is_attribute(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Ident(_) | ExprKind::Select { test: false, .. } => true,
        ExprKind::Call { function, .. } => {
            ["_[_]", "_[?_]", "_?._", "_?_:_"].contains(&function.as_str())
        }
        _ => false,
    }
}
