//! The named schemas of a document: those that were referred to, and what these refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::route::Model;
use super::{Descriptions, Form, lists, names, property};
use crate::schema::{FieldType, Schema, Shape, Struct, Type, TypeId};

/// Collects types as they are referred to; `finish` writes them.
pub(super) struct Definitions<'a> {
    pub(super) form: Form,
    pub(super) schema: &'a Schema,
    descriptions: &'a Descriptions<'a>,
    /// The group-versions that shared kinds such as DeleteOptions say they belong to.
    group_versions: &'a [(&'a str, &'a str)],
    wanted: Vec<TypeId>,
    seen: BTreeSet<TypeId>,
    /// Schemas of custom kinds, written elsewhere.
    adopted: Vec<(String, Value)>,
}

impl<'a> Definitions<'a> {
    pub(super) fn new(
        form: Form,
        schema: &'a Schema,
        descriptions: &'a Descriptions<'a>,
        group_versions: &'a [(&'a str, &'a str)],
    ) -> Self {
        Definitions {
            form,
            schema,
            descriptions,
            group_versions,
            wanted: Vec::new(),
            seen: BTreeSet::new(),
            adopted: Vec::new(),
        }
    }

    /// The value of a `$ref` to the type, which from now on is part of the document.
    pub(super) fn reference(&mut self, id: TypeId) -> String {
        if self.seen.insert(id) {
            self.wanted.push(id);
        }
        let name = names::definition(self.schema, id);
        format!("{}{name}", self.form.place())
    }

    /// What a body is.
    pub(super) fn model(&mut self, model: &Model) -> Value {
        match model {
            Model::Type(id) => json!({"$ref": self.reference(*id)}),
            Model::Custom(name) => self.form.reference(name, None),
            Model::Text => json!({"type": "string"}),
        }
    }

    /// Takes in schemas of custom kinds, which refer to the metadata that all have.
    pub(super) fn adopt(&mut self, schemas: Vec<(String, Value)>) {
        self.adopted.extend(schemas);
        for name in ["meta/v1.ObjectMeta", "meta/v1.ListMeta"] {
            if let Some(id) = self.schema.type_named(name) {
                self.reference(id);
            }
        }
    }

    /// Schemas that were written elsewhere, by name, and nothing that they refer to.
    pub(super) fn finish_adopted(self) -> Map<String, Value> {
        let written: BTreeMap<String, Value> = self.adopted.into_iter().collect();
        written.into_iter().collect()
    }

    /// Everything referred to, by name.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut written: BTreeMap<String, Value> = self.adopted.drain(..).collect();
        while let Some(id) = self.wanted.pop() {
            let name = names::definition(self.schema, id);
            let schema = self.write(id, &name);
            written.insert(name, schema);
        }
        written.into_iter().collect()
    }

    fn write(&mut self, id: TypeId, name: &str) -> Value {
        let schema = self.schema;
        let ty = schema.get(id);
        let mut out = Map::new();
        let description = self
            .descriptions
            .of_type(name)
            .or_else(|| lists::is_list(schema, id).then(|| lists::of_type(schema, id)));
        if let Some(text) = description {
            out.insert("description".into(), text.into());
        }
        match &ty.shape {
            Shape::Struct(s) => self.write_struct(id, name, ty, s, &mut out),
            Shape::Special(form) | Shape::Alias(form) => self.write_special(ty, form, &mut out),
        }
        out.into()
    }

    fn write_struct(
        &mut self,
        id: TypeId,
        name: &str,
        ty: &Type,
        s: &Struct,
        out: &mut Map<String, Value>,
    ) {
        out.insert("type".into(), "object".into());
        let required: Vec<&str> = s
            .fields
            .iter()
            .filter(|f| f.required || !(f.optional || f.omitempty))
            .map(|f| &*f.name)
            .collect();
        if !required.is_empty() {
            out.insert("required".into(), json!(required));
        }
        let is_list = lists::is_list(self.schema, id);
        let mut properties = BTreeMap::new();
        for field in &s.fields {
            let mut description = self.descriptions.of_field(name, &field.name);
            if description.is_none() && is_list {
                description = lists::of_field(self.schema, id, &field.name, self.descriptions);
            }
            properties.insert(
                field.name.to_string(),
                property::schema_of(self, field, description),
            );
        }
        if !properties.is_empty() {
            out.insert(
                "properties".into(),
                Value::Object(properties.into_iter().collect()),
            );
        }
        if let Some(kinds) = names::kinds(self.schema, id, self.group_versions) {
            out.insert("x-kubernetes-group-version-kind".into(), kinds);
        }
        if let Some(struct_type) = ty.struct_type {
            out.insert(
                "x-kubernetes-map-type".into(),
                property::map_type_name(struct_type).into(),
            );
        }
        if ty.union {
            out.insert("x-kubernetes-unions".into(), json!([union(s)]));
        }
    }

    /// Types that have a JSON form of their own.
    fn write_special(&self, ty: &Type, form: &FieldType, out: &mut Map<String, Value>) {
        let v3 = self.form == Form::V3;
        let mut simple = |name: &str, format: &str| {
            out.insert("type".into(), name.into());
            if !format.is_empty() {
                out.insert("format".into(), format.into());
            }
        };
        match form {
            FieldType::Quantity if v3 => {
                out.insert(
                    "oneOf".into(),
                    json!([{"type": "string"}, {"type": "number"}]),
                );
            }
            FieldType::IntOrString if v3 => {
                out.insert("format".into(), "int-or-string".into());
                out.insert(
                    "oneOf".into(),
                    json!([{"type": "integer"}, {"type": "string"}]),
                );
            }
            FieldType::Quantity | FieldType::Duration => simple("string", ""),
            FieldType::IntOrString => simple("string", "int-or-string"),
            FieldType::Time | FieldType::MicroTime => simple("string", "date-time"),
            // Any JSON value, where RawExtension and FieldsV1 hold an object.
            FieldType::Raw if ty.go_name == "JSON" => {}
            FieldType::Raw | FieldType::Unknown => simple("object", ""),
            _ => {}
        }
    }
}

/// An entry of x-kubernetes-unions: the field that decides, and the value of it that each other field goes with.
fn union(s: &Struct) -> Value {
    let mut out = Map::new();
    if let Some(field) = s.fields.iter().find(|f| f.discriminator) {
        out.insert("discriminator".into(), (&*field.name).into());
    }
    let members: BTreeMap<&str, &str> = s
        .fields
        .iter()
        .filter(|f| !f.discriminator)
        .map(|f| (&*f.name, &*f.go_name))
        .collect();
    out.insert("fields-to-discriminateBy".into(), json!(members));
    out.into()
}
