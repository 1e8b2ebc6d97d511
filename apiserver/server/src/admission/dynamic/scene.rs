//! What expressions of admission refer to, and what running them has cost so far (apiserver
//! pkg/admission/plugin/cel/activation.go, composition.go).

use super::Subject;
use super::access::Question;
use crate::filters::authorize::Authorizer;
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;
use triad_cel::check::Checked;
use triad_cel::env::Mode;
use triad_cel::environments::policy::{Compiler, Scope, Wanted};
use triad_cel::eval::{Activation, Error, Value, evaluate};
use triad_machinery::scheme::Resource;

/// What one expression may cost, and all of one policy (apiserver pkg/apis/cel/config.go).
const PER_CALL: u64 = 1_000_000;
pub(in crate::admission) const PER_POLICY: u64 = 10_000_000;
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// An expression with its text, which errors repeat.
pub(in crate::admission) struct Expression {
    pub(in crate::admission) text: String,
    compiled: Result<Checked, String>,
}

impl Expression {
    pub(in crate::admission) fn new(
        compiler: &Compiler,
        text: &str,
        wanted: Wanted,
        scope: Scope,
    ) -> Self {
        Expression {
            text: text.to_owned(),
            compiled: compiler.compile(text, wanted, scope),
        }
    }

    pub(in crate::admission) fn variable(
        compiler: &mut Compiler,
        name: &str,
        text: &str,
        scope: Scope,
    ) -> Self {
        Expression {
            text: text.to_owned(),
            compiled: compiler.variable(name, text, scope),
        }
    }
}

/// The scope of what is stored.
pub(in crate::admission) fn scope(params: bool, patches: bool) -> Scope {
    Scope {
        mode: Mode::Stored,
        params,
        authorizer: true,
        patches,
    }
}

/// The conditions under which something is for a request, by name.
pub(in crate::admission) struct Conditions(Vec<(String, Expression)>);

impl Conditions {
    pub(in crate::admission) fn read(list: &Json, compiler: &Compiler, params: bool) -> Self {
        let conditions = list.as_array().into_iter().flatten().map(|condition| {
            let text = |field: &str| condition[field].as_str().unwrap_or("");
            let expression = Expression::new(
                compiler,
                text("expression"),
                Wanted::Bool,
                scope(params, false),
            );
            (text("name").to_owned(), expression)
        });
        Conditions(conditions.collect())
    }

    pub(in crate::admission) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all hold. One that does not speaks louder than others' errors.
    pub(in crate::admission) fn hold(&self, running: &Running<'_>) -> Result<bool, String> {
        let mut errors = Vec::new();
        for (_, condition) in &self.0 {
            match running.run(condition) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => return Ok(false),
                Err(error) => errors.push(error),
            }
        }
        match errors.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }
}

/// Everything that expressions see of a request, in one version.
pub(in crate::admission) struct Scene {
    pub(in crate::admission) object: Json,
    old: Json,
    request: Json,
    namespace: Json,
    pub(in crate::admission) params: Json,
}

impl Scene {
    pub(in crate::admission) fn new(
        subject: Subject<'_>,
        matched: &Resource,
        namespace: Option<&Json>,
    ) -> Self {
        let mut request = subject.request(matched);
        request.extend(subject.asked());
        Scene {
            object: subject.shown(subject.object, matched),
            old: subject.shown(subject.old, matched),
            request: Json::Object(request),
            namespace: namespace.map_or(Json::Null, exposed),
            params: Json::Null,
        }
    }
}

/// The part of a namespace that expressions see (CreateNamespaceObject).
fn exposed(namespace: &Json) -> Json {
    let mut shown = namespace.clone();
    if let Some(metadata) = shown.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("ownerReferences");
    }
    if let Some(shown) = shown.as_object_mut() {
        shown.shift_remove("kind");
        shown.shift_remove("apiVersion");
    }
    shown
}

/// Expressions running over a scene.
pub(in crate::admission) struct Running<'a> {
    scene: &'a Scene,
    variables: &'a [(String, Expression)],
    values: Mutex<HashMap<String, Result<Value<'a>, Error>>>,
    authorizer: Question,
    resource: Question,
    left: Mutex<u64>,
}

impl<'a> Running<'a> {
    pub(in crate::admission) fn new(
        scene: &'a Scene,
        variables: &'a [(String, Expression)],
        authorizer: &Arc<Authorizer>,
        subject: Subject<'_>,
    ) -> Self {
        Running {
            scene,
            variables,
            values: Mutex::default(),
            authorizer: Question::new(authorizer, &subject.at.user),
            resource: Question::of_request(authorizer, subject.at),
            left: Mutex::new(PER_POLICY),
        }
    }

    /// The value of an expression; the error is for the client.
    pub(in crate::admission) fn run(&self, expression: &Expression) -> Result<Value<'a>, String> {
        let text = &expression.text;
        let checked = expression
            .compiled
            .as_ref()
            .map_err(|error| format!("compilation error: {error}"))?;
        let outcome = evaluate(checked, self, PER_CALL);
        if !self.spend(outcome.cost) {
            return Err(OUT_OF_BUDGET.to_owned());
        }
        outcome
            .result
            .map_err(|error| format!("expression '{text}' resulted in error: {error}"))
    }

    fn spend(&self, cost: u64) -> bool {
        let mut left = self.left.lock();
        let enough = *left >= cost;
        *left = left.saturating_sub(cost);
        enough
    }
}

impl<'a> Activation<'a> for Running<'a> {
    fn variable(&self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "object" => Value::of(&self.scene.object),
            "oldObject" => Value::of(&self.scene.old),
            "request" => Value::of(&self.scene.request),
            "namespaceObject" => Value::of(&self.scene.namespace),
            "params" => Value::of(&self.scene.params),
            "variables" => Value::Variables,
            "authorizer" => self.authorizer.clone().value(),
            "authorizer.requestResource" => self.resource.clone().value(),
            _ => return None,
        })
    }

    fn lazy(&self, name: &str) -> Option<Result<Value<'a>, Error>> {
        if let Some(known) = self.values.lock().get(name) {
            return Some(known.clone());
        }
        let (_, expression) = self.variables.iter().find(|(known, _)| known == name)?;
        let value = match &expression.compiled {
            Ok(checked) => {
                let outcome = evaluate(checked, self, PER_CALL);
                self.spend(outcome.cost);
                outcome.result
            }
            Err(error) => Err(Error::new(format!(
                "composited variable {name:?} fails to compile: {error}"
            ))),
        };
        let value = value.map_err(|error| match error {
            Error::Evaluation(why) => Error::new(format!(
                "composited variable {name:?} fails to evaluate: {why}"
            )),
            budget => budget,
        });
        self.values.lock().insert(name.to_owned(), value.clone());
        Some(value)
    }
}
