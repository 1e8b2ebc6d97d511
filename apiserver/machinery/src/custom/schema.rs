//! A structural schema, compiled: what pruning, defaulting, validation, apply and rules look things up in
//! (apiextensions-apiserver pkg/apiserver/schema/structural.go and convert.go). Definitions are validated before they come here.

use serde_json::Value;
use std::sync::OnceLock;

use super::checks::Checks;
use super::prune;
use super::rules::{self, Rules};
use crate::schema::Name;

/// One node of a schema.
#[derive(Debug, Default)]
pub struct Schema {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) preserve: bool,
    pub(super) embedded: bool,
    pub(super) int_or_string: bool,
    pub(super) default: Option<Value>,
    /// By name.
    pub(super) properties: Vec<(Box<str>, Schema)>,
    pub(super) more: More,
    pub(super) items: Option<Box<Schema>>,
    pub(super) list: ListKind,
    pub(super) keys: Vec<Name>,
    pub(super) atomic_map: bool,
    pub(super) checks: Option<Box<Checks>>,
    /// What is written of rules, here and in the schema that they see; compiled when they are first run.
    pub(super) ruled: Option<Box<Ruled>>,
    /// There are rules here or further in.
    pub(super) within: bool,
    /// There are embedded resources here or further in.
    embeds: bool,
    /// Rules see its values as the JSON that they are.
    pub(super) plain: bool,
}

/// Rules of one node as they are written.
#[derive(Debug)]
pub(super) struct Ruled {
    pub(super) written: Value,
    pub(super) compiled: OnceLock<Rules>,
}

/// The JSON type that a node asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// What keys an object may have besides its properties.
#[derive(Debug, Default)]
pub(super) enum More {
    #[default]
    None,
    /// Any, with anything in them.
    Any,
    Each(Box<Schema>),
}

/// x-kubernetes-list-type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    #[default]
    Atomic,
    Set,
    Map,
}

impl Kind {
    fn of(text: &str) -> Self {
        match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Any,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

impl Schema {
    /// Compiles what stands under `openAPIV3Schema`.
    pub fn compile(written: &Value) -> Self {
        Self::node(written, true)
    }

    /// `root`: rules here see a whole resource, whatever the node says of itself.
    pub(super) fn node(written: &Value, root: bool) -> Self {
        let flag = |name: &str| written[name] == true;
        let text = |name: &str| written[name].as_str().unwrap_or("");
        let mut schema = Schema {
            kind: Kind::of(text("type")),
            nullable: flag("nullable"),
            preserve: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            default: None,
            properties: properties(written),
            more: more(&written["additionalProperties"]),
            items: inner(&written["items"]).map(Box::new),
            list: match text("x-kubernetes-list-type") {
                "set" => ListKind::Set,
                "map" => ListKind::Map,
                _ => ListKind::Atomic,
            },
            keys: texts(&written["x-kubernetes-list-map-keys"])
                .map(Name::from)
                .collect(),
            atomic_map: text("x-kubernetes-map-type") == "atomic",
            checks: Checks::of(written).map(Box::new),
            ruled: None,
            within: false,
            embeds: false,
            plain: false,
        };
        let rules = written["x-kubernetes-validations"].as_array();
        if rules.is_some_and(|rules| !rules.is_empty()) {
            schema.ruled = Some(Box::new(Ruled {
                written: written_for_rules(written, root || schema.embedded),
                compiled: OnceLock::new(),
            }));
        }
        schema.within = schema.ruled.is_some() || schema.inner().any(|inner| inner.within);
        schema.embeds = schema.embedded || schema.inner().any(|inner| inner.embeds);
        schema.plain = rules::is_plain(&schema);
        // Defaults hold nothing that the schema would take away again (schema/defaulting/prune.go).
        if let Some(default) = written.get("default").filter(|default| !default.is_null()) {
            let mut default = default.clone();
            prune::value(&mut default, &schema);
            schema.default = Some(default);
        }
        schema
    }

    /// The nodes just below, those of junctors too.
    fn inner(&self) -> impl Iterator<Item = &Schema> {
        let more = match &self.more {
            More::Each(each) => Some(&**each),
            _ => None,
        };
        let properties = self.properties.iter().map(|(_, schema)| schema);
        let all_of = self.checks.iter().flat_map(|checks| &checks.all_of);
        properties
            .chain(more)
            .chain(self.items.as_deref())
            .chain(all_of)
    }

    /// The schema of an object of which nothing is said.
    pub(super) fn anything() -> Self {
        Schema {
            kind: Kind::Object,
            preserve: true,
            ..Schema::default()
        }
    }

    pub(crate) fn property(&self, name: &str) -> Option<&Schema> {
        let at = self
            .properties
            .binary_search_by(|(known, _)| (**known).cmp(name));
        at.ok().map(|at| &self.properties[at].1)
    }

    /// What the value of a key is, be it a property or one of the others; none where nothing is said of it.
    pub(crate) fn value_of(&self, name: &str) -> Option<&Schema> {
        self.property(name).or(match &self.more {
            More::Each(each) => Some(each),
            _ => None,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn is_int_or_string(&self) -> bool {
        self.int_or_string
    }

    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded
    }

    pub(crate) fn preserves(&self) -> bool {
        self.preserve
    }

    /// Whether an object may have any key: nothing is said of its keys, or that.
    pub(crate) fn takes_any_key(&self) -> bool {
        match self.more {
            More::None => self.properties.is_empty(),
            More::Any => true,
            More::Each(_) => false,
        }
    }

    pub(crate) fn items(&self) -> Option<&Schema> {
        self.items.as_deref()
    }

    pub(crate) fn is_atomic_map(&self) -> bool {
        self.atomic_map
    }

    pub(crate) fn list_kind(&self) -> ListKind {
        self.list
    }

    /// The keys of the items of a list, and what stands for one that an item does not say.
    pub(crate) fn keys(&self) -> &[Name] {
        &self.keys
    }

    pub(crate) fn key_default(&self, key: &str) -> Option<Value> {
        self.items.as_ref()?.property(key)?.default.clone()
    }

    pub fn has_rules(&self) -> bool {
        self.within
    }

    pub(super) fn has_embedded(&self) -> bool {
        self.embeds
    }
}

/// A schema that stands where one may.
fn inner(written: &Value) -> Option<Schema> {
    written.is_object().then(|| Schema::node(written, false))
}

fn properties(written: &Value) -> Vec<(Box<str>, Schema)> {
    let written = written["properties"].as_object().into_iter().flatten();
    let mut properties: Vec<(Box<str>, Schema)> = written
        .map(|(name, written)| (name.as_str().into(), Schema::node(written, false)))
        .collect();
    properties.sort_by(|(one, _), (other, _)| one.cmp(other));
    properties
}

fn more(written: &Value) -> More {
    match written {
        Value::Bool(true) => More::Any,
        Value::Object(_) => More::Each(Box::new(Schema::node(written, false))),
        _ => More::None,
    }
}

/// The node for the compilation of rules: its own form says of what kind it is.
fn written_for_rules(written: &Value, resource: bool) -> Value {
    let mut written = written.clone();
    if resource {
        written["x-kubernetes-embedded-resource"] = true.into();
    }
    written
}

pub(super) fn texts(list: &Value) -> impl Iterator<Item = String> + '_ {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned)
}
