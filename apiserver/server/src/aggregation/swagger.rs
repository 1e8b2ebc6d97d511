//! What other servers' documents of OpenAPI v2 say of the groups and versions that they are asked for: this server shows that beside its
//! own kinds (kube-aggregator pkg/controllers/openapi/aggregator, downloader.go).

use super::Aggregation;
use super::documents::get;
use super::remote::Remote;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use triad_machinery::openapi::V2Part;

/// The largest part of a document that is kept, as JSON: what comes here is shown to everybody who asks for the document of all kinds.
const LARGEST: usize = 16 << 20;

/// What a document says of one group and version.
pub(crate) struct Swagger {
    /// Of what it says: equal for equal ones.
    pub(crate) tag: String,
    pub(crate) part: V2Part,
    /// The tag that the other server gave its document.
    etag: String,
}

impl PartialEq for Swagger {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

/// Asks a server, which may have said the same before; one that has no such document shows nothing, and one that cannot be asked what it
/// showed before.
pub(super) async fn ask(
    aggregation: &Aggregation,
    remote: &Remote,
    before: Option<Arc<Swagger>>,
) -> Option<Arc<Swagger>> {
    let known = before.as_ref().map_or("", |before| before.etag.as_str());
    let found = get(
        aggregation,
        remote,
        "/openapi/v2",
        "application/json",
        known,
    )
    .await;
    let read = match found {
        Ok(found) if found.code == 200 => read(&found.body, &remote.path(), found.etag),
        Ok(found) if found.code == 404 => return None,
        Ok(found) if found.code == 304 && !known.is_empty() => return before,
        Ok(found) => Err(format!("it was answered with {}", found.code)),
        Err(why) => Err(why),
    };
    match read {
        Ok(swagger) => Some(Arc::new(swagger)),
        Err(why) => {
            tracing::debug!(
                api_service = remote.name,
                why,
                "no OpenAPI v2 of an aggregated server"
            );
            before
        }
    }
}

fn read(body: &[u8], path: &str, etag: String) -> Result<Swagger, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let part = V2Part::of_document(&document, &format!("{path}/"));
    let text = part.text();
    if text.len() > LARGEST {
        return Err(format!("{} bytes are more than {LARGEST}", text.len()));
    }
    let hash = Sha256::digest(text.as_bytes());
    Ok(Swagger {
        tag: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        part,
        etag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_bounded_and_has_a_tag_by_what_it_says() {
        let document = |size: usize| {
            let text = "x".repeat(size);
            format!(
                r#"{{"paths": {{"/apis/a/v1/b": {{"get": {{"description": "{text}"}}}}, "/apis/a/v10/b": {{}}}}}}"#
            )
        };
        let of = |size: usize| read(document(size).as_bytes(), "/apis/a/v1", "\"1\"".to_owned());
        let (one, other) = (of(1).expect("a document"), of(2).expect("a document"));
        assert!(one == of(1).expect("a document") && one != other);
        assert_eq!(one.part.paths.len(), 1);
        assert!(of(LARGEST).is_err());
        assert!(read(b"{", "/apis/a/v1", String::new()).is_err());
    }
}
