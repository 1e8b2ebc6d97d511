//! MutatingAdmissionPolicy (apiserver pkg/admission/plugin/policy/mutating): each mutation sees what those before it have made.

use super::{Invocation, Policies, Policy, exempt, invocations};
use crate::admission::dynamic::Subject;
use crate::admission::dynamic::scene::{Expression, Running, Scene, scope};
use crate::admission::{Attributes, Lookup};
use crate::filters::authorize::Authorizer;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;
use triad_cel::environments::policy::{Compiler, Wanted};
use triad_cel::eval::{List, Value as Evaluated};
use triad_machinery::codec::Strictness;
use triad_machinery::codec::json::{decode, from_json_value};
use triad_machinery::defaults::apply_defaults;
use triad_machinery::managed_fields::laid_over;
use triad_machinery::patch::json::{JsonPatch, TEST_FAILED};
use triad_machinery::schema::{TypeId, schema};
use triad_machinery::status::{Cause, Status};

pub(in crate::admission) struct Mutating {
    lookup: Arc<Lookup>,
    authorizer: Arc<Authorizer>,
    policies: Policies<Body>,
}

struct Body {
    mutations: Vec<Mutation>,
    reinvoked: bool,
}

enum Mutation {
    Apply(Expression),
    Patch(Expression),
}

impl Body {
    fn read(spec: &Value, compiler: &Compiler, params: bool) -> Self {
        let mutations = spec["mutations"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|mutation| {
                let of = |field: &str, wanted| {
                    let text = mutation[field]["expression"].as_str().unwrap_or("");
                    Expression::new(compiler, text, wanted, scope(params, true))
                };
                match mutation["patchType"].as_str() {
                    Some("ApplyConfiguration") => {
                        Mutation::Apply(of("applyConfiguration", Wanted::ApplyConfiguration))
                    }
                    _ => Mutation::Patch(of("jsonPatch", Wanted::Patches)),
                }
            });
        Body {
            mutations: mutations.collect(),
            reinvoked: spec["reinvocationPolicy"] == "IfNeeded",
        }
    }
}

/// What has happened to an object in the round before, for the second.
#[derive(Default)]
pub(in crate::admission) struct Round {
    invoked: Vec<(String, String)>,
    again: HashSet<(String, String)>,
}

impl Mutating {
    pub(in crate::admission) fn new(lookup: &Arc<Lookup>, authorizer: &Arc<Authorizer>) -> Self {
        Mutating {
            lookup: lookup.clone(),
            authorizer: authorizer.clone(),
            policies: Policies::new(&lookup.mutating_policies, &lookup.mutating_bindings),
        }
    }

    /// Changes the object; whether it did. In the `second` round only those policies run that have asked for it.
    pub(in crate::admission) fn admit(
        &self,
        at: &Attributes,
        object: &mut Value,
        old: Option<&Value>,
        round: &mut Round,
        second: bool,
    ) -> Result<bool, Status> {
        let current = self
            .policies
            .current(|policy, bindings| Policy::read(policy, bindings, true, Body::read));
        let subject = Subject {
            at,
            object: Some(object),
            old,
            validating: false,
        };
        if current.1.is_empty() || exempt(subject) {
            return Ok(false);
        }
        let (invoked, wrong) = invocations(&current.1, subject, &self.lookup);
        let mut errors: Vec<String> = wrong
            .iter()
            .filter(|one| !one.policy.ignores_failure)
            .map(|one| {
                refusal(
                    &one.policy.name,
                    one.binding.map(|binding| binding.name.as_str()),
                    &one.why,
                )
            })
            .collect();
        let home = if invoked.is_empty() {
            None
        } else {
            subject.home(&self.lookup)?
        };
        let mut changed = false;
        for invocation in &invoked {
            let key = (
                invocation.policy.name.clone(),
                invocation.binding.name.clone(),
            );
            if second && !round.again.contains(&key) {
                continue;
            }
            let before = object.clone();
            if let Err(why) = self.run(invocation, at, object, old, home.as_ref()) {
                if !invocation.policy.ignores_failure {
                    errors.push(refusal(&key.0, Some(&key.1), &why));
                }
                continue;
            }
            if before != *object {
                changed = true;
                round.again.extend(round.invoked.drain(..));
            }
            if invocation.policy.body.reinvoked {
                round.invoked.push(key);
            }
        }
        match errors.as_slice() {
            [] => Ok(changed),
            [first, ..] => {
                let mut status = at.forbidden(Some(object), "admission request denied by policy");
                status.message = first.clone();
                status.reason = triad_machinery::status::reason::INVALID.into();
                let causes = errors.into_iter().map(|message| Cause {
                    message,
                    ..Cause::default()
                });
                Err(causes.fold(status, Status::with_cause))
            }
        }
    }

    fn run(
        &self,
        invocation: &Invocation<'_, Body>,
        at: &Attributes,
        object: &mut Value,
        old: Option<&Value>,
        home: Option<&Value>,
    ) -> Result<(), String> {
        for (number, mutation) in invocation.policy.body.mutations.iter().enumerate() {
            let subject = Subject {
                at,
                object: Some(object),
                old,
                validating: false,
            };
            let mut scene = Scene::new(subject, invocation.matched, home);
            scene.params = invocation.param.clone();
            let running = Running::new(
                &scene,
                &invocation.policy.variables,
                &self.authorizer,
                subject,
            );
            if number == 0 && !invocation.policy.conditions.hold(&running)? {
                return Ok(());
            }
            let ty = invocation
                .matched
                .type_id()
                .ok_or("a kind without fields")?;
            let made = match mutation {
                Mutation::Apply(expression) => apply(&running, expression, &scene.object, ty)?,
                Mutation::Patch(expression) => patch(&running, expression, &scene.object, ty)?,
            };
            if let Some(made) = made {
                subject_took(at, object, made, invocation.matched);
            }
        }
        Ok(())
    }
}

/// Puts an object of the version that a policy saw back into the storage version.
fn subject_took(
    at: &Attributes,
    object: &mut Value,
    made: Value,
    matched: &'static triad_machinery::scheme::Resource,
) {
    *object = at.restored(object, made, matched);
}

fn refusal(policy: &str, binding: Option<&str>, why: &str) -> String {
    match binding {
        Some(binding) => {
            format!("policy '{policy}' with binding '{binding}' denied request: {why}")
        }
        None => format!("policy {policy:?} denied request: {why}"),
    }
}

fn apply(
    running: &Running<'_>,
    expression: &Expression,
    object: &Value,
    ty: TypeId,
) -> Result<Option<Value>, String> {
    let mut config = running
        .run(expression)?
        .to_json()
        .map_err(|error| error.to_string())?;
    for field in ["apiVersion", "kind"] {
        config[field] = object[field].clone();
    }
    let strict = decode(config.to_string().as_bytes(), ty, Strictness::Ignore);
    let config = strict
        .map_err(|error| format!("error applying patch: {error}"))?
        .value;
    let live = from_json(object.clone(), ty)?;
    let merged = laid_over(&live, &config, schema(), ty)
        .map_err(|error| format!("error applying patch: failed to merge patch: {error}"))?;
    finished(merged, ty).map(Some)
}

fn from_json(object: Value, ty: TypeId) -> Result<Value, String> {
    let decoded =
        from_json_value(&object, ty, Strictness::Ignore).map_err(|error| error.to_string())?;
    Ok(decoded.value)
}

fn finished(object: Value, ty: TypeId) -> Result<Value, String> {
    let mut object = from_json(object, ty)?;
    apply_defaults(&mut object, ty);
    Ok(object)
}

fn patch(
    running: &Running<'_>,
    expression: &Expression,
    object: &Value,
    ty: TypeId,
) -> Result<Option<Value>, String> {
    let Evaluated::List(operations) = running.run(expression)? else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    let operations = Value::Array(read_operations(&operations)?);
    let patch =
        JsonPatch::from_value(operations, false).map_err(|error| format!("JSON Patch: {error}"))?;
    match patch.apply(object.clone()) {
        Ok(made) => finished(made, ty).map(Some),
        // Then nothing is changed.
        Err(error) if error.to_string().ends_with(TEST_FAILED) => Ok(None),
        Err(error) => Err(format!("JSON Patch: {error}")),
    }
}

fn read_operations(list: &List<'_>) -> Result<Vec<Value>, String> {
    let mut operations = Vec::new();
    for operation in list.iter() {
        let Evaluated::Object(fields) = operation else {
            return Err(
                "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch"
                    .to_owned(),
            );
        };
        let mut made = Map::new();
        for name in ["op", "path", "from", "value"] {
            if let Some(value) = fields.fields.get(name) {
                let json = value.to_json().map_err(|error| {
                    format!("JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}")
                })?;
                made.insert(name.to_owned(), json);
            }
        }
        operations.push(Value::Object(made));
    }
    Ok(operations)
}
