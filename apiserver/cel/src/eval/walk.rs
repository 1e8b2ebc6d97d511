//! The walk over a tree: cel-go's interpreter/interpretable.go. Chains of selections and indexes are one
//! attribute, whose cost is that of its parts and one for the whole; an operand's error may be made up for by `&&` and `||`.

mod attributes;
mod construct;
mod folds;

use super::equality::equal;
use super::meter::{self, Meter};
use super::value::Value;
use super::{Activation, Error, functions, operators};
use crate::ast::{Expr, ExprId, ExprKind, Literal};
use crate::check::{Checked, Reference};
use crate::types::Type;
use attributes::is_attribute;
use std::collections::HashSet;

type Result<T> = std::result::Result<T, Error>;

/// Functions whose call on a constant is worked out beforehand (overloads.IsTypeConversionFunction).
const CONVERSIONS: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "string",
    "timestamp",
    "type",
    "uint",
];

pub(super) struct Walk<'e, 'v, 'a> {
    checked: &'e Checked,
    variables: &'v dyn Activation<'a>,
    /// Variables of the macros that are open, the innermost last. An accumulator may hold an error.
    frames: Vec<(&'e str, Result<Value<'a>>)>,
    /// Nodes that are worked out before an expression runs, and cost nothing then.
    constants: HashSet<ExprId>,
    meter: Meter,
}

impl<'e, 'v, 'a> Walk<'e, 'v, 'a> {
    pub(super) fn new(
        checked: &'e Checked,
        variables: &'v dyn Activation<'a>,
        budget: u64,
    ) -> Self {
        let mut constants = HashSet::new();
        find_constants(&checked.expr, &mut constants);
        Walk {
            checked,
            variables,
            frames: Vec::new(),
            constants,
            meter: Meter::new(budget),
        }
    }

    pub(super) fn cost(&self) -> u64 {
        self.meter.cost
    }

    pub(super) fn evaluate(&mut self, expr: &'e Expr) -> Result<Value<'a>> {
        if self.constants.contains(&expr.id) {
            let unmetered = std::mem::replace(&mut self.meter, Meter::new(u64::MAX));
            let value = self.work_out(expr);
            self.meter = unmetered;
            return value;
        }
        self.work_out(expr)
    }

    fn work_out(&mut self, expr: &'e Expr) -> Result<Value<'a>> {
        match &expr.kind {
            ExprKind::Unspecified => Err(Error::new("unspecified expression")),
            ExprKind::Literal(literal) => Ok(constant(literal)),
            ExprKind::Select { test: true, .. } => self.present(expr, true),
            _ if is_attribute(expr) => match self.chain(expr) {
                Ok(chain) => {
                    // The name of a type is a constant.
                    let named = expr.ident().is_some() && matches!(chain.value, Value::Type(_));
                    let constant = named && matches!(self.checked.type_of(expr), Type::Type(_));
                    self.meter.charge(if constant { 0 } else { chain.own })?;
                    Ok(chain.finished())
                }
                Err(error) => {
                    let chosen = matches!(&expr.kind, ExprKind::Call { function, .. } if function == "_?_:_");
                    self.meter.charge(u64::from(!chosen))?;
                    Err(error)
                }
            },
            ExprKind::Call {
                function,
                target,
                args,
            } => self.call(expr, function, target.as_deref(), args),
            ExprKind::List { elements, optional } => self.list(expr, elements, optional),
            ExprKind::Map(entries) => self.map(expr, entries),
            ExprKind::Struct { name, fields } => self.object(name, fields),
            ExprKind::Comprehension(fold) => self.fold(fold),
            ExprKind::Ident(_) | ExprKind::Select { .. } => Err(Error::new("not an attribute")),
        }
    }

    fn call(
        &mut self,
        expr: &'e Expr,
        function: &'e str,
        target: Option<&'e Expr>,
        args: &'e [Expr],
    ) -> Result<Value<'a>> {
        match (function, target, args) {
            ("_&&_", None, [left, right]) => return self.logic(left, right, false),
            ("_||_", None, [left, right]) => return self.logic(left, right, true),
            ("@not_strictly_false" | "__not_strictly_false__", None, [arg]) => {
                return self.not_strictly_false(arg);
            }
            ("@in" | "_in_" | "in", None, [value, list]) if self.is_set(list) => {
                return self.member(value, list);
            }
            ("or" | "orValue", Some(target), [other]) => {
                if let Some(value) = self.otherwise(function, target, other)? {
                    return Ok(value);
                }
            }
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        let mut failed = None;
        for arg in target.into_iter().chain(args) {
            match self.evaluate(arg) {
                Ok(value) => values.push(value),
                Err(Error::Budget) => return Err(Error::Budget),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let result = match failed {
            Some(error) => Err(error),
            None => self.invoke(function, target.is_some(), &values),
        };
        let cost = match &result {
            Ok(result) => meter::call(function, self.overload(expr), &values, result),
            // What failed is counted like the smallest.
            Err(_) => 1,
        };
        self.meter.charge(cost)?;
        result
    }

    fn invoke(&self, function: &str, member: bool, values: &[Value<'a>]) -> Result<Value<'a>> {
        match (function, values) {
            ("_==_", [left, right]) => Ok(Value::Bool(equal(left, right))),
            ("_!=_", [left, right]) => Ok(Value::Bool(!equal(left, right))),
            _ => match operators::apply(function, values) {
                Some(result) => result,
                None => functions::call(function, member, values),
            },
        }
    }

    /// The overload that a call was resolved to, where it is one alone.
    fn overload(&self, expr: &Expr) -> &'static str {
        match self.checked.references.get(&expr.id) {
            Some(Reference::Overloads(ids)) if ids.len() == 1 => ids[0],
            _ => "",
        }
    }

    /// `&&` ends with a false, `||` with a true, even where the other operand fails.
    fn logic(&mut self, left: &'e Expr, right: &'e Expr, ends: bool) -> Result<Value<'a>> {
        let mut failed = None;
        for operand in [left, right] {
            match self.evaluate(operand) {
                Ok(Value::Bool(value)) if value == ends => return Ok(Value::Bool(ends)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => failed = failed.or_else(|| Some(Error::new("no such overload"))),
                Err(Error::Budget) => return Err(Error::Budget),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Value::Bool(!ends)),
        }
    }

    fn not_strictly_false(&mut self, arg: &'e Expr) -> Result<Value<'a>> {
        let value = match self.evaluate(arg) {
            Err(Error::Budget) => return Err(Error::Budget),
            Ok(Value::Bool(value)) => value,
            _ => true,
        };
        self.meter.charge(1)?;
        Ok(Value::Bool(value))
    }

    /// Whether a constant list holds nothing but values that a set is made of beforehand.
    fn is_set(&self, list: &Expr) -> bool {
        let ExprKind::List { elements, .. } = &list.kind else {
            return false;
        };
        let plain = |element: &Expr| {
            let ExprKind::Literal(literal) = &element.kind else {
                return false;
            };
            !matches!(literal, Literal::Null | Literal::Bytes(_))
        };
        self.constants.contains(&list.id) && elements.iter().all(plain)
    }

    fn member(&mut self, value: &'e Expr, list: &'e Expr) -> Result<Value<'a>> {
        let ExprKind::List { elements, .. } = &list.kind else {
            return Ok(Value::Bool(false));
        };
        if elements.is_empty() {
            return Ok(Value::Bool(false));
        }
        let value = self.evaluate(value)?;
        let mut literals = elements.iter().filter_map(|element| match &element.kind {
            ExprKind::Literal(literal) => Some(constant(literal)),
            _ => None,
        });
        Ok(Value::Bool(literals.any(|element| equal(&value, &element))))
    }

    /// The value of an optional one, or else what is said for it; none where the target is no optional value.
    fn otherwise(
        &mut self,
        function: &str,
        target: &'e Expr,
        other: &'e Expr,
    ) -> Result<Option<Value<'a>>> {
        match (self.evaluate(target)?, function) {
            (Value::Optional(Some(value)), "or") => Ok(Some(Value::Optional(Some(value)))),
            (Value::Optional(Some(value)), _) => Ok(Some((*value).clone())),
            (Value::Optional(None), "or") => match self.evaluate(other)? {
                value @ Value::Optional(_) => Ok(Some(value)),
                _ => Err(Error::new("no such overload: or")),
            },
            (Value::Optional(None), _) => self.evaluate(other).map(Some),
            (value, _) => Err(Error::new(format!(
                "no such overload: {}.{function}",
                value.type_name()
            ))),
        }
    }
}

fn constant<'a>(literal: &Literal) -> Value<'a> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::text(text.as_str()),
        Literal::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
    }
}

/// Whether a node is constant; notes all that are (interpreter/decorators.go).
fn find_constants(expr: &Expr, found: &mut HashSet<ExprId>) -> bool {
    let mut all = true;
    for child in expr.children() {
        all &= find_constants(child, found);
    }
    let constant = match &expr.kind {
        ExprKind::Literal(_) => return true,
        ExprKind::List { optional, .. } => all && optional.is_empty(),
        ExprKind::Map(entries) => all && entries.iter().all(|entry| !entry.optional),
        ExprKind::Call {
            function,
            target: None,
            args,
        } => all && args.len() == 1 && CONVERSIONS.contains(&function.as_str()),
        _ => false,
    };
    if constant {
        found.insert(expr.id);
    }
    constant
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self, other)
    }
}
