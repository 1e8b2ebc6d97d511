//! Types and references of an expression: cel-go's checker/checker.go. The tree is changed in one way: a chain that names one
//! thing, such as `google.protobuf.Duration` or `format.named`, becomes that name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Comprehension, Entry, Expr, ExprId, ExprKind, Field, Literal, Positions};
use crate::env::Env;
use crate::functions::Overload;
use crate::issue::Issues;
use crate::source::{Location, Source};
use crate::types::Type;
use crate::unify::{Bindings, most_general};

/// Parts of one type beyond which an expression is refused: nesting maps doubles them at each step.
const TYPE_PARTS: usize = 4_000;

/// An expression that checks.
#[derive(Debug)]
pub struct Checked {
    pub expr: Expr,
    pub types: HashMap<ExprId, Type>,
    pub references: HashMap<ExprId, Reference>,
    pub positions: Positions,
}

/// What a node refers to.
#[derive(Debug, Clone)]
pub enum Reference {
    Variable(String),
    /// The overloads that may be called, by what their arguments turn out to be.
    Overloads(Vec<&'static str>),
}

impl Checked {
    pub fn type_of(&self, expr: &Expr) -> Type {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Dyn)
    }

    /// The type of the whole.
    pub fn output(&self) -> Type {
        self.type_of(&self.expr)
    }
}

/// Checks an expression against an environment; errors are in `issues`.
pub(crate) fn check(
    env: &Env,
    source: &Source,
    mut expr: Expr,
    positions: Positions,
    issues: &mut Issues,
) -> Option<Checked> {
    let mut checker = Checker {
        env,
        source,
        positions: &positions,
        issues,
        bindings: Bindings::default(),
        types: HashMap::new(),
        references: HashMap::new(),
        scopes: Vec::new(),
        variables: 0,
    };
    checker.check(&mut expr);
    let (bindings, types, references) = (checker.bindings, checker.types, checker.references);
    if !issues.is_empty() {
        return None;
    }
    let types = types
        .into_iter()
        .map(|(id, of)| (id, bindings.substitute(&of, true)))
        .collect();
    Some(Checked {
        expr,
        types,
        references,
        positions,
    })
}

struct Checker<'a> {
    env: &'a Env,
    source: &'a Source,
    positions: &'a Positions,
    issues: &'a mut Issues,
    bindings: Bindings,
    types: HashMap<ExprId, Type>,
    references: HashMap<ExprId, Reference>,
    scopes: Vec<HashMap<String, Type>>,
    variables: usize,
}

impl Checker<'_> {
    fn check(&mut self, expr: &mut Expr) {
        let id = expr.id;
        match &mut expr.kind {
            ExprKind::Unspecified => self.report(id, "unexpected unspecified type: ".to_owned()),
            ExprKind::Literal(value) => {
                let of = literal_type(value);
                self.set_type(id, of);
            }
            ExprKind::Ident(_) => self.check_ident(expr),
            ExprKind::Select { .. } => self.check_select(expr),
            ExprKind::Call { .. } => self.check_call(expr),
            ExprKind::List { elements, optional } => self.check_list(id, elements, optional),
            ExprKind::Map(entries) => self.check_map(id, entries),
            ExprKind::Struct { name, fields } => self.check_struct(id, name, fields),
            ExprKind::Comprehension(fold) => self.check_fold(id, fold),
        }
    }

    fn location(&self, id: ExprId) -> Location {
        self.positions.location(id, self.source)
    }

    fn report(&mut self, id: ExprId, message: String) {
        self.issues.report(self.location(id), message);
    }

    fn undeclared(&mut self, id: ExprId, name: &str) {
        self.report(
            id,
            format!("undeclared reference to '{name}' (in container '')"),
        );
        self.set_type(id, Type::Error);
    }

    fn mismatch(&mut self, id: ExprId, expected: &Type, found: &Type) {
        let (expected, found) = (expected.shown(), found.shown());
        self.report(
            id,
            format!("expected type '{expected}' but found '{found}'"),
        );
    }

    fn set_type(&mut self, id: ExprId, of: Type) {
        let of = if of.exceeds(TYPE_PARTS) {
            self.report(id, format!("type has more than {TYPE_PARTS} parts"));
            Type::Error
        } else {
            of
        };
        self.types.insert(id, of);
    }

    fn get_type(&self, expr: &Expr) -> Type {
        self.types.get(&expr.id).cloned().unwrap_or(Type::Error)
    }

    fn fresh(&mut self) -> Type {
        let name = format!("_var{}", self.variables);
        self.variables += 1;
        Type::Param(name.into())
    }

    fn local(&self, name: &str) -> Option<&Type> {
        let name = name.strip_prefix('.').unwrap_or(name);
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    /// A variable by one name: its name as resolved, and its type.
    fn resolve(&self, name: &str) -> Option<(String, Type)> {
        let global = name.strip_prefix('.');
        match (self.local(name), global) {
            (Some(of), None) => Some((name.to_owned(), of.clone())),
            (local, _) => {
                let bare = global.unwrap_or(name);
                let of = self.env.variable(bare)?;
                let dot = if local.is_some() { "." } else { "" };
                Some((format!("{dot}{bare}"), of))
            }
        }
    }

    fn check_ident(&mut self, expr: &mut Expr) {
        let ExprKind::Ident(name) = &expr.kind else {
            return;
        };
        match self.resolve(name) {
            Some((resolved, of)) => self.settle_ident(expr, resolved, of),
            None => {
                let name = name.clone();
                self.undeclared(expr.id, &name);
            }
        }
    }

    fn settle_ident(&mut self, expr: &mut Expr, name: String, of: Type) {
        self.set_type(expr.id, of);
        self.references
            .insert(expr.id, Reference::Variable(name.clone()));
        expr.kind = ExprKind::Ident(name);
    }

    fn check_select(&mut self, expr: &mut Expr) {
        if let Some((name, of)) = self.resolve_chain(expr) {
            return self.settle_ident(expr, name, of);
        }
        let id = expr.id;
        let ExprKind::Select {
            operand,
            field,
            test,
        } = &mut expr.kind
        else {
            return;
        };
        let field = field.clone();
        let mut of = self.check_field(id, operand, &field, false);
        if *test {
            of = Type::Bool;
        }
        let of = self.bindings.substitute(&of, false);
        self.set_type(id, of);
    }

    /// The variable or type that a chain of selections names as a whole.
    fn resolve_chain(&self, expr: &Expr) -> Option<(String, Type)> {
        let name = expr.qualified_name()?;
        let first = name.trim_start_matches('.').split('.').next()?;
        if !name.starts_with('.') && self.local(first).is_some() {
            return None;
        }
        let bare = name.strip_prefix('.').unwrap_or(&name);
        let of = self.env.variable(bare)?;
        let dot = if self.local(first).is_some() { "." } else { "" };
        Some((format!("{dot}{bare}"), of))
    }

    fn check_field(&mut self, id: ExprId, operand: &mut Expr, field: &str, optional: bool) -> Type {
        self.check(operand);
        let of = self.bindings.substitute(&self.get_type(operand), false);
        let (target, was_optional) = match of.inside_optional() {
            Some(inner) => (inner.clone(), true),
            None => (of, false),
        };
        let result = match &target {
            Type::Map(both) => both.1.clone(),
            Type::Struct(name) => {
                let name = Arc::clone(name);
                self.lookup_field(id, &name, field).unwrap_or(Type::Error)
            }
            Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            other => {
                if !other.is_dyn_or_error() {
                    let shown = other.shown();
                    self.report(
                        id,
                        format!("type '{shown}' does not support field selection"),
                    );
                }
                Type::Dyn
            }
        };
        if was_optional || optional {
            Type::optional(result)
        } else {
            result
        }
    }

    fn lookup_field(&mut self, id: ExprId, object: &str, field: &str) -> Option<Type> {
        if !self.env.knows_struct(object) {
            self.report(id, format!("unexpected failed resolution of '{object}'"));
            return None;
        }
        let found = self.env.field(object, field);
        if found.is_none() {
            self.report(id, format!("undefined field '{field}'"));
        }
        found
    }

    fn check_call(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let ExprKind::Call {
            function,
            target,
            args,
        } = &mut expr.kind
        else {
            return;
        };
        if function == "_?._" {
            return self.check_optional_select(id, args);
        }
        for arg in args.iter_mut() {
            self.check(arg);
        }
        let Some(receiver) = target else {
            let overloads = self.env.overloads(function);
            if overloads.is_empty() {
                let name = function.clone();
                return self.undeclared(id, &name);
            }
            if let Some(bare) = function.strip_prefix('.') {
                *function = bare.to_owned();
            }
            return self.resolve_overload(id, function, &overloads, None, args);
        };
        // `a.b.c()` may be the function `a.b.c`, or `c` called on `a.b`.
        if let Some(prefix) = receiver.qualified_name() {
            let whole = format!("{prefix}.{function}");
            let overloads = self.env.overloads(&whole);
            if !overloads.is_empty() {
                *function = whole.strip_prefix('.').unwrap_or(&whole).to_owned();
                *target = None;
                return self.resolve_overload(id, function, &overloads, None, args);
            }
        }
        self.check(receiver);
        let overloads = self.env.overloads(function);
        if overloads.is_empty() {
            let name = function.clone();
            return self.undeclared(id, &name);
        }
        self.resolve_overload(id, function, &overloads, Some(receiver), args);
    }

    fn check_optional_select(&mut self, id: ExprId, args: &mut [Expr]) {
        let [operand, field] = args else {
            let count = args.len();
            let message = format!("incorrect signature. argument count: {count}");
            return self.report(
                id,
                format!("unsupported optional field selection: {message}"),
            );
        };
        let ExprKind::Literal(Literal::String(name)) = &field.kind else {
            let at = field.id;
            return self.report(at, "unsupported optional field selection: ".to_owned());
        };
        let name = name.clone();
        let of = self.check_field(id, operand, &name, true);
        let of = self.bindings.substitute(&of, false);
        self.set_type(id, of);
        let called = Reference::Overloads(vec!["select_optional_field"]);
        self.references.insert(id, called);
    }

    fn resolve_overload(
        &mut self,
        id: ExprId,
        function: &str,
        overloads: &[&'static Overload],
        target: Option<&Expr>,
        args: &[Expr],
    ) {
        let given: Vec<Type> = target
            .into_iter()
            .chain(args)
            .map(|arg| self.get_type(arg))
            .collect();
        let mut result: Option<Type> = None;
        let mut called = Vec::new();
        let style = overloads
            .iter()
            .filter(|overload| overload.member == target.is_some());
        for overload in style {
            if matches!(function, "_&&_" | "_||_") {
                return self.check_logic(id, overload.id, args, &given);
            }
            let Some(of) = self.try_overload(overload, &given) else {
                continue;
            };
            called.push(overload.id);
            result = Some(match result {
                None => of,
                Some(known) if known.is_dyn() || known.same(&of) => known,
                Some(_) => Type::Dyn,
            });
        }
        match result {
            Some(of) => {
                self.set_type(id, of);
                self.references.insert(id, Reference::Overloads(called));
            }
            None => {
                let shown = self.signature(&given, target.is_some());
                self.report(
                    id,
                    format!("found no matching overload for '{function}' applied to '{shown}'"),
                );
                self.set_type(id, Type::Error);
            }
        }
    }

    /// The result where the arguments fit.
    fn try_overload(&mut self, overload: &Overload, given: &[Type]) -> Option<Type> {
        let mut names = HashMap::new();
        for param in &overload.params {
            names.insert(Arc::clone(param), self.fresh());
        }
        let wanted: Vec<Type> = overload
            .args
            .iter()
            .map(|arg| renamed(arg, &names))
            .collect();
        if !self.bindings.assignable_list(given, &wanted) {
            return None;
        }
        let result = renamed(&overload.result, &names);
        Some(self.bindings.substitute(&result, false))
    }

    fn check_logic(&mut self, id: ExprId, overload: &'static str, args: &[Expr], given: &[Type]) {
        let mut good = true;
        for (arg, of) in args.iter().zip(given) {
            if !self.bindings.assignable(of, &Type::Bool) {
                self.mismatch(arg.id, &Type::Bool, of);
                good = false;
            }
        }
        if !good {
            return self.set_type(id, Type::Error);
        }
        self.set_type(id, Type::Bool);
        self.references
            .insert(id, Reference::Overloads(vec![overload]));
    }

    fn signature(&self, given: &[Type], member: bool) -> String {
        let mut shown: Vec<String> = given
            .iter()
            .map(|of| self.bindings.substitute(of, true).shown())
            .collect();
        match member {
            true => {
                let target = shown.remove(0);
                format!("{target}.({})", shown.join(", "))
            }
            false => format!("({})", shown.join(", ")),
        }
    }

    /// The type inside an optional element; what is not optional is reported.
    fn unwrapped(&mut self, expr: &Expr, of: Type) -> Type {
        match of.inside_optional() {
            Some(inner) => inner.clone(),
            None => {
                if !of.is_dyn() {
                    self.mismatch(expr.id, &Type::optional(of.clone()), &of);
                }
                of
            }
        }
    }

    fn check_list(&mut self, id: ExprId, elements: &mut [Expr], optional: &[usize]) {
        let mut joined = None;
        for (index, element) in elements.iter_mut().enumerate() {
            self.check(element);
            let mut of = self.get_type(element);
            if optional.contains(&index) {
                of = self.unwrapped(element, of);
            }
            joined = Some(self.join(joined, of));
        }
        let element = joined.unwrap_or_else(|| self.fresh());
        self.set_type(id, Type::list(element));
    }

    fn check_map(&mut self, id: ExprId, entries: &mut [Entry]) {
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            self.check(&mut entry.key);
            let key = self.get_type(&entry.key);
            keys = Some(self.join(keys, key));
            self.check(&mut entry.value);
            let mut value = self.get_type(&entry.value);
            if entry.optional {
                value = self.unwrapped(&entry.value, value);
            }
            values = Some(self.join(values, value));
        }
        let key = keys.unwrap_or_else(|| self.fresh());
        let value = values.unwrap_or_else(|| self.fresh());
        self.set_type(id, Type::map(key, value));
    }

    /// The type of elements of both; those that do not go together are dyn, until a validator refuses them.
    fn join(&mut self, before: Option<Type>, next: Type) -> Type {
        match before {
            None => next,
            Some(before) if self.bindings.assignable(&before, &next) => {
                most_general(&before, &next).clone()
            }
            Some(_) => Type::Dyn,
        }
    }

    fn check_struct(&mut self, id: ExprId, name: &mut String, fields: &mut [Field]) {
        let bare = name.strip_prefix('.').unwrap_or(name).to_owned();
        let Some(of) = self.env.constructed(&bare) else {
            let written = name.clone();
            return self.undeclared(id, &written);
        };
        *name = bare;
        self.references
            .insert(id, Reference::Variable(name.clone()));
        let result = if message_name(&of).is_some() {
            of
        } else {
            let shown = of.name();
            self.report(id, format!("'{shown}' is not a message type"));
            Type::Error
        };
        self.set_type(id, result.clone());
        let message = message_name(&result).unwrap_or_else(|| name.clone());
        for field in fields {
            self.check_initializer(&message, field);
        }
    }

    fn check_initializer(&mut self, message: &str, field: &mut Field) {
        self.check(&mut field.value);
        let wanted = self
            .lookup_field(field.id, message, &field.name)
            .unwrap_or(Type::Error);
        let mut given = self.get_type(&field.value);
        if field.optional {
            given = self.unwrapped(&field.value, given);
        }
        if !self.bindings.assignable(&wanted, &given) {
            let (wanted, given) = (wanted.shown(), given.shown());
            let name = &field.name;
            let message = format!(
                "expected type of field '{name}' is '{wanted}' but provided type is '{given}'"
            );
            self.report(field.id, message);
        }
    }

    fn check_fold(&mut self, id: ExprId, fold: &mut Comprehension) {
        self.check(&mut fold.range);
        self.check(&mut fold.init);
        let range = self.bindings.substitute(&self.get_type(&fold.range), false);
        let accumulated = self.get_type(&fold.init);
        let (first, second) = self.iterated(&fold.range, &range, fold.variable2.is_some());
        let outer = HashMap::from([(fold.accumulator.clone(), accumulated.clone())]);
        self.scopes.push(outer);
        let mut inner = HashMap::from([(fold.variable.clone(), first)]);
        if let Some(name) = &fold.variable2 {
            inner.insert(name.clone(), second);
        }
        self.scopes.push(inner);
        self.check(&mut fold.condition);
        self.assert_type(&fold.condition, &Type::Bool);
        self.check(&mut fold.step);
        self.assert_type(&fold.step, &accumulated);
        self.scopes.pop();
        self.check(&mut fold.result);
        self.scopes.pop();
        let of = self
            .bindings
            .substitute(&self.get_type(&fold.result), false);
        self.set_type(id, of);
    }

    /// The types of a fold's variables.
    fn iterated(&mut self, expr: &Expr, range: &Type, pairs: bool) -> (Type, Type) {
        match range {
            Type::List(element) if pairs => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Dyn),
            Type::Map(both) => (both.0.clone(), both.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.bindings.assignable(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let shown = other.shown();
                self.report(
                    expr.id,
                    format!("expression of type '{shown}' cannot be range of a comprehension (must be list, map, or dynamic)"),
                );
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert_type(&mut self, expr: &Expr, wanted: &Type) {
        let found = self.get_type(expr);
        if !self.bindings.assignable(wanted, &found) {
            self.mismatch(expr.id, wanted, &found);
        }
    }
}

fn literal_type(value: &Literal) -> Type {
    match value {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// An overload's type with type parameters of its own.
fn renamed(of: &Type, names: &HashMap<Arc<str>, Type>) -> Type {
    match of {
        Type::Param(name) => names.get(name).cloned().unwrap_or_else(|| of.clone()),
        Type::List(element) => Type::list(renamed(element, names)),
        Type::Map(both) => Type::map(renamed(&both.0, names), renamed(&both.1, names)),
        Type::Opaque(name, params) => Type::Opaque(
            Arc::clone(name),
            params.iter().map(|param| renamed(param, names)).collect(),
        ),
        Type::Type(Some(inner)) => Type::type_of(renamed(inner, names)),
        other => other.clone(),
    }
}

/// The message whose fields `Name{...}` sets; none for a type that is no message.
fn message_name(of: &Type) -> Option<String> {
    let short = match of {
        Type::Any => "Any",
        Type::Timestamp => "Timestamp",
        Type::Duration => "Duration",
        Type::Dyn => "Value",
        Type::Null => "NullValue",
        Type::Wrapper(inner) => match &**inner {
            Type::Bool => "BoolValue",
            Type::Bytes => "BytesValue",
            Type::Double => "DoubleValue",
            Type::Int => "Int64Value",
            Type::String => "StringValue",
            _ => "UInt64Value",
        },
        Type::List(element) if **element == Type::Dyn => "ListValue",
        Type::Map(both) if both.0 == Type::String && both.1 == Type::Dyn => "Struct",
        Type::Struct(name) => return Some(name.to_string()),
        _ => return None,
    };
    Some(format!("google.protobuf.{short}"))
}
