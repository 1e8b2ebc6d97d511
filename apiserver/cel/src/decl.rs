//! Types as environments declare them: with fields and with sizes, which the estimate of cost goes by
//! (k8s.io/apiserver pkg/cel/types.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::Type;

/// No size is known: anything up to what a request may hold.
pub const UNBOUNDED: i64 = -1;

#[derive(Debug, Clone)]
pub struct Decl {
    pub shape: Shape,
    /// The most elements, entries, characters or bytes; `UNBOUNDED`, or 0 where that says nothing.
    pub max_elements: i64,
    /// The fewest bytes a value takes as JSON.
    pub min_size: i64,
}

#[derive(Debug, Clone)]
pub enum Shape {
    Simple(Type),
    List(Arc<Decl>),
    Map(Arc<(Decl, Decl)>),
    Object(Arc<Object>),
}

#[derive(Debug)]
pub struct Object {
    pub name: String,
    pub fields: BTreeMap<String, Decl>,
}

impl Decl {
    pub fn simple(of: Type, min_size: i64) -> Self {
        Self {
            shape: Shape::Simple(of),
            max_elements: 0,
            min_size,
        }
    }

    pub fn list(element: Decl, max_elements: i64) -> Self {
        Self {
            shape: Shape::List(Arc::new(element)),
            max_elements,
            min_size: 2,
        }
    }

    pub fn map(key: Decl, value: Decl, max_elements: i64) -> Self {
        Self {
            shape: Shape::Map(Arc::new((key, value))),
            max_elements,
            min_size: 2,
        }
    }

    pub fn object(name: &str, fields: impl IntoIterator<Item = (String, Decl)>) -> Self {
        Self {
            shape: Shape::Object(Arc::new(Object {
                name: name.to_owned(),
                fields: fields.into_iter().collect(),
            })),
            max_elements: 0,
            min_size: 2,
        }
    }

    pub fn sized(self, max_elements: i64) -> Self {
        Self {
            max_elements,
            ..self
        }
    }

    pub fn cel_type(&self) -> Type {
        match &self.shape {
            Shape::Simple(of) => of.clone(),
            Shape::List(element) => Type::list(element.cel_type()),
            Shape::Map(both) => Type::map(both.0.cel_type(), both.1.cel_type()),
            Shape::Object(object) => Type::object(&object.name),
        }
    }

    /// What a checked type is as a declaration (composition.go's convertCelTypeToDeclType).
    pub fn of(checked: &Type) -> Self {
        match checked {
            Type::List(element) => Self::list(Self::of(element), UNBOUNDED),
            Type::Map(both) => Self::map(Self::of(&both.0), Self::of(&both.1), UNBOUNDED),
            Type::Any
            | Type::Bool
            | Type::Bytes
            | Type::Double
            | Type::Duration
            | Type::Int
            | Type::Null
            | Type::String
            | Type::Timestamp
            | Type::Uint => Self::simple(checked.clone(), 1),
            _ => Self::simple(Type::Dyn, 1),
        }
    }
}
