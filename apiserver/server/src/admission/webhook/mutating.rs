//! MutatingAdmissionWebhook: one after the other, each sees what those before it have made.

use super::{Trouble, Webhook, Webhooks, exempt, failed};
use crate::admission::dynamic::Subject;
use crate::admission::{Attributes, Lookup};
use crate::audit::{Level, Trail};
use crate::egress::kubeconfig::Users;
use crate::filters::authorize::Authorizer;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;
use triad_machinery::codec::Strictness;
use triad_machinery::codec::json::from_json_value;
use triad_machinery::defaults::apply_defaults;
use triad_machinery::patch::json::JsonPatch;
use triad_machinery::scheme::Resource;
use triad_machinery::status::Status;

pub(in crate::admission) struct Mutating(Webhooks);

/// What has happened to an object in the round before, for the second.
#[derive(Default)]
pub(in crate::admission) struct Round {
    invoked: Vec<String>,
    again: HashSet<String>,
}

impl Mutating {
    pub(in crate::admission) fn new(
        lookup: &Arc<Lookup>,
        authorizer: &Arc<Authorizer>,
        users: Users,
    ) -> Self {
        Mutating(Webhooks::new(
            &lookup.mutating_webhooks,
            lookup,
            authorizer,
            users,
        ))
    }

    /// Changes the object; whether it did. In the `second` round only those are called that have asked for it.
    pub(in crate::admission) async fn admit(
        &self,
        at: &Attributes,
        object: &mut Value,
        old: Option<&Value>,
        round: &mut Round,
        (second, warnings): (bool, &mut Vec<String>),
    ) -> Result<bool, Status> {
        let current = self.0.current();
        if current.1.is_empty() || exempt(at) {
            return Ok(false);
        }
        let mut changed = false;
        for (number, hook) in current.1.iter().enumerate() {
            let subject = Subject {
                at,
                object: Some(object),
                old,
                validating: false,
            };
            let Some(matched) = self.0.called(hook, subject)? else {
                continue;
            };
            if second && !round.again.contains(&hook.key) {
                continue;
            }
            let note = Note {
                hook,
                trail: &at.trail,
                place: format!("round_{}_index_{number}", u8::from(second)),
            };
            let mut mutated = false;
            match self.allowed(&note, subject, matched, warnings).await {
                Err(status) => {
                    note.mutated(false);
                    return Err(status);
                }
                Ok(None) => {}
                Ok(Some(patch)) => {
                    if !content_is_secret(at) {
                        note.patch(&patch);
                    }
                    let made = patched(subject, matched, patch)?;
                    let before = object.clone();
                    *object = at.restored(&before, made, matched);
                    mutated = before != *object;
                }
            }
            note.mutated(mutated);
            if mutated {
                changed = true;
                round.again.extend(round.invoked.drain(..));
            }
            if hook.reinvoked {
                round.invoked.push(hook.key.clone());
            }
        }
        Ok(changed)
    }

    /// Asks about a deletion, which leaves nothing to change.
    pub(in crate::admission) async fn deletion(
        &self,
        subject: Subject<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let current = self.0.current();
        if exempt(subject.at) {
            return Ok(());
        }
        for (number, hook) in current.1.iter().enumerate() {
            if let Some(matched) = self.0.called(hook, subject)? {
                let note = Note {
                    hook,
                    trail: &subject.at.trail,
                    place: format!("round_0_index_{number}"),
                };
                note.mutated(false);
                self.allowed(&note, subject, matched, warnings).await?;
            }
        }
        Ok(())
    }

    async fn allowed(
        &self,
        note: &Note<'_>,
        subject: Subject<'_>,
        matched: &'static Resource,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Value>, Status> {
        let hook = note.hook;
        match self.0.call(hook, subject, matched, true, warnings).await {
            Ok(patch) => Ok(patch),
            Err(Trouble::Rejected(status) | Trouble::Refused(status)) => Err(status),
            Err(Trouble::Failed(why)) if hook.ignores_failure => {
                tracing::warn!(
                    webhook = hook.name,
                    why,
                    "failed calling a webhook, which does not count"
                );
                note.failed_open();
                Ok(None)
            }
            Err(Trouble::Failed(why)) => Err(Status::internal(failed(hook, &why))),
        }
    }
}

/// Patches of these would tell what they hold.
fn content_is_secret(at: &Attributes) -> bool {
    at.is("", "secrets")
}

/// What audit events say of a call.
struct Note<'a> {
    hook: &'a Webhook,
    trail: &'a Trail,
    /// The round and the webhook's number.
    place: String,
}

impl Note<'_> {
    fn mutated(&self, mutated: bool) {
        if self.trail.is_on() {
            let mut said = self.who();
            said.insert("mutated".to_owned(), mutated.into());
            let key = format!("mutation.webhook.admission.k8s.io/{}", self.place);
            self.trail.annotate(&key, Value::Object(said).to_string());
        }
    }

    fn patch(&self, patch: &Value) {
        if self.trail.is_on() {
            let mut said = self.who();
            said.insert("patch".to_owned(), patch.clone());
            said.insert("patchType".to_owned(), "JSONPatch".into());
            let key = format!("patch.webhook.admission.k8s.io/{}", self.place);
            let said = Value::Object(said).to_string();
            self.trail.annotate_from(Level::Request, &key, said);
        }
    }

    fn failed_open(&self) {
        let key = format!(
            "failed-open.mutation.webhook.admission.k8s.io/{}",
            self.place
        );
        self.trail.annotate(&key, self.hook.name.as_str());
    }

    fn who(&self) -> Map<String, Value> {
        let mut who = Map::new();
        who.insert(
            "configuration".to_owned(),
            self.hook.configuration.as_str().into(),
        );
        who.insert("webhook".to_owned(), self.hook.name.as_str().into());
        who
    }
}

/// The object that a patch makes, in the version that the webhook saw, with its defaults.
fn patched(
    subject: Subject<'_>,
    matched: &'static Resource,
    patch: Value,
) -> Result<Value, Status> {
    let shown = subject.shown(subject.object, matched);
    let patch = JsonPatch::from_value(patch, false).map_err(Status::internal)?;
    let made = patch.apply(shown).map_err(Status::internal)?;
    let Some(ty) = matched.type_id().filter(|_| subject.is_resource()) else {
        return Ok(made);
    };
    let decoded = from_json_value(&made, ty, Strictness::Ignore).map_err(Status::internal)?;
    let mut object = decoded.value;
    apply_defaults(&mut object, ty);
    Ok(object)
}
