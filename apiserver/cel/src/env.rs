//! What an expression may refer to: variables, types with fields, functions of a version. An environment is made once and used
//! for many expressions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::decl::{Decl, Object, Shape};
use crate::functions::{self, Overload, Since};
use crate::types::Type;

/// Which expressions are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What a request writes for the first time: only what the version before understands as well.
    New,
    /// What is stored already: all that any version ever allowed.
    Stored,
}

/// Words that are no identifiers (k8s.io/apiserver pkg/cel/escaping.go).
pub const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The messages that every environment knows by their protobuf names, with their fields.
const MESSAGES: [(&str, &[(&str, Simple)]); 18] = [
    (
        "Any",
        &[("type_url", Simple::String), ("value", Simple::Bytes)],
    ),
    ("BoolValue", &[("value", Simple::Bool)]),
    ("BytesValue", &[("value", Simple::Bytes)]),
    ("DoubleValue", &[("value", Simple::Double)]),
    (
        "Duration",
        &[("nanos", Simple::Int), ("seconds", Simple::Int)],
    ),
    ("Empty", &[]),
    ("FloatValue", &[("value", Simple::Double)]),
    ("Int32Value", &[("value", Simple::Int)]),
    ("Int64Value", &[("value", Simple::Int)]),
    ("ListValue", &[("values", Simple::List)]),
    ("StringValue", &[("value", Simple::String)]),
    ("Struct", &[("fields", Simple::Map)]),
    (
        "Struct.FieldsEntry",
        &[("key", Simple::String), ("value", Simple::Dyn)],
    ),
    (
        "Timestamp",
        &[("nanos", Simple::Int), ("seconds", Simple::Int)],
    ),
    ("UInt32Value", &[("value", Simple::Uint)]),
    ("UInt64Value", &[("value", Simple::Uint)]),
    (
        "Value",
        &[
            ("bool_value", Simple::Bool),
            ("list_value", Simple::List),
            ("null_value", Simple::Int),
            ("number_value", Simple::Double),
            ("string_value", Simple::String),
            ("struct_value", Simple::Map),
        ],
    ),
    ("NullValue", &[]),
];

#[derive(Clone, Copy)]
enum Simple {
    Bool,
    Bytes,
    Double,
    Dyn,
    Int,
    List,
    Map,
    String,
    Uint,
}

impl Simple {
    fn as_type(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Bytes => Type::Bytes,
            Self::Double => Type::Double,
            Self::Dyn => Type::Dyn,
            Self::Int => Type::Int,
            Self::List => Type::list(Type::Dyn),
            Self::Map => Type::map(Type::String, Type::Dyn),
            Self::String => Type::String,
            Self::Uint => Type::Uint,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Env {
    mode: Mode,
    variables: HashMap<String, Type>,
    objects: Arc<HashMap<String, Arc<Object>>>,
    /// Types by the path to them, and scalars by their names, once any type is declared.
    paths: Arc<HashMap<String, Type>>,
    /// `Object`, `Object.*` and `JSONPatch`, and the functions for patches.
    patches: bool,
    /// `cel.bind` is a macro.
    pub(crate) bindings: bool,
    /// `includes`, before its version.
    includes: bool,
}

impl Env {
    /// What all environments have (pkg/cel/environment/base.go).
    pub fn base(mode: Mode) -> Self {
        Self {
            mode,
            variables: HashMap::new(),
            objects: Arc::default(),
            paths: Arc::default(),
            patches: false,
            bindings: false,
            includes: false,
        }
    }

    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub fn with_variable(mut self, name: &str, of: Type) -> Self {
        self.variables.insert(name.to_owned(), of);
        self
    }

    /// A variable of a declared type, with all types in it.
    pub fn with_declared(mut self, name: &str, decl: &Decl) -> Self {
        self.declare(decl);
        self.with_variable(name, decl.cel_type())
    }

    pub fn with_patches(mut self) -> Self {
        self.patches = true;
        self
    }

    pub fn with_bindings(mut self) -> Self {
        self.bindings = true;
        self
    }

    pub fn with_includes(mut self) -> Self {
        self.includes = true;
        self
    }

    pub fn declare(&mut self, decl: &Decl) {
        for (name, of) in [("duration", Type::Duration), ("timestamp", Type::Timestamp)] {
            Arc::make_mut(&mut self.paths).insert(name.to_owned(), of);
        }
        let path = match &decl.shape {
            Shape::Object(object) => object.name.clone(),
            _ => decl.cel_type().name(),
        };
        self.register(&path, decl);
    }

    fn register(&mut self, path: &str, decl: &Decl) {
        match &decl.shape {
            Shape::Simple(_) => {}
            Shape::List(element) => {
                self.register(&format!("{path}.@idx"), element);
                Arc::make_mut(&mut self.paths).insert(path.to_owned(), decl.cel_type());
            }
            Shape::Map(both) => {
                self.register(&format!("{path}.@elem"), &both.1);
                Arc::make_mut(&mut self.paths).insert(path.to_owned(), decl.cel_type());
            }
            Shape::Object(object) => {
                Arc::make_mut(&mut self.objects).insert(object.name.clone(), Arc::clone(object));
                for (name, field) in &object.fields {
                    self.register(&format!("{path}.{name}"), field);
                }
            }
        }
    }

    /// The type of what a name stands for: a variable, or a type, whose type is that of a type.
    pub(crate) fn variable(&self, name: &str) -> Option<Type> {
        if let Some(of) = self.variables.get(name) {
            return Some(of.clone());
        }
        match name {
            "google.protobuf.NullValue.NULL_VALUE" => Some(Type::Int),
            _ => self.constructed(name).map(Type::type_of),
        }
    }

    /// A type by its name, as `Name{...}` makes a value of it.
    pub(crate) fn constructed(&self, name: &str) -> Option<Type> {
        Some(match name {
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "double" => Type::Double,
            "int" => Type::Int,
            "list" => Type::list(Type::Dyn),
            "map" => Type::map(Type::Dyn, Type::Dyn),
            "net.CIDR" | "net.IP" => Type::opaque(name),
            "null_type" => Type::Null,
            "optional_type" => Type::optional(Type::Dyn),
            "string" => Type::String,
            "type" => Type::Type(None),
            "uint" => Type::Uint,
            _ => return self.named_type(name),
        })
    }

    fn named_type(&self, name: &str) -> Option<Type> {
        if self.patches && is_patch_type(name) {
            return Some(Type::object(name));
        }
        if self.objects.contains_key(name) {
            return Some(Type::object(name));
        }
        if let Some(of) = self.paths.get(name) {
            return Some(of.clone());
        }
        message(name)
    }

    /// Whether values of a type can be made at run time.
    pub(crate) fn makes(&self, name: &str) -> bool {
        self.named_type(name).is_some()
            || (!self.paths.is_empty() && matches!(name, "list" | "map"))
    }

    pub(crate) fn knows_struct(&self, name: &str) -> bool {
        self.named_type(name).is_some()
    }

    /// The type of a field; none where the type has no such field.
    pub(crate) fn field(&self, object: &str, field: &str) -> Option<Type> {
        if self.patches && is_patch_type(object) {
            return Some(patch_field(object, field));
        }
        if let Some(declared) = self.objects.get(object) {
            let found = declared.fields.get(field).or_else(|| {
                RESERVED
                    .contains(&field)
                    .then(|| declared.fields.get(&format!("__{field}__")))
                    .flatten()
            });
            return found.map(Decl::cel_type);
        }
        if let Some(Type::Map(both)) = self.paths.get(object) {
            return Some(both.1.clone());
        }
        let short = object.strip_prefix("google.protobuf.")?;
        let (_, fields) = MESSAGES.iter().find(|(name, _)| *name == short)?;
        let (_, of) = fields.iter().find(|(name, _)| *name == field)?;
        Some(of.as_type())
    }

    /// The ways to call a function here; empty where there is none of that name.
    pub(crate) fn overloads(&self, name: &str) -> Vec<&'static Overload> {
        let name = name.strip_prefix('.').unwrap_or(name);
        functions::overloads(name)
            .iter()
            .filter(|overload| match overload.since {
                Since::Always => true,
                Since::This => self.mode == Mode::Stored || self.includes,
                Since::Patch => self.patches,
            })
            .collect()
    }
}

fn is_patch_type(name: &str) -> bool {
    name == "JSONPatch" || name == "Object" || name.starts_with("Object.")
}

/// Any field of an object being made, and those of one operation (pkg/cel/mutation).
fn patch_field(object: &str, field: &str) -> Type {
    match (object, field) {
        ("JSONPatch", "op" | "path" | "from") => Type::String,
        ("JSONPatch", "value") => Type::Dyn,
        // The reference lets an unknown field be, with a type that nothing fits.
        ("JSONPatch", _) => Type::opaque(""),
        _ => Type::Dyn,
    }
}

fn message(name: &str) -> Option<Type> {
    let short = name.strip_prefix("google.protobuf.")?;
    MESSAGES
        .iter()
        .find(|(known, _)| *known == short && short != "NullValue")?;
    let wrapper = |of: Type| Type::Wrapper(Arc::new(of));
    Some(match short {
        "Any" => Type::Any,
        "BoolValue" => wrapper(Type::Bool),
        "BytesValue" => wrapper(Type::Bytes),
        "DoubleValue" | "FloatValue" => wrapper(Type::Double),
        "Duration" => Type::Duration,
        "Int32Value" | "Int64Value" => wrapper(Type::Int),
        "ListValue" => Type::list(Type::Dyn),
        "StringValue" => wrapper(Type::String),
        "Struct" => Type::map(Type::String, Type::Dyn),
        "Timestamp" => Type::Timestamp,
        "UInt32Value" | "UInt64Value" => wrapper(Type::Uint),
        "Value" => Type::Dyn,
        _ => Type::object(name),
    })
}
