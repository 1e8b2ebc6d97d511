//! Admission: policy on objects of any kind, after authorization and before validation (apiserver pkg/admission).
//!
//! Plugins run in upstream's order; each may change the object (admit) and then refuse it (validate). --enable- and
//! --disable-admission-plugins choose among them by upstream's names.

pub(crate) mod certificates;
mod default_toleration_seconds;
mod dynamic;
mod known;
mod limit_ranger;
mod namespace_lifecycle;
mod node_restriction;
mod pod_security;
mod policy;
mod priority;
pub(crate) mod resource_quota;
mod runtime_class;
mod service_account;
mod storage_classes;
mod storage_in_use;
mod taint_nodes;
mod webhook;

use crate::cacher::{Cacher, ResourceCache};
use crate::filters::authorize::Authorizer;
use crate::handlers::Call;
use crate::options::{Config, Exit};
use crate::user::User;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::meta;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::status::{GroupResource, Status};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        }
    }
}

/// How a request asks for it.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) dry_run: bool,
    /// The options as an object, such as CreateOptions.
    pub(crate) options: Value,
}

/// What is asked for, by whom.
pub(crate) struct Attributes {
    pub(crate) operation: Operation,
    pub(crate) resource: &'static Resource,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) asked: Asked,
    /// All changes have been made.
    validating: bool,
}

impl Attributes {
    pub(crate) fn new(call: &Call, operation: Operation, subresource: &str) -> Self {
        Attributes {
            operation,
            resource: call.endpoint.resource,
            subresource: subresource.to_owned(),
            namespace: call.namespace().to_owned(),
            name: call.name().to_owned(),
            user: call.user.clone(),
            asked: Asked::read(call, operation),
            validating: false,
        }
    }

    /// The same at the time when nothing changes any more.
    fn validated(&self) -> Self {
        Attributes {
            operation: self.operation,
            resource: self.resource,
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            user: self.user.clone(),
            asked: Asked {
                dry_run: self.asked.dry_run,
                options: self.asked.options.clone(),
            },
            validating: true,
        }
    }

    /// Whoever changes an object may not move it elsewhere.
    fn stays_in_place(&self, object: &Value) -> Result<(), Status> {
        if self.namespace.is_empty() || meta::namespace(object) == self.namespace {
            return Ok(());
        }
        Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ))
    }

    /// The version that objects are in here.
    fn stored(&self) -> &'static Resource {
        scheme().stored(self.resource).unwrap_or(self.resource)
    }

    /// An object that was changed in a version that it was shown in, as it is stored.
    fn restored(&self, before: &Value, made: Value, shown: &'static Resource) -> Value {
        let stored = self.stored();
        let mut object = match std::ptr::eq(stored, shown) {
            true => made,
            false => crate::endpoint::convert(made, shown, stored),
        };
        if self.operation == Operation::Create && !self.validating {
            // Not shown, and therefore not said either.
            for field in ["uid", "creationTimestamp"] {
                if let Some(value) = before.pointer(&format!("/metadata/{field}")) {
                    object["metadata"][field] = value.clone();
                }
            }
        }
        object
    }

    pub(crate) fn group_resource(&self) -> GroupResource<'static> {
        GroupResource {
            group: &self.resource.group,
            resource: &self.resource.plural,
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.resource.group == group && self.resource.plural == plural
    }

    fn forbidden(&self, object: Option<&Value>, why: impl std::fmt::Display) -> Status {
        let name = if self.name.is_empty() {
            object.map_or("", meta::name)
        } else {
            &self.name
        };
        Status::forbidden(self.group_resource(), name, why)
    }
}

/// One plugin. Objects are in the storage version.
trait Plugin: Send + Sync {
    fn name(&self) -> &'static str;

    fn admit(
        &self,
        _attributes: &Attributes,
        _object: &mut Value,
        _old: Option<&Value>,
    ) -> Result<(), Status> {
        Ok(())
    }

    fn validate(
        &self,
        _attributes: &Attributes,
        _object: Option<&Value>,
        _old: Option<&Value>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// As `validate`, by one that also warns the client.
    fn review(
        &self,
        attributes: &Attributes,
        object: Option<&Value>,
        old: Option<&Value>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        self.validate(attributes, object, old)
    }
}

/// All of upstream's plugin names: which ones exist here is said by `Chain::new`.
const KNOWN: [&str; 40] = [
    "AlwaysAdmit",
    "NamespaceAutoProvision",
    "NamespaceLifecycle",
    "NamespaceExists",
    "LimitPodHardAntiAffinityTopology",
    "LimitRanger",
    "ServiceAccount",
    "NodeRestriction",
    "TaintNodesByCondition",
    "AlwaysPullImages",
    "ImagePolicyWebhook",
    "PodSecurity",
    "PodNodeSelector",
    "Priority",
    "DefaultTolerationSeconds",
    "PodTolerationRestriction",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "PodGroupProtection",
    "OwnerReferencesPermissionEnforcement",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateApproval",
    "CertificateSigning",
    "ClusterTrustBundleAttest",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "NodeDeclaredFeatureValidator",
    "PodResizeValidator",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
    "AlwaysDeny",
    "DenyServiceExternalIPs",
    "PodSecurityPolicy",
];

/// Those that come behind all others and are run by the chain itself.
const BEHIND: [&str; 4] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
];

/// Those that are on only where --enable-admission-plugins names them (kubernetes pkg/kubeapiserver/options/plugins.go).
const OFF_BY_DEFAULT: [&str; 1] = ["NodeRestriction"];

/// The caches that plugins look things up in.
pub(crate) struct Lookup {
    store: triad_kv::Store,
    known: known::Known,
    pub(crate) namespaces: Arc<ResourceCache>,
    pub(crate) pods: Arc<ResourceCache>,
    pub(crate) limit_ranges: Arc<ResourceCache>,
    pub(crate) storage_classes: Arc<ResourceCache>,
    pub(crate) service_accounts: Arc<ResourceCache>,
    pub(crate) priority_classes: Arc<ResourceCache>,
    pub(crate) runtime_classes: Arc<ResourceCache>,
    pub(crate) nodes: Arc<ResourceCache>,
    pub(crate) claims: Arc<ResourceCache>,
    pub(crate) volumes: Arc<ResourceCache>,
    pub(crate) csi_drivers: Arc<ResourceCache>,
    pub(crate) validating_policies: Arc<ResourceCache>,
    pub(crate) validating_bindings: Arc<ResourceCache>,
    pub(crate) mutating_policies: Arc<ResourceCache>,
    pub(crate) mutating_bindings: Arc<ResourceCache>,
    pub(crate) validating_webhooks: Arc<ResourceCache>,
    pub(crate) mutating_webhooks: Arc<ResourceCache>,
    pub(crate) services: Arc<ResourceCache>,
    cacher: Arc<Cacher>,
}

impl Lookup {
    pub(crate) fn new(cacher: &Arc<Cacher>) -> Option<Self> {
        let cache = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        Some(Lookup {
            store: cacher.store().clone(),
            known: known::Known::default(),
            namespaces: cache("namespaces")?,
            pods: cache("pods")?,
            limit_ranges: cache("limitranges")?,
            storage_classes: cache("storageclasses")?,
            service_accounts: cache("serviceaccounts")?,
            priority_classes: cache("priorityclasses")?,
            runtime_classes: cache("runtimeclasses")?,
            nodes: cache("minions")?,
            claims: cache("persistentvolumeclaims")?,
            volumes: cache("persistentvolumes")?,
            csi_drivers: cache("csidrivers")?,
            validating_policies: cache("validatingadmissionpolicies")?,
            validating_bindings: cache("validatingadmissionpolicybindings")?,
            mutating_policies: cache("mutatingadmissionpolicies")?,
            mutating_bindings: cache("mutatingadmissionpolicybindings")?,
            validating_webhooks: cache("validatingwebhookconfigurations")?,
            mutating_webhooks: cache("mutatingwebhookconfigurations")?,
            services: cache("services/specs")?,
            cacher: cacher.clone(),
        })
    }
}

impl Lookup {
    /// Where a resource's objects are, whatever version it is asked for in.
    fn of(&self, resource: &Resource) -> Option<&Arc<ResourceCache>> {
        let storage = resource.storage.as_ref()?;
        self.cacher.by_prefix(&format!("{}/", storage.key))
    }

    /// An object by namespace and name. The cache may be a moment behind an object just made: the store decides before
    /// anything counts as absent.
    fn find(&self, cache: &ResourceCache, namespace: &str, name: &str) -> Option<Value> {
        let key = cache.layout.key(namespace, name);
        if let Some(cached) = cache.get(&key) {
            return self.known.object(cache, &cached);
        }
        let entry = self.store.get(key.as_bytes(), None).ok()??;
        cache.layout.decode(&entry.value, entry.mod_revision).ok()
    }
}

pub(crate) struct Chain {
    plugins: Vec<Box<dyn Plugin>>,
    mutating_policies: Option<policy::Mutating>,
    validating_policies: Option<policy::Validating>,
    mutating_webhooks: Option<webhook::Mutating>,
    validating_webhooks: Option<webhook::Validating>,
    pub(crate) turns: resource_quota::Turns,
}

impl Chain {
    pub(crate) fn new(
        lookup: Lookup,
        authorizer: Arc<Authorizer>,
        config: &Config,
    ) -> Result<Self, Exit> {
        for name in config
            .enabled_admission
            .iter()
            .chain(&config.disabled_admission)
        {
            if !KNOWN.contains(&name.as_str()) {
                return Err(Exit {
                    code: 1,
                    text: format!(
                        "admission plugin {name:?} is unknown; the known ones are {}\n",
                        KNOWN.join(", ")
                    ),
                });
            }
        }
        if let Some(both) = config
            .enabled_admission
            .iter()
            .find(|name| config.disabled_admission.contains(name))
        {
            return Err(Exit {
                code: 1,
                text: format!("admission plugin {both:?} is both enabled and disabled\n"),
            });
        }
        let lookup = Arc::new(lookup);
        let on = |name: &str| !config.disabled_admission.iter().any(|off| off == name);
        let mutating_policies =
            on("MutatingAdmissionPolicy").then(|| policy::Mutating::new(&lookup, &authorizer));
        let validating_policies =
            on("ValidatingAdmissionPolicy").then(|| policy::Validating::new(&lookup, &authorizer));
        let mutating_webhooks =
            on("MutatingAdmissionWebhook").then(|| webhook::Mutating::new(&lookup, &authorizer));
        let validating_webhooks = on("ValidatingAdmissionWebhook")
            .then(|| webhook::Validating::new(&lookup, &authorizer));
        let all: Vec<Box<dyn Plugin>> = vec![
            Box::new(namespace_lifecycle::NamespaceLifecycle {
                lookup: lookup.clone(),
            }),
            Box::new(limit_ranger::LimitRanger {
                lookup: lookup.clone(),
            }),
            Box::new(service_account::ServiceAccount {
                lookup: lookup.clone(),
            }),
            Box::new(node_restriction::NodeRestriction {
                lookup: lookup.clone(),
                authorizer: authorizer.clone(),
            }),
            Box::new(taint_nodes::TaintNodesByCondition),
            Box::new(pod_security::PodSecurity {
                lookup: lookup.clone(),
            }),
            Box::new(priority::Priority {
                lookup: lookup.clone(),
            }),
            Box::new(default_toleration_seconds::DefaultTolerationSeconds {
                not_ready: config.toleration_seconds.0,
                unreachable: config.toleration_seconds.1,
            }),
            Box::new(storage_classes::DefaultStorageClass {
                lookup: lookup.clone(),
            }),
            Box::new(storage_in_use::StorageObjectInUseProtection),
            Box::new(storage_classes::PersistentVolumeClaimResize {
                lookup: lookup.clone(),
            }),
            Box::new(runtime_class::RuntimeClass { lookup }),
            Box::new(certificates::Approval(authorizer.clone())),
            Box::new(certificates::Signing(authorizer.clone())),
            Box::new(certificates::TrustBundleAttest(authorizer)),
            Box::new(certificates::SubjectRestriction),
            Box::new(resource_quota::ResourceQuota),
        ];
        for name in &config.enabled_admission {
            if !all.iter().any(|plugin| plugin.name() == name) && !BEHIND.contains(&name.as_str()) {
                tracing::warn!(
                    plugin = name,
                    "this admission plugin is not part of this version; nothing is admitted or refused by it"
                );
            }
        }
        let named = |list: &[String], plugin: &dyn Plugin| list.iter().any(|n| n == plugin.name());
        let plugins = all
            .into_iter()
            .filter(|plugin| {
                named(&config.enabled_admission, &**plugin)
                    || !named(&config.disabled_admission, &**plugin)
                        && !OFF_BY_DEFAULT.contains(&plugin.name())
            })
            .collect();
        Ok(Chain {
            plugins,
            mutating_policies,
            validating_policies,
            mutating_webhooks,
            validating_webhooks,
            turns: resource_quota::Turns::new(),
        })
    }

    /// Whether a plugin is on.
    fn has(&self, name: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin.name() == name)
    }

    /// Lets every plugin change the object. Returns warnings for the client. What has asked for it sees the object again once
    /// others have changed it, and so do the plugins before.
    pub(crate) async fn admit(
        &self,
        attributes: &Attributes,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        let mut of_policies = policy::Round::default();
        let mut of_webhooks = webhook::Round::default();
        let mut warnings = Vec::new();
        for second in [false, true] {
            for plugin in &self.plugins {
                plugin.admit(attributes, object, old)?;
            }
            let mut changed = false;
            if let Some(policies) = &self.mutating_policies {
                changed |= policies.admit(attributes, object, old, &mut of_policies, second)?;
            }
            if let Some(webhooks) = &self.mutating_webhooks {
                let how = (second, &mut warnings);
                let called = webhooks.admit(attributes, object, old, &mut of_webhooks, how);
                changed |= called.await?;
            }
            if !changed {
                break;
            }
            attributes.stays_in_place(object)?;
        }
        Ok(warnings)
    }

    /// Lets every plugin refuse. `object` is None for deletions, `old` for creations.
    pub(crate) async fn validate(
        &self,
        attributes: &Attributes,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<Vec<String>, Status> {
        let mut warnings = Vec::new();
        for plugin in &self.plugins {
            plugin.review(attributes, object, old, &mut warnings)?;
        }
        let at = &attributes.validated();
        let subject = dynamic::Subject { at, object, old };
        if subject.either().is_none() {
            // A deletion of many: each of them has its turn.
            return Ok(warnings);
        }
        if let (Some(webhooks), None) = (&self.mutating_webhooks, object) {
            webhooks.deletion(subject, &mut warnings).await?;
        }
        if let Some(policies) = &self.validating_policies {
            policies.review(subject, &mut warnings)?;
        }
        if let Some(webhooks) = &self.validating_webhooks {
            webhooks.review(subject, &mut warnings).await?;
        }
        Ok(warnings)
    }
}

impl Asked {
    fn read(call: &Call, operation: Operation) -> Self {
        let mut options = serde_json::Map::new();
        // A patch is an update by then.
        let kind = match operation {
            Operation::Create => "CreateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Update => "UpdateOptions",
        };
        options.insert("kind".to_owned(), kind.into());
        options.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
        if operation == Operation::Delete
            && let Ok(Value::Object(given)) = serde_json::from_slice(&call.body)
        {
            let own =
                |(field, _): &(serde_json::Key, Value)| field != "kind" && field != "apiVersion";
            options.extend(given.into_iter().filter(own));
        }
        let dry_run = call.query.all("dryRun").any(|value| value == "All")
            || options
                .get("dryRun")
                .is_some_and(|list| list.as_array().is_some_and(|list| !list.is_empty()));
        if dry_run {
            options.insert("dryRun".to_owned(), serde_json::json!(["All"]));
        }
        if operation != Operation::Delete {
            for name in ["fieldManager", "fieldValidation"] {
                if let Some(value) = call.query.get(name).filter(|value| !value.is_empty()) {
                    options.insert(name.to_owned(), value.into());
                }
            }
        }
        Asked {
            dry_run,
            options: Value::Object(options),
        }
    }
}
