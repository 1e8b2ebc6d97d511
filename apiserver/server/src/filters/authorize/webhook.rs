//! Webhook authorization: another server is asked with a SubjectAccessReview; its answers are kept for a while (apiserver
//! plugin/pkg/authorizer/webhook).

use super::{Attributes, Decision};
use crate::egress::{Patience, Target, post_patiently};
use crate::filters::kept::Kept;
use crate::user::User;
use serde_json::{Map, Value, json};
use std::time::Duration;
use triad_cel::check::Checked;
use triad_cel::environments::access;
use triad_cel::eval::{Value as Evaluated, evaluate};
use triad_machinery::selector::label::Operator;

/// Answers kept.
const KEPT: usize = 8192;
/// Questions longer than this are not kept.
const LONGEST_KEPT: usize = 10_000;
/// What a condition may cost.
const BUDGET: u64 = 10_000_000;
/// Before a server that is overloaded or failed is asked again.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Settings {
    pub(super) target: Target,
    /// `v1` or `v1beta1`.
    pub(super) version: String,
    pub(super) timeout: Duration,
    /// How long answers are kept; zero for not at all.
    pub(super) authorized_ttl: Duration,
    pub(super) unauthorized_ttl: Duration,
    /// Without an answer the request is denied.
    pub(super) denies_on_error: bool,
    pub(super) conditions: Vec<(String, Checked)>,
}

pub(super) struct Webhook {
    settings: Settings,
    kept: Kept<String, Decision>,
}

/// Compiles a condition on requests.
pub(super) fn condition(text: &str) -> Result<(String, Checked), String> {
    Ok((text.to_owned(), access::request(text)?))
}

impl Webhook {
    pub(super) fn new(settings: Settings) -> Self {
        Webhook {
            settings,
            kept: Kept::new(KEPT),
        }
    }

    pub(super) async fn authorize(&self, user: &User, asked: &Attributes) -> Decision {
        let spec = spec(user, asked);
        match self.matches(&spec) {
            Ok(true) => {}
            Ok(false) => return Decision::NoOpinion(String::new()),
            Err(why) => return self.failed(&why),
        }
        let key = spec.to_string();
        if let Some(decision) = self.kept.get(&key) {
            return decision;
        }
        match self.ask(&spec).await {
            Ok(decision) => {
                self.keep(key, &decision);
                decision
            }
            Err(why) => self.failed(&why),
        }
    }

    fn failed(&self, why: &str) -> Decision {
        tracing::warn!(why, "the authorization webhook gave no answer");
        match self.settings.denies_on_error {
            true => Decision::Deny(String::new()),
            false => Decision::NoOpinion(String::new()),
        }
    }

    /// One condition that does not hold speaks louder than others' errors.
    fn matches(&self, spec: &Value) -> Result<bool, String> {
        let filled = filled(spec);
        let variables = [("request", Evaluated::of(&filled))];
        let mut failed = None;
        for (text, condition) in &self.settings.conditions {
            match evaluate(condition, &variables, BUDGET).result {
                Ok(Evaluated::Bool(true)) => {}
                Ok(_) => return Ok(false),
                Err(error) => {
                    failed = Some(format!(
                        "cel evaluation error: expression '{text}' resulted in error: {error}"
                    ))
                }
            }
        }
        failed.map_or(Ok(true), Err)
    }

    fn keep(&self, key: String, decision: &Decision) {
        let ttl = match decision {
            Decision::Allow(_) => self.settings.authorized_ttl,
            _ => self.settings.unauthorized_ttl,
        };
        if key.len() <= LONGEST_KEPT {
            self.kept.put(key, decision.clone(), ttl);
        }
    }

    async fn ask(&self, spec: &Value) -> Result<Decision, String> {
        let Settings {
            target,
            version,
            timeout,
            ..
        } = &self.settings;
        let mut shown = spec.clone();
        if version == "v1beta1"
            && let Some(groups) = shown
                .as_object_mut()
                .and_then(|spec| spec.shift_remove("groups"))
        {
            shown["group"] = groups;
        }
        let review = json!({"kind": "SubjectAccessReview", "apiVersion": format!("authorization.k8s.io/{version}"),
            "metadata": {}, "spec": shown, "status": {"allowed": false}});
        let patience = Patience {
            first_pause: PAUSE,
            whatever: false,
        };
        let body = review.to_string().into_bytes();
        let answer = post_patiently(target, body, *timeout, patience).await?;
        let answer: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer is no review: {error}"))?;
        Ok(decision(&answer["status"]))
    }
}

fn decision(status: &Value) -> Decision {
    let reason = status["reason"].as_str().unwrap_or("").to_owned();
    match (status["denied"] == true, status["allowed"] == true) {
        (true, _) => Decision::Deny(reason),
        (false, true) => Decision::Allow(reason),
        (false, false) => Decision::NoOpinion(reason),
    }
}

/// What is asked, as the specification of a review in v1.
fn spec(user: &User, asked: &Attributes) -> Value {
    let mut spec = Map::new();
    let text = |of: &mut Map<String, Value>, name: &str, value: &str| {
        if !value.is_empty() {
            of.insert(name.to_owned(), json!(value));
        }
    };
    let mut of = Map::new();
    text(&mut of, "verb", &asked.verb);
    if asked.resource_request {
        for (name, value) in [
            ("namespace", &asked.namespace),
            ("group", &asked.group),
            ("version", &asked.version),
            ("resource", &asked.resource),
            ("subresource", &asked.subresource),
            ("name", &asked.name),
        ] {
            text(&mut of, name, value);
        }
        selectors(&mut of, asked);
        spec.insert("resourceAttributes".to_owned(), of.into());
    } else {
        text(&mut of, "path", &asked.path);
        spec.insert("nonResourceAttributes".to_owned(), of.into());
    }
    text(&mut spec, "user", &user.name);
    if !user.groups.is_empty() {
        spec.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".to_owned(), json!(user.extra));
    }
    text(&mut spec, "uid", &user.uid);
    Value::Object(spec)
}

/// As conditions see it: what is empty is there all the same.
fn filled(spec: &Value) -> Value {
    let mut filled = json!({"user": "", "groups": [], "uid": "", "extra": {}});
    let attributes: [(&str, &[&str]); 2] = [
        (
            "resourceAttributes",
            &[
                "namespace",
                "verb",
                "group",
                "version",
                "resource",
                "subresource",
                "name",
            ],
        ),
        ("nonResourceAttributes", &["path", "verb"]),
    ];
    for (name, fields) in attributes {
        if spec.get(name).is_some() {
            for field in fields {
                filled[name][*field] = json!("");
            }
        }
    }
    for (name, value) in spec.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(fields) => {
                for (field, value) in fields {
                    filled[name][field.as_str()] = value.clone();
                }
            }
            None => filled[name] = value.clone(),
        }
    }
    filled
}

fn selectors(of: &mut Map<String, Value>, asked: &Attributes) {
    let fields = asked.field_selector.terms.iter().map(|term| {
        let operator = if term.equal { "In" } else { "NotIn" };
        json!({"key": term.field, "operator": operator, "values": [term.value]})
    });
    let labels = asked
        .label_selector
        .requirements()
        .iter()
        .filter_map(|requirement| {
            let operator = match requirement.operator {
                Operator::Equals | Operator::DoubleEquals | Operator::In => "In",
                Operator::NotEquals | Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
                // Not known there; without it the question is a broader one.
                Operator::GreaterThan | Operator::LessThan => return None,
            };
            let mut shown = json!({"key": requirement.key, "operator": operator});
            if !requirement.values.is_empty() {
                shown["values"] = json!(requirement.values);
            }
            Some(shown)
        });
    for (name, requirements) in [
        ("fieldSelector", fields.collect::<Vec<_>>()),
        ("labelSelector", labels.collect()),
    ] {
        if !requirements.is_empty() {
            of.insert(name.to_owned(), json!({"requirements": requirements}));
        }
    }
}

#[cfg(test)]
mod tests;
