//! Rules as they are written, compiled: once for each node of a schema, when one of its rules is first run.

use serde_json::Value;
use triad_cel::env::Mode;
use triad_cel::environments::definition::{Place, Rule as Compiled, declaration};

use super::super::child;

/// The rules of one node, ready to run.
#[derive(Debug)]
pub(in crate::custom) struct Rules(pub(super) Result<Vec<Rule>, String>);

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) program: Result<Compiled, String>,
    pub(super) message_program: Option<Compiled>,
    pub(super) source: String,
    pub(super) message: String,
    pub(super) message_source: String,
    pub(super) reason: String,
    /// Below the node, in the form of a path.
    pub(super) field: String,
    pub(super) optional: bool,
}

impl Rule {
    pub(super) fn shown(&self) -> &str {
        if self.message.is_empty() {
            self.source.trim()
        } else {
            self.message.trim()
        }
    }
}

impl Rules {
    /// Compiles what a node has; definitions are checked before, so what does not compile was written by a later server.
    pub(super) fn compile(node: &Value) -> Self {
        let resource = node["x-kubernetes-embedded-resource"] == true;
        let Some(decl) = declaration(node, resource) else {
            return Rules(Err(
                "unable to convert structural schema to CEL declarations".to_owned(),
            ));
        };
        let place = Place::new(decl);
        let written = node["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten();
        Rules(Ok(written
            .map(|rule| Rule::compile(&place, rule))
            .collect()))
    }
}

impl Rule {
    fn compile(place: &Place, written: &Value) -> Self {
        let text = |name: &str| written[name].as_str().unwrap_or("").to_owned();
        let (source, message_source) = (text("rule"), text("messageExpression"));
        let optional = written["optionalOldSelf"] == true;
        let message = (!message_source.is_empty())
            .then(|| place.message(&message_source, Mode::Stored, optional).ok())
            .flatten();
        Rule {
            program: place.rule(&source, Mode::Stored, optional),
            message_program: message,
            message: text("message"),
            reason: text("reason"),
            field: normal(&text("fieldPath")),
            source,
            message_source,
            optional,
        }
    }
}

/// A path as errors show it: `.a['b']` is `a.b`.
fn normal(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(inner) = rest.strip_prefix("['") {
            inner.split_once("']").unwrap_or((inner, ""))
        } else {
            let inner = rest.strip_prefix('.').unwrap_or(rest);
            inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
        };
        if step.is_empty() && after.len() == rest.len() {
            break;
        }
        out = child(&out, step);
        rest = after;
    }
    out
}
