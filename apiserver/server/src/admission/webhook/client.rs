//! How a webhook is reached: by URL or as a service, with its CA (apiserver pkg/util/webhook/client.go).

use crate::admission::Lookup;
use crate::egress::{self, Answer, Target, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::codec::yaml;
use triad_machinery::goformat::quote;
use triad_machinery::status::Status;

pub(crate) struct Client {
    url: String,
    /// Namespace, name and port.
    service: Option<(String, String, u16)>,
    tls: Result<Arc<rustls::ClientConfig>, String>,
}

impl Client {
    pub(crate) fn read(config: &Value) -> Self {
        let ca = config["caBundle"]
            .as_str()
            .and_then(|ca| STANDARD.decode(ca).ok());
        let service = config.get("service").map(|service| {
            let text = |field: &str| service[field].as_str().unwrap_or("").to_owned();
            let port = service["port"]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok());
            (text("namespace"), text("name"), port.unwrap_or(443))
        });
        let url = match &service {
            None => config["url"].as_str().unwrap_or("").to_owned(),
            Some((namespace, name, port)) => {
                let path = config["service"]["path"]
                    .as_str()
                    .unwrap_or("")
                    .trim_start_matches('/');
                format!("https://{name}.{namespace}.svc:{port}/{path}")
            }
        };
        Client {
            url,
            service,
            tls: Trust::of_ca(ca.unwrap_or_default()).config(),
        }
    }

    /// Posts a review of admission: the answer's body. The error says what is shown of the failure.
    pub(super) async fn call(
        &self,
        lookup: &Lookup,
        review: Vec<u8>,
        within: Duration,
    ) -> Result<Value, String> {
        if let Err(why) = &self.tls {
            return Err(format!("could not get REST client: {why}"));
        }
        let answer = self.send(lookup, review, within).await;
        answer.map_err(|why| format!("failed to call webhook: {why}"))
    }

    /// Posts a review of any kind.
    pub(crate) async fn send(
        &self,
        lookup: &Lookup,
        review: Vec<u8>,
        within: Duration,
    ) -> Result<Value, String> {
        let query = format!("timeout={}s", within.as_secs());
        let tls = self.tls.clone()?;
        let dialled = match &self.service {
            None => None,
            Some(service) => Some(
                resolve(lookup, service)
                    .map_err(|why| format!("Post {:?}: {why}", format!("{}?{query}", self.url)))?,
            ),
        };
        let target = Target {
            url: self.url.clone(),
            dialled,
            tls,
            bearer: None,
        };
        let answer = egress::post(&target, &query, review, within).await;
        body(&answer?)
    }
}

/// Where a service is dialled (kube-aggregator pkg/apiserver/resolvers.go).
fn resolve(
    lookup: &Lookup,
    (namespace, name, port): &(String, String, u16),
) -> Result<(String, u16), String> {
    let service = lookup.find(&lookup.services, namespace, name);
    let service = service.ok_or_else(|| format!("service {} not found", quote(name)))?;
    let spec = &service["spec"];
    let text = |field: &str| spec[field].as_str().unwrap_or("");
    match (text("type"), text("clusterIP")) {
        ("ExternalName", _) => return Ok((text("externalName").to_owned(), *port)),
        (_, "None") => return Err("cannot route to service with ClusterIP \"None\"".to_owned()),
        _ => {}
    }
    let mut ports = spec["ports"].as_array().into_iter().flatten();
    if !ports.any(|own| own["port"].as_u64() == Some(u64::from(*port))) {
        return Err(format!(
            "no service port {port} found for service {}",
            quote(name)
        ));
    }
    Ok((text("clusterIP").to_owned(), *port))
}

fn body(answer: &Answer) -> Result<Value, String> {
    if !(200..=206).contains(&answer.code) {
        let text = answer.content_type.starts_with("text/");
        let said = std::str::from_utf8(&answer.body)
            .ok()
            .map(str::trim)
            .filter(|said| text && !said.is_empty());
        return Err(Status::generic(answer.code, said.unwrap_or("unknown")).message);
    }
    // What is no JSON is read as YAML, whatever it says of itself.
    let document = serde_json::from_slice(&answer.body).or_else(|_| yaml::to_value(&answer.body));
    let document: Value = document
        .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
    let found = match &document {
        Value::Object(_) => return Ok(document),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
    };
    Err(format!(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    ))
}
