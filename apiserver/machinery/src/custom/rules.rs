//! Rules of a schema, run on objects (apiextensions-apiserver pkg/apiserver/schema/cel/validation.go). All rules of an object share
//! one budget; a rule that uses `oldSelf` runs where an old value is to be found, or where it says that it may be absent.

mod compiled;
mod values;

pub(super) use compiled::Rules;
pub(super) use values::is_plain;

use compiled::Rule;

use serde_json::Value;
use triad_cel::environments::definition::Rule as Compiled;
use triad_cel::eval::{self, Activation, Error};

use super::correlate::{Correlated, Items};
use super::schema::{More, Ruled, Schema};
use super::{child, index, key, shown};
use crate::goformat::quote;
use crate::status::FieldError;

/// What one rule may cost, and what all rules of an object (k8s.io/apiserver pkg/apis/cel/config.go).
const CALL_BUDGET: u64 = 1_000_000;
const BUDGET: u64 = 10_000_000;
const MESSAGE_MAX: usize = 5 * 1024;
const SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// Runs all rules; what they find.
pub(super) fn run(schema: &Schema, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    run_at(schema, object, old, "")
}

/// The same of a value that is told to stand at a path.
pub(super) fn run_at(
    schema: &Schema,
    object: &Value,
    old: Option<&Value>,
    path: &str,
) -> Vec<FieldError> {
    let mut run = Run {
        left: Some(BUDGET),
        errors: Vec::new(),
    };
    let correlation = Correlation {
        here: old.map(|old| Correlated {
            new: object,
            old,
            schema,
        }),
        above: None,
        root: true,
    };
    run.node(schema, object, old, correlation, path);
    run.errors
}

/// Which old value errors are held against: the node's own, else that of the nearest node around it that has one.
#[derive(Clone, Copy)]
struct Correlation<'a> {
    here: Option<Correlated<'a>>,
    above: Option<Correlated<'a>>,
    root: bool,
}

impl<'a> Correlation<'a> {
    fn below(self, inner: impl FnOnce(Correlated<'a>) -> Option<Correlated<'a>>) -> Self {
        match self.here {
            Some(here) => Correlation {
                here: inner(here),
                above: Some(here),
                root: false,
            },
            None => Correlation {
                root: false,
                ..self
            },
        }
    }

    fn key(self, name: &str) -> Self {
        if self.root && matches!(name, "apiVersion" | "kind") {
            return Correlation {
                here: None,
                above: None,
                root: false,
            };
        }
        self.below(|here| here.key(name))
    }

    fn index(self, at: usize) -> Self {
        self.below(|here| here.index(at))
    }

    fn of_all(self) -> Self {
        Correlation { here: None, ..self }
    }

    fn unchanged(self) -> bool {
        self.here.or(self.above).is_some_and(Correlated::unchanged)
    }
}

struct Run {
    /// None: it is over.
    left: Option<u64>,
    errors: Vec<FieldError>,
}

impl Run {
    fn node(
        &mut self,
        schema: &Schema,
        value: &Value,
        old: Option<&Value>,
        correlation: Correlation<'_>,
        path: &str,
    ) {
        if !schema.within || value.is_null() {
            return;
        }
        if let Some(ruled) = &schema.ruled {
            self.rules(schema, schema, ruled, (value, old), correlation, path);
        }
        for all in schema.checks.iter().flat_map(|checks| &checks.all_of) {
            if let Some(ruled) = &all.ruled {
                self.rules(schema, all, ruled, (value, old), correlation.of_all(), path);
            }
        }
        match value {
            Value::Object(map) => {
                let before = |name: &str| old.and_then(Value::as_object)?.get(name);
                for (name, inner) in map {
                    if self.left.is_none() {
                        return;
                    }
                    if let Some(property) = schema.property(name) {
                        let (below, path) = (correlation.key(name), child(path, name));
                        self.node(property, inner, before(name), below, &path);
                    } else if let More::Each(each) = &schema.more {
                        let (below, path) = (correlation.key(name), key(path, name));
                        self.node(each, inner, before(name), below, &path);
                    }
                }
            }
            Value::Array(items) => {
                let Some(inner) = &schema.items else { return };
                let before = Items::new(schema, old);
                for (at, item) in items.iter().enumerate() {
                    if self.left.is_none() {
                        return;
                    }
                    let below = correlation.index(at);
                    self.node(inner, item, before.like(item), below, &index(path, at));
                }
            }
            _ => {}
        }
    }

    /// `schema` is what the value is, `from` where the rules stand.
    fn rules(
        &mut self,
        schema: &Schema,
        from: &Schema,
        ruled: &Ruled,
        (value, old): (&Value, Option<&Value>),
        correlation: Correlation<'_>,
        path: &str,
    ) {
        if self.left.is_none() {
            return;
        }
        let kind = schema.kind.text();
        let invalid = |why: String| FieldError::invalid(shown(path), kind, why);
        let rules = match &ruled
            .compiled
            .get_or_init(|| Rules::compile(&ruled.written))
            .0
        {
            Ok(rules) => rules,
            Err(why) => {
                self.errors.push(invalid(format!(
                    "rule compiler initialization error: {why}"
                )));
                return;
            }
        };
        if self.left == Some(0) {
            self.errors.push(invalid(SPENT.to_owned()));
            self.left = None;
            return;
        }
        debug_assert!(from.ruled.is_some(), "rules come from a node that has some");
        let old = old.filter(|old| !old.is_null());
        let scene = Scene::new(schema, value, old);
        for rule in rules {
            if self.left.is_none() {
                return;
            }
            self.rule(rule, &scene, (schema, value), correlation, path);
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        scene: &Scene<'_>,
        (schema, value): (&Schema, &Value),
        correlation: Correlation<'_>,
        path: &str,
    ) {
        let kind = schema.kind.text();
        let invalid = |why: String| FieldError::invalid(shown(path), kind, why);
        let program = match &rule.program {
            Ok(program) => program,
            Err(why) => {
                self.errors
                    .push(invalid(format!("rule compile error: {why}")));
                return;
            }
        };
        if program.uses_old && scene.old.is_none() && !rule.optional {
            return;
        }
        let variables = scene.variables(rule.optional);
        let outcome = eval::evaluate(&program.checked, &variables, CALL_BUDGET);
        if !self.spend(outcome.cost) {
            self.errors.push(invalid(SPENT.to_owned()));
            return;
        }
        match outcome.result {
            Ok(eval::Value::Bool(true)) => {}
            Ok(_) => {
                let unchanged = || !program.uses_old && correlation.unchanged();
                let place = match rule.field.as_str() {
                    "" => shown(path),
                    field => child(path, field),
                };
                if let Some(error) = self.failed(rule, &variables, (schema, value), place)
                    && !unchanged()
                {
                    self.errors.push(error);
                }
            }
            Err(Error::Budget) => {
                let error = Error::Budget;
                self.errors.push(invalid(format!("'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {}", rule.shown())));
                self.left = None;
            }
            Err(error) => {
                let text = error.to_string();
                self.errors.push(invalid(match text.starts_with("no such overload") {
                    true => format!("'{text}': call arguments did not match a supported operator, function or macro signature for rule: {}", rule.shown()),
                    false => format!("{text} evaluating rule: {}", rule.shown()),
                }));
            }
        }
    }

    /// Takes a cost from what is left; false: there was not as much.
    fn spend(&mut self, cost: u64) -> bool {
        self.left = self.left.and_then(|left| left.checked_sub(cost));
        self.left.is_some()
    }

    /// What is said of a value that broke a rule. Making the message costs, too.
    fn failed(
        &mut self,
        rule: &Rule,
        variables: &Variables<'_>,
        (schema, value): (&Schema, &Value),
        place: String,
    ) -> Option<FieldError> {
        let made = match &rule.message_program {
            None => None,
            Some(program) => match self.message(rule, program, variables) {
                Ok(made) => made,
                Err(why) => {
                    self.left = None;
                    return Some(FieldError::invalid(place, schema.kind.text(), why));
                }
            },
        };
        let detail = made.unwrap_or_else(|| match rule.message.is_empty() {
            true => format!("failed rule: {}", rule.shown()),
            false => rule.message.trim().to_owned(),
        });
        let structured = matches!(schema.kind.text(), "object" | "array");
        Some(match (rule.reason.as_str(), structured) {
            ("FieldValueForbidden", _) => FieldError::forbidden(place, detail),
            ("FieldValueRequired", _) => FieldError::required(place, detail),
            ("FieldValueDuplicate", false) => FieldError::duplicate(place, value.clone()),
            ("FieldValueDuplicate", true) => FieldError::duplicate_omitted(place),
            (_, true) => FieldError::invalid_omitted(place, detail),
            (_, false) => FieldError::invalid(place, value.clone(), detail),
        })
    }

    /// The message that an expression makes; none where it makes no good one. The error ends the run.
    fn message(
        &mut self,
        rule: &Rule,
        program: &Compiled,
        variables: &Variables<'_>,
    ) -> Result<Option<String>, String> {
        let outcome = eval::evaluate(&program.checked, variables, CALL_BUDGET);
        if !self.spend(outcome.cost) {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned());
        }
        match outcome.result {
            Ok(made) => {
                let text = made.as_text().unwrap_or("").trim().to_owned();
                let good = !text.is_empty() && text.len() <= MESSAGE_MAX && !text.contains('\n');
                Ok(good.then_some(text))
            }
            Err(Error::Budget) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                quote(&rule.message_source)
            )),
            Err(_) => Ok(None),
        }
    }
}

/// What the variables of a node's rules stand for.
struct Scene<'a> {
    new: eval::Value<'a>,
    old: Option<eval::Value<'a>>,
}

impl<'a> Scene<'a> {
    fn new(schema: &'a Schema, new: &'a Value, old: Option<&'a Value>) -> Self {
        Scene {
            new: values::of(new, schema),
            old: old.map(|old| values::of(old, schema)),
        }
    }

    fn variables(&self, optional: bool) -> Variables<'a> {
        let old = match (&self.old, optional) {
            (Some(old), true) => Some(eval::Value::some(old.clone())),
            (None, true) => Some(eval::Value::NONE),
            (old, false) => old.clone(),
        };
        Variables {
            new: self.new.clone(),
            old,
        }
    }
}

struct Variables<'a> {
    new: eval::Value<'a>,
    old: Option<eval::Value<'a>>,
}

impl<'a> Activation<'a> for Variables<'a> {
    fn variable(&self, name: &str) -> Option<eval::Value<'a>> {
        match name {
            "self" => Some(self.new.clone()),
            "oldSelf" => self.old.clone(),
            _ => None,
        }
    }
}
