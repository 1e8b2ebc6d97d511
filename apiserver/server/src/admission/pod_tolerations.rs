//! PodTolerationRestriction: what a namespace, or else the configuration, has its pods tolerate, and what these may tolerate at all
//! (kubernetes plugin/pkg/admission/podtolerationrestriction, pkg/util/tolerations). Off unless it is asked for.

use super::configuration::Configuration;
use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use crate::configuration::Form;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_machinery::pod::{items, text};
use triad_machinery::status::{GroupResource, Status};
use triad_machinery::{meta, pod_quality};

const NAME: &str = "PodTolerationRestriction";
const FIELDS: &[&str] = &["key", "operator", "value", "effect", "tolerationSeconds"];
const FORM: Form = Form {
    kind: "Configuration",
    versions: &["podtolerationrestriction.admission.k8s.io/v1alpha1"],
    fields: &[
        ("", &["default", "whitelist"]),
        ("/default", FIELDS),
        ("/whitelist", FIELDS),
    ],
};
const DEFAULT: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";
const ALLOWED: &str = "scheduler.alpha.kubernetes.io/tolerationsWhitelist";

pub(super) struct PodTolerationRestriction {
    lookup: Arc<Lookup>,
    default: Vec<Value>,
    allowed: Vec<Value>,
}

impl PodTolerationRestriction {
    pub(super) fn new(lookup: &Arc<Lookup>, configuration: &Configuration) -> Result<Self, String> {
        let own = configuration.of_form(NAME, &FORM)?;
        let list =
            |field: &str| own.map_or_else(Vec::new, |own| items(&own[field]).cloned().collect());
        Ok(PodTolerationRestriction {
            lookup: lookup.clone(),
            default: list("default"),
            allowed: list("whitelist"),
        })
    }

    /// What an annotation of a namespace lists; none where it has none.
    fn listed(&self, namespace: &str, annotation: &str) -> Result<Option<Vec<Value>>, Status> {
        let found = self.lookup.find(&self.lookup.namespaces, "", namespace);
        let resource = GroupResource {
            group: "",
            resource: "namespaces",
        };
        let found = found.ok_or_else(|| Status::not_found(resource, namespace))?;
        match meta::annotation(&found, annotation) {
            None => Ok(None),
            Some("") => Ok(Some(Vec::new())),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Array(list)) => Ok(Some(list)),
                Ok(_) => Err(Status::plain_error(format!(
                    "{annotation}: no list of tolerations"
                ))),
                Err(error) => Err(Status::plain_error(format!("{annotation}: {error}"))),
            },
        }
    }
}

impl Plugin for PodTolerationRestriction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn admit(&self, attributes: &Attributes, pod: &mut Value, old: Seen<'_>) -> Verdict {
        if !attributes.is_whole("", "pods") {
            return Ok(());
        }
        let mut more = Vec::new();
        if attributes.operation == Operation::Create {
            let own = self.listed(&attributes.namespace, DEFAULT)?;
            more = own.unwrap_or_else(|| self.default.clone());
        }
        if pod_quality::of(pod) != "BestEffort" {
            // It has memory of its own, whatever others lack.
            more.push(json!({"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}));
        }
        if !more.is_empty() {
            let own = items(&pod["spec"]["tolerations"]).cloned();
            pod["spec"]["tolerations"] = merged(own.chain(more).collect()).into();
        }
        self.validate(attributes, Some(pod), old)
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let pod = object.filter(|_| attributes.operation != Operation::Delete);
        let Some(pod) = pod.filter(|_| attributes.is_whole("", "pods")) else {
            return Ok(());
        };
        if items(&pod["spec"]["tolerations"]).next().is_none() {
            return Ok(());
        }
        let (allowed, whose) = match self.listed(&attributes.namespace, ALLOWED)? {
            Some(own) => (own, "namespace"),
            None => (self.allowed.clone(), "cluster"),
        };
        let mut own = items(&pod["spec"]["tolerations"]);
        if allowed.is_empty() || own.all(|own| allowed.iter().any(|wide| covers(wide, own))) {
            return Ok(());
        }
        Err(Status::plain_error(format!(
            "pod tolerations (possibly merged with namespace default tolerations) conflict with its {whose} whitelist"
        )))
    }
}

/// Without those that others cover. Of equal ones the first stays.
fn merged(all: Vec<Value>) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let mut later = all[at + 1..].iter();
        let covered = merged.iter().any(|other| covers(other, one))
            || later.any(|other| !same(other, one) && covers(other, one));
        if !covered {
            merged.push(one.clone());
        }
    }
    merged
}

fn same(a: &Value, b: &Value) -> bool {
    FIELDS.iter().all(|field| {
        a[*field] == b[*field]
            || text(&a[*field]).is_empty()
                && text(&b[*field]).is_empty()
                && *field != "tolerationSeconds"
    })
}

/// Whether one toleration tolerates all that another does.
fn covers(wide: &Value, narrow: &Value) -> bool {
    let of = |toleration: &'_ Value, field: &str| text(&toleration[field]).to_owned();
    let (key, operator) = (of(wide, "key"), of(wide, "operator"));
    if same(wide, narrow) {
        return true;
    }
    // Exists without a key is for all.
    if of(narrow, "key") != key && !(key.is_empty() && operator == "Exists") {
        return false;
    }
    let effect = of(wide, "effect");
    if of(narrow, "effect") != effect && !effect.is_empty() {
        return false;
    }
    let seconds = |toleration: &Value| toleration["tolerationSeconds"].as_i64();
    if let (true, Some(most)) = (effect == "NoExecute", seconds(wide))
        && seconds(narrow).is_none_or(|asked| asked > most)
    {
        return false;
    }
    match operator.as_str() {
        "Exists" => true,
        "Equal" | "" => {
            of(narrow, "operator") == "Equal" && of(narrow, "value") == of(wide, "value")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_covers_another() {
        let any = json!({"operator": "Exists"});
        let key = json!({"key": "a", "operator": "Exists"});
        let value = json!({"key": "a", "operator": "Equal", "value": "x", "effect": "NoSchedule"});
        let short = json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
        let long = json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9});
        for (wide, narrow) in [
            (&any, &key),
            (&key, &value),
            (&key, &short),
            (&long, &short),
        ] {
            assert!(
                covers(wide, narrow) && !covers(narrow, wide),
                "{wide} {narrow}"
            );
        }
        let all = vec![value, short.clone(), short, any.clone()];
        assert_eq!(merged(all), [any]);
    }
}
