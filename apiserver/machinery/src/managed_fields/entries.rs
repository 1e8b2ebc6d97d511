//! `metadata.managedFields` decoded: which manager owns which fields, and since when.
//! Reads and writes the list in upstream's order, and folds the oldest updaters together when they get too many.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::duration::parse_time;
use crate::goformat::{push_json_string, quote};
use crate::meta;

/// Update managers that one object keeps; older ones become [`ANCIENT`].
pub const MAX_UPDATE_MANAGERS: usize = 10;
const ANCIENT: &str = "ancient-changes";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Apply,
    Update,
}

/// Who manages. Appliers keep their identity across versions, updaters do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    pub name: String,
    pub operation: Operation,
    /// Empty for appliers.
    pub api_version: String,
    pub subresource: String,
}

/// What it manages, in which version of the type.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub fields: Fields,
    pub api_version: String,
    /// RFC 3339; none for an applier that never changed anything.
    pub time: Option<String>,
}

/// All entries of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Managed(pub BTreeMap<Manager, Entry>);

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

impl Manager {
    /// The manager of a request; an empty name is `unknown`.
    pub fn new(name: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let name = if name.is_empty() { "unknown" } else { name };
        let api_version = if operation == Operation::Apply {
            ""
        } else {
            api_version
        };
        Self {
            name: name.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    /// How conflict messages name it.
    pub(super) fn shown(&self) -> String {
        let mut text = quote(&self.name);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", quote(&self.subresource)));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    /// Upstream's identifier, by which conflicts are sorted.
    pub(super) fn identifier(&self) -> String {
        let mut text = String::from("{");
        let parts = [
            ("manager", self.name.as_str()),
            ("operation", self.operation.name()),
            ("apiVersion", &self.api_version),
            ("subresource", &self.subresource),
        ];
        for (key, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            if text.len() > 1 {
                text.push(',');
            }
            push_json_string(&mut text, key);
            text.push(':');
            push_json_string(&mut text, value);
        }
        text.push('}');
        text
    }
}

impl Managed {
    /// Reads the entries of an object of the store; none when it has none.
    pub fn of(object: &Value) -> Result<Self, String> {
        let entries = meta::metadata(object)
            .and_then(|m| m.get("managedFields"))
            .and_then(Value::as_array);
        let mut managed = Self::default();
        for (i, entry) in entries.into_iter().flatten().enumerate() {
            let (manager, entry) = decode(i, entry)?;
            managed.0.insert(manager, entry);
        }
        Ok(managed)
    }

    /// As `of`, of an object that a client wrote over `live`.
    pub(super) fn of_request(object: &Value, live: &Value) -> Result<Self, String> {
        let mut managed = Self::of(object)?;
        let entries = meta::metadata(live)
            .and_then(|m| m.get("managedFields"))
            .and_then(Value::as_array);
        let stored = entries.into_iter().flatten();
        let stored: Vec<&Value> = stored.filter_map(|entry| entry.get("fieldsV1")).collect();
        for entry in managed.0.values_mut() {
            entry.fields.known_among(&stored);
        }
        Ok(managed)
    }

    /// Whether the request's list asks to forget all managers: it is empty, or holds one empty entry.
    pub(super) fn is_reset(object: &Value) -> bool {
        match meta::metadata(object).and_then(|m| m.get("managedFields")) {
            Some(Value::Array(entries)) => match entries.as_slice() {
                [] => true,
                [Value::Object(entry)] => entry
                    .values()
                    .all(|v| v.is_null() || v.as_str() == Some("")),
                _ => false,
            },
            _ => false,
        }
    }

    /// The list as the API shows it; `None` when nobody manages anything.
    pub fn to_value(&self) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        let mut entries: Vec<(&Manager, &Entry)> = self.0.iter().collect();
        entries.sort_by(|(a, a_entry), (b, b_entry)| {
            (a.operation.name().cmp(b.operation.name()))
                .then_with(|| a_entry.seconds().cmp(&b_entry.seconds()))
                .then_with(|| a.name.cmp(&b.name))
                .then_with(|| a_entry.api_version.cmp(&b_entry.api_version))
                .then_with(|| a.subresource.cmp(&b.subresource))
        });
        Some(
            entries
                .into_iter()
                .map(|(manager, entry)| encode(manager, entry))
                .collect(),
        )
    }

    /// Puts the list into an object in place of the one it has.
    pub fn store(&self, object: &mut Value) {
        let Some(metadata) = meta::metadata_mut(object) else {
            return;
        };
        match self.to_value() {
            Some(list) => {
                metadata.set("managedFields", list);
            }
            None => {
                metadata.shift_remove("managedFields");
            }
        }
    }

    /// Folds the oldest updates of each version into one entry until at most [`MAX_UPDATE_MANAGERS`] are left.
    pub(super) fn cap_updates(&mut self) {
        let mut updates: Vec<Manager> = self
            .0
            .keys()
            .filter(|manager| manager.operation == Operation::Update)
            .cloned()
            .collect();
        let mut count = updates.len();
        if count <= MAX_UPDATE_MANAGERS {
            return;
        }
        updates.sort_by_key(|manager| {
            (
                self.0.get(manager).map_or(0, Entry::seconds),
                manager.identifier(),
            )
        });
        let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
        for manager in updates {
            if count <= MAX_UPDATE_MANAGERS {
                return;
            }
            let Some(version) = self.0.get(&manager).map(|entry| entry.api_version.clone()) else {
                continue;
            };
            let Some(first) = first_of_version.get(&version).cloned() else {
                first_of_version.insert(version, manager);
                continue;
            };
            let bucket = Manager::new(ANCIENT, Operation::Update, &version, "");
            if !self.0.contains_key(&bucket)
                && let Some(entry) = self.0.remove(&first)
            {
                self.0.insert(bucket.clone(), entry);
            }
            let (Some(mut kept), Some(folded)) = (self.0.remove(&bucket), self.0.remove(&manager))
            else {
                continue;
            };
            kept.fields.unite(folded.fields.into_set());
            kept.time = folded.time;
            self.0.insert(bucket, kept);
            count -= 1;
        }
    }
}

impl Entry {
    fn seconds(&self) -> i64 {
        self.time
            .as_deref()
            .and_then(parse_time)
            .map_or(0, |(seconds, _)| seconds)
    }
}

fn decode(place: usize, entry: &Value) -> Result<(Manager, Entry), String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("");
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".into()),
    };
    if text("apiVersion").is_empty() {
        return Err("apiVersion must not be empty".into());
    }
    match text("fieldsType") {
        "FieldsV1" => {}
        "" => {
            return Err(format!(
                "missing fieldsType in managed fields entry {place}"
            ));
        }
        other => {
            return Err(format!(
                "invalid fieldsType {} in managed fields entry {place}",
                quote(other)
            ));
        }
    }
    let fields = Fields::stored(entry.get("fieldsV1").unwrap_or(&Value::Null))
        .map_err(|why| format!("error decoding set: {why}"))?;
    let manager = Manager {
        name: text("manager").to_owned(),
        operation,
        api_version: if operation == Operation::Apply {
            String::new()
        } else {
            text("apiVersion").to_owned()
        },
        subresource: text("subresource").to_owned(),
    };
    let time = Some(text("time"))
        .filter(|time| !time.is_empty())
        .map(str::to_owned);
    Ok((
        manager,
        Entry {
            fields,
            api_version: text("apiVersion").to_owned(),
            time,
        },
    ))
}

fn encode(manager: &Manager, entry: &Entry) -> Value {
    let mut map = Map::new();
    let mut put = |key: &'static str, text: &str| {
        if !text.is_empty() {
            map.set(key, text.into());
        }
    };
    put("manager", &manager.name);
    put("operation", manager.operation.name());
    put("apiVersion", &entry.api_version);
    put("time", entry.time.as_deref().unwrap_or(""));
    put("fieldsType", "FieldsV1");
    map.set("fieldsV1", entry.fields.to_value());
    if !manager.subresource.is_empty() {
        map.set("subresource", manager.subresource.as_str().into());
    }
    Value::Object(map)
}
