//! Makes numbered nodes with their places: cel-go's parserHelper and exprHelper (parser/helper.go).

use crate::ast::{
    ACCUMULATOR, Comprehension, Entry, Expr, ExprId, ExprKind, Field, Literal, Positions,
};
use crate::source::{Location, NO_LOCATION, Source};

/// Nodes of one expression beyond which macros expand no further: `optMap` copies its target, so chains of it grow without
/// bound.
pub(crate) const NODES: i64 = 200_000;

pub(crate) struct Nodes<'a> {
    pub(crate) source: &'a Source,
    pub(crate) positions: Positions,
    next: ExprId,
}

impl<'a> Nodes<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            positions: Positions::default(),
            next: 1,
        }
    }

    pub(crate) fn count(&self) -> i64 {
        self.next
    }

    /// A number for a node at an offset.
    pub(crate) fn id(&mut self, offset: i32) -> ExprId {
        let id = self.next;
        self.next += 1;
        self.positions.set(id, offset);
        id
    }

    /// A number for a node at a place; the unknown place has an offset too.
    pub(crate) fn id_at(&mut self, at: Location) -> ExprId {
        let offset = match at == NO_LOCATION {
            true => -1,
            false => self.source.offset(at.line, at.column),
        };
        self.id(offset)
    }

    pub(crate) fn forget(&mut self, id: ExprId) {
        self.positions.remove(id);
        if id == self.next - 1 {
            self.next -= 1;
        }
    }

    pub(crate) fn location(&self, id: ExprId) -> Location {
        self.positions.location(id, self.source)
    }

    /// A node that nothing is known of.
    pub(crate) fn unspecified(&mut self, at: Location) -> Expr {
        let id = self.id_at(at);
        Expr {
            id,
            kind: ExprKind::Unspecified,
        }
    }
}

/// Makes the nodes of a macro's expansion, all at the place of its call.
pub(crate) struct Expander<'a, 'b> {
    pub(crate) nodes: &'b mut Nodes<'a>,
    pub(crate) call: ExprId,
}

impl Expander<'_, '_> {
    fn make(&mut self, kind: ExprKind) -> Expr {
        let at = self.nodes.location(self.call);
        let id = self.nodes.id_at(at);
        Expr { id, kind }
    }

    pub(crate) fn literal(&mut self, value: Literal) -> Expr {
        self.make(ExprKind::Literal(value))
    }

    pub(crate) fn ident(&mut self, name: &str) -> Expr {
        self.make(ExprKind::Ident(name.to_owned()))
    }

    pub(crate) fn accumulator(&mut self) -> Expr {
        self.ident(ACCUMULATOR)
    }

    pub(crate) fn list(&mut self, elements: Vec<Expr>) -> Expr {
        self.make(ExprKind::List {
            elements,
            optional: Vec::new(),
        })
    }

    pub(crate) fn map(&mut self) -> Expr {
        self.make(ExprKind::Map(Vec::new()))
    }

    pub(crate) fn call(&mut self, function: &str, args: Vec<Expr>) -> Expr {
        self.make(ExprKind::Call {
            function: function.to_owned(),
            target: None,
            args,
        })
    }

    pub(crate) fn member_call(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Expr {
        self.make(ExprKind::Call {
            function: function.to_owned(),
            target: Some(Box::new(target)),
            args,
        })
    }

    pub(crate) fn presence(&mut self, operand: Box<Expr>, field: String) -> Expr {
        self.make(ExprKind::Select {
            operand,
            field,
            test: true,
        })
    }

    pub(crate) fn fold(&mut self, fold: Comprehension) -> Expr {
        self.make(ExprKind::Comprehension(Box::new(fold)))
    }

    /// The same with numbers of its own.
    pub(crate) fn copy(&mut self, expr: &Expr) -> Expr {
        let offset = self.nodes.positions.offset(expr.id).unwrap_or(0);
        let id = self.nodes.id(offset);
        let kind = match &expr.kind {
            ExprKind::Unspecified => ExprKind::Unspecified,
            ExprKind::Literal(value) => ExprKind::Literal(value.clone()),
            ExprKind::Ident(name) => ExprKind::Ident(name.clone()),
            ExprKind::Select {
                operand,
                field,
                test,
            } => ExprKind::Select {
                operand: Box::new(self.copy(operand)),
                field: field.clone(),
                test: *test,
            },
            ExprKind::Call {
                function,
                target,
                args,
            } => ExprKind::Call {
                function: function.clone(),
                target: target.as_ref().map(|target| Box::new(self.copy(target))),
                args: args.iter().map(|arg| self.copy(arg)).collect(),
            },
            ExprKind::List { elements, optional } => ExprKind::List {
                elements: elements.iter().map(|one| self.copy(one)).collect(),
                optional: optional.clone(),
            },
            ExprKind::Map(entries) => {
                ExprKind::Map(entries.iter().map(|entry| self.copy_entry(entry)).collect())
            }
            ExprKind::Struct { name, fields } => ExprKind::Struct {
                name: name.clone(),
                fields: fields.iter().map(|field| self.copy_field(field)).collect(),
            },
            ExprKind::Comprehension(fold) => {
                ExprKind::Comprehension(Box::new(self.copy_fold(fold)))
            }
        };
        Expr { id, kind }
    }

    fn copy_entry(&mut self, entry: &Entry) -> Entry {
        let at = self.nodes.location(self.call);
        Entry {
            id: self.nodes.id_at(at),
            key: self.copy(&entry.key),
            value: self.copy(&entry.value),
            optional: entry.optional,
        }
    }

    fn copy_field(&mut self, field: &Field) -> Field {
        let at = self.nodes.location(self.call);
        Field {
            id: self.nodes.id_at(at),
            name: field.name.clone(),
            value: self.copy(&field.value),
            optional: field.optional,
        }
    }

    fn copy_fold(&mut self, fold: &Comprehension) -> Comprehension {
        Comprehension {
            range: self.copy(&fold.range),
            variable: fold.variable.clone(),
            variable2: fold.variable2.clone(),
            accumulator: fold.accumulator.clone(),
            init: self.copy(&fold.init),
            condition: self.copy(&fold.condition),
            step: self.copy(&fold.step),
            result: self.copy(&fold.result),
        }
    }
}
