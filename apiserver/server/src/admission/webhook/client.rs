//! How a webhook is reached: by URL or as a service, with its CA (apiserver pkg/util/webhook/client.go).

use crate::admission::Lookup;
use crate::egress::kubeconfig::Users;
use crate::egress::service::{Address, Reference, by_cluster_ip};
use crate::egress::{self, Answer, Target, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::codec::yaml;
use triad_machinery::status::Status;

pub(crate) struct Client {
    url: String,
    service: Option<Reference>,
    tls: Result<Arc<rustls::ClientConfig>, String>,
    bearer: Option<String>,
}

impl Client {
    /// `users` are those that this server shows itself as.
    pub(crate) fn read(config: &Value, users: &Users) -> Self {
        let ca = config["caBundle"]
            .as_str()
            .and_then(|ca| STANDARD.decode(ca).ok());
        let service = config.get("service").map(Reference::read);
        let written = match &service {
            None => config["url"].as_str().unwrap_or("").to_owned(),
            Some(service) => {
                let path = config["service"]["path"]
                    .as_str()
                    .unwrap_or("")
                    .trim_start_matches('/');
                format!("https://{}:{}/{path}", service.host(), service.port)
            }
        };
        let parsed: Option<Uri> = written.parse().ok();
        let url = parsed.as_ref().map_or_else(|| written.clone(), cleaned);
        let named = parsed.as_ref();
        let host = named.and_then(Uri::host).unwrap_or_default();
        let shown = users.of(host, named.and_then(Uri::port_u16).unwrap_or(443));
        let trust = Trust {
            identity: shown.identity,
            ..Trust::of_ca(ca.unwrap_or_default())
        };
        Client {
            url,
            service,
            tls: trust.config(),
            bearer: shown.bearer,
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
            bearer: self.bearer.clone(),
        };
        let answer = egress::post(&target, &query, review, within).await;
        body(&answer?)
    }
}

/// A URL as clients of the reference write it: no empty, `.` or `..` parts in its path, no slash at its end (Go's path.Join, by which
/// client-go puts a webhook's path behind its host).
fn cleaned(url: &Uri) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in url.path().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let (scheme, host) = (url.scheme_str(), url.authority());
    let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme}:"));
    let host = host.map_or(String::new(), |host| format!("//{host}"));
    format!("{scheme}{host}/{}", parts.join("/"))
}

/// Where a service is dialled.
fn resolve(lookup: &Lookup, service: &Reference) -> Result<Address, String> {
    let found = lookup.find(&lookup.services, &service.namespace, &service.name);
    let found = found.ok_or_else(|| service.not_found())?;
    by_cluster_ip(&found, service.port)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_the_reference_cleans_them() {
        for (written, wanted) in [
            (
                "https://127.0.0.1:8443//failing",
                "https://127.0.0.1:8443/failing",
            ),
            ("https://a.example.com", "https://a.example.com/"),
            (
                "https://a.example.com/b/../c/./d/",
                "https://a.example.com/c/d",
            ),
            ("https://a.example.com/../../b", "https://a.example.com/b"),
        ] {
            let config = serde_json::json!({"url": written});
            assert_eq!(Client::read(&config, &Users::default()).url, wanted);
        }
    }
}
