//! ValidatingAdmissionPolicy (apiserver pkg/admission/plugin/policy/validating).

use super::findings::Findings;
use super::{Binding, Invocation, Policies, Policy, exempt, invocations, refused};
use crate::admission::Lookup;
use crate::admission::dynamic::Subject;
use crate::admission::dynamic::scene::{Expression, Running, Scene, scope};
use crate::filters::authorize::Authorizer;
use serde_json::Value;
use std::sync::Arc;
use triad_cel::environments::policy::{Compiler, Wanted};
use triad_cel::eval::Value as Evaluated;
use triad_machinery::status::{Cause, Status, reason};

/// A message that an expression makes is at most this long.
const LONGEST_MESSAGE: usize = 5 * 1024;

pub(in crate::admission) struct Validating {
    lookup: Arc<Lookup>,
    authorizer: Arc<Authorizer>,
    policies: Policies<Body>,
}

pub(super) struct Body {
    validations: Vec<Validation>,
    /// By their keys.
    annotations: Vec<(String, Expression)>,
}

struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
}

impl Body {
    fn read(spec: &Value, compiler: &Compiler, params: bool) -> Self {
        let list = |field: &str| spec[field].as_array().into_iter().flatten();
        let of = |text: &str, wanted| Expression::new(compiler, text, wanted, scope(params, false));
        let validations = list("validations").map(|validation| {
            let text = |field: &str| validation[field].as_str().unwrap_or("");
            Validation {
                expression: of(text("expression"), Wanted::Bool),
                message: text("message").trim().to_owned(),
                message_expression: validation["messageExpression"]
                    .as_str()
                    .map(|text| of(text, Wanted::String)),
                reason: text("reason").to_owned(),
            }
        });
        let annotations = list("auditAnnotations").map(|annotation| {
            let text = |field: &str| annotation[field].as_str().unwrap_or("");
            (
                text("key").to_owned(),
                of(text("valueExpression"), Wanted::StringOrNull),
            )
        });
        Body {
            validations: validations.collect(),
            annotations: annotations.collect(),
        }
    }
}

/// Something that a policy says against a request.
pub(super) struct Objection {
    /// The number of the validation that says it.
    pub(super) index: usize,
    pub(super) why: String,
    reason: String,
}

/// What a policy makes of a request with one parameter.
#[derive(Default)]
struct Judgement {
    objections: Vec<Objection>,
    /// Audit annotations.
    said: Vec<(String, String)>,
    /// What went wrong with these: refused, whatever the binding does about objections.
    wrong: Vec<String>,
}

/// The first reason to refuse.
struct Denied<'p> {
    policy: &'p str,
    binding: Option<&'p str>,
    objection: Objection,
}

impl Validating {
    pub(in crate::admission) fn new(lookup: &Arc<Lookup>, authorizer: &Arc<Authorizer>) -> Self {
        Validating {
            lookup: lookup.clone(),
            authorizer: authorizer.clone(),
            policies: Policies::new(&lookup.validating_policies, &lookup.validating_bindings),
        }
    }

    pub(in crate::admission) fn review(
        &self,
        subject: Subject<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let current = self
            .policies
            .current(|policy, bindings| Policy::read(policy, bindings, false, Body::read));
        if current.1.is_empty() || exempt(subject) {
            return Ok(());
        }
        let (invoked, wrong) = invocations(&current.1, subject, &self.lookup);
        let mut denied: Vec<Denied<'_>> = Vec::new();
        for misconfigured in wrong.iter().filter(|one| !one.policy.ignores_failure) {
            denied.push(Denied {
                policy: &misconfigured.policy.name,
                binding: misconfigured.binding.map(|binding| binding.name.as_str()),
                objection: Objection {
                    index: 0,
                    why: misconfigured.why.clone(),
                    reason: String::new(),
                },
            });
        }
        let home = if invoked.is_empty() {
            None
        } else {
            subject.home(&self.lookup)?
        };
        let mut found = Findings::default();
        for invocation in &invoked {
            let judgement = self.judge(invocation, subject, home.as_ref());
            let Invocation {
                policy, binding, ..
            } = invocation;
            found.note(&policy.name, judgement.said);
            for objection in judgement.objections {
                found.audit(invocation, &objection);
                act(invocation, objection, &mut denied, warnings);
            }
            denied.extend(judgement.wrong.into_iter().map(|why| Denied {
                policy: &policy.name,
                binding: Some(&binding.name),
                objection: Objection {
                    index: 0,
                    why,
                    reason: String::new(),
                },
            }));
        }
        found.publish(&subject.at.trail);
        denied
            .into_iter()
            .next()
            .map_or(Ok(()), |first| Err(refusal(subject, first)))
    }

    fn judge(
        &self,
        invocation: &Invocation<'_, Body>,
        subject: Subject<'_>,
        home: Option<&Value>,
    ) -> Judgement {
        let policy = invocation.policy;
        let mut scene = Scene::new(subject, invocation.matched, home);
        scene.params = invocation.param.clone();
        let running = Running::new(&scene, &policy.variables, &self.authorizer, subject);
        let mut judgement = Judgement::default();
        let counts = |why: String| (!policy.ignores_failure).then_some(why);
        let failed = |index: usize, why: String| {
            counts(why).map(|why| Objection {
                index,
                why,
                reason: String::new(),
            })
        };
        match policy.conditions.hold(&running) {
            Ok(true) => {}
            Ok(false) => return judgement,
            Err(why) => {
                judgement.objections.extend(failed(0, why));
                return judgement;
            }
        }
        for (index, validation) in policy.body.validations.iter().enumerate() {
            match running.run(&validation.expression) {
                Ok(Evaluated::Bool(true)) => {}
                Ok(_) => {
                    let objection = validation.objection(index, &running);
                    judgement.objections.push(objection);
                }
                Err(why) => judgement.objections.extend(failed(index, why)),
            }
        }
        for (key, expression) in &policy.body.annotations {
            match running.run(expression) {
                Ok(value) => {
                    let said = value.as_text().map(str::trim).unwrap_or_default();
                    if !said.is_empty() {
                        judgement.said.push((key.clone(), said.to_owned()));
                    }
                }
                Err(why) => judgement.wrong.extend(counts(why)),
            }
        }
        judgement
    }
}

impl Validation {
    fn objection(&self, index: usize, running: &Running<'_>) -> Objection {
        let made = self.message_expression.as_ref().and_then(|expression| {
            let value = running.run(expression).ok()?;
            let text = value.as_text()?.trim().to_owned();
            let fine = !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
            fine.then_some(text)
        });
        let written = (!self.message.is_empty()).then(|| self.message.clone());
        let why = made
            .or(written)
            .unwrap_or_else(|| format!("failed expression: {}", self.expression.text.trim()));
        Objection {
            index,
            why,
            reason: self.reason.clone(),
        }
    }
}

/// What a binding does about an objection.
fn act<'p>(
    invocation: &Invocation<'p, Body>,
    objection: Objection,
    denied: &mut Vec<Denied<'p>>,
    warnings: &mut Vec<String>,
) {
    let Binding { name, actions, .. } = invocation.binding;
    let policy = &invocation.policy.name;
    let does = |action: &str| actions.iter().any(|own| own == action);
    if does("Warn") {
        warnings.push(format!(
            "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{name}': {}",
            objection.why
        ));
    }
    if does("Deny") {
        denied.push(Denied {
            policy,
            binding: Some(name),
            objection,
        });
    }
}

fn refusal(subject: Subject<'_>, denied: Denied<'_>) -> Status {
    let with = denied.binding.map_or(String::new(), |binding| {
        format!(" with binding '{binding}'")
    });
    let message = format!(
        "ValidatingAdmissionPolicy '{}'{with} denied request: {}",
        denied.policy, denied.objection.why
    );
    let mut status = refused(subject, message.clone());
    status.code = match denied.objection.reason.as_str() {
        "Forbidden" => 403,
        "Unauthorized" => 401,
        "RequestEntityTooLarge" => 413,
        _ => 422,
    };
    status.reason = match denied.objection.reason {
        given if given.is_empty() => reason::INVALID.into(),
        given => given.into(),
    };
    status.with_cause(Cause {
        message,
        ..Cause::default()
    })
}
