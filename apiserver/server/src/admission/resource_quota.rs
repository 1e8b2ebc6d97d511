//! ResourceQuota: a write that uses more than a quota of its namespace leaves is refused (apiserver pkg/admission/plugin/
//! resourcequota).
//!
//! What a write uses is added to the quotas before the object is stored, and the object is stored only while they are as they
//! were then; when it is not stored, they get it back. The resourcequota controller gives back what goes.

use super::configuration::Configuration;
use super::{Attributes, Operation, Plugin};
use crate::api::Api;
use crate::clock::Clock;
use crate::configuration::Form;
use crate::handlers::create::in_context;
use crate::registry::{Extra, Outcome, Registry, Stored, unavailable};
use bytes::Bytes;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use triad_kv::{Compare, Condition, Revision};
use triad_machinery::managed_fields;
use triad_machinery::meta;
use triad_machinery::status::{OBJECT_MODIFIED, Status};
use triad_machinery::usage::{self, Amounts, Limited, Measure, Moment, Write};

const NAME: &str = "ResourceQuota";
/// Who is recorded as the author of a quota's usage.
const MANAGER: &str = "kube-apiserver";
/// Namespaces share this many turns.
const TURNS: usize = 64;
/// How often a charge is tried again when others write the quota meanwhile.
const ATTEMPTS: u32 = 32;

/// The plugin's place in the chain. It refuses nothing there: `charged` does, once all others have let the write pass.
pub(super) struct ResourceQuota;

impl Plugin for ResourceQuota {
    fn name(&self) -> &'static str {
        NAME
    }
}

const FORM: Form = Form {
    kind: "Configuration",
    versions: &[
        "apiserver.config.k8s.io/v1",
        "resourcequota.admission.k8s.io/v1beta1",
        "resourcequota.admission.k8s.io/v1alpha1",
    ],
    fields: &[
        ("", &["limitedResources"]),
        (
            "/limitedResources",
            &["apiGroup", "resource", "matchContains", "matchScopes"],
        ),
        (
            "/limitedResources/matchScopes",
            &["scopeName", "operator", "values"],
        ),
    ],
};

/// What the configuration wants covered by quotas.
pub(super) fn limited(configuration: &Configuration) -> Result<Vec<Limited>, String> {
    // Of its first version alone the kind has a name of its own.
    let own = configuration.of(NAME);
    let mut own = own.cloned().unwrap_or_default();
    if own["kind"] == "ResourceQuotaConfiguration" && own["apiVersion"] == FORM.versions[0] {
        own["kind"] = FORM.kind.into();
    }
    if !own.is_null() {
        FORM.check(&own)?;
    }
    Limited::read(&own["limitedResources"]).map_err(|errors| Status::aggregate(&errors))
}

/// Writes that use something of a quota take turns, by namespace: each finds the usage that the one before left. Writes in
/// namespaces without quotas pass side by side, but not while usage is counted: none is forgotten by the first count.
pub(crate) struct Turns(Vec<Arc<RwLock<()>>>);

/// A turn, until it is dropped.
enum Turn {
    Shared(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
    Alone(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>),
}

impl Turns {
    pub(super) fn new() -> Self {
        Turns((0..TURNS).map(|_| Arc::default()).collect())
    }

    fn of(&self, namespace: &str) -> Arc<RwLock<()>> {
        let mut hasher = DefaultHasher::new();
        namespace.hash(&mut hasher);
        self.0[hasher.finish() as usize % TURNS].clone()
    }

    /// A turn with nobody beside.
    pub(crate) async fn alone(&self, namespace: &str) -> OwnedRwLockWriteGuard<()> {
        self.of(namespace).write_owned().await
    }
}

/// What a write has added to quotas, and its turn, until the write is settled.
#[derive(Default)]
pub(crate) struct Charge {
    turn: Option<Turn>,
    added: Vec<Added>,
}

/// A quota as it was before, and when it was charged.
struct Added {
    before: Stored,
    revision: Revision,
}

/// Charges a write to the quotas of its namespace; `old` is None for a new object. A dry run is refused like any, and adds
/// nothing.
pub(crate) async fn charge(
    api: &Api,
    attributes: &Attributes,
    object: &Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Charge, Status> {
    let resource = attributes.resource;
    let Some(quotas) = api.endpoints.registry("", "resourcequotas") else {
        return Ok(Charge::default());
    };
    let measure = Measure::of(&resource.group, &resource.plural);
    let write = Write {
        subresource: &attributes.subresource,
        object,
        old,
    };
    let counted = matches!(attributes.operation, Operation::Create | Operation::Update)
        && !attributes.namespace.is_empty()
        && &*resource.plural != "events";
    if !counted || !measure.counts(write) || !api.admission.has(NAME) {
        return Ok(Charge::default());
    }
    let turns = &api.admission.turns;
    let shared = turns.of(&attributes.namespace).read_owned().await;
    if names(quotas, &attributes.namespace).is_empty() && api.admission.limited.is_empty() {
        return Ok(Charge {
            turn: Some(Turn::Shared(shared)),
            added: Vec::new(),
        });
    }
    drop(shared);
    let mut charge = Charge {
        turn: Some(Turn::Alone(turns.alone(&attributes.namespace).await)),
        added: Vec::new(),
    };
    for _ in 0..ATTEMPTS {
        let totals = judge(api, quotas, attributes, &measure, write)?;
        if dry_run || charge.add(api, quotas, totals).await? {
            return Ok(charge);
        }
        // Another member may have written it, and this one's replica be behind.
        let level = api.cacher.barrier().await;
        level.map_err(|error| unavailable(&error))?;
    }
    Err(Status::conflict(
        quotas.group_resource(),
        "",
        OBJECT_MODIFIED,
    ))
}

/// The quotas that a write changes, with the usage that they would have then.
fn judge(
    api: &Api,
    quotas: &Registry,
    attributes: &Attributes,
    measure: &Measure,
    write: Write<'_>,
) -> Result<Vec<(Stored, Amounts)>, Status> {
    let at = Moment {
        unix_seconds: Clock.unix_seconds(),
    };
    let refuse = |refusal: usage::Refusal| attributes.forbidden(Some(write.object), refusal.0);
    let mut found = Vec::new();
    for name in names(quotas, &attributes.namespace) {
        found.extend(quotas.get_local(&attributes.namespace, &name)?);
    }
    let limited = &api.admission.limited;
    if !limited.is_empty() {
        let all: Vec<Value> = found.iter().map(|quota| quota.object.clone()).collect();
        let resource = (&*attributes.resource.group, &*attributes.resource.plural);
        usage::uncovered(limited, &all, resource, measure, write, at).map_err(refuse)?;
    }
    let mut totals = Vec::new();
    for quota in found {
        let total = usage::charge(&quota.object, measure, write, at).map_err(refuse)?;
        totals.extend(total.map(|total| (quota, total)));
    }
    Ok(totals)
}

fn names(quotas: &Registry, namespace: &str) -> Vec<Box<str>> {
    let scope = quotas.layout.scope(namespace);
    let snapshot = quotas.cache.snapshot();
    let found = snapshot.range(&scope, None);
    found.map(|quota| quota.name().into()).collect()
}

impl Charge {
    /// Writes the new usage; false when a quota changed meanwhile, and then none is charged.
    async fn add(
        &mut self,
        api: &Api,
        quotas: &Registry,
        totals: Vec<(Stored, Amounts)>,
    ) -> Result<bool, Status> {
        for (before, total) in totals {
            let charged = charged(api, quotas, &before, &total);
            let written = quotas
                .replace(&before, charged, Extra::default(), false)
                .await;
            let revision = match written {
                Ok(Some(Outcome::Stored { revision, .. })) => Some(revision),
                Ok(Some(Outcome::Shown(_)) | None) => None,
                Err(status) => {
                    self.settle(api, false).await;
                    return Err(status);
                }
            };
            let Some(revision) = revision else {
                self.give_back(api).await;
                return Ok(false);
            };
            self.added.push(Added { before, revision });
        }
        Ok(true)
    }

    /// Lets the object be stored only while the quotas are as this charge left them.
    pub(crate) fn guard(&self, api: &Api, extra: &mut Extra) {
        let Some(quotas) = api.endpoints.registry("", "resourcequotas") else {
            return;
        };
        extra
            .compares
            .extend(self.added.iter().map(|added| Compare {
                key: key(quotas, &added.before.object),
                condition: Condition::ModRevision(added.revision),
            }));
    }

    /// Ends the turn; what was added for an object that was not stored is given back.
    pub(crate) async fn settle(&mut self, api: &Api, stored: bool) {
        if !stored {
            self.give_back(api).await;
        }
        self.added.clear();
        self.turn = None;
    }

    async fn give_back(&mut self, api: &Api) {
        let Some(quotas) = api.endpoints.registry("", "resourcequotas") else {
            return;
        };
        for added in self.added.drain(..) {
            let namespace = meta::namespace(&added.before.object).to_owned();
            let name = meta::name(&added.before.object).to_owned();
            // A quota that changed since was counted anew, or will be.
            let charged = match quotas.get_local(&namespace, &name) {
                Ok(Some(charged)) if charged.revision == added.revision => charged,
                _ => continue,
            };
            let returned = quotas
                .replace(&charged, added.before.object, Extra::default(), false)
                .await;
            if let Err(status) = returned {
                tracing::warn!(namespace, name, %status, "a quota counts a write that was refused, until it is counted anew");
            }
        }
    }
}

fn key(quotas: &Registry, quota: &Value) -> Bytes {
    quotas
        .layout
        .key(meta::namespace(quota), meta::name(quota))
        .into()
}

/// A quota with new usage.
fn charged(api: &Api, quotas: &Registry, before: &Stored, total: &Amounts) -> Value {
    let mut object = before.object.clone();
    object["status"]["used"] = total.to_value();
    let resource = quotas.resource();
    let endpoint = api
        .endpoints
        .get(&resource.group, &resource.version, &resource.plural);
    if let Some(endpoint) = endpoint {
        in_context(&endpoint, MANAGER, "status", |context| {
            managed_fields::update(Some(&before.object), &mut object, context);
        });
    }
    object
}
