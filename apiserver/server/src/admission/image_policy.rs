//! ImagePolicyWebhook: another server says which images may be used (kubernetes plugin/pkg/admission/imagepolicy). Off unless it is
//! asked for; its configuration says whom to ask.

use super::configuration::Configuration;
use super::{Attributes, Operation, Plugin, Seen, Verdict};
use crate::egress::{self, Patience, Target, kubeconfig, post_patiently};
use crate::filters::kept::Kept;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Duration;
use triad_machinery::pod::{items, text};

const NAME: &str = "ImagePolicyWebhook";
/// Before the keys of audit annotations.
const AUDIT: &str = "imagepolicywebhook.image-policy.k8s.io/";
const FORWARDED: &str = ".image-policy.k8s.io/";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Answers kept.
const KEPT: usize = 1024;

pub(super) struct ImagePolicyWebhook {
    target: Target,
    allow_ttl: Duration,
    deny_ttl: Duration,
    patience: Patience,
    /// Images pass while nobody can say.
    default_allow: bool,
    /// The status of reviews, by what was asked.
    kept: Kept<String, Value>,
}

impl ImagePolicyWebhook {
    pub(super) fn new(configuration: &Configuration) -> Result<Self, String> {
        let own = configuration.of(NAME).ok_or("no config specified")?;
        let own = &own["imagePolicy"];
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let cache = (second, minute * 30);
        let backoff = (Duration::from_nanos(1), minute * 5);
        Ok(ImagePolicyWebhook {
            target: kubeconfig::target(Path::new(text(&own["kubeConfigFile"])))?,
            allow_ttl: span(&own["allowTTL"], second, cache, minute * 5)?,
            deny_ttl: span(&own["denyTTL"], second, cache, second * 30)?,
            patience: Patience {
                first_pause: span(
                    &own["retryBackoff"],
                    Duration::from_millis(1),
                    backoff,
                    Duration::from_millis(500),
                )?,
                whatever: false,
            },
            default_allow: own["defaultAllow"] == true,
            kept: Kept::new(KEPT),
        })
    }

    /// What the other server says; none where it could not be asked and that is to be no hindrance.
    async fn review(&self, attributes: &Attributes, spec: Value) -> Result<Option<Value>, String> {
        let key = spec.to_string();
        if let Some(status) = self.kept.get(&key) {
            return Ok(Some(status));
        }
        match self.ask(spec).await {
            Ok(status) => {
                let allowed = status["allowed"] == true;
                let ttl = if allowed {
                    self.allow_ttl
                } else {
                    self.deny_ttl
                };
                self.kept.put(key, status.clone(), ttl);
                Ok(Some(status))
            }
            Err(why) if self.default_allow => {
                tracing::warn!(why, "the image policy is not to be had; images pass");
                attributes
                    .trail
                    .annotate(&format!("{AUDIT}failed-open"), "true");
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    async fn ask(&self, spec: Value) -> Result<Value, String> {
        let review = json!({"kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1",
            "metadata": {}, "spec": spec, "status": {"allowed": false}});
        let body = review.to_string().into_bytes();
        let answer = post_patiently(&self.target, body, TIMEOUT, self.patience).await?;
        let answer: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("the answer is no review: {error}"))?;
        Ok(answer["status"].clone())
    }
}

/// A number of units: 0 stands for the default, -1 for none.
fn span(
    given: &Value,
    unit: Duration,
    (least, most): (Duration, Duration),
    default: Duration,
) -> Result<Duration, String> {
    let span = match given.as_i64().unwrap_or(0) {
        -1 => return Ok(Duration::ZERO),
        0 => return Ok(default),
        number => u32::try_from(number).ok().map(|number| unit * number),
    };
    span.filter(|span| (least..=most).contains(span))
        .ok_or_else(|| {
            format!("valid value is between {least:?} and {most:?}, got {given} of {unit:?}")
        })
}

/// The images that a request brings, as a review's spec.
fn asked(attributes: &Attributes, pod: &Value) -> Option<Value> {
    let lists: &[&str] = match attributes.subresource.as_str() {
        "" => &["containers", "initContainers"],
        "ephemeralcontainers" => &["ephemeralContainers"],
        _ => return None,
    };
    let containers = lists.iter().flat_map(|list| items(&pod["spec"][*list]));
    let images: Vec<Value> = containers
        .map(|container| json!({"image": container["image"]}))
        .collect();
    let mut spec = Map::new();
    spec.insert("containers".to_owned(), images.into());
    let annotations = pod["metadata"]["annotations"].as_object();
    let forwarded: Map<_, _> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.contains(FORWARDED))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !forwarded.is_empty() {
        spec.insert("annotations".to_owned(), Value::Object(forwarded));
    }
    spec.insert("namespace".to_owned(), json!(attributes.namespace));
    Some(Value::Object(spec))
}

impl Plugin for ImagePolicyWebhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let pod = object.filter(|_| attributes.operation != Operation::Delete);
        let Some(pod) = pod.filter(|_| attributes.is("", "pods")) else {
            return Ok(());
        };
        let Some(spec) = asked(attributes, pod) else {
            return Ok(());
        };
        let reviewed = egress::wait(self.review(attributes, spec));
        let forbidden = |why: String| attributes.forbidden(Some(pod), why);
        let Some(status) = reviewed.map_err(forbidden)? else {
            return Ok(());
        };
        let said = status["auditAnnotations"].as_object();
        for (key, value) in said.into_iter().flatten() {
            attributes
                .trail
                .annotate(&format!("{AUDIT}{key}"), text(value));
        }
        match (status["allowed"] == true, text(&status["reason"])) {
            (true, _) => Ok(()),
            (false, "") => Err(forbidden(
                "one or more images rejected by webhook backend".to_owned(),
            )),
            (false, why) => Err(forbidden(format!(
                "image policy webhook backend denied one or more images: {why}"
            ))),
        }
    }
}
