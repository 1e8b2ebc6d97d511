//! `authorizer` in expressions: who may do what, asked step by step (apiserver pkg/cel/library/authz.go).

use crate::admission::Attributes;
use crate::filters::authorize::{self, Authorizer, Decision};
use crate::user::User;
use std::sync::Arc;
use triad_cel::eval::{Access, Error, Opaque, Value};
use triad_machinery::selector::{FieldSelector, LabelSelector};

/// How far a question has been put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Authorizer,
    Path,
    Group,
    Resource,
}

#[derive(Clone)]
pub(super) struct Question {
    authorizer: Arc<Authorizer>,
    user: User,
    step: Step,
    asked: authorize::Attributes,
}

struct Answer(Decision);

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.step)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Question {
    /// `authorizer`.
    pub(super) fn new(authorizer: &Arc<Authorizer>, user: &User) -> Self {
        Question {
            authorizer: authorizer.clone(),
            user: user.clone(),
            step: Step::Authorizer,
            asked: authorize::Attributes::default(),
        }
    }

    /// `authorizer.requestResource`.
    pub(super) fn of_request(authorizer: &Arc<Authorizer>, at: &Attributes) -> Self {
        let asked = authorize::Attributes {
            resource_request: true,
            group: at.resource.group.to_string(),
            version: at.resource.version.to_string(),
            resource: at.resource.plural.to_string(),
            subresource: at.subresource.clone(),
            namespace: at.namespace.clone(),
            name: at.name.clone(),
            ..authorize::Attributes::default()
        };
        Question {
            step: Step::Resource,
            asked,
            ..Question::new(authorizer, &at.user)
        }
    }

    pub(super) fn value<'a>(self) -> Value<'a> {
        Value::Opaque(Opaque::Access(Arc::new(self)))
    }

    fn next<'a>(&self, step: Step, change: impl FnOnce(&mut authorize::Attributes)) -> Value<'a> {
        let mut next = self.clone();
        next.step = step;
        change(&mut next.asked);
        next.value()
    }

    fn check<'a>(&self, verb: &str) -> Value<'a> {
        let mut asked = self.asked.clone();
        asked.verb = verb.to_owned();
        let decision = self.authorizer.authorize(&self.user, &asked);
        Value::Opaque(Opaque::Access(Arc::new(Answer(decision))))
    }
}

impl<'a> Access<'a> for Question {
    fn type_name(&self) -> &'static str {
        match self.step {
            Step::Authorizer => "kubernetes.authorization.Authorizer",
            Step::Path => "kubernetes.authorization.PathCheck",
            Step::Group => "kubernetes.authorization.GroupCheck",
            Step::Resource => "kubernetes.authorization.ResourceCheck",
        }
    }

    fn call(&self, function: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, Error>> {
        let texts: Option<Vec<&str>> = args.iter().map(Value::as_text).collect();
        let texts = texts?;
        let refuse = |why: &str| Some(Err(Error::new(why)));
        Some(Ok(match (self.step, function, texts.as_slice()) {
            (Step::Authorizer, "path", [path]) if path.trim().is_empty() => {
                return refuse("path must not be empty");
            }
            (Step::Authorizer, "path", [path]) => {
                self.next(Step::Path, |asked| asked.path = (*path).to_owned())
            }
            (Step::Authorizer, "group", [group]) => {
                self.next(Step::Group, |asked| asked.group = (*group).to_owned())
            }
            (Step::Authorizer, "serviceAccount", [namespace, name]) => {
                let fine = |name: &str| triad_machinery::names::dns1123_subdomain(name).is_empty();
                if !fine(name) {
                    return refuse("Invalid service account name");
                }
                if !triad_machinery::names::dns1123_label(namespace).is_empty() {
                    return refuse("Invalid service account namespace");
                }
                let mut question = self.clone();
                question.user = User {
                    name: format!("system:serviceaccount:{namespace}:{name}"),
                    groups: vec![
                        "system:serviceaccounts".to_owned(),
                        format!("system:serviceaccounts:{namespace}"),
                        crate::user::AUTHENTICATED.to_owned(),
                    ],
                    ..User::default()
                };
                question.value()
            }
            (Step::Group, "resource", [resource]) if resource.trim().is_empty() => {
                return refuse("resource must not be empty");
            }
            (Step::Group, "resource", [resource]) => self.next(Step::Resource, |asked| {
                asked.resource_request = true;
                asked.version = "*".to_owned();
                asked.resource = (*resource).to_owned();
            }),
            (Step::Resource, "subresource", [text]) => self.next(Step::Resource, |asked| {
                asked.subresource = (*text).to_owned()
            }),
            (Step::Resource, "namespace", [text]) => {
                self.next(Step::Resource, |asked| asked.namespace = (*text).to_owned())
            }
            (Step::Resource, "name", [text]) => {
                self.next(Step::Resource, |asked| asked.name = (*text).to_owned())
            }
            (Step::Resource, "fieldSelector", [text]) => self.next(Step::Resource, |asked| {
                asked.field_selector = FieldSelector::parse(text).unwrap_or_default()
            }),
            (Step::Resource, "labelSelector", [text]) => self.next(Step::Resource, |asked| {
                asked.label_selector = LabelSelector::parse(text).unwrap_or_default()
            }),
            (Step::Path | Step::Resource, "check", [verb]) => self.check(verb),
            _ => return None,
        }))
    }
}

impl<'a> Access<'a> for Answer {
    fn type_name(&self) -> &'static str {
        "kubernetes.authorization.Decision"
    }

    fn call(&self, function: &str, args: &[Value<'a>]) -> Option<Result<Value<'a>, Error>> {
        if !args.is_empty() {
            return None;
        }
        let (Decision::Allow(reason) | Decision::Deny(reason) | Decision::NoOpinion(reason)) =
            &self.0;
        Some(Ok(match function {
            "allowed" => Value::Bool(matches!(self.0, Decision::Allow(_))),
            "reason" => Value::text(reason.as_str()),
            "errored" => Value::Bool(false),
            "error" => Value::text(""),
            _ => return None,
        }))
    }
}
