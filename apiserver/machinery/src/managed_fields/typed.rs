//! A value together with its shape and version, the operand of all merging and comparing.

use serde_json::{Map, Value};

use super::Context;
use super::compare::all_fields;
use super::field_set::FieldSet;
use super::merge::remove;
use super::shape::Shape;
use super::validate::validate;
use crate::codec::json::filled;
use crate::meta;

#[derive(Clone)]
pub(super) struct Typed<'a> {
    pub value: Value,
    pub shape: Shape<'a>,
    pub api_version: String,
}

impl<'a> Typed<'a> {
    /// An object of the request's version in its filled form, without its own managed fields.
    pub(super) fn filled(object: &Value, context: &Context<'a>) -> Self {
        let mut bare = object.clone();
        let tells = |metadata: &Map<String, Value>| metadata.contains_key("managedFields");
        if meta::metadata(object).is_some_and(tells)
            && let Some(metadata) = meta::metadata_mut(&mut bare)
        {
            metadata.shift_remove("managedFields");
        }
        let mut value = match context.custom {
            Some(_) => bare,
            None => filled(&bare, context.schema, context.type_id),
        };
        if let Value::Object(root) = &mut value {
            root.set("apiVersion", context.api_version.into());
            root.set("kind", context.kind.into());
        }
        Self::raw(value, context)
    }

    /// A value of the request's version as it is.
    pub(super) fn raw(value: Value, context: &Context<'a>) -> Self {
        Self {
            value,
            shape: context.shape(),
            api_version: context.api_version.to_owned(),
        }
    }

    /// The object in another version; none when that version is no longer known.
    pub(super) fn convert(&self, api_version: &str, context: &Context<'a>) -> Option<Self> {
        if self.api_version == api_version {
            return Some(self.clone());
        }
        let versions = context.versions;
        if context.custom.is_some() {
            let (value, schema) = versions.convert_custom(&self.value, api_version)?;
            return Some(Self {
                value,
                shape: Shape::custom(context.schema, schema),
                api_version: api_version.to_owned(),
            });
        }
        let (value, type_id) = versions.convert(&self.value, api_version)?;
        let shape = Shape::root(context.schema, type_id);
        let value = filled(&value, context.schema, type_id);
        Some(Self {
            value,
            shape,
            api_version: api_version.to_owned(),
        })
    }

    pub(super) fn validate(&self, allow_duplicates: bool) -> Result<(), String> {
        validate(&self.value, self.shape, allow_duplicates)
    }

    pub(super) fn fields(&self) -> FieldSet {
        all_fields(&self.value, self.shape)
    }

    pub(super) fn without(&self, fields: &FieldSet) -> Self {
        Self {
            value: remove(&self.value, fields, self.shape),
            ..self.clone()
        }
    }
}
