//! The syntax tree of an expression, after macros: cel-go's common/ast. Each node has a number; its place in the text is kept
//! beside the tree, since macros make nodes that stand nowhere.

use std::collections::HashMap;

use crate::source::{Location, NO_LOCATION, Source};

pub type ExprId = i64;

/// The accumulator that macros make; no expression can name it (parser.HiddenAccumulatorName).
pub const ACCUMULATOR: &str = "@result";

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
pub struct Expr {
    pub id: ExprId,
    pub kind: ExprKind,
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    /// Stands where something could not be parsed.
    Unspecified,
    Literal(Literal),
    Ident(String),
    Select {
        operand: Box<Expr>,
        field: String,
        /// `has(operand.field)`
        test: bool,
    },
    Call {
        function: String,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    List {
        elements: Vec<Expr>,
        /// Indexes of elements written `?e`.
        optional: Vec<usize>,
    },
    Map(Vec<Entry>),
    Struct {
        name: String,
        fields: Vec<Field>,
    },
    Comprehension(Box<Comprehension>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub id: ExprId,
    pub key: Expr,
    pub value: Expr,
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub id: ExprId,
    pub name: String,
    pub value: Expr,
    pub optional: bool,
}

/// A fold over a range, which all macros with a variable become.
#[derive(Debug, Clone)]
pub struct Comprehension {
    pub range: Expr,
    pub variable: String,
    /// The second variable: the value, the first being an index or a key.
    pub variable2: Option<String>,
    pub accumulator: String,
    pub init: Expr,
    pub condition: Expr,
    pub step: Expr,
    pub result: Expr,
}

impl Expr {
    pub fn ident(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Ident(name) => Some(name),
            _ => None,
        }
    }

    /// `a.b.c` as one name; none when it is anything else (containers.ToQualifiedName).
    pub fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            ExprKind::Ident(name) => Some(name.clone()),
            ExprKind::Select {
                operand,
                field,
                test: false,
            } => Some(format!("{}.{field}", operand.qualified_name()?)),
            _ => None,
        }
    }

    /// The nodes right under this one.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Unspecified | ExprKind::Literal(_) | ExprKind::Ident(_) => Vec::new(),
            ExprKind::Select { operand, .. } => vec![operand],
            ExprKind::Call { target, args, .. } => {
                target.as_deref().into_iter().chain(args).collect()
            }
            ExprKind::List { elements, .. } => elements.iter().collect(),
            ExprKind::Map(entries) => entries
                .iter()
                .flat_map(|entry| [&entry.key, &entry.value])
                .collect(),
            ExprKind::Struct { fields, .. } => fields.iter().map(|field| &field.value).collect(),
            ExprKind::Comprehension(fold) => vec![
                &fold.range,
                &fold.init,
                &fold.condition,
                &fold.step,
                &fold.result,
            ],
        }
    }

    /// This node and all under it, each before those under it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        let mut open = vec![self];
        while let Some(expr) = open.pop() {
            visit(expr);
            open.extend(expr.children().into_iter().rev());
        }
    }
}

/// Where the nodes stand in the text, by number.
#[derive(Debug, Default)]
pub struct Positions(HashMap<ExprId, i32>);

impl Positions {
    pub(crate) fn set(&mut self, id: ExprId, offset: i32) {
        self.0.insert(id, offset);
    }

    pub(crate) fn remove(&mut self, id: ExprId) {
        self.0.remove(&id);
    }

    pub(crate) fn offset(&self, id: ExprId) -> Option<i32> {
        self.0.get(&id).copied()
    }

    pub(crate) fn location(&self, id: ExprId, source: &Source) -> Location {
        self.offset(id)
            .map_or(NO_LOCATION, |offset| source.location(offset))
    }
}
