//! The walk over a tree: cel-go's interpreter/interpretable.go and attributes.go. Chains of selections and indexes are one
//! attribute, whose cost is that of its parts and one for the whole; an operand's error may be made up for by `&&` and `||`.

use super::equality::equal;
use super::meter::{self, Meter};
use super::value::{Map, Object, Value, type_value};
use super::{Activation, Error, functions, index, operators};
use crate::ast::{ACCUMULATOR, Comprehension, Entry, Expr, ExprId, ExprKind, Field, Literal};
use crate::check::{Checked, Reference};
use crate::types::Type;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

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

/// What a chain has come to.
struct Chain<'a> {
    value: Value<'a>,
    /// One of its parts was optional: what it comes to is too. Without a value nothing further is looked at.
    optional: bool,
    absent: bool,
    /// What the chain costs as a whole.
    own: u64,
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
    fn chain(&mut self, expr: &'e Expr) -> Result<Chain<'a>> {
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
    fn present(&mut self, expr: &'e Expr, _own: bool) -> Result<Value<'a>> {
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

    fn list(&mut self, expr: &Expr, elements: &'e [Expr], optional: &[usize]) -> Result<Value<'a>> {
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

    fn map(&mut self, expr: &Expr, entries: &'e [Entry]) -> Result<Value<'a>> {
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

    fn object(&mut self, name: &'e str, fields: &'e [Field]) -> Result<Value<'a>> {
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
        Ok(super::convert::message(&object).unwrap_or_else(|| Value::Object(Arc::new(object))))
    }

    fn fold(&mut self, fold: &'e Comprehension) -> Result<Value<'a>> {
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

    fn finished(self) -> Value<'a> {
        match (self.optional, self.absent) {
            (_, true) => Value::NONE,
            (true, false) => Value::some(self.value),
            (false, false) => self.value,
        }
    }
}

fn not_optional(name: &str, value: &Value<'_>) -> Error {
    let shown = value.shown();
    Error::new(format!(
        "cannot initialize optional entry '{name}' from non-optional value {shown}"
    ))
}

fn is_attribute(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Ident(_) | ExprKind::Select { test: false, .. } => true,
        ExprKind::Call { function, .. } => {
            ["_[_]", "_[?_]", "_?._", "_?_:_"].contains(&function.as_str())
        }
        _ => false,
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
