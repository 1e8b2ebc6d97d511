//! The types that the checker knows, and how they read: cel-go's common/types/types.go and checker/format.go.

use std::fmt::Write;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    Dyn,
    Any,
    /// What an expression that does not check has; it fits everywhere, so that one mistake is said once.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List(Arc<Type>),
    Map(Arc<(Type, Type)>),
    /// A type known by name alone, such as `optional_type(T)` or `kubernetes.Quantity`.
    Opaque(Arc<str>, Arc<[Type]>),
    /// A type with fields, known to the environment.
    Struct(Arc<str>),
    /// The type of a type; without a parameter that of any.
    Type(Option<Arc<Type>>),
    Param(Arc<str>),
    /// A primitive that may be null.
    Wrapper(Arc<Type>),
}

impl Type {
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    pub fn opaque(name: &str) -> Self {
        Self::Opaque(name.into(), Arc::new([]))
    }

    pub fn optional(value: Type) -> Self {
        Self::Opaque("optional_type".into(), Arc::new([value]))
    }

    pub fn object(name: &str) -> Self {
        Self::Struct(name.into())
    }

    pub fn type_of(inner: Type) -> Self {
        Self::Type(Some(Arc::new(inner)))
    }

    /// The type inside an optional one.
    pub fn inside_optional(&self) -> Option<&Type> {
        match self {
            Self::Opaque(name, params) if &**name == "optional_type" => params.first(),
            _ => None,
        }
    }

    /// The same type, a wrapper being what it wraps (Type.IsExactType).
    pub fn same(&self, other: &Type) -> bool {
        match (self, other) {
            (Self::Wrapper(inner), other) => inner.same(other),
            (one, Self::Wrapper(inner)) => one.same(inner),
            (Self::List(_) | Self::Map(_) | Self::Type(_) | Self::Opaque(..), _) => {
                let (left, right) = (self.params(), other.params());
                self.name() == other.name()
                    && left.len() == right.len()
                    && left.iter().zip(right).all(|(a, b)| a.same(b))
            }
            _ => self == other,
        }
    }

    pub fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Any)
    }

    pub fn is_dyn_or_error(&self) -> bool {
        self.is_dyn() || *self == Self::Error
    }

    pub fn params(&self) -> Vec<&Type> {
        match self {
            Self::List(element) => vec![element],
            Self::Map(both) => vec![&both.0, &both.1],
            Self::Opaque(_, params) => params.iter().collect(),
            Self::Type(Some(inner)) => vec![inner],
            _ => Vec::new(),
        }
    }

    /// The name without parameters, that a value's type has at run time.
    pub fn name(&self) -> String {
        match self {
            Self::Dyn => "dyn",
            Self::Any => "google.protobuf.Any",
            Self::Error => "!error!",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Type(_) => "type",
            Self::Opaque(name, _) | Self::Struct(name) | Self::Param(name) => name,
            Self::Wrapper(inner) => return format!("wrapper({})", inner.name()),
        }
        .to_owned()
    }

    /// As errors of the checker write it (FormatCELType).
    pub fn shown(&self) -> String {
        match self {
            Self::Any => "any".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Duration => "duration".to_owned(),
            _ => with_params(self, &self.name(), Type::shown),
        }
    }

    /// As errors about an expression's result write it (Type.String).
    pub fn declared(&self) -> String {
        match self {
            Self::Param(name) => format!("<{name}>"),
            _ => with_params(self, &self.name(), Type::declared),
        }
    }

    /// Whether it has more parts than `limit`.
    pub(crate) fn exceeds(&self, limit: usize) -> bool {
        let mut open = vec![self];
        let mut seen = 0;
        while let Some(next) = open.pop() {
            seen += 1;
            if seen > limit {
                return true;
            }
            open.extend(next.params());
        }
        false
    }
}

fn with_params(t: &Type, name: &str, form: impl Fn(&Type) -> String) -> String {
    let mut text = name.to_owned();
    let params: Vec<String> = t.params().into_iter().map(form).collect();
    if !params.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(text, "({})", params.join(", "));
    }
    text
}
