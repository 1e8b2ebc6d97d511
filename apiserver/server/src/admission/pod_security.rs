//! PodSecurity: what the labels of a namespace ask of the pods in it, by the Pod Security Standards
//! (k8s.io/pod-security-admission admission/admission.go).

mod checks;
mod pod;
mod policy;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::configuration::Configuration;
use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::pod::{items, text};
use triad_machinery::status::{GroupKind, Status};

use checks::{Violation, evaluate};
use pod::Pod;
use policy::{Level, Policy, Standard};
use settings::Settings;

/// Pods that are looked at when a namespace asks for more than before, and how long that may take.
const MOST_PODS: usize = 3000;
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Keys of audit annotations (k8s.io/pod-security-admission api/constants.go; the prefix is the plugin's).
const ENFORCED: &str = "pod-security.kubernetes.io/enforce-policy";
const EXEMPT: &str = "pod-security.kubernetes.io/exempt";
const VIOLATIONS: &str = "pod-security.kubernetes.io/audit-violations";
/// These do not change what a pod may do. Any other may, even one that is not known here.
const HARMLESS_SUBRESOURCES: [&str; 8] = [
    "exec",
    "attach",
    "binding",
    "eviction",
    "log",
    "portforward",
    "proxy",
    "status",
];

pub(super) struct PodSecurity {
    lookup: Arc<Lookup>,
    settings: Settings,
}

impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn review(
        &self,
        attributes: &Attributes,
        object: Seen<'_>,
        old: Seen<'_>,
        warnings: &mut Vec<String>,
    ) -> Verdict {
        let Some(object) = object.filter(|_| attributes.operation != Operation::Delete) else {
            return Ok(());
        };
        let resource = (&*attributes.resource.group, &*attributes.resource.plural);
        let main = attributes.subresource.is_empty();
        match resource {
            ("", "namespaces") if main => self.namespace(object, old, warnings),
            ("", "pods") => self.pod(attributes, object, old, warnings),
            _ if main => {
                if let Some(template) = template(resource, object)
                    && !self.exempt(attributes, &template)
                {
                    let policy = self.policy(&attributes.namespace);
                    note(attributes, &policy, &template);
                    warn(policy.warn, &template, warnings);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl PodSecurity {
    pub(super) fn new(lookup: &Arc<Lookup>, configuration: &Configuration) -> Result<Self, String> {
        Ok(PodSecurity {
            lookup: lookup.clone(),
            settings: Settings::read(configuration)?,
        })
    }

    /// Why a request for a pod is not looked at.
    fn exemption(&self, attributes: &Attributes, pod: &Pod<'_>) -> Option<&'static str> {
        let has = |list: &[String], name: &str| list.iter().any(|known| known == name);
        let settings = &self.settings;
        if has(&settings.namespaces, &attributes.namespace) {
            return Some("namespace");
        }
        if has(&settings.users, &attributes.user.name) {
            return Some("user");
        }
        self.runs_exempt(pod).then_some("runtimeClass")
    }

    fn exempt(&self, attributes: &Attributes, pod: &Pod<'_>) -> bool {
        let why = self.exemption(attributes, pod);
        if let Some(why) = why {
            attributes.trail.annotate(EXEMPT, why);
        }
        why.is_some()
    }

    fn runs_exempt(&self, pod: &Pod<'_>) -> bool {
        let class = text(&pod.spec["runtimeClassName"]);
        let mut exempt = self.settings.runtime_classes.iter();
        exempt.any(|exempt| exempt == class)
    }

    /// The policy of a namespace. One that is not there has none, and takes no pods either.
    fn policy(&self, namespace: &str) -> Policy {
        let found = self.lookup.find(&self.lookup.namespaces, "", namespace);
        Policy::of(&found.unwrap_or_default(), &self.settings.defaults).0
    }

    fn pod(
        &self,
        attributes: &Attributes,
        object: &Value,
        old: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let harmless = HARMLESS_SUBRESOURCES.contains(&attributes.subresource.as_str());
        if harmless || old.is_some_and(|old| !matters(object, old)) {
            return Ok(());
        }
        let pod = Pod {
            metadata: &object["metadata"],
            spec: &object["spec"],
        };
        if self.exempt(attributes, &pod) {
            return Ok(());
        }
        let policy = self.policy(&attributes.namespace);
        let enforced = policy.enforce;
        attributes.trail.annotate(ENFORCED, enforced.to_string());
        note(attributes, &policy, &pod);
        let violations = evaluate(enforced, &pod);
        if !violations.is_empty() {
            let what = detailed(&violations);
            let why = format!("violates PodSecurity \"{}\": {what}", policy.enforce);
            return Err(attributes.forbidden(Some(object), why));
        }
        warn(policy.warn, &pod, warnings);
        Ok(())
    }

    /// The labels must be right, unless they were wrong in the same way before; what asks for more is held against the
    /// pods that are there.
    fn namespace(
        &self,
        object: &Value,
        old: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let of = |namespace| Policy::of(namespace, &self.settings.defaults);
        let (policy, errors) = of(object);
        let before = old.map(of);
        let known = |errors: &[_]| before.as_ref().is_some_and(|(_, known)| known == errors);
        if !errors.is_empty() && !known(&errors) {
            let kind = GroupKind {
                group: "",
                kind: "Namespace",
            };
            return Err(Status::invalid(kind, meta::name(object), &errors));
        }
        let exempt = self.settings.namespaces.iter();
        let exempt = exempt.into_iter().any(|name| name == meta::name(object));
        let ignored = || match policy.asks_nothing() || policy == self.settings.defaults {
            true => None,
            false => Some(format!(
                "namespace {:?} is exempt from Pod Security, and the policy ({}) will be ignored",
                meta::name(object),
                policy.asked_by(object)
            )),
        };
        let Some((Policy { enforce: was, .. }, _)) = before else {
            warnings.extend(exempt.then(ignored).flatten());
            return Ok(());
        };
        let now = policy.enforce;
        let relaxed = was.version == now.version && now.level <= was.level;
        if now.level == Level::Privileged || relaxed {
            return Ok(());
        }
        if exempt {
            warnings.extend(ignored());
        } else {
            self.look_at_pods(meta::name(object), now, warnings);
        }
        Ok(())
    }

    fn look_at_pods(&self, namespace: &str, standard: Standard, warnings: &mut Vec<String>) {
        let began = Instant::now();
        let pods = &self.lookup.pods;
        let snapshot = pods.snapshot();
        let prefix = pods.layout.key(namespace, "");
        let decoded = snapshot.range(&prefix, None);
        let all: Vec<Value> = decoded
            .filter_map(|pod| pod.object(&pods.layout).ok())
            .collect();
        let (mut found, mut looked_at) = (BTreeMap::<String, BTreeSet<&str>>::new(), 0);
        for object in one_of_each_first(&all).into_iter().take(MOST_PODS) {
            looked_at += 1;
            let pod = Pod {
                metadata: &object["metadata"],
                spec: &object["spec"],
            };
            if self.runs_exempt(&pod) {
                continue;
            }
            let violations = evaluate(standard, &pod);
            if !violations.is_empty() {
                let reasons: Vec<&str> = violations.iter().map(|v| v.reason.as_str()).collect();
                let named = found.entry(reasons.join(", ")).or_default();
                named.insert(meta::name(object));
            }
            if began.elapsed() > LOOK_LIMIT {
                break;
            }
        }
        if looked_at < all.len() {
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {looked_at} of {} existing pods",
                all.len()
            ));
        }
        if !found.is_empty() {
            warnings.push(format!(
                "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{standard}\""
            ));
        }
        let mut each: Vec<String> = found.iter().map(named_after_the_first).collect();
        each.sort();
        warnings.extend(each);
    }
}

/// The pods without a controller and the first of each controller's, then the others of theirs.
fn one_of_each_first(pods: &[Value]) -> Vec<&Value> {
    let mut seen = BTreeSet::new();
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for pod in pods {
        let controller = items(&pod["metadata"]["ownerReferences"])
            .find(|owner| owner["controller"] == true)
            .map(|owner| text(&owner["uid"]));
        match controller {
            Some(uid) if !seen.insert(uid) => others.push(pod),
            _ => first.push(pod),
        }
    }
    first.extend(others);
    first
}

fn named_after_the_first((reasons, pods): (&String, &BTreeSet<&str>)) -> String {
    let first = pods.first().copied().unwrap_or_default();
    match pods.len() - 1 {
        0 => format!("{first}: {reasons}"),
        1 => format!("{first} (and 1 other pod): {reasons}"),
        others => format!("{first} (and {others} other pods): {reasons}"),
    }
}

/// What would be against the standard that is only looked for, for those who read audit events.
fn note(attributes: &Attributes, policy: &Policy, pod: &Pod<'_>) {
    if !attributes.trail.is_on() {
        return;
    }
    let violations = evaluate(policy.audit, pod);
    if !violations.is_empty() {
        let (standard, what) = (policy.audit, detailed(&violations));
        let why = format!("would violate PodSecurity \"{standard}\": {what}");
        attributes.trail.annotate(VIOLATIONS, why);
    }
}

fn warn(standard: Standard, pod: &Pod<'_>, warnings: &mut Vec<String>) {
    let violations = evaluate(standard, pod);
    if !violations.is_empty() {
        let what = detailed(&violations);
        warnings.push(format!("would violate PodSecurity \"{standard}\": {what}"));
    }
}

fn detailed(violations: &[Violation]) -> String {
    let each = violations.iter();
    let each: Vec<String> = each
        .map(|violation| format!("{} ({})", violation.reason, violation.detail))
        .collect();
    each.join(", ")
}

/// The pod that a controller will make.
fn template<'a>(resource: (&str, &str), object: &'a Value) -> Option<Pod<'a>> {
    let template = match resource {
        ("", "podtemplates") => &object["template"],
        ("", "replicationcontrollers")
        | ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => &object["spec"]["template"],
        ("batch", "cronjobs") => &object["spec"]["jobTemplate"]["spec"]["template"],
        _ => return None,
    };
    (!template.is_null()).then(|| Pod {
        metadata: &template["metadata"],
        spec: &template["spec"],
    })
}

/// Whether an update changes anything that is checked: images, and which containers there are.
fn matters(pod: &Value, old: &Value) -> bool {
    let images = |pod: &Value, kind: &str| -> Vec<String> {
        let containers = items(&pod["spec"][kind]);
        containers.map(|c| text(&c["image"]).to_owned()).collect()
    };
    let changed = ["containers", "initContainers"]
        .into_iter()
        .any(|kind| images(pod, kind) != images(old, kind));
    let ephemeral = |pod: &Value| -> BTreeMap<String, String> {
        let containers = items(&pod["spec"]["ephemeralContainers"]);
        let of = |c: &Value| (text(&c["name"]).to_owned(), text(&c["image"]).to_owned());
        containers.map(of).collect()
    };
    let before = ephemeral(old);
    changed
        || ephemeral(pod)
            .iter()
            .any(|(name, image)| before.get(name) != Some(image))
}
