//! Reads `schema/resources.api` into the scheme. The format is described in schema/README.md.

use std::collections::HashMap;

use super::resource::{Column, GcPolicy, Generation, NameRule, Resource, Storage, Subresource};
use super::{Group, Scheme, Version};
use crate::schema::{Name, Place, TableError, schema};

const ALL_VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

pub(super) fn read(file: &'static str, text: &'static str) -> Result<Scheme, TableError> {
    let mut scheme = Scheme::default();
    for (number, line) in text.lines().enumerate() {
        let place = Place {
            file,
            line: number + 1,
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix("  ") {
            None => read_head(&mut scheme, place, line)?,
            Some(inner) => {
                let resource = scheme
                    .resources
                    .last_mut()
                    .ok_or_else(|| place.error("no resource yet"))?;
                read_inner(resource, place, inner)?;
            }
        }
    }
    finish(&mut scheme);
    Ok(scheme)
}

fn read_head(scheme: &mut Scheme, place: Place, line: &'static str) -> Result<(), TableError> {
    let mut words = line.split_ascii_whitespace();
    let (Some(word), Some(name)) = (words.next(), words.next()) else {
        return Err(place.error("a word alone"));
    };
    let priority = |words: std::str::SplitAsciiWhitespace<'static>| {
        let value = words
            .last()
            .and_then(|w| w.strip_prefix("priority="))
            .and_then(|n| n.parse().ok());
        value.ok_or_else(|| place.error("priority=NUMBER is missing"))
    };
    match word {
        "group" => {
            let name = if name == "-" { "" } else { name }.into();
            scheme.groups.push(Group {
                name,
                priority: priority(words)?,
                versions: Vec::new(),
            });
        }
        "version" => {
            let group = scheme
                .groups
                .last_mut()
                .ok_or_else(|| place.error("no group yet"))?;
            group.versions.push(Version {
                name: name.into(),
                priority: priority(words)?,
            });
        }
        "resource" => {
            let resource = read_resource(scheme, place, name, words)?;
            scheme.resources.push(resource);
        }
        _ => return Err(place.error(format!("unknown word {word:?}"))),
    }
    Ok(())
}

fn read_resource(
    scheme: &Scheme,
    place: Place,
    plural: &'static str,
    words: impl Iterator<Item = &'static str>,
) -> Result<Resource, TableError> {
    let group = scheme
        .groups
        .last()
        .ok_or_else(|| place.error("no group yet"))?;
    let version = group
        .versions
        .last()
        .ok_or_else(|| place.error("no version yet"))?;
    let mut resource = blank(group.name.clone(), version.name.clone(), plural);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "kind" => {
                resource.kind = value.into();
                resource.singular = value.to_ascii_lowercase().into();
            }
            "singular" => resource.singular = value.into(),
            "namespaced" => resource.namespaced = true,
            "short" => resource.short_names = value.split(',').map(Name::from).collect(),
            "categories" => resource.categories = value.split(',').map(Name::from).collect(),
            "off" => resource.served_by_default = false,
            "like" => {
                let model = scheme
                    .resources
                    .iter()
                    .find(|r| r.group == group.name && r.version == value && r.plural == plural);
                let model = model
                    .ok_or_else(|| place.error(format!("no {plural} in {value} above")))?
                    .clone();
                resource = Resource {
                    version: version.name.clone(),
                    served_by_default: true,
                    ..model
                };
                resource
                    .subresources
                    .iter_mut()
                    .filter(|s| s.group == group.name && s.version == value)
                    .for_each(|s| s.version = version.name.clone());
            }
            _ => return Err(place.error(format!("unknown attribute {word:?}"))),
        }
    }
    Ok(resource)
}

fn blank(group: Name, version: Name, plural: &'static str) -> Resource {
    Resource {
        group,
        version,
        plural: plural.into(),
        singular: "".into(),
        kind: "".into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: false,
        verbs: ALL_VERBS.map(Name::from).to_vec(),
        storage: None,
        name_rule: NameRule::default(),
        name_max: None,
        any_generate_name: false,
        generation: Generation::default(),
        create_on_update: false,
        unconditional_update: false,
        graceful_delete: false,
        returns_deleted: false,
        gc: GcPolicy::default(),
        served_by_default: true,
        subresources: Vec::new(),
        selectable: Vec::new(),
        selected_as: Vec::new(),
        columns: Vec::new(),
        repeats_columns: false,
        type_id: None,
        list_type: None,
    }
}

fn read_inner(resource: &mut Resource, place: Place, line: &'static str) -> Result<(), TableError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "verbs" => resource.verbs = rest.split_ascii_whitespace().map(Name::from).collect(),
        "selectable" => {
            for field in rest.split_ascii_whitespace() {
                let (here, there) = field.split_once('=').unwrap_or((field, field));
                resource.selectable.push(here.into());
                if here != there {
                    resource.selected_as.push((here.into(), there.into()));
                }
            }
        }
        "sub" => {
            let subresource = read_subresource(resource, rest)
                .ok_or_else(|| place.error("sub NAME [KIND] : VERBS"))?;
            resource.subresources.push(subresource);
        }
        "column" => resource
            .columns
            .push(read_column(rest).ok_or_else(|| place.error("column NAME : TYPE = CELL"))?),
        _ => {
            for attribute in line.split_ascii_whitespace() {
                read_attribute(resource, place, attribute)?;
            }
        }
    }
    Ok(())
}

fn read_attribute(
    resource: &mut Resource,
    place: Place,
    attribute: &'static str,
) -> Result<(), TableError> {
    let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
    let both = Generation {
        on_create: true,
        on_update: true,
    };
    match (key, value) {
        ("stored", _) => {
            let (group, version) = value
                .split_once('/')
                .ok_or_else(|| place.error("stored=GROUP/VERSION"))?;
            let group = if group == "-" { "" } else { group };
            let key = format!("/registry/{}", resource.plural);
            resource.storage = Some(Storage {
                group: group.into(),
                version: version.into(),
                key: key.into(),
            });
        }
        ("key", _) => {
            let storage = resource
                .storage
                .as_mut()
                .ok_or_else(|| place.error("key= without stored="))?;
            storage.key = value.into();
        }
        ("name", _) => resource.name_rule = read_name_rule(place, value)?,
        ("name-max", _) => {
            resource.name_max = Some(value.parse().map_err(|_| place.error("name-max=NUMBER"))?)
        }
        ("generate-name", "any") => resource.any_generate_name = true,
        ("generation", "") => resource.generation = both,
        ("generation", "create") => {
            resource.generation = Generation {
                on_update: false,
                ..both
            }
        }
        ("generation", "update") => {
            resource.generation = Generation {
                on_create: false,
                ..both
            }
        }
        ("create-on-update", _) => resource.create_on_update = true,
        ("unconditional-update", _) => resource.unconditional_update = true,
        ("graceful-delete", _) => resource.graceful_delete = true,
        ("returns-deleted", _) => resource.returns_deleted = true,
        ("repeats-columns", _) => resource.repeats_columns = true,
        ("gc", "orphan") => resource.gc = GcPolicy::OrphanDependents,
        ("gc", "none") => resource.gc = GcPolicy::Unsupported,
        _ => return Err(place.error(format!("unknown attribute {attribute:?}"))),
    }
    Ok(())
}

fn read_name_rule(place: Place, value: &str) -> Result<NameRule, TableError> {
    Ok(match value {
        "subdomain" => NameRule::Subdomain,
        "label" => NameRule::Label,
        "path-segment" => NameRule::PathSegment,
        "crd" => NameRule::CustomResourceDefinition,
        "api-service" => NameRule::ApiService,
        "ip" => NameRule::IpAddress,
        "trust-bundle" => NameRule::TrustBundle,
        "storage-version" => NameRule::StorageVersion,
        "any" => NameRule::Any,
        _ => return Err(place.error(format!("unknown name rule {value:?}"))),
    })
}

fn read_subresource(resource: &Resource, rest: &'static str) -> Option<Subresource> {
    let (what, verbs) = rest.split_once(": ")?;
    let mut words = what.split_ascii_whitespace();
    let name = words.next()?.into();
    let (mut group, mut version, mut kind) = (
        resource.group.clone(),
        resource.version.clone(),
        resource.kind.clone(),
    );
    let words: Vec<_> = words.collect();
    let tables = !words.contains(&"no-table");
    if let Some(named) = words.into_iter().find(|word| *word != "no-table") {
        let (group_version, own) = named.rsplit_once('.').unwrap_or(("", named));
        kind = own.into();
        if let Some((g, v)) = group_version.split_once('/') {
            (group, version) = (g.into(), v.into());
        } else if !group_version.is_empty() {
            (group, version) = ("".into(), group_version.into());
        }
    }
    Some(Subresource {
        name,
        group,
        version,
        kind,
        verbs: verbs.split_ascii_whitespace().map(Name::from).collect(),
        tables,
    })
}

fn read_column(rest: &'static str) -> Option<Column> {
    let (name, rest) = rest.split_once(" : ")?;
    let (what, cell) = rest.split_once(" = ")?;
    let (what, wide) = what
        .strip_suffix(" wide")
        .map_or((what, false), |w| (w, true));
    let (column_type, format) = what.split_once('/').unwrap_or((what, ""));
    let (name, column_type, format, cell) =
        (name.into(), column_type.into(), format.into(), cell.into());
    Some(Column {
        name,
        column_type,
        format,
        priority: i32::from(wide),
        cell,
    })
}

fn finish(scheme: &mut Scheme) {
    let schema = schema();
    let mut by_plural = HashMap::with_capacity(scheme.resources.len());
    let mut by_kind = HashMap::with_capacity(scheme.resources.len());
    for (i, r) in scheme.resources.iter_mut().enumerate() {
        r.type_id = schema.kind(&r.group, &r.version, &r.kind);
        r.list_type = r
            .has_verb("list")
            .then(|| schema.kind(&r.group, &r.version, &r.list_kind()))
            .flatten();
        by_plural.insert((r.group.clone(), r.version.clone(), r.plural.clone()), i);
        by_kind
            .entry((r.group.clone(), r.version.clone(), r.kind.clone()))
            .or_insert(i);
    }
    (scheme.by_plural, scheme.by_kind) = (by_plural, by_kind);
}
