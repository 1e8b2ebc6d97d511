//! GET of one object (apiserver pkg/endpoints/handlers/get.go).

use super::Call;
use crate::cacher::Cached;
use crate::negotiate::{Accepted, Media};
use crate::registry::unavailable;
use crate::reply::{self, Reply};
use crate::storage::Layout;
use crate::wire;
use triad_kv::Revision;
use triad_machinery::goformat::quote;
use triad_machinery::status::Status;

/// Reads one object from the cache: linearizable without a resourceVersion, else not older than it.
pub(crate) async fn get(call: &Call) -> Result<Reply, Status> {
    let accepted = call.accepted_view()?;
    if call
        .query
        .get("export")
        .is_some_and(triad_machinery::codec::query::is_true)
    {
        return Err(Status::bad_request(
            "the export parameter, deprecated since v1.14, is no longer supported",
        ));
    }
    let registry = call.registry()?;
    level(call, call.query.get("resourceVersion").unwrap_or("")).await?;
    let key = registry.layout.key(call.namespace(), call.name());
    let cached = registry
        .cache
        .get(&key)
        .ok_or_else(|| Status::not_found(call.endpoint.group_resource(), call.name()))?;
    if plain(&accepted, call) && accepted.media != Media::Yaml {
        let bytes = encoded(&registry.layout, &cached, accepted.media).map_err(Status::internal)?;
        return Ok(reply::bytes(200, accepted.media.content_type(), bytes));
    }
    let object = cached.object(&registry.layout).map_err(Status::internal)?;
    call.answer(200, object, &accepted)
}

/// An object of the storage version as an answer: JSON with a newline, or protobuf in its envelope.
pub(super) fn encoded(layout: &Layout, object: &Cached, media: Media) -> Result<Vec<u8>, String> {
    if media == Media::Protobuf {
        let message = object.protobuf(layout)?;
        let kind = &layout.resource.kind;
        return Ok(wire::envelope(&layout.group_version, kind, &message));
    }
    let mut json = Vec::with_capacity(object.stored_len() * 3 / 2 + 256);
    object.json_at(layout, object.revision, &mut json, true)?;
    json.push(b'\n');
    Ok(json)
}

/// Waits until the cache may answer for a resourceVersion: "" is now, "0" is whenever, N is not before N.
pub(super) async fn level(call: &Call, resource_version: &str) -> Result<(), Status> {
    match parse_version(resource_version)? {
        None => call
            .api
            .cacher
            .barrier()
            .await
            .map(|_| ())
            .map_err(|e| unavailable(&e)),
        Some(Revision(0)) => Ok(()),
        Some(revision) => not_older_than(call, revision).await,
    }
}

/// Waits for a revision that is about to come; one that does not is refused as upstream does after three seconds.
pub(super) async fn not_older_than(call: &Call, revision: Revision) -> Result<(), Status> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
    if call.api.cacher.progress() >= revision {
        return Ok(());
    }
    let waited = tokio::time::timeout(PATIENCE, call.api.cacher.wait_for(revision)).await;
    waited.map_err(|_| {
        Status::too_large_resource_version(revision.0, call.api.cacher.progress().0, 1)
    })
}

/// None: not given. Upstream's text for anything that is no number.
pub(super) fn parse_version(text: &str) -> Result<Option<Revision>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let why = if text.bytes().all(|b| b.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    let refuse = |_| {
        Status::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: {}: strconv.ParseUint: parsing {}: {why}",
            quote(text),
            quote(text)
        ))
    };
    text.parse()
        .map(|number| Some(Revision(number)))
        .map_err(refuse)
}

/// Whether the answer may be made of cached pieces as they are.
pub(super) fn plain(accepted: &Accepted, call: &Call) -> bool {
    !accepted.pretty && accepted.convert.is_none() && call.endpoint.is_storage_version()
}
