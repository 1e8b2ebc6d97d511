//! Plugins in upstream's order: each may change the object (admit) and then refuse it (validate). --enable- and
//! --disable-admission-plugins choose among them by upstream's names (kubernetes pkg/kubeapiserver/options/plugins.go).

use super::configuration::Configuration;
use super::{
    Attributes, Lookup, Plugin, certificates, default_toleration_seconds, dynamic,
    event_rate_limit, image_policy, ingress_class, limit_ranger, namespace_exists,
    namespace_lifecycle, namespace_provision, node_restriction, ownership, pod_node_selector,
    pod_rules, pod_security, pod_tolerations, policy, priority, resource_quota, runtime_class,
    service_account, storage_classes, storage_in_use, taint_nodes, topology_labels, webhook,
};
use crate::filters::authorize::Authorizer;
use crate::options::{Config, Exit};
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::status::Status;
use triad_machinery::usage::Limited;

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
const OFF_BY_DEFAULT: [&str; 14] = [
    "AlwaysAdmit",
    "NamespaceAutoProvision",
    "NamespaceExists",
    "ImagePolicyWebhook",
    "PodTolerationRestriction",
    "EventRateLimit",
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
    /// What may be used only where a quota covers it.
    pub(super) limited: Vec<Limited>,
}

/// Which plugins there are to be.
struct Chosen<'a>(&'a Config);

impl Chosen<'_> {
    fn has(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|own| own == name);
        if !self.0.admission_alone.is_empty() {
            return named(&self.0.admission_alone);
        }
        named(&self.0.enabled_admission)
            || !named(&self.0.disabled_admission) && !OFF_BY_DEFAULT.contains(&name)
    }

    fn plain(&self, plugin: impl Plugin + 'static) -> Option<Box<dyn Plugin>> {
        self.has(plugin.name()).then(|| Box::new(plugin) as _)
    }

    /// One that is told something, which may be wrong.
    fn told<P: Plugin + 'static>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<P, String>,
    ) -> Result<Option<Box<dyn Plugin>>, Exit> {
        if !self.has(name) {
            return Ok(None);
        }
        let made = make().map_err(|why| Self::failed(name, &why))?;
        Ok(Some(Box::new(made)))
    }

    fn failed(name: &str, why: &str) -> Exit {
        refused(format!("couldn't init admission plugin {name:?}: {why}"))
    }
}

fn refused(text: String) -> Exit {
    Exit {
        code: 1,
        text: format!("{text}\n"),
    }
}

fn check_names(config: &Config) -> Result<(), Exit> {
    let (on, off) = (&config.enabled_admission, &config.disabled_admission);
    if let Some(name) = on
        .iter()
        .chain(off)
        .chain(&config.admission_alone)
        .find(|name| !KNOWN.contains(&name.as_str()))
    {
        return Err(refused(format!(
            "admission plugin {name:?} is unknown; the known ones are {}",
            KNOWN.join(", ")
        )));
    }
    match on.iter().find(|name| off.contains(name)) {
        Some(both) => Err(refused(format!(
            "admission plugin {both:?} is both enabled and disabled"
        ))),
        None => Ok(()),
    }
}

impl Chain {
    pub(crate) fn new(
        lookup: Lookup,
        authorizer: Arc<Authorizer>,
        config: &Config,
    ) -> Result<Self, Exit> {
        check_names(config)?;
        let file = config.admission_control_config.as_deref();
        let configuration = Configuration::read(file).map_err(refused)?;
        let lookup = Arc::new(lookup);
        let chosen = Chosen(config);
        let on = |name: &str| chosen.has(name);
        let mutating_policies =
            on("MutatingAdmissionPolicy").then(|| policy::Mutating::new(&lookup, &authorizer));
        let validating_policies =
            on("ValidatingAdmissionPolicy").then(|| policy::Validating::new(&lookup, &authorizer));
        let hooks = |name: &str| {
            let users = on(name).then(|| webhook::users(&configuration, name));
            let users = users.transpose();
            users.map_err(|why| Chosen::failed(name, &why))
        };
        let mutating_webhooks = hooks("MutatingAdmissionWebhook")?
            .map(|users| webhook::Mutating::new(&lookup, &authorizer, users));
        let validating_webhooks = hooks("ValidatingAdmissionWebhook")?
            .map(|users| webhook::Validating::new(&lookup, &authorizer, users));
        let all: Vec<Option<Box<dyn Plugin>>> = vec![
            chosen.plain(ownership::AlwaysAdmit),
            chosen.plain(namespace_provision::NamespaceAutoProvision {
                lookup: lookup.clone(),
            }),
            chosen.plain(namespace_lifecycle::NamespaceLifecycle {
                lookup: lookup.clone(),
            }),
            chosen.plain(namespace_exists::NamespaceExists {
                lookup: lookup.clone(),
            }),
            chosen.plain(pod_rules::LimitPodHardAntiAffinityTopology),
            chosen.plain(limit_ranger::LimitRanger {
                lookup: lookup.clone(),
            }),
            chosen.plain(service_account::ServiceAccount {
                lookup: lookup.clone(),
            }),
            chosen.plain(node_restriction::NodeRestriction {
                lookup: lookup.clone(),
                authorizer: authorizer.clone(),
            }),
            chosen.plain(taint_nodes::TaintNodesByCondition),
            chosen.plain(pod_rules::AlwaysPullImages),
            chosen.told("ImagePolicyWebhook", || {
                image_policy::ImagePolicyWebhook::new(&configuration)
            })?,
            chosen.told("PodSecurity", || {
                pod_security::PodSecurity::new(&lookup, &configuration)
            })?,
            chosen.told("PodNodeSelector", || {
                pod_node_selector::PodNodeSelector::new(&lookup, &configuration)
            })?,
            chosen.plain(priority::Priority {
                lookup: lookup.clone(),
            }),
            chosen.plain(default_toleration_seconds::DefaultTolerationSeconds {
                not_ready: config.toleration_seconds.0,
                unreachable: config.toleration_seconds.1,
            }),
            chosen.told("PodTolerationRestriction", || {
                pod_tolerations::PodTolerationRestriction::new(&lookup, &configuration)
            })?,
            chosen.told("EventRateLimit", || {
                event_rate_limit::EventRateLimit::new(&configuration)
            })?,
            chosen.plain(pod_rules::ExtendedResourceToleration),
            chosen.plain(storage_classes::DefaultStorageClass {
                lookup: lookup.clone(),
            }),
            chosen.plain(storage_in_use::StorageObjectInUseProtection),
            chosen.plain(ownership::OwnerReferences(authorizer.clone())),
            chosen.plain(storage_classes::PersistentVolumeClaimResize {
                lookup: lookup.clone(),
            }),
            chosen.plain(runtime_class::RuntimeClass {
                lookup: lookup.clone(),
            }),
            chosen.plain(certificates::Approval(authorizer.clone())),
            chosen.plain(certificates::Signing(authorizer.clone())),
            chosen.plain(certificates::TrustBundleAttest(authorizer)),
            chosen.plain(certificates::SubjectRestriction),
            chosen.plain(ingress_class::DefaultIngressClass {
                lookup: lookup.clone(),
            }),
            chosen.plain(ownership::DenyServiceExternalIps),
            chosen.plain(topology_labels::PodTopologyLabels { lookup }),
            chosen.plain(resource_quota::ResourceQuota),
            chosen.plain(ownership::AlwaysDeny),
        ];
        let plugins: Vec<Box<dyn Plugin>> = all.into_iter().flatten().collect();
        for name in config
            .enabled_admission
            .iter()
            .chain(&config.admission_alone)
        {
            let there = plugins.iter().any(|plugin| plugin.name() == name);
            if !there && !BEHIND.contains(&name.as_str()) {
                tracing::warn!(
                    plugin = name,
                    "this admission plugin is not part of this version; nothing is admitted or refused by it"
                );
            }
        }
        let limited = resource_quota::limited(&configuration)
            .map_err(|why| Chosen::failed("ResourceQuota", &why))?;
        Ok(Chain {
            plugins,
            mutating_policies,
            validating_policies,
            mutating_webhooks,
            validating_webhooks,
            turns: resource_quota::Turns::new(),
            limited,
        })
    }

    /// Whether a plugin is on.
    pub(super) fn has(&self, name: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin.name() == name)
    }

    /// The plugins that have a say in a request.
    fn handling(&self, attributes: &Attributes) -> impl Iterator<Item = &dyn Plugin> {
        let all = self.plugins.iter().map(|plugin| &**plugin);
        let operation = attributes.operation;
        all.filter(move |plugin| plugin.handles(operation))
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
            for plugin in self.handling(attributes) {
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
        for plugin in self.handling(attributes) {
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

#[cfg(test)]
mod tests {
    use crate::testing::Server;
    use serde_json::{Value, json};

    async fn made(flag: &str) -> Value {
        let server = Server::start_with("none", &[flag]).await;
        let account = json!({"metadata": {"name": "default"}});
        server.create("serviceaccounts", "default", account).await;
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        server.create("pods", "default", pod).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn plugins_that_are_named_alone_are_the_only_ones() {
        let all = made("--v=0").await;
        assert_eq!(all["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
        assert_eq!(all["spec"]["serviceAccountName"], "default");
        let alone = made("--admission-control=NamespaceLifecycle,ServiceAccount").await;
        assert_eq!(alone["spec"]["tolerations"], Value::Null);
        assert_eq!(alone["spec"]["serviceAccountName"], "default");
    }
}
