//! Plugins in upstream's order: each may change the object (admit) and then refuse it (validate). --enable- and
//! --disable-admission-plugins choose among them by upstream's names (kubernetes pkg/kubeapiserver/options/plugins.go).

use super::{
    Attributes, Lookup, Plugin, certificates, default_toleration_seconds, dynamic, ingress_class,
    limit_ranger, namespace_exists, namespace_lifecycle, node_restriction, ownership, pod_rules,
    pod_security, policy, priority, resource_quota, runtime_class, service_account,
    storage_classes, storage_in_use, taint_nodes, topology_labels, webhook,
};
use crate::filters::authorize::Authorizer;
use crate::options::{Config, Exit};
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::status::Status;

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
const OFF_BY_DEFAULT: [&str; 10] = [
    "AlwaysAdmit",
    "NamespaceExists",
    "LimitPodHardAntiAffinityTopology",
    "NodeRestriction",
    "AlwaysPullImages",
    "PodNodeSelector",
    "ExtendedResourceToleration",
    "OwnerReferencesPermissionEnforcement",
    "DenyServiceExternalIPs",
    "AlwaysDeny",
];

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
            Box::new(ownership::AlwaysAdmit),
            Box::new(namespace_lifecycle::NamespaceLifecycle {
                lookup: lookup.clone(),
            }),
            Box::new(namespace_exists::NamespaceExists {
                lookup: lookup.clone(),
            }),
            Box::new(pod_rules::LimitPodHardAntiAffinityTopology),
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
            Box::new(pod_rules::AlwaysPullImages),
            Box::new(pod_security::PodSecurity {
                lookup: lookup.clone(),
            }),
            Box::new(pod_rules::PodNodeSelector {
                lookup: lookup.clone(),
            }),
            Box::new(priority::Priority {
                lookup: lookup.clone(),
            }),
            Box::new(default_toleration_seconds::DefaultTolerationSeconds {
                not_ready: config.toleration_seconds.0,
                unreachable: config.toleration_seconds.1,
            }),
            Box::new(pod_rules::ExtendedResourceToleration),
            Box::new(storage_classes::DefaultStorageClass {
                lookup: lookup.clone(),
            }),
            Box::new(storage_in_use::StorageObjectInUseProtection),
            Box::new(ownership::OwnerReferences(authorizer.clone())),
            Box::new(storage_classes::PersistentVolumeClaimResize {
                lookup: lookup.clone(),
            }),
            Box::new(runtime_class::RuntimeClass {
                lookup: lookup.clone(),
            }),
            Box::new(certificates::Approval(authorizer.clone())),
            Box::new(certificates::Signing(authorizer.clone())),
            Box::new(certificates::TrustBundleAttest(authorizer)),
            Box::new(certificates::SubjectRestriction),
            Box::new(ingress_class::DefaultIngressClass {
                lookup: lookup.clone(),
            }),
            Box::new(ownership::DenyServiceExternalIps),
            Box::new(topology_labels::PodTopologyLabels { lookup }),
            Box::new(resource_quota::ResourceQuota),
            Box::new(ownership::AlwaysDeny),
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
    pub(super) fn has(&self, name: &str) -> bool {
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
        let subject = dynamic::Subject {
            at: attributes,
            object,
            old,
            validating: true,
        };
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
