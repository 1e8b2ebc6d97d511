//! Reads `schema/*.api` lines into raw definitions; names are resolved by `resolve`. Takes no position on what the types mean.
//! The format is described in schema/README.md.

use std::fmt;

use serde_json::Value;

use super::{Field, Lifecycle, ListType, MapType, Name, Package, PatchStrategy, Replacement};

/// Definitions read so far, in file order.
#[derive(Debug, Default)]
pub struct Table {
    pub(super) packages: Vec<Package>,
    pub(super) definitions: Vec<Definition>,
}

/// A type as written.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) package: usize,
    pub(super) body: Body,
    pub(super) registered: bool,
    pub(super) deprecated: bool,
    pub(super) union: bool,
    pub(super) no_proto: bool,
    pub(super) proto: Option<&'static str>,
    pub(super) struct_type: Option<MapType>,
    pub(super) lifecycle: Lifecycle,
    pub(super) markers: Vec<Name>,
    pub(super) defaults: Vec<Name>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Body {
    Struct(Vec<Member>),
    Alias(&'static str),
    Values { closed: bool, values: Vec<Name> },
    Wrapper(&'static str),
    Special(&'static str),
}

/// A field line: a field of its own, or an embedded struct.
#[derive(Debug)]
pub(super) enum Member {
    Field(Box<Field>),
    Inline { declared: &'static str, number: u32 },
}

/// Where a definition stands, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: usize,
}

/// A line that cannot be read or a name that nothing bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    place: String,
    message: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for TableError {}

impl Place {
    pub(crate) fn error(self, message: impl Into<String>) -> TableError {
        TableError {
            place: format!("{}:{}", self.file, self.line),
            message: message.into(),
        }
    }
}

impl Table {
    /// Reads one file; `file` names it in errors.
    pub fn read(&mut self, file: &'static str, text: &'static str) -> Result<(), TableError> {
        for (number, line) in text.lines().enumerate() {
            let place = Place {
                file,
                line: number + 1,
            };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix("  ") {
                None => self.read_head(place, line)?,
                Some(inner) => self.read_inner(place, inner)?,
            }
        }
        Ok(())
    }

    fn read_head(&mut self, place: Place, line: &'static str) -> Result<(), TableError> {
        let (word, rest) = line
            .split_once(' ')
            .ok_or_else(|| place.error("a word alone"))?;
        match word {
            "package" => {
                let (group_version, proto, go) = (None, "".into(), "".into());
                self.packages.push(Package {
                    name: rest.into(),
                    group_version,
                    proto,
                    go,
                });
                return Ok(());
            }
            "group" | "proto" | "go" => return self.read_package_line(place, word, rest),
            _ => {}
        }
        let package = self
            .packages
            .len()
            .checked_sub(1)
            .ok_or_else(|| place.error("no package yet"))?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut definition = Definition::new(name, package, place);
        let value = rest.strip_prefix("= ").unwrap_or("");
        let (first, attributes) = value.split_once(' ').unwrap_or((value, ""));
        let attributes = match word {
            "kind" | "struct" => {
                definition.registered = word == "kind";
                rest
            }
            "alias" => {
                definition.body = Body::Alias(first);
                attributes
            }
            "wrapper" => {
                definition.body = Body::Wrapper(first);
                attributes
            }
            "special" => {
                definition.body = Body::Special(first);
                attributes
            }
            "enum" | "values" => {
                definition.body = Body::Values {
                    closed: word == "enum",
                    values: read_values(value),
                };
                ""
            }
            _ => return Err(place.error(format!("unknown word {word:?}"))),
        };
        for attribute in attributes.split_ascii_whitespace() {
            definition.read_attribute(attribute)?;
        }
        self.definitions.push(definition);
        Ok(())
    }

    fn read_package_line(
        &mut self,
        place: Place,
        word: &str,
        rest: &'static str,
    ) -> Result<(), TableError> {
        let package = self
            .packages
            .last_mut()
            .ok_or_else(|| place.error("no package yet"))?;
        match word {
            "proto" => package.proto = rest.into(),
            "go" => package.go = rest.into(),
            _ => {
                let (group, version) = rest
                    .split_once(" version ")
                    .ok_or_else(|| place.error("group without a version"))?;
                package.group_version =
                    Some((if group == "-" { "" } else { group }.into(), version.into()));
            }
        }
        Ok(())
    }

    fn read_inner(&mut self, place: Place, line: &'static str) -> Result<(), TableError> {
        let definition = self
            .definitions
            .last_mut()
            .ok_or_else(|| place.error("a field outside a type"))?;
        let text = line.trim_start();
        let deeper = text.len() < line.len();
        if let Some(marker) = text.strip_prefix('+') {
            match (&mut definition.body, deeper) {
                (Body::Struct(members), true) => match members.last_mut() {
                    Some(Member::Field(field)) => field.markers.push(marker.into()),
                    _ => return Err(place.error("a marker without a field")),
                },
                _ => definition.markers.push(marker.into()),
            }
            return Ok(());
        }
        if let Some(rule) = text.strip_prefix("@default ") {
            definition.defaults.push(rule.into());
            return Ok(());
        }
        let package = definition.package;
        match &mut definition.body {
            Body::Values { values, .. } => {
                values.extend(read_values(text.trim_start_matches("| ")))
            }
            Body::Struct(members) => members.push(read_member(place, package, text)?),
            _ => return Err(place.error("this type has no fields")),
        }
        Ok(())
    }
}

impl Definition {
    fn new(name: &'static str, package: usize, place: Place) -> Self {
        Definition {
            name,
            package,
            body: Body::Struct(Vec::new()),
            registered: false,
            deprecated: false,
            union: false,
            no_proto: false,
            proto: None,
            struct_type: None,
            lifecycle: Lifecycle::default(),
            markers: Vec::new(),
            defaults: Vec::new(),
            place,
        }
    }

    fn read_attribute(&mut self, attribute: &'static str) -> Result<(), TableError> {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        match (key, value) {
            ("deprecated", "") => self.deprecated = true,
            ("union", _) => self.union = true,
            ("registered", _) => self.registered = true,
            ("no-proto", _) => self.no_proto = true,
            ("proto", _) => self.proto = Some(value),
            ("struct", _) => self.struct_type = Some(read_map_type(self.place, value)?),
            ("since", _) => self.lifecycle.introduced = value.into(),
            ("deprecated", _) => self.lifecycle.deprecated = value.into(),
            ("removed", _) => self.lifecycle.removed = value.into(),
            ("replacement", _) => {
                let parts = value
                    .split_once('/')
                    .and_then(|(group, rest)| Some((group, rest.split_once('.')?)));
                let (group, (version, kind)) =
                    parts.ok_or_else(|| self.place.error("replacement is group/version.Kind"))?;
                self.lifecycle.replacement = Some(Replacement {
                    group: group.into(),
                    version: version.into(),
                    kind: kind.into(),
                });
            }
            _ => return Err(self.place.error(format!("unknown attribute {attribute:?}"))),
        }
        Ok(())
    }
}

fn read_member(place: Place, package: usize, text: &'static str) -> Result<Member, TableError> {
    let mut words = text.split_ascii_whitespace();
    let (Some(name), Some(declared)) = (words.next(), words.next()) else {
        return Err(place.error("a field needs a name and a type"));
    };
    let (name, both) = name.strip_suffix('?').map_or((name, false), |n| (n, true));
    let mut field = Field::new(name.into(), go_name(name, declared), package);
    field.declared = declared.into();
    field.omitempty = both;
    field.optional = both;
    for word in words {
        read_field_attribute(place, &mut field, word)?;
    }
    if name == "inline" {
        return Ok(Member::Inline {
            declared,
            number: field.number,
        });
    }
    Ok(Member::Field(Box::new(field)))
}

fn read_field_attribute(
    place: Place,
    field: &mut Field,
    word: &'static str,
) -> Result<(), TableError> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "" => {
            field.number = value
                .parse()
                .map_err(|_| place.error(format!("bad field number {value:?}")))?
        }
        "omitempty" => field.omitempty = true,
        "optional" => field.optional = true,
        "omitzero" => field.omitzero = true,
        "required" => field.required = true,
        "nullable" => field.nullable = true,
        "deprecated" => field.deprecated = true,
        "enum" => field.enum_marker = true,
        "discriminator" => field.discriminator = true,
        "go" => field.go_name = value.into(),
        "patch" => field.patch_strategy = read_patch_strategy(place, value)?,
        "key" => field.merge_key = Some(value.into()),
        "list" => read_list_type(place, field, value)?,
        "map" => field.map_type = Some(read_map_type(place, value)?),
        "struct" => field.struct_type = Some(read_map_type(place, value)?),
        "default" => field.default = Some(read_json(place, value)?),
        "gate" => field.gates = value.split(',').map(Name::from).collect(),
        "oneOf" | "zeroOrOneOf" => field.unions.push(word.into()),
        _ => return Err(place.error(format!("unknown attribute {word:?}"))),
    }
    Ok(())
}

fn read_patch_strategy(place: Place, value: &str) -> Result<PatchStrategy, TableError> {
    let mut strategy = PatchStrategy::default();
    for part in value.split(',') {
        match part {
            "merge" => strategy.merge = true,
            "replace" => strategy.replace = true,
            "retainKeys" => strategy.retain_keys = true,
            _ => return Err(place.error(format!("unknown patch strategy {part:?}"))),
        }
    }
    Ok(strategy)
}

fn read_list_type(place: Place, field: &mut Field, value: &'static str) -> Result<(), TableError> {
    let (word, keys) = value.split_once('(').unwrap_or((value, ""));
    field.list_type = Some(match word {
        "atomic" => ListType::Atomic,
        "set" => ListType::Set,
        "map" => ListType::Map,
        _ => return Err(place.error(format!("unknown list type {word:?}"))),
    });
    field.list_map_keys = keys
        .trim_end_matches(')')
        .split(',')
        .filter(|k| !k.is_empty())
        .map(Name::from)
        .collect();
    Ok(())
}

fn read_map_type(place: Place, value: &str) -> Result<MapType, TableError> {
    match value {
        "atomic" => Ok(MapType::Atomic),
        "granular" => Ok(MapType::Granular),
        _ => Err(place.error(format!("unknown map or struct type {value:?}"))),
    }
}

fn read_json(place: Place, value: &str) -> Result<Value, TableError> {
    serde_json::from_str(value).map_err(|e| place.error(format!("bad JSON {value:?}: {e}")))
}

/// Words, or JSON strings where a value has blanks or is empty.
fn read_values(text: &'static str) -> Vec<Name> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let quoted = rest.strip_prefix('"').and_then(|r| r.split_once('"'));
        let (value, after) = quoted.unwrap_or_else(|| rest.split_once(' ').unwrap_or((rest, "")));
        values.push(value.into());
        rest = after.trim_start();
    }
    values
}

fn go_name(name: &'static str, declared: &str) -> Name {
    match (name, declared.rsplit('.').next()) {
        ("metadata", Some("ObjectMeta")) => "ObjectMeta".into(),
        ("metadata", Some("ListMeta")) => "ListMeta".into(),
        _ => {
            let mut go = name.to_owned();
            if let Some(first) = go.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            go.into()
        }
    }
}
