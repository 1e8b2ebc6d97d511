//! Walks an expression and adds up: the coster of cel-go's checker/cost.go.

use std::collections::HashMap;

use super::{LIST_BASE, MAP_BASE, Node, Range, STRUCT_BASE, Sizes};
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprId, ExprKind, Literal};
use crate::check::{Checked, Reference};
use crate::types::Type;

/// Sizes of what is in a list or a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    pub(super) fn union(self, other: Self) -> Self {
        Self {
            list: self.list,
            key: self.key.union(other.key),
            value: self.value.union(other.value),
        }
    }
}

struct Local {
    path: Vec<String>,
    size: Option<Range>,
    entries: Option<Entries>,
}

pub(super) struct Estimate<'a> {
    checked: &'a Checked,
    pub(super) sizes: Sizes<'a>,
    paths: HashMap<ExprId, Vec<String>>,
    locals: HashMap<&'a str, Vec<Local>>,
    known: HashMap<ExprId, Range>,
    entries: HashMap<ExprId, Entries>,
}

impl<'a> Estimate<'a> {
    pub(super) fn new(checked: &'a Checked, sizes: Sizes<'a>) -> Self {
        Self {
            checked,
            sizes,
            paths: HashMap::new(),
            locals: HashMap::new(),
            known: HashMap::new(),
            entries: HashMap::new(),
        }
    }

    pub(super) fn cost(&mut self, expr: &'a Expr) -> Range {
        match &expr.kind {
            ExprKind::Unspecified | ExprKind::Literal(_) => Range::ZERO,
            ExprKind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => vec![name.clone()],
                };
                self.paths.insert(expr.id, path);
                Range::exactly(1)
            }
            ExprKind::Select {
                operand,
                field,
                test,
            } => self.select(expr, operand, field, *test),
            ExprKind::Call {
                function,
                target,
                args,
            } => self.call(expr, function, target.as_deref(), args),
            ExprKind::List { elements, .. } => {
                let mut sum = Range::exactly(LIST_BASE);
                let mut value = empty_union(elements.is_empty());
                for element in elements {
                    sum = sum.plus(self.cost(element));
                    value = value.union(self.size_or_unknown(element));
                }
                let key = Range::exactly(1);
                let entries = Entries {
                    list: true,
                    key,
                    value,
                };
                self.entries.insert(expr.id, entries);
                sum
            }
            ExprKind::Map(entries) => {
                let mut sum = Range::exactly(MAP_BASE);
                let mut key = empty_union(entries.is_empty());
                let mut value = key;
                for entry in entries {
                    sum = sum
                        .plus(self.cost(&entry.key))
                        .plus(self.cost(&entry.value));
                    key = key.union(self.size_or_unknown(&entry.key));
                    value = value.union(self.size_or_unknown(&entry.value));
                }
                let entries = Entries {
                    list: false,
                    key,
                    value,
                };
                self.entries.insert(expr.id, entries);
                sum
            }
            ExprKind::Struct { fields, .. } => fields
                .iter()
                .fold(Range::exactly(STRUCT_BASE), |sum, field| {
                    sum.plus(self.cost(&field.value))
                }),
            ExprKind::Comprehension(fold) if is_binding(fold) => self.binding(expr, fold),
            ExprKind::Comprehension(fold) => self.fold(expr, fold),
        }
    }

    fn select(&mut self, expr: &'a Expr, operand: &'a Expr, field: &str, test: bool) -> Range {
        let sum = self.cost(operand);
        if test {
            return sum;
        }
        let mut path = self.path(operand);
        path.push(field.to_owned());
        self.paths.insert(expr.id, path);
        match self.checked.type_of(operand) {
            Type::Map(_) | Type::Struct(_) | Type::Param(_) => sum.plus(Range::exactly(1)),
            _ => sum,
        }
    }

    fn call(
        &mut self,
        expr: &'a Expr,
        function: &str,
        target: Option<&'a Expr>,
        args: &'a [Expr],
    ) -> Range {
        if let ("dyn", [arg]) = (function, args) {
            let cost = self.cost(arg);
            self.copy_sizes(expr, arg);
            return cost.plus(Range::exactly(1));
        }
        let mut costs = Vec::with_capacity(args.len());
        let mut nodes = Vec::with_capacity(args.len());
        for arg in args {
            costs.push(self.cost(arg));
            nodes.push(self.node(arg));
        }
        let checked = self.checked;
        let Some(Reference::Overloads(overloads)) = checked.references.get(&expr.id) else {
            return Range::ZERO;
        };
        let mut sum = Range::ZERO;
        let target = target.map(|target| {
            sum = sum.plus(self.cost(target));
            self.node(target)
        });
        let mut cost = Range::new(u64::MAX, 0);
        let mut size = None;
        for overload in overloads {
            let call = self.overload(expr, function, overload, target.as_ref(), &nodes, &costs);
            cost = cost.union(call.cost);
            size = match (size, call.size) {
                (Some(one), Some(two)) => Some(Range::union(one, two)),
                (one, two) => one.or(two),
            };
            let step = match *overload {
                "index_list" => "@items",
                "index_map" => "@values",
                _ => "",
            };
            if let (false, Some(arg)) = (step.is_empty(), args.first()) {
                size = self.entries_of(arg).map(|entries| entries.value);
                let mut path = self.path(arg);
                path.push(step.to_owned());
                self.paths.insert(expr.id, path);
            }
            if size.is_none() {
                size = self.size(expr);
            }
        }
        if let Some(size) = size {
            self.known.insert(expr.id, size);
        }
        sum.plus(cost)
    }

    fn fold(&mut self, expr: &'a Expr, fold: &'a Comprehension) -> Range {
        let mut sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        self.push(&fold.accumulator, &fold.init);
        match &fold.variable2 {
            Some(second) => {
                self.push_part(&fold.variable, &fold.range, true);
                self.push_part(second, &fold.range, false);
            }
            None => {
                let key = !self.is_list(&fold.range);
                self.push_part(&fold.variable, &fold.range, key);
            }
        }
        let each = self.cost(&fold.condition);
        let each = each.plus(self.cost(&fold.step));
        self.pop(&fold.variable);
        if let Some(second) = &fold.variable2 {
            self.pop(second);
        }
        sum = sum.plus(self.cost(&fold.result));
        self.pop(&fold.accumulator);
        let count = self.size_or_unknown(&fold.range);
        match &fold.init.kind {
            ExprKind::Literal(_) => {
                if let Some(size) = self.size(&fold.init) {
                    self.known.insert(expr.id, size);
                }
            }
            ExprKind::List { .. } | ExprKind::Map(_) => {
                self.known.insert(expr.id, count);
                if let Some(entries) = self.entries_of(&fold.step) {
                    self.entries.insert(expr.id, entries);
                }
            }
            _ => {}
        }
        sum.plus(count.times(each))
    }

    /// A value with a name: folded over nothing, so its body counts once.
    fn binding(&mut self, expr: &'a Expr, fold: &'a Comprehension) -> Range {
        let sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        self.push(&fold.accumulator, &fold.init);
        let sum = sum.plus(self.cost(&fold.result));
        self.pop(&fold.accumulator);
        self.copy_sizes(expr, &fold.result);
        sum
    }

    fn is_list(&self, range: &Expr) -> bool {
        match self.entries_of(range) {
            Some(entries) => entries.list,
            None => matches!(self.checked.type_of(range), Type::List(_)),
        }
    }

    fn push(&mut self, name: &'a str, value: &'a Expr) {
        let local = Local {
            path: self.path(value),
            entries: self.entries_of(value),
            size: self.size(value),
        };
        self.locals.entry(name).or_default().push(local);
    }

    /// A variable over the keys of a range, or its values.
    fn push_part(&mut self, name: &'a str, range: &'a Expr, key: bool) {
        let entries = self.entries_of(range);
        let step = match (key, self.is_list(range)) {
            (true, true) => "@indices",
            (true, false) => "@keys",
            (false, true) => "@items",
            (false, false) => "@values",
        };
        let mut path = self.path(range);
        path.push(step.to_owned());
        let size = entries.map(|entries| if key { entries.key } else { entries.value });
        let local = Local {
            path,
            size,
            entries: None,
        };
        self.locals.entry(name).or_default().push(local);
    }

    fn pop(&mut self, name: &str) {
        if let Some(stack) = self.locals.get_mut(name) {
            stack.pop();
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.get(name)?.last()
    }

    fn path(&self, expr: &Expr) -> Vec<String> {
        if let Some(local) = expr.ident().and_then(|name| self.local(name)) {
            return local.path.clone();
        }
        self.paths.get(&expr.id).cloned().unwrap_or_default()
    }

    fn node(&mut self, expr: &'a Expr) -> Node<'a> {
        let path = Some(self.path(expr))
            .filter(|path| !path.is_empty() && path[0] != ACCUMULATOR && path[0] != "__result__");
        Node {
            path,
            of: self.checked.type_of(expr),
            size: self.size(expr),
            expr: Some(expr),
        }
    }

    fn copy_sizes(&mut self, to: &Expr, from: &'a Expr) {
        if let Some(size) = self.size(from) {
            self.known.insert(to.id, size);
        }
        if let Some(entries) = self.entries_of(from) {
            self.entries.insert(to.id, entries);
        }
    }

    pub(super) fn set_entries(&mut self, expr: &Expr, entries: Entries) {
        self.entries.insert(expr.id, entries);
    }

    pub(super) fn entries_of(&self, expr: &Expr) -> Option<Entries> {
        self.entries.get(&expr.id).copied().or_else(|| {
            let local = self.local(expr.ident()?)?;
            local.entries
        })
    }

    fn size_or_unknown(&mut self, expr: &Expr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    fn size(&mut self, expr: &Expr) -> Option<Range> {
        if let Some(size) = self.known.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = written_size(expr) {
            return Some(Range::exactly(size));
        }
        if let Some(size) = self.sizes.at(&self.path(expr)) {
            self.known.insert(expr.id, size);
            return Some(size);
        }
        if is_scalar(&self.checked.type_of(expr)) {
            return Some(Range::exactly(1));
        }
        self.local(expr.ident()?)?.size
    }
}

/// What a union begins with.
fn empty_union(nothing: bool) -> Range {
    Range::new(if nothing { 0 } else { u64::MAX }, 0)
}

fn is_binding(fold: &Comprehension) -> bool {
    matches!(&fold.range.kind, ExprKind::List { elements, .. } if elements.is_empty())
        && matches!(fold.condition.kind, ExprKind::Literal(Literal::Bool(false)))
        && fold.accumulator != "__result__"
}

fn written_size(expr: &Expr) -> Option<u64> {
    let size = match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => text.chars().count(),
        ExprKind::Literal(Literal::Bytes(bytes)) => bytes.len(),
        ExprKind::Literal(_) => 1,
        ExprKind::List { elements, .. } => elements.len(),
        ExprKind::Map(entries) => entries.len(),
        _ => return None,
    };
    u64::try_from(size).ok()
}

fn is_scalar(of: &Type) -> bool {
    match of {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => {
            true
        }
        Type::Wrapper(inner) => is_scalar(inner),
        _ => of.inside_optional().is_some_and(is_scalar),
    }
}
