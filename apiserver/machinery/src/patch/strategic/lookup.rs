//! What the schema says about a field that a strategic merge patch reaches: strategy, merge key, type inside.
//! Asked only for maps and lists that both the object and the patch have, as upstream asks its struct tags.

use super::super::PatchError;
use crate::schema::{Field, FieldType, Schema, TypeId};

/// A type of the schema, as the place where the next field is looked up.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    schema: &'a Schema,
    ty: Place<'a>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Struct(TypeId),
    Other(&'a FieldType),
}

/// A list field's strategy.
pub(super) struct ListMeta<'a> {
    /// Whether lists merge; otherwise the patch's list replaces the object's.
    pub merge: bool,
    /// Empty for lists of scalars.
    pub key: &'a str,
    pub element: Lookup<'a>,
}

impl<'a> Lookup<'a> {
    pub(super) fn root(schema: &'a Schema, root: TypeId) -> Self {
        Self {
            schema,
            ty: Place::Struct(root),
        }
    }

    /// Where a map field leads, and whether the patch replaces it.
    pub(super) fn map_field(self, key: &str) -> Result<(Self, bool), PatchError> {
        let field = self.field(key)?;
        let strategy = field.patch_strategy;
        Ok((self.inside(&field.ty), strategy.replace && !strategy.merge))
    }

    pub(super) fn list_field(self, key: &str) -> Result<ListMeta<'a>, PatchError> {
        let field = self.field(key)?;
        let element = match &field.ty {
            FieldType::List(element) | FieldType::Wrapper(element) if element.is_list() => {
                return Err(PatchError::Unsupported("unexpected slice of slice".into()));
            }
            FieldType::List(element) | FieldType::Wrapper(element) => element,
            other if field.pointer => other,
            _ => {
                let text = format!(
                    "expected slice or array type, but got: {}",
                    self.kind_name()
                );
                return Err(PatchError::Unsupported(text));
            }
        };
        Ok(ListMeta {
            merge: field.patch_strategy.merge,
            key: field.merge_key.as_deref().unwrap_or(""),
            element: self.inside(element),
        })
    }

    fn inside(self, ty: &'a FieldType) -> Self {
        let ty = match ty {
            FieldType::Struct(id) => Place::Struct(*id),
            other => Place::Other(other),
        };
        Self {
            schema: self.schema,
            ty,
        }
    }

    fn field(self, key: &str) -> Result<&'a Field, PatchError> {
        let Place::Struct(id) = self.ty else {
            let text = format!(
                "merging an object in json but data type is not struct, instead is: {}",
                self.kind_name()
            );
            return Err(PatchError::Unsupported(text));
        };
        let fields = self.schema.struct_of(id);
        let exact = fields.and_then(|s| s.field(key));
        let folded =
            || fields.and_then(|s| s.fields.iter().find(|f| f.name.eq_ignore_ascii_case(key)));
        exact.or_else(folded).ok_or_else(|| {
            let name = &self.schema.get(id).go_name;
            let text =
                format!("unable to find api field in struct {name} for the json field \"{key}\"");
            PatchError::Unsupported(text)
        })
    }

    /// `reflect.Kind` of the type.
    fn kind_name(self) -> &'static str {
        match self.ty {
            Place::Struct(_) => "struct",
            Place::Other(ty) => match ty {
                FieldType::String => "string",
                FieldType::Bool => "bool",
                FieldType::Int32 => "int32",
                FieldType::Int64 | FieldType::Duration => "int64",
                FieldType::Float64 => "float64",
                FieldType::Bytes | FieldType::List(_) | FieldType::Wrapper(_) => "slice",
                FieldType::Map(_) => "map",
                FieldType::Any => "interface",
                _ => "struct",
            },
        }
    }
}

impl ListMeta<'_> {
    pub(super) fn kind_name(&self) -> &'static str {
        self.element.kind_name()
    }
}
