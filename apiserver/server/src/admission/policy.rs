//! Admission policies: expressions, kept as objects, that change and refuse others (apiserver
//! pkg/admission/plugin/policy/generic). Compiled from the caches' snapshots, and again when one has moved on.

mod findings;
mod mutating;
mod params;
mod validating;

pub(super) use mutating::{Mutating, Round};
pub(super) use validating::Validating;

use super::Lookup;
use super::dynamic::Subject;
use super::dynamic::criteria::Criteria;
use super::dynamic::scene::{Conditions, Expression, scope};
use crate::cacher::ResourceCache;
use arc_swap::ArcSwap;
use params::Params;
use serde_json::Value;
use std::sync::Arc;
use triad_cel::environments::policy::Compiler;
use triad_kv::Revision;
use triad_machinery::meta;
use triad_machinery::scheme::Resource;
use triad_machinery::status::Status;

/// A policy with its bindings; `body` is what its kind makes of a match.
struct Policy<B> {
    name: String,
    criteria: Criteria,
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    /// Errors are no reason to refuse.
    ignores_failure: bool,
    params: Params,
    bindings: Vec<Binding>,
    body: B,
}

struct Binding {
    name: String,
    criteria: Criteria,
    params: Value,
    actions: Vec<String>,
}

impl<B> Policy<B> {
    /// `body` compiles what is the kind's own, after the variables.
    fn read(
        policy: &Value,
        bindings: &[Value],
        patches: bool,
        body: impl FnOnce(&Value, &Compiler, bool) -> B,
    ) -> Self {
        let spec = &policy["spec"];
        let name = meta::name(policy);
        let params = Params::read(&spec["paramKind"]);
        let of_params = !spec["paramKind"].is_null();
        let mut compiler = Compiler::composing();
        let variables = spec["variables"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|variable| {
                let text = |field: &str| variable[field].as_str().unwrap_or("");
                let expression = Expression::variable(
                    &mut compiler,
                    text("name"),
                    text("expression"),
                    scope(of_params, patches),
                );
                (text("name").to_owned(), expression)
            });
        let variables = variables.collect();
        Policy {
            name: name.to_owned(),
            criteria: Criteria::of_policy(&spec["matchConstraints"], false),
            conditions: Conditions::read(&spec["matchConditions"], &Compiler::plain(), of_params),
            variables,
            ignores_failure: spec["failurePolicy"] == "Ignore",
            params,
            bindings: bindings
                .iter()
                .filter(|binding| binding["spec"]["policyName"] == name)
                .map(Binding::read)
                .collect(),
            body: body(spec, &compiler, of_params),
        }
    }
}

impl Binding {
    fn read(binding: &Value) -> Self {
        let spec = &binding["spec"];
        let actions = spec["validationActions"].as_array().into_iter().flatten();
        Binding {
            name: meta::name(binding).to_owned(),
            criteria: Criteria::of_policy(&spec["matchResources"], true),
            params: spec["paramRef"].clone(),
            actions: actions
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// All policies of a kind, as the caches have them.
struct Policies<B> {
    sources: [Arc<ResourceCache>; 2],
    compiled: ArcSwap<([Revision; 2], Vec<Policy<B>>)>,
}

impl<B> Policies<B> {
    fn new(policies: &Arc<ResourceCache>, bindings: &Arc<ResourceCache>) -> Self {
        Policies {
            sources: [policies.clone(), bindings.clone()],
            compiled: ArcSwap::from_pointee(([Revision(0); 2], Vec::new())),
        }
    }

    /// In the order of their names.
    fn current(
        &self,
        read: impl Fn(&Value, &[Value]) -> Policy<B>,
    ) -> Arc<([Revision; 2], Vec<Policy<B>>)> {
        let snapshots = self.sources.each_ref().map(|source| source.snapshot());
        let revisions = [snapshots[0].revision, snapshots[1].revision];
        let known = self.compiled.load_full();
        if known.0 == revisions {
            return known;
        }
        let objects = [0, 1].map(|at: usize| -> Vec<Value> {
            let layout = &self.sources[at].layout;
            let objects = snapshots[at].all();
            objects
                .filter_map(|object| object.object(layout).ok())
                .collect()
        });
        // One without bindings does nothing.
        let bound = objects[0].iter().map(|policy| read(policy, &objects[1]));
        let policies: Vec<Policy<B>> = bound.filter(|policy| !policy.bindings.is_empty()).collect();
        let compiled = Arc::new((revisions, policies));
        self.compiled.store(compiled.clone());
        compiled
    }
}

/// A binding that a request falls under, with one of its parameters.
struct Invocation<'p, B> {
    policy: &'p Policy<B>,
    binding: &'p Binding,
    matched: &'static Resource,
    param: Value,
}

/// Why a policy, or one of its bindings, could not be carried out.
struct Misconfigured<'p, B> {
    policy: &'p Policy<B>,
    binding: Option<&'p Binding>,
    why: String,
}

/// What of the policies a request falls under.
fn invocations<'p, B>(
    policies: &'p [Policy<B>],
    subject: Subject<'_>,
    lookup: &Lookup,
) -> (Vec<Invocation<'p, B>>, Vec<Misconfigured<'p, B>>) {
    let (mut invoked, mut wrong) = (Vec::new(), Vec::new());
    for policy in policies {
        let mut fail = |binding: Option<&'p Binding>, why: String| {
            let what = if binding.is_none() {
                "policy"
            } else {
                "binding"
            };
            let why = format!("failed to configure {what}: {why}");
            wrong.push(Misconfigured {
                policy,
                binding,
                why,
            });
        };
        let matched = match policy.criteria.matched(subject, lookup) {
            Ok(None) => continue,
            Ok(Some(matched)) => matched,
            Err(status) => {
                fail(None, status.message);
                continue;
            }
        };
        if let Err(why) = policy.params.known(lookup) {
            fail(None, why);
            continue;
        }
        for binding in &policy.bindings {
            match binding.criteria.matched(subject, lookup) {
                Ok(None) => continue,
                Ok(Some(_)) => {}
                Err(status) => {
                    fail(Some(binding), status.message);
                    continue;
                }
            }
            match policy
                .params
                .collect(&binding.params, &subject.at.namespace, lookup)
            {
                Ok(params) => invoked.extend(params.into_iter().map(|param| Invocation {
                    policy,
                    binding,
                    matched,
                    param,
                })),
                Err(why) => fail(Some(binding), why),
            }
        }
    }
    (invoked, wrong)
}

/// Policies do not judge policies, bindings and webhooks: nobody could take them away again.
fn exempt(subject: Subject<'_>) -> bool {
    subject.at.resource.group == "admissionregistration.k8s.io"
}

/// A refusal under the request's name.
fn refused(subject: Subject<'_>, why: String) -> Status {
    subject.at.forbidden(subject.either(), why)
}

#[cfg(test)]
mod tests;
