//! A type of the schema: struct, alias, wrapper message or special form, with its markers and its life from release to release.

use super::name_index::NameIndex;
use super::{Field, FieldType, MapType, Name, TypeId};

/// One type.
#[derive(Debug)]
pub struct Type {
    /// `core/v1.Pod`.
    pub name: Name,
    /// `Pod`.
    pub go_name: Name,
    /// Place of its package in `Schema::packages`.
    pub package: usize,
    /// Message name; empty where protobuf has none.
    pub proto: Name,
    pub shape: Shape,
    /// Registered in the scheme as a kind.
    pub registered: bool,
    pub deprecated: bool,
    pub union: bool,
    pub struct_type: Option<MapType>,
    pub lifecycle: Lifecycle,
    /// Values known for it (aliases of string only), and whether these are all.
    pub values: Vec<Name>,
    pub closed: bool,
    /// Raw validation markers of the type.
    pub markers: Vec<Name>,
    /// Raw defaulting rules, in order.
    pub defaults: Vec<Name>,
}

/// What a type is made of.
#[derive(Debug)]
pub enum Shape {
    Struct(Struct),
    /// Another name for a type.
    Alias(FieldType),
    /// A type with a form of its own, or a wrapper message.
    Special(FieldType),
}

/// Fields in Go's JSON order, and the same struct as protobuf sees it.
#[derive(Debug, Default)]
pub struct Struct {
    pub fields: Vec<Field>,
    /// Ascending field numbers.
    pub proto: Vec<ProtoField>,
    /// Carries `kind` and `apiVersion` (they travel in protobuf's envelope).
    pub type_meta: bool,
    pub(super) index: NameIndex,
}

/// One numbered record of a message.
#[derive(Clone, Copy, Debug)]
pub struct ProtoField {
    pub number: u32,
    pub slot: ProtoSlot,
}

#[derive(Clone, Copy, Debug)]
pub enum ProtoSlot {
    /// Place in `Struct::fields`.
    Field(u16),
    /// An embedded struct: a message over the same JSON object.
    Inline(TypeId),
}

/// Releases such as `1.25`, as in upstream's `+k8s:prerelease-lifecycle-gen`; empty where not said.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    pub introduced: Name,
    pub deprecated: Name,
    pub removed: Name,
    pub replacement: Option<Replacement>,
}

#[derive(Clone, Debug)]
pub struct Replacement {
    pub group: Name,
    pub version: Name,
    pub kind: Name,
}

impl Struct {
    /// A struct made at run time. Its protobuf records are the numbered fields.
    pub fn new(fields: Vec<Field>) -> Self {
        let numbered = fields.iter().enumerate().filter(|(_, f)| f.number != 0);
        let record = |(i, f): (usize, &Field)| ProtoField {
            number: f.number,
            slot: ProtoSlot::Field(i as u16),
        };
        let mut proto: Vec<ProtoField> = numbered.map(record).collect();
        proto.sort_by_key(|p| p.number);
        let index = NameIndex::new(fields.iter().map(|f| f.name.as_ref()));
        let named = |name: &str| fields.iter().any(|f| f.name == name);
        Struct {
            type_meta: named("kind") && named("apiVersion"),
            proto,
            index,
            fields,
        }
    }

    /// The field called so in JSON; names are case-sensitive.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.position(name).map(|i| &self.fields[i])
    }

    /// Place of the field called so.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.find(name, |i| &self.fields[i].name)
    }

    /// The record with this number.
    pub fn record(&self, number: u32) -> Option<ProtoField> {
        Some(self.proto[self.record_place(number)?])
    }

    /// Place in `proto` of the record with this number.
    pub(crate) fn record_place(&self, number: u32) -> Option<usize> {
        // Numbers ascend from 1, mostly without holes: none is further on than its number says.
        let behind = self.proto.len().min(number as usize);
        let at = self.proto[..behind]
            .iter()
            .rposition(|record| record.number <= number)?;
        (self.proto[at].number == number).then_some(at)
    }
}
