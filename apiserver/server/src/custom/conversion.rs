//! From one version of a custom kind to another (apiextensions-apiserver pkg/apiserver/conversion). What a webhook answers is judged: it
//! may change what the versions differ in, labels and annotations, and nothing else.

mod restore;

use super::Kind;
use crate::admission::Lookup;
use crate::admission::webhook::Client;
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
            client: Client::read(&webhook.client_config),
            lookup: lookup()?,
            review_version,
        })))
    }

    /// An object in another version of its kind; the error reads as the reference's.
    pub(super) fn convert(
        &self,
        kind: &Kind,
        mut object: Value,
        version: &str,
    ) -> Result<Value, String> {
        let definition = &kind.definition;
        let wanted = format!("{}/{version}", definition.group);
        let given = meta::api_version(&object).to_owned();
        if given == wanted {
            return Ok(object);
        }
        let (_, known) = meta::group_version(&given);
        if definition.version(known).is_none() {
            return Err(format!(
                "request to convert CR from an invalid group/version: {given}"
            ));
        }
        match self {
            Converter::Rename => {
                meta::set_type(&mut object, &wanted, &definition.kind);
                Ok(object)
            }
            // Handlers read objects as they go; meanwhile another thread does this one's other work.
            Converter::Webhook(webhook) => tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(webhook.convert(object, &wanted))
            }),
        }
    }
}

impl Webhook {
    async fn convert(&self, object: Value, wanted: &str) -> Result<Value, String> {
        let name = format!(
            "conversion webhook for {}, Kind={}",
            meta::api_version(&object),
            meta::kind(&object)
        );
        let version = self
            .review_version
            .ok_or("no supported conversion review versions")?;
        let uid = uuid::Uuid::new_v4().to_string();
        let review = json!({
            "kind": "ConversionReview",
            "apiVersion": format!("apiextensions.k8s.io/{version}"),
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": [object]},
            // Go writes it though it is empty.
            "response": {"uid": "", "convertedObjects": null, "result": {"metadata": {}}},
        });
        let answer = self
            .client
            .send(&self.lookup, review.to_string().into_bytes(), WITHIN)
            .await;
        let answer = answer.map_err(|why| format!("{name} failed: {why}"))?;
        let mut converted =
            converted(version, &uid, answer).map_err(|why| format!("{name} failed: {why}"))?;
        if converted.len() != 1 {
            return Err(format!(
                "{name} returned {} objects, expected 1",
                converted.len()
            ));
        }
        let converted = converted.swap_remove(0);
        let invalid = |what: &str, expected: &str, found: &str| {
            format!(
                "{name} returned invalid object at index 0: invalid {what} (expected {expected}, received {found})"
            )
        };
        if meta::api_version(&converted) != wanted {
            return Err(invalid(
                "groupVersion",
                wanted,
                meta::api_version(&converted),
            ));
        }
        if meta::kind(&converted) != meta::kind(&object) {
            return Err(invalid("kind", meta::kind(&object), meta::kind(&converted)));
        }
        restore::same_object(&object, &converted)
            .map_err(|why| format!("{name} returned invalid object: {why}"))?;
        restore::metadata(&object, converted)
            .map_err(|why| format!("{name} returned invalid metadata: {why}"))
    }
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
