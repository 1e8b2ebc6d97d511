//! From one version of a custom kind to another (apiextensions-apiserver pkg/apiserver/conversion). What a webhook answers is judged: it
//! may change what the versions differ in, labels and annotations, and nothing else.

mod restore;
#[cfg(test)]
mod tests;

use super::Kind;
use crate::admission::Lookup;
use crate::admission::webhook::Client;
use crate::egress;
use crate::egress::kubeconfig::Users;
use serde_json::{Value, json};
use std::time::Duration;
use triad_machinery::custom::{Conversion, Definition};
use triad_machinery::goformat::quote;
use triad_machinery::meta;

/// How long one call of a webhook may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Converts objects of one kind.
pub(crate) enum Converter {
    /// The versions differ in their schema alone.
    Rename,
    Webhook(Box<Webhook>),
}

pub(crate) struct Webhook {
    client: Client,
    /// Where services are looked up.
    lookup: Lookup,
    /// The review's version; none that both sides speak is an error of every conversion.
    review_version: Option<&'static str>,
}

impl Converter {
    pub(super) fn new(
        definition: &Definition,
        lookup: impl FnOnce() -> Option<Lookup>,
    ) -> Option<Self> {
        let Conversion::Webhook(webhook) = &definition.conversion else {
            return Some(Converter::Rename);
        };
        let mut spoken = webhook.review_versions.iter();
        let review_version =
            spoken.find_map(|version| ["v1", "v1beta1"].into_iter().find(|known| known == version));
        Some(Converter::Webhook(Box::new(Webhook {
            client: Client::read(&webhook.client_config, &Users::default()),
            lookup: lookup()?,
            review_version,
        })))
    }

    /// An object in another version of its kind; the error reads as the reference's.
    pub(super) fn convert(
        &self,
        kind: &Kind,
        object: Value,
        version: &str,
    ) -> Result<Value, String> {
        if meta::api_version(&object) == format!("{}/{version}", kind.definition.group) {
            return Ok(object);
        }
        let mut converted = self.convert_all(kind, vec![object], version)?;
        Ok(converted.swap_remove(0))
    }

    /// The same of many, none of which is of that version. A webhook is asked once.
    pub(super) fn convert_all(
        &self,
        kind: &Kind,
        mut objects: Vec<Value>,
        version: &str,
    ) -> Result<Vec<Value>, String> {
        let definition = &kind.definition;
        let wanted = format!("{}/{version}", definition.group);
        for object in &objects {
            let given = meta::api_version(object);
            let (_, known) = meta::group_version(given);
            if definition.version(known).is_none() {
                return Err(format!(
                    "request to convert CR from an invalid group/version: {given}"
                ));
            }
        }
        match self {
            Converter::Rename => {
                for object in &mut objects {
                    meta::set_type(object, &wanted, &definition.kind);
                }
                Ok(objects)
            }
            // Handlers read objects as they go.
            Converter::Webhook(webhook) => egress::wait(webhook.convert(&objects, &wanted)),
        }
    }
}

impl Webhook {
    /// Of one object or more; each answer is judged by what was sent.
    async fn convert(&self, objects: &[Value], wanted: &str) -> Result<Vec<Value>, String> {
        let first = objects.first().unwrap_or(&Value::Null);
        let name = format!(
            "conversion webhook for {}, Kind={}",
            meta::api_version(first),
            meta::kind(first)
        );
        let converted = self.ask(objects, wanted).await.map_err(|why| match why {
            Refused::Unspoken(why) => why,
            Refused::Failed(why) => format!("{name} failed: {why}"),
        })?;
        if converted.len() != objects.len() {
            return Err(format!(
                "{name} returned {} objects, expected {}",
                converted.len(),
                objects.len()
            ));
        }
        let pairs = objects.iter().zip(converted).enumerate();
        let judged = pairs.map(|(index, (object, converted))| {
            judge(object, converted, wanted, index).map_err(|why| format!("{name} returned {why}"))
        });
        judged.collect()
    }

    async fn ask(&self, objects: &[Value], wanted: &str) -> Result<Vec<Value>, Refused> {
        let unspoken = || Refused::Unspoken("no supported conversion review versions".to_owned());
        let version = self.review_version.ok_or_else(unspoken)?;
        let uid = uuid::Uuid::new_v4().to_string();
        let review = json!({
            "kind": "ConversionReview",
            "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
            // Go writes it though it is empty.
            "response": {"uid": "", "convertedObjects": null, "result": {"metadata": {}}},
        });
        let sent = review.to_string().into_bytes();
        let answer = self.client.send(&self.lookup, sent, WITHIN).await;
        let converted = answer.and_then(|answer| converted(version, &uid, answer));
        converted.map_err(Refused::Failed)
    }
}

/// Why a webhook has converted nothing.
enum Refused {
    /// It was not even asked.
    Unspoken(String),
    Failed(String),
}

/// What a webhook made of one object, if it may (webhook_converter.go, Convert).
fn judge(object: &Value, converted: Value, wanted: &str, index: usize) -> Result<Value, String> {
    let invalid = |what: &str, expected: &str, found: &str| {
        format!(
            "invalid object at index {index}: invalid {what} (expected {expected}, received {found})"
        )
    };
    let (version, kind) = (meta::api_version(&converted), meta::kind(&converted));
    if version != wanted {
        return Err(invalid("groupVersion", wanted, version));
    }
    if kind != meta::kind(object) {
        return Err(invalid("kind", meta::kind(object), kind));
    }
    restore::same_object(object, &converted).map_err(|why| format!("invalid object: {why}"))?;
    restore::metadata(object, converted).map_err(|why| format!("invalid metadata: {why}"))
}

/// The objects of an answer (getConvertedObjectsFromResponse). Only the newer version says whose answer it is.
fn converted(version: &str, uid: &str, mut answer: Value) -> Result<Vec<Value>, String> {
    let strict = version == "v1";
    let wanted = "apiextensions.k8s.io/v1";
    if strict && (meta::api_version(&answer) != wanted || meta::kind(&answer) != "ConversionReview")
    {
        return Err(format!(
            "expected webhook response of {wanted}, Kind=ConversionReview, got {}, Kind={}",
            meta::api_version(&answer),
            meta::kind(&answer)
        ));
    }
    let Some(response) = answer
        .get_mut("response")
        .filter(|response| !response.is_null())
    else {
        return Err("no response provided".to_owned());
    };
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let given = text(&response["uid"]);
    if strict && given != uid {
        return Err(format!(
            "expected response.uid={}, got {}",
            quote(uid),
            quote(&given)
        ));
    }
    let (status, message) = (
        text(&response["result"]["status"]),
        text(&response["result"]["message"]),
    );
    if status != "Success" {
        return Err(match message.is_empty() {
            false => message,
            true => format!("response.result.status was '{status}', not 'Success'"),
        });
    }
    match response["convertedObjects"].take() {
        Value::Array(objects) => Ok(objects),
        _ => Ok(Vec::new()),
    }
}
