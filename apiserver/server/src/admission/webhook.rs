//! Admission webhooks: servers elsewhere that change and refuse (apiserver pkg/admission/plugin/webhook). Their configurations are
//! read from the caches' snapshots, and again when these have moved on.

mod client;
mod mutating;
mod review;
mod validating;

pub(crate) use client::Client;
pub(super) use mutating::{Mutating, Round};
pub(super) use validating::Validating;

use super::configuration::Configuration;
use super::dynamic::Subject;
use super::dynamic::criteria::Criteria;
use super::dynamic::scene::{Conditions, Running, Scene};
use super::{Attributes, Lookup};
use crate::cacher::ResourceCache;
use crate::configuration::Form;
use crate::egress::kubeconfig::Users;
use crate::filters::authorize::Authorizer;
use arc_swap::ArcSwap;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use triad_cel::environments::policy::Compiler;
use triad_kv::Revision;
use triad_machinery::meta;
use triad_machinery::pod::text;
use triad_machinery::scheme::Resource;
use triad_machinery::status::Status;

/// How long a webhook may take that does not say.
const TIMEOUT_SECONDS: u64 = 10;
const FORM: Form = Form {
    kind: "WebhookAdmissionConfiguration",
    versions: &["apiserver.config.k8s.io/v1"],
    fields: &[("", &["kubeConfigFile", "staticManifestsDir"])],
};

struct Webhook {
    name: String,
    /// The name of the object that it stands in.
    configuration: String,
    /// Unique among all: its configuration's name, its place and its own name.
    key: String,
    criteria: Criteria,
    conditions: Conditions,
    client: Client,
    timeout: Duration,
    /// Errors in calling it are no reason to refuse.
    ignores_failure: bool,
    /// It may be called for requests that are to change nothing.
    dry_runs: bool,
    reinvoked: bool,
    versions: Vec<String>,
}

impl Webhook {
    fn read(configuration: &Value, (at, hook): (usize, &Value), users: &Users) -> Self {
        let text = |field: &str| hook[field].as_str().unwrap_or("");
        let versions = hook["admissionReviewVersions"]
            .as_array()
            .into_iter()
            .flatten();
        Webhook {
            name: text("name").to_owned(),
            configuration: meta::name(configuration).to_owned(),
            key: format!("{}/{at}/{}", meta::name(configuration), text("name")),
            criteria: Criteria::of_webhook(hook),
            conditions: Conditions::read(&hook["matchConditions"], &Compiler::plain(), false),
            client: Client::read(&hook["clientConfig"], users),
            timeout: Duration::from_secs(
                hook["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_SECONDS),
            ),
            ignores_failure: text("failurePolicy") == "Ignore",
            dry_runs: ["None", "NoneOnDryRun"].contains(&text("sideEffects")),
            reinvoked: text("reinvocationPolicy") == "IfNeeded",
            versions: versions
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// What came of a call that did not allow the request, or of one that did not come about.
enum Trouble {
    /// The webhook said no.
    Rejected(Status),
    /// It was not reached, or answered what makes no sense.
    Failed(String),
    /// The request itself cannot be put to it.
    Refused(Status),
}

/// All webhooks of a kind, in the order of their configurations' names.
struct Webhooks {
    source: Arc<ResourceCache>,
    read: ArcSwap<(Revision, Vec<Arc<Webhook>>)>,
    lookup: Arc<Lookup>,
    authorizer: Arc<Authorizer>,
    users: Users,
}

/// The users that a plugin's configuration has shown to webhooks (apiserver pkg/admission/plugin/webhook/config).
pub(super) fn users(configuration: &Configuration, plugin: &str) -> Result<Users, String> {
    let own = configuration.of_form(plugin, &FORM)?;
    let own = own.unwrap_or(&Value::Null);
    if !text(&own["staticManifestsDir"]).is_empty() {
        return Err("staticManifestsDir: webhooks are read from the API alone".to_owned());
    }
    let file = text(&own["kubeConfigFile"]);
    if file.is_empty() {
        return Ok(Users::default());
    }
    if !Path::new(file).is_absolute() {
        let why = "must be an absolute file path";
        return Err(format!("kubeConfigFile: Invalid value: {file:?}: {why}"));
    }
    Users::read(Path::new(file))
}

impl Webhooks {
    fn new(
        source: &Arc<ResourceCache>,
        lookup: &Arc<Lookup>,
        authorizer: &Arc<Authorizer>,
        users: Users,
    ) -> Self {
        Webhooks {
            source: source.clone(),
            read: ArcSwap::from_pointee((Revision(0), Vec::new())),
            lookup: lookup.clone(),
            authorizer: authorizer.clone(),
            users,
        }
    }

    fn current(&self) -> Arc<(Revision, Vec<Arc<Webhook>>)> {
        let snapshot = self.source.snapshot();
        let known = self.read.load_full();
        if known.0 == snapshot.revision {
            return known;
        }
        let objects = snapshot.all();
        let configurations = objects.filter_map(|object| object.object(&self.source.layout).ok());
        let hooks = configurations.flat_map(|configuration| {
            let hooks = configuration["webhooks"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let read = |hook| Arc::new(Webhook::read(&configuration, hook, &self.users));
            hooks.iter().enumerate().map(read).collect::<Vec<_>>()
        });
        let read = Arc::new((snapshot.revision, hooks.collect()));
        self.read.store(read.clone());
        read
    }

    /// The version of the resource that a webhook is to see; none when it is not for this request.
    fn called(
        &self,
        hook: &Webhook,
        subject: Subject<'_>,
    ) -> Result<Option<&'static Resource>, Status> {
        let Some(matched) = hook.criteria.matched(subject, &self.lookup)? else {
            return Ok(None);
        };
        if hook.conditions.is_empty() {
            return Ok(Some(matched));
        }
        let scene = Scene::new(subject, matched, None);
        let running = Running::new(&scene, &[], &self.authorizer, subject);
        match hook.conditions.hold(&running) {
            Ok(true) => Ok(Some(matched)),
            Ok(false) => Ok(None),
            Err(_) if hook.ignores_failure => Ok(None),
            Err(why) => Err(subject.at.forbidden(subject.either(), why)),
        }
    }

    /// Puts the request to a webhook: what it allows with.
    async fn call(
        &self,
        hook: &Webhook,
        subject: Subject<'_>,
        matched: &'static Resource,
        mutating: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Value>, Trouble> {
        if subject.at.asked.dry_run && !hook.dry_runs {
            let why = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Trouble::Refused(Status::bad_request(why)));
        }
        let (uid, review) =
            review::ask(&hook.versions, subject, matched).map_err(Trouble::Failed)?;
        let answer = hook
            .client
            .call(&self.lookup, review, hook.timeout)
            .await
            .map_err(Trouble::Failed)?;
        let heard = review::Heard {
            warnings,
            trail: &subject.at.trail,
        };
        review::read(&hook.name, &uid, &answer, mutating, heard)
    }
}

/// Webhooks do not judge webhooks and policies: nobody could take them away again.
fn exempt(at: &Attributes) -> bool {
    at.resource.group == "admissionregistration.k8s.io"
}

fn failed(hook: &Webhook, why: &str) -> String {
    format!("failed calling webhook {:?}: {why}", hook.name)
}

#[cfg(test)]
mod tests;
