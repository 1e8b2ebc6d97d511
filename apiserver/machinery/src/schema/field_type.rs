//! What a field holds, with every name resolved. Pointers are not part of it (see `Field::pointer`): a pointer only says that
//! "absent" and "zero" differ.

use super::TypeId;

/// The resolved type of a field, of a list's element or of a map's value.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    String,
    Bool,
    Int32,
    Int64,
    Float64,
    /// Base64 in JSON.
    Bytes,
    /// Anything JSON can say; not in protobuf.
    Any,
    /// A canonical quantity string.
    Quantity,
    /// A number or a string.
    IntOrString,
    /// RFC 3339 in seconds, UTC.
    Time,
    /// RFC 3339 with six fraction digits, UTC.
    MicroTime,
    /// A Go duration such as `1m30s`.
    Duration,
    /// Raw JSON in protobuf field 1: RawExtension, FieldsV1 and the CRD types' JSON.
    Raw,
    /// runtime.Unknown: raw JSON, an envelope in protobuf.
    Unknown,
    /// JSONSchemaPropsOrBool; the type is JSONSchemaProps.
    SchemaOrBool(TypeId),
    /// JSONSchemaPropsOrArray.
    SchemaOrList(TypeId),
    /// JSONSchemaPropsOrStringArray.
    SchemaOrStrings(TypeId),
    Struct(TypeId),
    /// A list of this type that is a message of its own in protobuf.
    Wrapper(Box<FieldType>),
    List(Box<FieldType>),
    /// A map from strings.
    Map(Box<FieldType>),
}

impl FieldType {
    /// Whether Go marshals it as a list.
    pub fn is_list(&self) -> bool {
        matches!(self, FieldType::List(_) | FieldType::Wrapper(_))
    }

    /// The element of a list or the value of a map.
    pub fn element(&self) -> Option<&FieldType> {
        match self {
            FieldType::List(e) | FieldType::Wrapper(e) | FieldType::Map(e) => Some(e),
            _ => None,
        }
    }

    /// Strings, booleans and numbers.
    pub fn is_scalar(&self) -> bool {
        use FieldType::*;
        matches!(self, String | Bool | Int32 | Int64 | Float64)
    }

    /// Types that are structs in Go: `omitempty` never leaves them out.
    pub fn is_go_struct(&self) -> bool {
        !self.is_scalar()
            && !self.is_list()
            && !matches!(self, FieldType::Map(_) | FieldType::Bytes | FieldType::Any)
    }

    /// The struct behind it, also behind a list or a map.
    pub fn struct_inside(&self) -> Option<TypeId> {
        match self {
            FieldType::Struct(id) => Some(*id),
            _ => self.element().and_then(FieldType::struct_inside),
        }
    }
}
