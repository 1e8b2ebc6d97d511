//! Values of expressions. Whatever comes from outside is JSON and stays where it is; what an expression makes is shared.

use super::Error;
use super::addresses::{Address, Network};
use super::formats::Format;
use super::quantities::Quantity;
use super::semver::Semver;
use super::urls::Url;
use crate::types::Type;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    /// Seconds since 1970, and nanoseconds.
    Timestamp(i64, u32),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Arc<Value<'a>>>),
    Type(Arc<str>),
    Object(Arc<Object<'a>>),
    Opaque(Opaque<'a>),
    /// `variables`: its fields are asked of the activation.
    Variables,
}

/// A text, borrowed or shared.
#[derive(Debug, Clone)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Shared(Arc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

#[derive(Debug, Clone)]
pub enum List<'a> {
    Json(&'a [Json]),
    Made(Arc<Vec<Value<'a>>>),
}

#[derive(Debug, Clone)]
pub enum Map<'a> {
    Json(&'a serde_json::Map<String, Json>),
    Made(Arc<Entries<'a>>),
}

/// Keys and values of a map, by the normal form of the key.
type Entries<'a> = BTreeMap<Key, (Value<'a>, Value<'a>)>;

/// A map's key in a form in which equal keys are the same: numbers whatever their type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Number(i128),
    Text(Arc<str>),
}

/// A value of a type with fields, as `Name{...}` makes it.
#[derive(Debug)]
pub struct Object<'a> {
    pub name: Arc<str>,
    pub fields: BTreeMap<Arc<str>, Value<'a>>,
}

/// Values of Kubernetes' own types.
#[derive(Debug, Clone)]
pub enum Opaque<'a> {
    Quantity(Quantity),
    Address(Address),
    Network(Network),
    Url(Arc<Url>),
    Semver(Arc<Semver>),
    Format(Format),
    Access(Arc<dyn Access<'a> + 'a>),
}

/// Who may do what, asked step by step (k8s.io/apiserver pkg/cel/library/authz.go): the server gives the first step.
pub trait Access<'a>: std::fmt::Debug + Send + Sync {
    fn type_name(&self) -> &'static str;
    /// A call on it; none where it has no such function.
    fn call(&self, function: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, Error>>;
}

impl<'a> Value<'a> {
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(Text::Shared(text.into()))
    }

    pub fn list(elements: Vec<Value<'a>>) -> Self {
        Self::List(List::Made(Arc::new(elements)))
    }

    pub fn some(value: Value<'a>) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    pub const NONE: Self = Self::Optional(None);

    /// What JSON is as a value; whole numbers are integers.
    pub fn of(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Double(value as f64),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::String(Text::Borrowed(text)),
            Json::Array(list) => Self::List(List::Json(list)),
            Json::Object(map) => Self::Map(Map::Json(map)),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The name of its type at run time.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(..) => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Object(object) => &object.name,
            Self::Variables => "kubernetes.variables",
            Self::Opaque(value) => match value {
                Opaque::Quantity(_) => "kubernetes.Quantity",
                Opaque::Address(_) => "net.IP",
                Opaque::Network(_) => "net.CIDR",
                Opaque::Url(_) => "kubernetes.URL",
                Opaque::Semver(_) => "kubernetes.Semver",
                Opaque::Format(_) => "kubernetes.NamedFormat",
                Opaque::Access(access) => access.type_name(),
            },
        }
    }

    /// The value as JSON (cel-go's conversion to a protobuf value, as Kubernetes takes it); an error for what has no form there.
    pub fn to_json(&self) -> Result<Json, Error> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::Double(value) => Json::from(*value),
            Self::String(text) => Json::from(&**text),
            Self::Bytes(bytes) => Json::from(super::convert::base64(bytes)),
            Self::Duration(nanoseconds) => Json::from(super::times::seconds(*nanoseconds)),
            Self::Timestamp(seconds, nanoseconds) => {
                Json::from(super::times::rfc3339(*seconds, *nanoseconds))
            }
            Self::List(list) => {
                let elements = list.iter().map(|element| element.to_json());
                Json::Array(elements.collect::<Result<_, _>>()?)
            }
            Self::Map(Map::Json(map)) => Json::Object((*map).clone()),
            Self::Map(map) => {
                let mut object = serde_json::Map::new();
                for (key, value) in map.entries() {
                    let key = super::convert::string(&key)?;
                    object.insert(
                        key.as_text().unwrap_or_default().to_owned(),
                        value.to_json()?,
                    );
                }
                Json::Object(object)
            }
            Self::Optional(Some(value)) => value.to_json()?,
            Self::Optional(None) => Json::Null,
            Self::Object(object) => {
                let fields = object.fields.iter();
                let fields = fields.map(|(name, value)| Ok((name.to_string(), value.to_json()?)));
                Json::Object(fields.collect::<Result<_, Error>>()?)
            }
            other => {
                let name = other.type_name();
                return Err(Error::new(format!("{name} has no form as JSON")));
            }
        })
    }

    /// The name of its type in Go, where an error shows that.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "types.Bool",
            Self::Int(_) => "types.Int",
            Self::Uint(_) => "types.Uint",
            Self::Double(_) => "types.Double",
            Self::String(_) => "types.String",
            Self::Bytes(_) => "types.Bytes",
            Self::Duration(_) => "types.Duration",
            Self::Timestamp(..) => "types.Timestamp",
            Self::List(List::Json(_)) => "[]interface {}",
            Self::List(List::Made(_)) => "*types.baseList",
            Self::Map(Map::Json(_)) => "map[string]interface {}",
            Self::Map(Map::Made(_)) => "*types.baseMap",
            Self::Optional(_) => "*types.Optional",
            Self::Type(_) => "*types.Type",
            Self::Object(_) | Self::Variables => "*types.protoObj",
            Self::Opaque(_) => "ref.Val",
        }
    }

    /// As Go's `%v` shows it in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "NULL_VALUE".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => crate::plan::shortest(*value),
            Self::String(text) => text.to_string(),
            Self::Type(name) => name.to_string(),
            Self::Duration(nanoseconds) => super::times::seconds(*nanoseconds),
            Self::Timestamp(seconds, nanoseconds) => super::times::rfc3339(*seconds, *nanoseconds),
            other => other.type_name().to_owned(),
        }
    }
}

impl<'a> List<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Json(list) => list.len(),
            Self::Made(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, at: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(list) => list.get(at).map(Value::of),
            Self::Made(list) => list.get(at).cloned(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a, '_> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    pub(super) fn to_vec(&self) -> Vec<Value<'a>> {
        self.iter().collect()
    }

    /// Appends, in place where nobody else holds the list.
    pub(super) fn append(&mut self, more: &List<'a>) {
        let mut made = match self {
            Self::Made(list) => std::mem::take(list),
            Self::Json(list) => Arc::new(list.iter().map(Value::of).collect()),
        };
        Arc::make_mut(&mut made).extend(more.iter());
        *self = Self::Made(made);
    }
}

impl Key {
    /// None for what cannot be a key.
    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Number((*value).into()),
            Value::Uint(value) => Self::Number((*value).into()),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 1e30 => {
                Self::Number(*value as i128)
            }
            Value::String(Text::Shared(text)) => Self::Text(Arc::clone(text)),
            Value::String(text) => Self::Text((&**text).into()),
            _ => return None,
        })
    }
}

impl<'a> Map<'a> {
    pub fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Made(map) => map.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, key: &Value<'_>) -> Option<Value<'a>> {
        match (self, key) {
            (Self::Json(map), Value::String(text)) => map.get(&**text).map(Value::of),
            (Self::Json(_), _) => None,
            (Self::Made(map), key) => map.get(&Key::of(key)?).map(|(_, value)| value.clone()),
        }
    }

    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(map) => map.get(name).map(Value::of),
            Self::Made(map) => map
                .get(&Key::Text(name.into()))
                .map(|(_, value)| value.clone()),
        }
    }

    pub fn entries(&self) -> Box<dyn Iterator<Item = (Value<'a>, Value<'a>)> + '_> {
        match self {
            Self::Json(map) => Box::new(
                map.iter()
                    .map(|(key, value)| (Value::String(Text::Borrowed(key)), Value::of(value))),
            ),
            Self::Made(map) => Box::new(map.values().cloned()),
        }
    }

    /// The entries with one more, in place where nobody else holds the map.
    pub(super) fn insert(&mut self, key: Value<'a>, value: Value<'a>) -> Result<(), Error> {
        let unusable = || Error::new(format!("unsupported key type: {}", key.type_name()));
        let normal = Key::of(&key).ok_or_else(unusable)?;
        let mut made = match self {
            Self::Made(map) => std::mem::take(map),
            Self::Json(map) => Map::made(Map::Json(map).entries())?,
        };
        let taken = made.contains_key(&normal);
        if !taken {
            Arc::make_mut(&mut made).insert(normal, (key.clone(), value));
        }
        *self = Self::Made(made);
        match taken {
            false => Ok(()),
            true => Err(Error::new(format!(
                "insert failed: key {} already exists",
                key.shown()
            ))),
        }
    }

    fn made(
        entries: impl Iterator<Item = (Value<'a>, Value<'a>)>,
    ) -> Result<Arc<Entries<'a>>, Error> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let unusable = || Error::new(format!("unsupported key type: {}", key.type_name()));
            map.insert(Key::of(&key).ok_or_else(unusable)?, (key, value));
        }
        Ok(Arc::new(map))
    }

    pub fn from_entries(
        entries: impl IntoIterator<Item = (Value<'a>, Value<'a>)>,
    ) -> Result<Self, Error> {
        Self::made(entries.into_iter()).map(Self::Made)
    }
}

/// The type as a value.
pub(super) fn type_value<'a>(of: &Type) -> Value<'a> {
    Value::Type(of.name().into())
}
