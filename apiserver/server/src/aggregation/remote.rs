//! A server behind this one, as an APIService names it: how it is trusted and reached, and the requests that this server makes of
//! its own (kube-aggregator pkg/controllers/status/remote, BuildTransportConfig).

use super::headers;
use crate::egress::Trust;
use crate::egress::service::{Address, Reference};
use crate::proxy::client::DIAL;
use crate::proxy::location::authority;
use crate::proxy::{Client, Way};
use crate::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Either, Empty, Limited};
use serde_json::Value;
use std::time::Duration;

/// The longest document that is read.
const LONGEST_DOCUMENT: usize = 32 << 20;
/// Who asks for what other servers serve.
pub(super) const AGGREGATOR: &str = "system:kube-aggregator";

/// Certificates and key that this server shows, PEM.
pub(super) type Identity = Option<(Vec<u8>, Vec<u8>)>;

pub(crate) struct Remote {
    /// Of the APIService.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) service: Reference,
    pub(super) client: Result<Client, String>,
    /// What all of this was read from.
    spec: Value,
}

/// What this server asks for.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: &'a str,
    pub(super) accept: &'a str,
    /// The tag of what is known already.
    pub(super) known: &'a str,
    /// Who asks, and the groups of that.
    pub(super) user: &'a str,
    pub(super) groups: &'a [&'a str],
    pub(super) pseudonym: &'a str,
    pub(super) within: Duration,
}

/// What came back.
pub(super) struct Document {
    pub(super) code: u16,
    pub(super) content_type: String,
    pub(super) etag: String,
    pub(super) body: Bytes,
}

impl Remote {
    pub(super) fn new(name: &str, spec: &Value, identity: &Identity) -> Self {
        let text = |field: &str| spec[field].as_str().unwrap_or("").to_owned();
        let service = Reference::read(&spec["service"]);
        Remote {
            name: name.to_owned(),
            group: text("group"),
            version: text("version"),
            client: client(spec, &service, identity),
            service,
            spec: spec.clone(),
        }
    }

    /// Whether a spec leads to the same server in the same way.
    pub(super) fn is_of(&self, spec: &Value) -> bool {
        let same = |field: &str| self.spec.get(field) == spec.get(field);
        ["service", "caBundle", "insecureSkipTLSVerify"]
            .into_iter()
            .all(same)
    }

    /// Where its group and version are found.
    pub(super) fn path(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    /// Asks for something in this server's own name, or in that of a part of it. No redirect is followed: it is an answer like any.
    pub(super) async fn ask(&self, at: &Address, ask: &Ask<'_>) -> Result<Document, String> {
        let asked = tokio::time::timeout(ask.within, self.exchange(at, ask)).await;
        asked.unwrap_or_else(|_| {
            Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".into())
        })
    }

    async fn exchange(&self, at: &Address, ask: &Ask<'_>) -> Result<Document, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(uri(at, ask.path)?)
            .body(Either::Right(Empty::new()))
            .map_err(|error| error.to_string())?;
        *request.headers_mut() = asking(ask)?;
        let (head, body) = client.send(request).await?.into_parts();
        let body = Limited::new(body, LONGEST_DOCUMENT).collect().await;
        let header = |name: HeaderName| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("").to_owned()
        };
        Ok(Document {
            code: head.status.as_u16(),
            content_type: header(CONTENT_TYPE),
            etag: header(ETAG),
            body: body.map_err(|error| error.to_string())?.to_bytes(),
        })
    }
}

fn asking(ask: &Ask<'_>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, text: &str| -> Result<(), String> {
        if !text.is_empty() {
            let value = HeaderValue::from_str(text).map_err(|error| error.to_string())?;
            headers.insert(name, value);
        }
        Ok(())
    };
    set(ACCEPT, ask.accept)?;
    set(IF_NONE_MATCH, ask.known)?;
    set(USER_AGENT, "kube-aggregator")?;
    let user = User {
        name: ask.user.to_owned(),
        groups: ask.groups.iter().map(|group| (*group).to_owned()).collect(),
        ..User::default()
    };
    headers::identify(&mut headers, &user).map_err(|status| status.message)?;
    headers::goes_through(&mut headers, ask.pseudonym);
    Ok(headers)
}

fn client(spec: &Value, service: &Reference, identity: &Identity) -> Result<Client, String> {
    let bundle = spec["caBundle"].as_str().unwrap_or("");
    let trust = Trust {
        ca: STANDARD.decode(bundle).map_err(|error| error.to_string())?,
        insecure: spec["insecureSkipTLSVerify"] == true,
        identity: identity.clone(),
    };
    Client::new(&Way {
        tls: trust.config()?,
        name: Some(service.host()),
        dial: DIAL,
        global: false,
    })
}

/// A path at an address.
pub(super) fn uri((host, port): &Address, path: &str) -> Result<Uri, String> {
    let text = format!("https://{}{path}", authority(host, port));
    text.parse()
        .map_err(|error| format!("unparsable URL {text:?}: {error}"))
}
