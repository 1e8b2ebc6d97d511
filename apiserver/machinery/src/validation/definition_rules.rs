//! Rules in the schemas of custom resources: compiled, and their cost held against what a definition may cost
//! (apiextensions-apiserver pkg/apis/apiextensions/validation: validation.go, cel_validation.go).

use std::collections::HashSet;

use serde_json::Value;
use triad_cel::decl::{Decl, Shape};
use triad_cel::env::Mode;
use triad_cel::environments::definition::{self, Place, escape};

use super::at::{At, Errors};
use super::go_value;

const RULES: &str = "x-kubernetes-validations";
/// The most that one rule may cost, over all values that it may be asked of, and the most of all rules of a schema.
const RULE_LIMIT: u64 = 10_000_000;
const SCHEMA_LIMIT: u64 = 100_000_000;
/// How many of the dearest rules are named.
const NAMED: usize = 4;

/// What a definition had before: its rules stay right, and what they cost is said of the whole alone where a schema is as it was.
#[derive(Debug, Default)]
pub(super) struct Before {
    rules: HashSet<String>,
    messages: HashSet<String>,
    unchanged: HashSet<String>,
}

impl Before {
    /// From the specifications in their internal form, new and old.
    pub(super) fn of(new: &At<'_>, old: &At<'_>) -> Self {
        let mut before = Self::default();
        before.collect(old.get("validation").get("openAPIV3Schema").value);
        for version in old.get("versions").items() {
            before.collect(version.get("schema").get("openAPIV3Schema").value);
        }
        for version in new.get("versions").items() {
            let name = version.get("name").text();
            let kept = schema_of(old, name);
            if kept.is_some() && kept == schema_of(new, name) {
                before.unchanged.insert(name.to_owned());
            }
        }
        before
    }

    pub(super) fn unchanged(&self, version: &str) -> bool {
        self.unchanged.contains(version)
    }

    /// All rules anywhere in a schema.
    fn collect(&mut self, schema: &Value) {
        for rule in schema[RULES].as_array().into_iter().flatten() {
            self.rules.extend(rule["rule"].as_str().map(str::to_owned));
            self.messages
                .extend(rule["messageExpression"].as_str().map(str::to_owned));
        }
        match schema {
            Value::Object(map) => map.values().for_each(|inner| self.collect(inner)),
            Value::Array(list) => list.iter().for_each(|inner| self.collect(inner)),
            _ => {}
        }
    }
}

/// A version's schema, its own or that of all; none where there is no such version.
fn schema_of<'a>(spec: &At<'a>, name: &str) -> Option<&'a Value> {
    let version = spec
        .get("versions")
        .items()
        .find(|version| version.get("name").text() == name)?;
    let own = version.get("schema");
    Some(match own.given() {
        true => own.value,
        false => spec.get("validation").value,
    })
}

/// Where a node of a schema stands as rules see it.
#[derive(Debug, Clone)]
pub(super) struct Context<'a> {
    schema: &'a Value,
    /// A rule sees this value: there is one here or further out.
    within: bool,
    /// None where expressions do not see the value.
    decl: Option<Decl>,
    /// How many of these there may be in an object; none where nothing bounds them.
    count: Option<u64>,
}

impl<'a> Context<'a> {
    pub(super) fn root(schema: &'a Value) -> Self {
        let within = has_rules(schema);
        Self {
            schema,
            within,
            decl: within
                .then(|| definition::declaration(schema, true))
                .flatten(),
            count: Some(1),
        }
    }

    pub(super) fn property(&self, name: &str, schema: &'a Value) -> Self {
        self.child(schema, |decl| match &decl.shape {
            Shape::Object(object) => object.fields.get(&escape(name)?).cloned(),
            _ => None,
        })
    }

    pub(super) fn items(&self, schema: &'a Value) -> Self {
        self.child(schema, |decl| match &decl.shape {
            Shape::List(element) => Some((**element).clone()),
            _ => None,
        })
    }

    pub(super) fn values(&self, schema: &'a Value) -> Self {
        self.child(schema, |decl| match &decl.shape {
            Shape::Map(both) => Some(both.1.clone()),
            _ => None,
        })
    }

    fn child(&self, schema: &'a Value, inside: impl Fn(&Decl) -> Option<Decl>) -> Self {
        let within = self.within || has_rules(schema);
        let own = || {
            let embedded = schema["x-kubernetes-embedded-resource"] == true;
            definition::declaration(schema, embedded)
        };
        let decl = match (&self.decl, self.within) {
            (Some(decl), true) => inside(decl).or_else(own),
            (None, true) => None,
            _ if within => own(),
            _ => None,
        };
        let count = self.count.zip(elements(self.schema));
        Self {
            schema,
            within,
            decl,
            count: count.map(|(count, elements)| product(count, elements)),
        }
    }
}

fn has_rules(schema: &Value) -> bool {
    schema[RULES]
        .as_array()
        .is_some_and(|rules| !rules.is_empty())
}

/// How many values there may be inside one of a schema.
fn elements(schema: &Value) -> Option<u64> {
    let limit = |name: &str| {
        schema[name]
            .as_i64()
            .map(|most| u64::try_from(most).unwrap_or(0))
    };
    let more = &schema["additionalProperties"];
    match schema["type"].as_str() {
        Some("object") if !more.is_null() => limit("maxProperties"),
        Some("array") => limit("maxItems"),
        _ => Some(1),
    }
}

fn product(cost: u64, count: u64) -> u64 {
    cost.saturating_mul(count)
}

/// What compiling the rules of one schema finds.
pub(super) struct Findings<'a> {
    pub(super) errors: Errors,
    before: &'a Before,
    /// The schema is as it was: no rule alone is too dear.
    unchanged: bool,
    total: u64,
    dearest: Vec<(String, u64)>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(before: &'a Before, unchanged: bool) -> Self {
        Self {
            errors: Errors::default(),
            before,
            unchanged,
            total: 0,
            dearest: Vec::new(),
        }
    }

    /// Compiles the rules of a node. `uncorrelated`: where the old value of it gets lost.
    pub(super) fn rules(&mut self, at: &At<'_>, context: &Context<'_>, uncorrelated: Option<&str>) {
        let rules = at.get(RULES);
        if rules.empty() {
            return;
        }
        let Some(decl) = context.decl.clone() else {
            const WHY: &str = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations";
            return self.errors.internal(&rules, WHY);
        };
        let place = Place::new(decl);
        for rule in rules.items() {
            self.rule(&rule, &place, context.count, uncorrelated);
        }
    }

    fn rule(
        &mut self,
        rule: &At<'_>,
        place: &Place,
        count: Option<u64>,
        uncorrelated: Option<&str>,
    ) {
        let (text, message) = (rule.get("rule"), rule.get("messageExpression"));
        let optional = rule.get("optionalOldSelf");
        let mode = mode(&self.before.rules, text.text());
        let compiled = place.rule(text.text(), mode, optional.yes());
        let cost = compiled.as_ref().map_or(0, |rule| rule.cost);
        let cost = product(cost, count.unwrap_or_else(|| place.cardinality()));
        self.costs(&text, "estimated rule cost", cost);
        match &compiled {
            Err(detail) => self
                .errors
                .invalid_value(&text, shown(rule), detail.as_str()),
            Ok(_) if !message.empty() => self.message(rule, place, optional.yes()),
            Ok(_) => {}
        }
        if compiled.is_ok_and(|rule| rule.uses_old) {
            if let Some(path) = uncorrelated {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {path}"
                );
                self.errors.invalid(&text, detail);
            }
        } else if optional.given() {
            self.errors
                .invalid(&optional, "may not be set if oldSelf is not used in rule");
        }
    }

    fn message(&mut self, rule: &At<'_>, place: &Place, optional: bool) {
        let at = rule.get("messageExpression");
        let mode = mode(&self.before.messages, at.text());
        match place.message(at.text(), mode, optional) {
            Err(detail) => self.errors.invalid_value(&at, shown(rule), detail),
            Ok(compiled) => self.costs(&at, "estimated messageExpression cost", compiled.cost),
        }
    }

    /// Counts a cost, and says so where it is too much alone.
    fn costs(&mut self, at: &At<'_>, what: &str, cost: u64) {
        if !self.unchanged && cost > RULE_LIMIT {
            self.errors.forbidden(at, too_much(what, cost, RULE_LIMIT));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            self.dearest.push((at.path.clone(), cost));
            self.dearest
                .sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.dearest.truncate(NAMED);
        }
    }

    /// What is wrong with all rules together.
    pub(super) fn sum(&self, schema: &At<'_>, errors: &mut Errors) {
        const SHARE: &str = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        const WHOLE: &str =
            "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        if self.total <= SCHEMA_LIMIT {
            return;
        }
        for (path, _) in &self.dearest {
            errors.forbidden(&At::absent(path), SHARE);
        }
        errors.forbidden(schema, too_much(WHOLE, self.total, SCHEMA_LIMIT));
    }
}

fn mode(before: &HashSet<String>, text: &str) -> Mode {
    if before.contains(text) {
        Mode::Stored
    } else {
        Mode::New
    }
}

/// A rule as messages show it.
fn shown(rule: &At<'_>) -> Value {
    go_value::internal("apiextensions/v1beta1.ValidationRule", rule.value)
}

fn too_much(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
