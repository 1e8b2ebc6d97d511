//! Rules of custom resources: declarations from a structural schema (k8s.io/apiserver pkg/cel/common/schemas.go, escaping.go) and
//! the rules' compilation (apiextensions-apiserver pkg/apiserver/schema/cel/compilation.go).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::runnable;
use crate::check::{Checked, Reference};
use crate::compile::compile;
use crate::cost::{self, Sizes};
use crate::decl::{Decl, Shape};
use crate::env::{Env, Mode, RESERVED};
use crate::types::Type;

/// The largest request body (pkg/apis/cel/config.go): no value can be larger.
const REQUEST: i64 = 3 * 1024 * 1024;
/// The longest name.
const NAME: i64 = 253;
/// Sizes as JSON (pkg/cel/limits.go).
const TEXT: i64 = 2;
const BOOL: i64 = 4;
const NUMBER: i64 = 1;
const DURATION: (i64, i64) = (3, 32);
const DATE: i64 = 12;
const TIME: (i64, i64) = (21, 32);

/// What a rule that compiles may cost, once.
#[derive(Debug)]
pub struct Rule {
    pub checked: Checked,
    pub cost: u64,
    pub uses_old: bool,
}

/// The rules at one place of a schema.
#[derive(Debug)]
pub struct Place {
    decl: Decl,
    of: Type,
    env: Env,
}

impl Place {
    pub fn new(decl: Decl) -> Self {
        let named = named(&decl, "selfType0");
        Self {
            decl,
            of: named.cel_type(),
            env: Env::base(Mode::New).with_declared("self", &named),
        }
    }

    pub fn decl(&self) -> &Decl {
        &self.decl
    }

    /// How often a value such as this one fits a request.
    pub fn cardinality(&self) -> u64 {
        u64::try_from(REQUEST / (self.decl.min_size + 1)).unwrap_or(0)
    }

    /// Compiles a rule. `optional`: `oldSelf` is an optional value, for rules that hold for new objects too.
    pub fn rule(&self, text: &str, mode: Mode, optional: bool) -> Result<Rule, String> {
        let env = self.env(mode, optional);
        let checked =
            compile(&env, text).map_err(|errors| format!("compilation failed: {errors}"))?;
        if checked.output() != Type::Bool {
            return Err("cel expression must evaluate to a bool".to_owned());
        }
        Ok(self.costed(runnable(&env, checked)?))
    }

    /// Compiles what makes a rule's message.
    pub fn message(&self, text: &str, mode: Mode, optional: bool) -> Result<Rule, String> {
        let env = self.env(mode, optional);
        let checked = compile(&env, text)
            .map_err(|errors| format!("messageExpression compilation failed: {errors}"))?;
        if checked.output() != Type::String {
            return Err("messageExpression must evaluate to a string".to_owned());
        }
        match runnable(&env, checked) {
            Ok(checked) => Ok(self.costed(checked)),
            Err(error) => {
                let why = error.trim_start_matches("program ");
                Err(format!("messageExpression {why}"))
            }
        }
    }

    fn env(&self, mode: Mode, optional: bool) -> Env {
        let of = self.of.clone();
        let old = if optional { Type::optional(of) } else { of };
        let env = self.env.clone();
        env.with_mode(mode).with_variable("oldSelf", old)
    }

    fn costed(&self, checked: Checked) -> Rule {
        let old = |reference: &Reference| matches!(reference, Reference::Variable(name) if name == "oldSelf");
        Rule {
            cost: cost::estimate(&checked, Sizes::Of(&self.decl)).max,
            uses_old: checked.references.values().any(old),
            checked,
        }
    }
}

/// The declaration with a name for each of its objects.
fn named(decl: &Decl, name: &str) -> Decl {
    let shape = match &decl.shape {
        Shape::Simple(of) => Shape::Simple(of.clone()),
        Shape::List(element) => Shape::List(named(element, &format!("{name}.@idx")).into()),
        Shape::Map(both) => {
            let value = named(&both.1, &format!("{name}.@elem"));
            Shape::Map((both.0.clone(), value).into())
        }
        Shape::Object(object) => {
            let fields = object.fields.iter().map(|(field, decl)| {
                let decl = named(decl, &format!("{name}.{field}"));
                (field.clone(), decl)
            });
            return Decl {
                min_size: decl.min_size,
                ..Decl::object(name, fields)
            };
        }
    };
    Decl {
        shape,
        max_elements: decl.max_elements,
        min_size: decl.min_size,
    }
}

/// What a schema declares; none for one that expressions do not see. `resource`: it is that of a whole object.
pub fn declaration(schema: &Value, resource: bool) -> Option<Decl> {
    let length = || limit(schema, "maxLength").map(|length| length.saturating_mul(4));
    if flag(schema, "x-kubernetes-int-or-string") {
        let most = length().unwrap_or(REQUEST - 2);
        return Some(Decl::simple(Type::Dyn, 1).sized(most));
    }
    match kind(schema) {
        // A resource is no list, whatever is said of it.
        "array" if resource => None,
        "array" => array(schema),
        "object" => object(schema, resource),
        "string" => Some(text(schema, length())),
        "boolean" => Some(Decl::simple(Type::Bool, BOOL)),
        "number" => Some(Decl::simple(Type::Double, NUMBER)),
        "integer" => Some(Decl::simple(Type::Int, NUMBER)),
        _ => None,
    }
}

fn kind(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or("")
}

fn flag(schema: &Value, name: &str) -> bool {
    schema[name].as_bool().unwrap_or(false)
}

fn limit(schema: &Value, name: &str) -> Option<i64> {
    schema[name].as_i64().map(|limit| limit.max(0))
}

fn embedded(schema: &Value) -> bool {
    flag(schema, "x-kubernetes-embedded-resource")
}

fn array(schema: &Value) -> Option<Decl> {
    let items = schema.get("items").filter(|items| items.is_object())?;
    let element = declaration(items, embedded(items))?;
    let most = limit(schema, "maxItems").unwrap_or((REQUEST - 2) / (element.min_size + 1));
    Some(Decl::list(element, most))
}

fn object(schema: &Value, resource: bool) -> Option<Decl> {
    if let Some(more) = schema
        .get("additionalProperties")
        .filter(|more| more.is_object())
    {
        let value = declaration(more, embedded(more))?;
        let most = limit(schema, "maxProperties").unwrap_or((REQUEST - 2) / (value.min_size + 6));
        return Some(Decl::map(Decl::simple(Type::String, TEXT), value, most));
    }
    let none = Map::new();
    let written = schema["properties"].as_object().unwrap_or(&none);
    let whole;
    let properties = if resource && !has_identity(written) {
        whole = with_identity(written);
        &whole
    } else {
        written
    };
    let required = |name: &str| {
        let names = schema["required"].as_array();
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let mut fields = BTreeMap::new();
    let mut min_size = 2;
    for (name, property) in properties {
        let Some(decl) = declaration(property, embedded(property)) else {
            continue;
        };
        if required(name) && property.get("default").is_none_or(Value::is_null) {
            min_size += i64::try_from(name.len()).unwrap_or(0) + decl.min_size + 4;
        }
        if let Some(field) = escape(name) {
            fields.insert(field, decl);
        }
    }
    Some(Decl {
        min_size,
        ..Decl::object("object", fields)
    })
}

/// Whether a resource says itself what every resource has.
fn has_identity(properties: &Map<String, Value>) -> bool {
    let of = |properties: &Map<String, Value>, name: &str, wanted: &str| {
        properties.get(name).is_some_and(|one| kind(one) == wanted)
    };
    of(properties, "kind", "string")
        && of(properties, "apiVersion", "string")
        && of(properties, "metadata", "object")
        && properties["metadata"]["properties"]
            .as_object()
            .is_some_and(|metadata| {
                of(metadata, "name", "string") && of(metadata, "generateName", "string")
            })
}

/// Properties with the kind and the name that every resource has; names have a length of their own.
fn with_identity(properties: &Map<String, Value>) -> Map<String, Value> {
    let text = || serde_json::json!({"type": "string"});
    let capped = |name: &str, most: i64| {
        let written = properties
            .get("metadata")
            .map(|metadata| &metadata["properties"][name]);
        let length = written.and_then(|name| name["maxLength"].as_i64());
        serde_json::json!({"type": "string", "maxLength": length.map_or(most, |length| length.min(most))})
    };
    let metadata = serde_json::json!({"type": "object", "properties": {
        "name": capped("name", NAME), "generateName": capped("generateName", NAME - 1)}});
    let mut whole = properties.clone();
    whole.insert("kind".to_owned(), text());
    whole.insert("apiVersion".to_owned(), text());
    whole.insert("metadata".to_owned(), metadata);
    whole
}

fn text(schema: &Value, length: Option<i64>) -> Decl {
    let simple = |of, min_size, most| Decl::simple(of, min_size).sized(most);
    match schema["format"].as_str() {
        Some("byte") => {
            let most = limit(schema, "maxLength").unwrap_or(REQUEST - 2);
            simple(Type::Bytes, TEXT, most)
        }
        Some("duration") => simple(Type::Duration, DURATION.0, DURATION.1),
        Some("date") => simple(Type::Timestamp, DATE, DATE),
        Some("date-time") => simple(Type::Timestamp, TIME.0, TIME.1),
        _ => {
            let most = length
                .or_else(|| longest_choice(schema))
                .unwrap_or(REQUEST - 2);
            simple(Type::String, TEXT, most)
        }
    }
}

/// The longest of an enumeration's texts.
fn longest_choice(schema: &Value) -> Option<i64> {
    let choices = schema["enum"]
        .as_array()
        .filter(|choices| !choices.is_empty())?;
    let lengths = choices.iter().filter_map(Value::as_str).map(str::len);
    i64::try_from(lengths.max().unwrap_or(0)).ok()
}

/// A property's name as expressions write it; none for one that they cannot.
pub fn escape(name: &str) -> Option<String> {
    let first = name.chars().next()?;
    if first.is_ascii_digit() {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut escaped = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '_' if chars.next_if_eq(&'_').is_some() => escaped.push_str("__underscores__"),
            '.' => escaped.push_str("__dot__"),
            '-' => escaped.push_str("__dash__"),
            '/' => escaped.push_str("__slash__"),
            c if c.is_ascii_alphanumeric() || c == '_' => escaped.push(c),
            _ => return None,
        }
    }
    Some(escaped)
}
