//! How server-side apply sees the types of the schema: what is one value (atomic), what is owned part by part, and
//! how list items are told apart. Follows kube-openapi's conversion of OpenAPI into structured-merge-diff's schema.

use serde_json::{Key, Value};

use super::path_element::PathElement;
use crate::custom;
use crate::schema::{Field, FieldType, ListType, MapType, Name, Schema, Struct, TypeId};

/// A type as apply sees it.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    schema: &'a Schema,
    pub form: Form<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Scalar(Scalar),
    Struct {
        fields: &'a Struct,
        atomic: bool,
    },
    Map {
        element: &'a FieldType,
        atomic: bool,
    },
    AtomicList(&'a FieldType),
    Set(&'a FieldType),
    Keyed {
        keys: &'a [Name],
        element: &'a FieldType,
    },
    /// A value of a custom resource that has parts, or may have.
    Custom(Custom<'a>),
    /// Without a schema: lists are one value, maps are owned key by key.
    Deduced,
    /// Without a schema and always one value.
    Opaque,
}

/// A node of a custom resource's schema.
#[derive(Clone, Copy)]
pub(super) struct Custom<'a> {
    schema: &'a custom::Schema,
    /// It is an object with kind, version and metadata.
    resource: bool,
    /// What the schema does not know may be there.
    preserving: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scalar {
    String,
    Number,
    Bool,
    Any,
}

/// What to do with a value: the form after a look at the value itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Map,
    List,
}

impl<'a> Shape<'a> {
    pub(super) fn root(schema: &'a Schema, id: TypeId) -> Self {
        Self {
            schema,
            form: struct_form(schema, id, None),
        }
    }

    /// The shape of a custom resource; `schema` is where its metadata is described.
    pub(super) fn custom(schema: &'a Schema, root: &'a custom::Schema) -> Self {
        Self {
            schema,
            form: Form::Custom(Custom {
                schema: root,
                resource: true,
                preserving: root.preserves(),
            }),
        }
    }

    /// A node below another of a custom resource's schema.
    fn of_custom(self, node: &'a custom::Schema, above: Custom<'a>) -> Self {
        use custom::Kind;
        let form = match node.kind() {
            _ if node.is_int_or_string() => Form::Scalar(Scalar::Any),
            Kind::String => Form::Scalar(Scalar::String),
            Kind::Integer | Kind::Number => Form::Scalar(Scalar::Number),
            Kind::Boolean => Form::Scalar(Scalar::Bool),
            Kind::Object | Kind::Array | Kind::Any => Form::Custom(Custom {
                schema: node,
                resource: node.is_embedded(),
                preserving: above.preserving || node.preserves(),
            }),
        };
        Self { form, ..self }
    }

    fn of_custom_key(self, at: Custom<'a>, key: &str) -> Option<Self> {
        let form = match key {
            "metadata" if at.resource => {
                let metadata = self.schema.type_named("meta/v1.ObjectMeta")?;
                struct_form(self.schema, metadata, None)
            }
            "kind" | "apiVersion" if at.resource => Form::Scalar(Scalar::String),
            _ => match at.schema.value_of(key) {
                Some(inner) => return Some(self.of_custom(inner, at)),
                None if at.preserving || at.schema.takes_any_key() => Form::Deduced,
                None => return None,
            },
        };
        Some(Self { form, ..self })
    }

    fn of_type(self, ty: &'a FieldType) -> Self {
        let form = match ty {
            FieldType::String | FieldType::Bytes | FieldType::Duration => {
                Form::Scalar(Scalar::String)
            }
            FieldType::Bool => Form::Scalar(Scalar::Bool),
            FieldType::Int32 | FieldType::Int64 | FieldType::Float64 => {
                Form::Scalar(Scalar::Number)
            }
            FieldType::Quantity
            | FieldType::IntOrString
            | FieldType::Time
            | FieldType::MicroTime => Form::Scalar(Scalar::Any),
            FieldType::Raw | FieldType::Unknown => Form::Opaque,
            FieldType::Any
            | FieldType::SchemaOrBool(_)
            | FieldType::SchemaOrList(_)
            | FieldType::SchemaOrStrings(_) => Form::Deduced,
            FieldType::Struct(id) => struct_form(self.schema, *id, None),
            FieldType::List(element) | FieldType::Wrapper(element) => Form::AtomicList(element),
            FieldType::Map(element) => Form::Map {
                element,
                atomic: false,
            },
        };
        Self {
            schema: self.schema,
            form,
        }
    }

    fn of_field(self, field: &'a Field) -> Self {
        let form = match &field.ty {
            FieldType::List(element) | FieldType::Wrapper(element) => list_form(field, element),
            FieldType::Map(element) => Form::Map {
                element,
                atomic: field.map_type == Some(MapType::Atomic),
            },
            FieldType::Struct(id) => {
                struct_form(self.schema, *id, field.struct_type.or(field.map_type))
            }
            other => return self.of_type(other),
        };
        Self {
            schema: self.schema,
            form,
        }
    }

    /// What lies under a key of a map or struct; `None` for a field that the schema does not know.
    pub(super) fn field(self, key: &str) -> Option<Self> {
        match self.form {
            Form::Struct { fields, .. } => match fields.field(key) {
                Some(field) => Some(self.of_field(field)),
                None if fields.type_meta && matches!(key, "kind" | "apiVersion") => Some(Self {
                    schema: self.schema,
                    form: Form::Scalar(Scalar::String),
                }),
                None => None,
            },
            Form::Map { element, .. } => Some(self.of_type(element)),
            Form::Custom(at) => self.of_custom_key(at, key),
            Form::Deduced | Form::Opaque => Some(self),
            _ => None,
        }
    }

    /// Whether the key is a declared field rather than a key of a map.
    pub(super) fn declares(self, key: &str) -> bool {
        match self.form {
            Form::Struct { fields, .. } => {
                fields.field(key).is_some()
                    || fields.type_meta && matches!(key, "kind" | "apiVersion")
            }
            Form::Custom(at) => {
                at.resource && matches!(key, "kind" | "apiVersion" | "metadata")
                    || at.schema.property(key).is_some()
            }
            _ => false,
        }
    }

    /// What the items of a list are.
    pub(super) fn item(self) -> Self {
        match self.form {
            Form::AtomicList(element) | Form::Set(element) | Form::Keyed { element, .. } => {
                self.of_type(element)
            }
            Form::Custom(at) => match at.schema.items() {
                Some(items) => self.of_custom(items, at),
                None => Self {
                    form: Form::Deduced,
                    ..self
                },
            },
            _ => Self {
                schema: self.schema,
                form: Form::Opaque,
            },
        }
    }

    /// Which of its possible forms a value takes; nothing and null take the first.
    pub(super) fn kind(self, value: Option<&Value>) -> Kind {
        match self.form {
            Form::Scalar(_) => Kind::Scalar,
            Form::Struct { .. } | Form::Map { .. } => Kind::Map,
            Form::AtomicList(_) | Form::Set(_) | Form::Keyed { .. } => Kind::List,
            Form::Custom(Custom { schema, .. }) if schema.kind() == custom::Kind::Object => {
                Kind::Map
            }
            Form::Custom(Custom { schema, .. }) if schema.kind() == custom::Kind::Array => {
                Kind::List
            }
            Form::Custom(_) | Form::Deduced | Form::Opaque => match value {
                None | Some(Value::Null | Value::Object(_)) => Kind::Map,
                Some(Value::Array(_)) => Kind::List,
                Some(_) => Kind::Scalar,
            },
        }
    }

    /// Whether a value of that kind is owned as one.
    pub(super) fn is_atomic(self, kind: Kind) -> bool {
        match (self.form, kind) {
            (Form::Struct { atomic, .. } | Form::Map { atomic, .. }, _) => atomic,
            (Form::AtomicList(_) | Form::Opaque, _) => true,
            (Form::Custom(at), Kind::Map) => at.schema.is_atomic_map(),
            (Form::Custom(at), Kind::List) => at.schema.list_kind() == custom::ListKind::Atomic,
            (Form::Deduced, kind) => kind == Kind::List,
            _ => false,
        }
    }

    /// Whether nothing is known of what is inside.
    pub(super) fn is_deduced(self) -> bool {
        matches!(self.form, Form::Deduced)
    }

    /// How an item of a set or keyed list is named in paths; the text says why it cannot be.
    pub(super) fn item_step(self, item: &Value) -> Result<PathElement, String> {
        match self.form {
            Form::Custom(at) if at.schema.list_kind() == custom::ListKind::Map => {
                keyed_step(item, at.schema.keys(), |key| at.schema.key_default(key))
            }
            Form::Set(_) | Form::Custom(_) => match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".into())
                }
                Value::Array(_) => {
                    Err("not supported: associative list with lists as elements".into())
                }
                Value::Null => Err(
                    "associative list without keys has an element that's an explicit null".into(),
                ),
                other => Ok(PathElement::Value(other.clone())),
            },
            Form::Keyed { keys, element } => keyed_step(item, keys, |key| {
                let field = self.fields_of(element)?.field(key)?;
                field.default.clone()
            }),
            _ => Err("invalid indexing of non-associative list".into()),
        }
    }

    /// Whether an item has a name in paths once its zero values are filled in; lists whose items need none take any.
    pub(super) fn can_name(self, item: &Value) -> bool {
        match self.form {
            Form::Set(_) => !matches!(item, Value::Object(_) | Value::Array(_) | Value::Null),
            Form::Custom(at) => match at.schema.list_kind() {
                custom::ListKind::Atomic => true,
                _ => self.item_step(item).is_ok(),
            },
            Form::Keyed { keys, element } => {
                let fields = self.fields_of(element);
                let known = |key: &Name| {
                    let field = fields.and_then(|fields| fields.field(key));
                    item.get(key.as_ref()).is_some_and(|value| !value.is_null())
                        || field.is_some_and(|f| {
                            f.default.is_some() || !(f.pointer || f.omitempty || f.omitzero)
                        })
                };
                item.is_object() && keys.iter().any(known)
            }
            _ => true,
        }
    }

    fn fields_of(self, element: &FieldType) -> Option<&'a Struct> {
        match element {
            FieldType::Struct(id) => self.schema.struct_of(*id),
            _ => None,
        }
    }

    /// Whether the items of a list have names in paths.
    pub(super) fn names_items(self) -> bool {
        match self.form {
            Form::Set(_) | Form::Keyed { .. } => true,
            Form::Custom(at) => at.schema.list_kind() != custom::ListKind::Atomic,
            _ => false,
        }
    }
}

fn keyed_step(
    item: &Value,
    keys: &[Name],
    default: impl Fn(&str) -> Option<Value>,
) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => {
            return Err("associative list with keys may not have a null element".into());
        }
        _ => return Err("associative list with keys may not have non-map elements".into()),
    };
    let found: Vec<(Key, Value)> = keys
        .iter()
        .filter_map(|key| {
            Some((
                Key::from(key),
                map.get(key.as_ref()).cloned().or_else(|| default(key))?,
            ))
        })
        .collect();
    if found.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| crate::goformat::quote(key)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] \
             (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(PathElement::key(found))
}

fn struct_form(schema: &Schema, id: TypeId, overridden: Option<MapType>) -> Form<'_> {
    let atomic = overridden.or(schema.get(id).struct_type) == Some(MapType::Atomic);
    match schema.struct_of(id) {
        Some(fields) => Form::Struct { fields, atomic },
        None => Form::Deduced,
    }
}

/// listType decides; without one, a strategic merge strategy stands in for it.
fn list_form<'a>(field: &'a Field, element: &'a FieldType) -> Form<'a> {
    let strategy = field.patch_strategy;
    match (field.list_type, &field.merge_key) {
        (Some(ListType::Atomic), _) => Form::AtomicList(element),
        (Some(ListType::Set), _) => Form::Set(element),
        (Some(ListType::Map), _) => Form::Keyed {
            keys: &field.list_map_keys,
            element,
        },
        (None, Some(key)) if strategy.merge => Form::Keyed {
            keys: std::slice::from_ref(key),
            element,
        },
        (None, None) if strategy.merge => Form::Set(element),
        (None, _) => Form::AtomicList(element),
    }
}
