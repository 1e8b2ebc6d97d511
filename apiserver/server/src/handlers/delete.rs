//! DELETE of one object and of a collection (apiserver pkg/endpoints/handlers/delete.go).

use super::list::select;
use super::params::{DeleteOptions, ListOptions};
use super::{Call, list};
use crate::admission::Attributes;
use crate::cacher::Cached;
use crate::negotiate::{Media, Offer, content};
use crate::registry::delete::Deletion;
use crate::registry::{Registry, Stored};
use crate::reply::{Reply, named};
use futures_util::stream::{self, Stream, StreamExt as _};
use std::sync::Arc;
use triad_machinery::codec::{DecodeError, Strictness, json, protobuf, yaml};
use triad_machinery::goformat::quote;
use triad_machinery::status::Status;

/// Deletions of a collection that are under way at once: as many as share one write of the log. The others wait their turn.
const AT_ONCE: usize = 64;

/// Deletes the object in the path.
pub(crate) async fn delete(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let options = options(call)?;
    let registry = call.registry()?.clone();
    warn(call, &registry, &options);
    admit(call, &options).await?;
    match registry
        .delete(call.namespace(), call.name(), &options)
        .await?
    {
        Deletion::Gone(object) if returns_object(call) => call.answer(200, object, &accepted),
        Deletion::Gone(object) => Ok(call.deleted(&object, &accepted)),
        Deletion::Pending(object) => {
            let code = if options.orphan_dependents == Some(false) {
                202
            } else {
                200
            };
            call.answer(code, object, &accepted)
        }
    }
}

/// Deletes what a list with the same parameters shows; answers with that list.
pub(crate) async fn delete_collection(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let mut selection = ListOptions::parse(&call.query, false)?;
    let options = options(call)?;
    selection.limit = 0;
    let registry = call.registry()?.clone();
    warn(call, &registry, &options);
    admit(call, &options).await?;
    let selected = select(call, &mut selection).await?;
    let attributes = Attributes::deleting(call, &options);
    let judged = judged(call, attributes, registry.clone(), selected.items.clone());
    let options = Arc::new(options);
    let deletions = judged.map(move |judged| {
        let (registry, options) = (registry.clone(), options.clone());
        async move {
            let Some(Judged {
                item,
                old,
                warnings,
            }) = judged?
            else {
                return Ok(Vec::new());
            };
            registry
                .delete_listed(old, item.namespace(), item.name(), &options)
                .await?;
            Ok::<_, Status>(warnings)
        }
    });
    let mut deletions = std::pin::pin!(deletions.buffered(AT_ONCE));
    while let Some(deleted) = deletions.next().await {
        call.warnings.extend(deleted?);
    }
    list::write(call, selected, &accepted)
}

/// An object of a collection that may be deleted, as it was read for that.
struct Judged {
    item: Arc<Cached>,
    old: Stored,
    warnings: Vec<String>,
}

/// Has admission judge the objects of a list, each after the one before it, as the reference does with its one worker. None stands for
/// one that has gone.
fn judged(
    call: &Call,
    attributes: Attributes,
    registry: Arc<Registry>,
    items: Vec<Arc<Cached>>,
) -> impl Stream<Item = Result<Option<Judged>, Status>> + Send + 'static {
    let (api, attributes) = (call.api.clone(), Arc::new(attributes));
    stream::iter(items).then(move |item| {
        let (registry, api, attributes) = (registry.clone(), api.clone(), attributes.clone());
        async move {
            let Some(old) = registry.get_local(item.namespace(), item.name())? else {
                return Ok(None);
            };
            let judge = api.admission.validate(&attributes, None, Some(&old.object));
            let warnings = judge.await?;
            Ok(Some(Judged {
                item,
                old,
                warnings,
            }))
        }
    })
}

fn warn(call: &mut Call, registry: &Registry, options: &DeleteOptions) {
    let chosen = options.propagation_policy.is_some() || options.orphan_dependents.is_some();
    let warnings = registry.strategy.deletion_warnings(chosen);
    call.warnings.extend(warnings);
}

async fn admit(call: &mut Call, options: &DeleteOptions) -> Result<(), Status> {
    let old = match call.name() {
        "" => None,
        name => call
            .registry()?
            .get_local(call.namespace(), name)?
            .map(|stored| stored.object),
    };
    let attributes = Attributes::deleting(call, options);
    let warnings = call
        .api
        .clone()
        .admission
        .validate(&attributes, None, old.as_ref())
        .await?;
    call.warnings.extend(warnings);
    Ok(())
}

/// Options from the body, or from the query when there is none.
fn options(call: &mut Call) -> Result<DeleteOptions, Status> {
    if call.body.is_empty() {
        return DeleteOptions::from_query(&call.query);
    }
    let body = call.body.clone();
    let refuse = |error: DecodeError| Status::bad_request(error.to_string());
    let ty = named("meta/v1.DeleteOptions");
    let (found, value) = match content(&call.headers)? {
        Media::Protobuf => {
            let envelope = protobuf::open(&body).map_err(refuse)?;
            (
                envelope.type_meta.clone(),
                protobuf::decode_enveloped(&envelope, ty).map_err(refuse)?,
            )
        }
        media => {
            let text = if media == Media::Yaml {
                yaml::to_json(&body).map_err(refuse)?
            } else {
                body.to_vec()
            };
            (
                json::interpret(&text).map_err(refuse)?,
                json::decode(&text, ty, Strictness::Ignore)
                    .map_err(refuse)?
                    .value,
            )
        }
    };
    // DeleteOptions is known in every group-version, so any is taken.
    if !found.kind.is_empty() && found.kind != "DeleteOptions" {
        let version = if found.api_version.is_empty() {
            call.endpoint.resource.group_version()
        } else {
            found.api_version
        };
        return Err(Status::bad_request(format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            quote(&found.kind),
            quote(&version)
        )));
    }
    DeleteOptions::from_object(&value)
}

/// Kinds whose deletion answers with the last state of the object instead of a Status.
fn returns_object(call: &Call) -> bool {
    call.endpoint.resource.returns_deleted
}
