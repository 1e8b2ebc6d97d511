//! PodNodeSelector: a namespace, or else the configuration, says which nodes its pods go to (kubernetes
//! plugin/pkg/admission/podnodeselector). Off unless it is asked for.

use super::configuration::Configuration;
use super::{Attributes, Lookup, Plugin, Seen, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_machinery::pod::text;
use triad_machinery::selector::LabelSelector;
use triad_machinery::selector::label::Operator;
use triad_machinery::status::Status;
use triad_machinery::{meta, names};

const NAME: &str = "PodNodeSelector";
const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
/// The selector of namespaces that say nothing, among those that are allowed by namespace.
const DEFAULT: &str = "clusterDefaultNodeSelector";

type Labels = BTreeMap<String, String>;

pub(super) struct PodNodeSelector {
    lookup: Arc<Lookup>,
    default: Labels,
    /// What pods of a namespace may select at all.
    allowed: BTreeMap<String, Labels>,
}

impl PodNodeSelector {
    pub(super) fn new(lookup: &Arc<Lookup>, configuration: &Configuration) -> Result<Self, String> {
        let own = configuration.of(NAME);
        let own = own.map_or(&Value::Null, |own| &own["podNodeSelectorPluginConfig"]);
        let mut allowed = BTreeMap::new();
        for (namespace, selector) in own.as_object().into_iter().flatten() {
            let selector = labels(text(selector)).map_err(|why| format!("{namespace}: {why}"))?;
            if namespace != DEFAULT && !names::dns1123_label(namespace).is_empty() {
                return Err(format!("{namespace:?} is no name of a namespace"));
            }
            allowed.insert(namespace.to_string(), selector);
        }
        Ok(PodNodeSelector {
            lookup: lookup.clone(),
            default: allowed.remove(DEFAULT).unwrap_or_default(),
            allowed,
        })
    }

    /// The labels that a namespace asks for.
    fn wanted(&self, namespace: &str) -> Result<Labels, Status> {
        let found = self.lookup.find(&self.lookup.namespaces, "", namespace);
        let found = found.as_ref();
        match found.and_then(|namespace| meta::annotation(namespace, ANNOTATION)) {
            None => Ok(self.default.clone()),
            Some(selector) => labels(selector).map_err(Status::plain_error),
        }
    }
}

/// `key=value,...`.
fn labels(text: &str) -> Result<Labels, String> {
    let selector = LabelSelector::parse(text).map_err(|error| error.to_string())?;
    let pairs = selector.requirements().iter().map(|requirement| {
        let equal = [Operator::Equals, Operator::DoubleEquals].contains(&requirement.operator);
        match requirement.values.as_slice() {
            [value] if equal => Ok((requirement.key.clone(), value.clone())),
            _ => Err(format!("invalid selector: {text}")),
        }
    });
    pairs.collect()
}

fn selected<'a>(pod: &'a Value, key: &str) -> Option<&'a Value> {
    pod["spec"]["nodeSelector"].get(key)
}

impl Plugin for PodNodeSelector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn admit(&self, attributes: &Attributes, pod: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.creates("", "pods") {
            return Ok(());
        }
        for (key, value) in self.wanted(&attributes.namespace)? {
            if selected(pod, &key).is_some_and(|own| *own != json!(value)) {
                return Err(conflict(attributes, pod));
            }
            pod["spec"]["nodeSelector"][&key] = json!(value);
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let Some(pod) = object.filter(|_| attributes.creates("", "pods")) else {
            return Ok(());
        };
        let differs = |(key, value): (String, String)| {
            selected(pod, &key).is_some_and(|own| *own != json!(value))
        };
        if self.wanted(&attributes.namespace)?.into_iter().any(differs) {
            return Err(conflict(attributes, pod));
        }
        let Some(allowed) = self
            .allowed
            .get(&attributes.namespace)
            .filter(|all| !all.is_empty())
        else {
            return Ok(());
        };
        let own = pod["spec"]["nodeSelector"]
            .as_object()
            .into_iter()
            .flatten();
        let fits =
            |key: &str, value: &Value| allowed.get(key).is_some_and(|known| json!(known) == *value);
        match own.into_iter().all(|(key, value)| fits(key, value)) {
            true => Ok(()),
            false => Err(attributes.forbidden(
                Some(pod),
                "pod node label selector labels conflict with its namespace whitelist",
            )),
        }
    }
}

fn conflict(attributes: &Attributes, pod: &Value) -> Status {
    let why = "pod node label selector conflicts with its namespace node label selector";
    attributes.forbidden(Some(pod), why)
}
