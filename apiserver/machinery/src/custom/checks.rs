//! What a schema says of values beyond their structure: bounds, patterns, choices, junctors.

use regex::Regex;
use serde_json::Value;
use std::sync::OnceLock;

use super::formats;
use super::schema::{Schema, texts};

#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Only one that is known for the type.
    pub(super) format: Box<str>,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) max_length: Option<i64>,
    pub(super) min_length: Option<i64>,
    pub(super) pattern: Option<Pattern>,
    pub(super) max_items: Option<i64>,
    pub(super) min_items: Option<i64>,
    pub(super) unique_items: bool,
    pub(super) max_properties: Option<i64>,
    pub(super) min_properties: Option<i64>,
    pub(super) required: Vec<String>,
    pub(super) choices: Vec<Value>,
    pub(super) all_of: Vec<Schema>,
    pub(super) any_of: Vec<Schema>,
    pub(super) one_of: Vec<Schema>,
    pub(super) not: Option<Box<Schema>>,
}

/// A pattern, compiled when it is first matched.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: Box<str>,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    fn new(text: &str) -> Self {
        Pattern {
            text: text.into(),
            compiled: OnceLock::new(),
        }
    }

    /// Whether a text matches; the error says why the pattern is none.
    pub(super) fn matches(&self, text: &str) -> Result<bool, String> {
        let compiled = self.compiled.get_or_init(|| triad_cel::regex(&self.text));
        compiled
            .as_ref()
            .map(|regex| regex.is_match(text))
            .map_err(Clone::clone)
    }
}

impl Checks {
    /// None where nothing is said.
    pub(super) fn of(written: &Value) -> Option<Self> {
        const SAID: [&str; 19] = [
            "format",
            "maximum",
            "minimum",
            "multipleOf",
            "maxLength",
            "minLength",
            "pattern",
            "maxItems",
            "minItems",
            "uniqueItems",
            "maxProperties",
            "minProperties",
            "required",
            "enum",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "exclusiveMaximum",
        ];
        let said = |name: &&str| written.get(*name).is_some_and(|value| !value.is_null());
        SAID.iter().any(said).then(|| {
            let number = |name: &str| written[name].as_f64();
            let limit = |name: &str| written[name].as_i64();
            let flag = |name: &str| written[name] == true;
            let text = |name: &str| written[name].as_str().unwrap_or("");
            Checks {
                format: formats::supported(text("type"), text("format")).into(),
                maximum: number("maximum"),
                exclusive_maximum: flag("exclusiveMaximum"),
                minimum: number("minimum"),
                exclusive_minimum: flag("exclusiveMinimum"),
                multiple_of: number("multipleOf"),
                max_length: limit("maxLength"),
                min_length: limit("minLength"),
                pattern: Some(text("pattern"))
                    .filter(|text| !text.is_empty())
                    .map(Pattern::new),
                max_items: limit("maxItems"),
                min_items: limit("minItems"),
                unique_items: flag("uniqueItems"),
                max_properties: limit("maxProperties"),
                min_properties: limit("minProperties"),
                required: texts(&written["required"]).collect(),
                choices: written["enum"].as_array().cloned().unwrap_or_default(),
                all_of: schemas(&written["allOf"]),
                any_of: schemas(&written["anyOf"]),
                one_of: schemas(&written["oneOf"]),
                not: Some(&written["not"])
                    .filter(|not| not.is_object())
                    .map(|not| Box::new(Schema::node(not, false))),
            }
        })
    }
}

fn schemas(list: &Value) -> Vec<Schema> {
    let list = list.as_array().into_iter().flatten();
    list.map(|written| Schema::node(written, false)).collect()
}
