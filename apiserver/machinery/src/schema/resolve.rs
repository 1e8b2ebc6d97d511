//! Turns raw definitions into the schema: names become ids, embedded structs are flattened in place (Go's rule: the shallower
//! of two equal names wins), protobuf records are sorted by number.

use std::collections::HashMap;

use super::name_index::NameIndex;
use super::object_type::{ProtoField, ProtoSlot};
use super::table::{Body, Definition, Member, Place, Table, TableError};
use super::{Field, FieldType, Name, Schema, Shape, Struct, Type, TypeId};

pub(super) fn resolve(table: Table) -> Result<Schema, TableError> {
    let packages = table
        .packages
        .iter()
        .enumerate()
        .map(|(i, p)| (p.name.clone(), i))
        .collect();
    let own_names = table
        .definitions
        .iter()
        .enumerate()
        .map(|(i, d)| ((d.package, d.name), TypeId(i as u32)));
    let resolver = Resolver {
        packages,
        by_own_name: own_names.collect(),
        table,
    };
    resolver.finish()
}

struct Resolver {
    table: Table,
    packages: HashMap<Name, usize>,
    by_own_name: HashMap<(usize, &'static str), TypeId>,
}

impl Resolver {
    fn finish(self) -> Result<Schema, TableError> {
        let mut types = Vec::with_capacity(self.table.definitions.len());
        let mut alias_target = HashMap::new();
        for (position, definition) in self.table.definitions.iter().enumerate() {
            let shape = match &definition.body {
                Body::Struct(_) => Shape::Struct(self.flatten(definition)?),
                Body::Alias(target) => {
                    alias_target.insert(TypeId(position as u32), Name::from(*target));
                    Shape::Alias(
                        self.field_type(definition.place, definition.package, target)?
                            .0,
                    )
                }
                Body::Values { .. } => Shape::Alias(FieldType::String),
                Body::Wrapper(target) => {
                    alias_target.insert(TypeId(position as u32), Name::from(*target));
                    Shape::Special(self.special(definition)?)
                }
                Body::Special(_) => Shape::Special(self.special(definition)?),
            };
            types.push(self.describe(definition, shape));
        }
        let by_name = types
            .iter()
            .enumerate()
            .map(|(i, t): (usize, &Type)| (t.name.clone(), TypeId(i as u32)))
            .collect();
        let by_group_version = self
            .table
            .packages
            .iter()
            .enumerate()
            .filter_map(|(i, p)| Some((p.group_version.clone()?, i)))
            .collect();
        Ok(Schema {
            types,
            packages: self.table.packages,
            by_name,
            by_group_version,
            alias_target,
        })
    }

    fn describe(&self, definition: &Definition, shape: Shape) -> Type {
        let package = &self.table.packages[definition.package];
        let (values, closed) = match &definition.body {
            Body::Values { values, closed } => (values.clone(), *closed),
            _ => (Vec::new(), false),
        };
        let proto = match definition.proto {
            _ if definition.no_proto || package.proto.is_empty() => "".into(),
            Some(proto) => proto.into(),
            None => format!("{}.{}", package.proto, definition.name).into(),
        };
        Type {
            name: format!("{}.{}", package.name, definition.name).into(),
            go_name: definition.name.into(),
            package: definition.package,
            proto,
            shape,
            registered: definition.registered,
            deprecated: definition.deprecated,
            union: definition.union,
            struct_type: definition.struct_type,
            lifecycle: definition.lifecycle.clone(),
            values,
            closed,
            markers: definition.markers.clone(),
            defaults: definition.defaults.clone(),
        }
    }

    fn find(&self, place: Place, package: usize, name: &str) -> Result<TypeId, TableError> {
        let (package, own) = match name.rsplit_once('.') {
            None => (Some(package), name),
            Some((package, own)) => (self.packages.get(package).copied(), own),
        };
        let found = package.and_then(|package| self.by_own_name.get(&(package, own)));
        found
            .copied()
            .ok_or_else(|| place.error(format!("no type {name}")))
    }

    /// The resolved type and the alias that the innermost name was, if it was one.
    fn field_type(
        &self,
        place: Place,
        package: usize,
        declared: &str,
    ) -> Result<(FieldType, Option<TypeId>), TableError> {
        let declared = declared.trim_start_matches('*');
        if let Some(element) = declared.strip_prefix("[]") {
            let (element, alias) = self.field_type(place, package, element)?;
            return Ok((FieldType::List(Box::new(element)), alias));
        }
        if let Some(rest) = declared.strip_prefix("map[") {
            let (_, value) = rest
                .split_once(']')
                .ok_or_else(|| place.error("map without ]"))?;
            let (value, alias) = self.field_type(place, package, value)?;
            return Ok((FieldType::Map(Box::new(value)), alias));
        }
        let scalar = match declared {
            "string" => FieldType::String,
            "bool" => FieldType::Bool,
            "int32" => FieldType::Int32,
            "int64" => FieldType::Int64,
            "float64" => FieldType::Float64,
            "bytes" => FieldType::Bytes,
            "any" => FieldType::Any,
            _ => return self.named_type(place, package, declared),
        };
        Ok((scalar, None))
    }

    fn named_type(
        &self,
        place: Place,
        package: usize,
        name: &str,
    ) -> Result<(FieldType, Option<TypeId>), TableError> {
        let id = self.find(place, package, name)?;
        let definition = &self.table.definitions[id.0 as usize];
        match &definition.body {
            Body::Struct(_) => Ok((FieldType::Struct(id), None)),
            Body::Values { .. } => Ok((FieldType::String, Some(id))),
            Body::Wrapper(_) | Body::Special(_) => Ok((self.special(definition)?, None)),
            Body::Alias(target) => {
                let (ty, inner) = self.field_type(definition.place, definition.package, target)?;
                Ok((ty, inner.or(Some(id))))
            }
        }
    }

    fn special(&self, definition: &Definition) -> Result<FieldType, TableError> {
        let schema_props = || self.find(definition.place, definition.package, "JSONSchemaProps");
        let form = match definition.body {
            Body::Wrapper(target) => {
                let (list, _) = self.field_type(definition.place, definition.package, target)?;
                let element = list
                    .element()
                    .cloned()
                    .ok_or_else(|| definition.place.error("a wrapper wraps a list"))?;
                return Ok(FieldType::Wrapper(Box::new(element)));
            }
            Body::Special(form) => form,
            _ => "",
        };
        Ok(match form {
            "quantity" => FieldType::Quantity,
            "int-or-string" => FieldType::IntOrString,
            "time" => FieldType::Time,
            "micro-time" => FieldType::MicroTime,
            "duration" => FieldType::Duration,
            "raw-extension" | "fields-v1" | "json" => FieldType::Raw,
            "unknown" => FieldType::Unknown,
            "any" => FieldType::Any,
            "schema-or-bool" => FieldType::SchemaOrBool(schema_props()?),
            "schema-or-list" => FieldType::SchemaOrList(schema_props()?),
            "schema-or-strings" => FieldType::SchemaOrStrings(schema_props()?),
            _ => {
                return Err(definition
                    .place
                    .error(format!("unknown special form {form:?}")));
            }
        })
    }

    fn flatten(&self, definition: &Definition) -> Result<Struct, TableError> {
        let members = if let Body::Struct(members) = &definition.body {
            members.len()
        } else {
            0
        };
        let mut found = Vec::with_capacity(members + 2);
        let mut inlined = Vec::new();
        let type_meta = self.collect(definition, 0, None, &mut found, &mut inlined)?;
        // Go's rule; only embedded fields can be hidden.
        let hidden = |field: &Field, depth: usize| {
            depth > 0
                && found
                    .iter()
                    .any(|(f, d)| *d < depth && f.name == field.name)
        };
        let kept: Vec<bool> = found
            .iter()
            .map(|(field, depth)| !hidden(field, *depth))
            .collect();
        let fields: Vec<Field> = found
            .into_iter()
            .zip(kept)
            .filter_map(|((f, _), kept)| kept.then_some(f))
            .collect();
        let own = |(i, f): (usize, &Field)| {
            let slot = ProtoSlot::Field(i as u16);
            (f.number != 0 && f.nested_in.is_none()).then_some(ProtoField {
                number: f.number,
                slot,
            })
        };
        let mut proto: Vec<ProtoField> = fields.iter().enumerate().filter_map(own).collect();
        proto.extend(inlined.iter().map(|(number, id)| ProtoField {
            number: *number,
            slot: ProtoSlot::Inline(*id),
        }));
        proto.sort_by_key(|p| p.number);
        let index = NameIndex::new(fields.iter().map(|f| f.name.as_ref()));
        Ok(Struct {
            fields,
            proto,
            type_meta,
            index,
        })
    }

    /// Collects fields with their depth; says whether TypeMeta is embedded.
    fn collect(
        &self,
        definition: &Definition,
        depth: usize,
        nested_in: Option<TypeId>,
        found: &mut Vec<(Field, usize)>,
        inlined: &mut Vec<(u32, TypeId)>,
    ) -> Result<bool, TableError> {
        let Body::Struct(members) = &definition.body else {
            return Err(definition.place.error("only structs can be embedded"));
        };
        let mut type_meta = false;
        for member in members {
            match member {
                Member::Field(field) => {
                    let mut field = Field::clone(field);
                    (field.ty, field.alias) =
                        self.field_type(definition.place, field.package, &field.declared)?;
                    field.pointer = field.declared.starts_with('*');
                    field.nested_in = nested_in;
                    found.push((field, depth));
                }
                Member::Inline { declared, number } => {
                    let (FieldType::Struct(id), _) =
                        self.field_type(definition.place, definition.package, declared)?
                    else {
                        return Err(definition.place.error("only structs can be embedded"));
                    };
                    let start = found.len();
                    let target_name = declared.rsplit('.').next().unwrap_or(declared);
                    let nested = if *number != 0 {
                        nested_in.or(Some(id))
                    } else {
                        nested_in
                    };
                    self.collect(
                        &self.table.definitions[id.0 as usize],
                        depth + 1,
                        nested,
                        found,
                        inlined,
                    )?;
                    for (field, _) in &mut found[start..] {
                        field.embedded = match field.embedded.as_ref() {
                            "" => target_name.into(),
                            inner => format!("{target_name}.{inner}").into(),
                        };
                    }
                    if *number == 0 {
                        found[start..].iter_mut().for_each(|(f, _)| f.number = 0);
                    } else if depth == 0 {
                        inlined.push((*number, id));
                    }
                    let target = &self.table.definitions[id.0 as usize];
                    type_meta |= target.name == "TypeMeta"
                        && self.table.packages[target.package].name == "meta/v1";
                }
            }
        }
        Ok(type_meta)
    }
}
