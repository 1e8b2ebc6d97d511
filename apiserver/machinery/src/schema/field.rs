//! One field of a struct: names, number, type, and the markers that codecs, patches, defaulting and validation need.

use serde_json::Value;

use super::{FieldType, Name, TypeId};

/// A field as JSON sees it: fields of embedded structs are listed in their place.
#[derive(Clone, Debug)]
pub struct Field {
    /// JSON name.
    pub name: Name,
    pub go_name: Name,
    /// Protobuf number in the message that declares it; 0 where protobuf does not carry it.
    pub number: u32,
    pub ty: FieldType,
    /// The type as written in the table, `[]Toleration`; with `package` it gives the Go type's name.
    pub declared: Name,
    pub package: usize,
    /// The alias that the innermost type was named by, if any: where enums are found.
    pub alias: Option<TypeId>,
    /// The embedded struct that it comes from, when protobuf nests that one as a message.
    pub nested_in: Option<TypeId>,
    /// Names of the embedded structs on the way to it, joined by dots: Go shows them in messages.
    pub embedded: Name,
    pub pointer: bool,
    pub omitempty: bool,
    pub omitzero: bool,
    pub optional: bool,
    pub required: bool,
    pub nullable: bool,
    pub deprecated: bool,
    pub enum_marker: bool,
    pub discriminator: bool,
    pub patch_strategy: PatchStrategy,
    pub merge_key: Option<Name>,
    pub list_type: Option<ListType>,
    pub list_map_keys: Vec<Name>,
    pub map_type: Option<MapType>,
    /// structType on the field itself (it overrides the type's).
    pub struct_type: Option<MapType>,
    pub default: Option<Value>,
    pub gates: Vec<Name>,
    /// Raw `oneOf=` and `zeroOrOneOf=` memberships.
    pub unions: Vec<Name>,
    /// Raw validation markers, without the leading `+`.
    pub markers: Vec<Name>,
}

/// How a strategic merge patch treats the field; both may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    pub merge: bool,
    pub replace: bool,
    pub retain_keys: bool,
}

/// listType: how server-side apply sees a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    Atomic,
    Set,
    Map,
}

/// mapType and structType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    Granular,
    Atomic,
}

impl Field {
    /// A field of which nothing is known but its names.
    pub fn new(name: Name, go_name: Name, package: usize) -> Self {
        Field {
            name,
            go_name,
            number: 0,
            ty: FieldType::Any,
            declared: Name::Borrowed(""),
            package,
            alias: None,
            nested_in: None,
            embedded: Name::Borrowed(""),
            pointer: false,
            omitempty: false,
            omitzero: false,
            optional: false,
            required: false,
            nullable: false,
            deprecated: false,
            enum_marker: false,
            discriminator: false,
            patch_strategy: PatchStrategy::default(),
            merge_key: None,
            list_type: None,
            list_map_keys: Vec::new(),
            map_type: None,
            struct_type: None,
            default: None,
            gates: Vec::new(),
            unions: Vec::new(),
            markers: Vec::new(),
        }
    }

    /// Whether OpenAPI lists it as required: marked so, or neither optional nor omitted when empty.
    pub fn openapi_required(&self) -> bool {
        self.required || !(self.optional || self.omitempty || self.omitzero)
    }

    /// Whether Go writes the field though it holds its zero value: neither `omitzero` nor `omitempty`, which has no say over structs,
    /// leaves it out.
    pub fn is_written_at_zero(&self) -> bool {
        let structure = self.ty.is_go_struct() && !self.pointer;
        !(self.omitzero || self.omitempty && !structure)
    }

    /// Whether absence means a zero value (Go has no pointer, list or map here to tell nil from zero).
    pub fn absent_is_zero(&self) -> bool {
        !self.pointer
            && !matches!(
                self.ty,
                FieldType::List(_) | FieldType::Wrapper(_) | FieldType::Map(_) | FieldType::Bytes
            )
    }
}
