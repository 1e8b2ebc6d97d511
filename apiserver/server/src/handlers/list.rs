//! GET of a collection (apiserver pkg/endpoints/handlers/get.go, pkg/storage/etcd3 and cacher for what a version means).
//!
//! Walks an immutable snapshot of the cache; an exact past revision is read from the store.

use super::chunks::{Chunks, Indented};
use super::form::Form;
use super::params::{ListOptions, Match};
use super::read::{not_older_than, parse_version};
use super::zipped::zippable;
use super::{Call, transform};
use crate::cacher::{Cached, Held, Marks, Snapshot};
use crate::negotiate::{Accepted, Offer};
use crate::registry::unavailable;
use crate::reply::{self, Reply};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use imbl::OrdMap;
use serde_json::{Value, json};
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::selector::LabelSelector;
use triad_machinery::selector::field::FieldSelector;
use triad_machinery::status::{Cause, Status, reason};

const EXPIRED: &str = "The resourceVersion for the provided list is too old.";
const EXPIRED_TOKEN: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
/// Entries read at a time from the store for a past revision.
const CHUNK: usize = 500;

/// What was selected, ready to be written.
pub(crate) struct Selected {
    pub(crate) items: Vec<Arc<Cached>>,
    pub(crate) revision: Revision,
    pub(crate) continue_token: String,
    pub(crate) remaining: Option<i64>,
}

/// Lists the collection in the form asked for.
pub(crate) async fn list(call: &mut Call) -> Result<Reply, Status> {
    let accepted = call.accepted(Offer::Table)?;
    let mut options = ListOptions::parse(&call.query, false)?;
    let selected = select(call, &mut options).await?;
    write(call, selected, &accepted)
}

/// Finds the objects that a list of these options shows.
pub(crate) async fn select(call: &Call, options: &mut ListOptions) -> Result<Selected, Status> {
    check_fields(call, &mut options.fields)?;
    let registry = call.registry()?;
    let scope = registry.layout.scope(call.namespace());
    let token = match options.continue_token.as_str() {
        "" => None,
        text => Some(Token::decode(text, options, &scope)?),
    };
    let asked = parse_version(&options.resource_version)?;
    let exact = match (&token, asked, options.matching) {
        (Some(token), _, _) => (token.revision.0 != 0).then_some(token.revision),
        (None, Some(revision), Match::Exact) => Some(revision),
        // The legacy form: a limit with a version is read at exactly that version.
        (None, Some(revision), Match::Unset) if options.limit > 0 && revision.0 != 0 => {
            Some(revision)
        }
        _ => None,
    };
    let (revision, snapshot) = match exact {
        Some(revision) => at_revision(call, revision, &scope, token.is_some()).await?,
        None => {
            match asked {
                None => call
                    .api
                    .cacher
                    .barrier()
                    .await
                    .map(|_| ())
                    .map_err(|e| unavailable(&e))?,
                Some(Revision(0)) => {}
                Some(revision) => not_older_than(call, revision).await?,
            }
            call.api.cacher.view(&registry.cache)
        }
    };
    let after = token
        .as_ref()
        .map(|token| format!("{scope}{}", token.start.trim_end_matches('\0')));
    Ok(page(&snapshot, options, &scope, after.as_deref(), revision))
}

/// Takes up to `limit` matching objects and, when there are more, a token for the rest.
fn page(
    snapshot: &Snapshot,
    options: &ListOptions,
    scope: &str,
    after: Option<&str>,
    revision: Revision,
) -> Selected {
    // resourceVersion=0 is served whole from the cache, as upstream does.
    let limit = if options.limit > 0
        && !(options.resource_version == "0" && options.continue_token.is_empty())
    {
        options.limit as usize
    } else {
        usize::MAX
    };
    let unfiltered = options.labels.is_empty() && options.fields.is_empty();
    let mut items = Vec::new();
    let wanted = Marks::wanted(&options.labels, &options.fields);
    let mut rest = snapshot.held(scope, after);
    for held in rest.by_ref() {
        if held.marks.may_fit(wanted) && matches(options, held) {
            items.push(held.object.clone());
            if items.len() == limit {
                break;
            }
        }
    }
    let mut selected = Selected {
        items,
        revision,
        continue_token: String::new(),
        remaining: None,
    };
    let remaining = if selected.items.len() == limit {
        rest.count()
    } else {
        0
    };
    if remaining > 0 {
        let last = selected
            .items
            .last()
            .map_or("", |object| object.key.get(scope.len()..).unwrap_or(""));
        selected.continue_token = Token {
            revision,
            start: format!("{last}\0"),
        }
        .encode();
        selected.remaining = unfiltered.then_some(remaining as i64);
    }
    selected
}

pub(crate) fn matches(options: &ListOptions, object: &Cached) -> bool {
    selects(&options.labels, &options.fields, object)
}

pub(crate) fn selects(labels: &LabelSelector, fields: &FieldSelector, object: &Cached) -> bool {
    labels.matches(|label| object.label(label)) && fields.matches(|field| object.field(field))
}

/// Refuses fields that the resource cannot be selected by, in upstream's words; the others get the names that they are stored by.
pub(crate) fn check_fields(call: &Call, fields: &mut FieldSelector) -> Result<(), Status> {
    let resource = call.endpoint.resource;
    for term in &mut fields.terms {
        if matches!(term.field.as_str(), "metadata.name" | "metadata.namespace")
            || resource.selectable(&term.field)
        {
            term.field = resource.selected_as(&term.field).to_owned();
            continue;
        }
        let own = !resource.selectable.is_empty() || resource.is_custom();
        return Err(Status::bad_request(match (own, &*resource.group) {
            (true, "batch") => format!(
                "field label {} not supported for {}",
                triad_machinery::goformat::quote(&term.field),
                resource.kind
            ),
            (true, "resource.k8s.io") => format!(
                "field label not supported for {}, Kind={}: {}",
                resource.group_version(),
                resource.kind,
                term.field
            ),
            (true, _) => format!("field label not supported: {}", term.field),
            (false, _) => format!(
                "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                triad_machinery::goformat::quote(&term.field)
            ),
        }));
    }
    Ok(())
}

/// The collection as it was at a revision. The cache serves it while it still is that revision.
async fn at_revision(
    call: &Call,
    revision: Revision,
    scope: &str,
    continued: bool,
) -> Result<(Revision, Arc<Snapshot>), Status> {
    let registry = call.registry()?;
    not_older_than(call, revision).await?;
    let (_, snapshot) = call.api.cacher.view(&registry.cache);
    if snapshot.revision <= revision {
        return Ok((revision, snapshot));
    }
    let store = call.api.store.clone();
    let end = triad_kv::prefix_end(scope.as_bytes());
    let mut start = scope.as_bytes().to_vec();
    let mut objects = OrdMap::new();
    loop {
        let range = store
            .range(&start, &end, Some(revision), CHUNK)
            .map_err(|error| past_error(&error, continued))?;
        for entry in &range.entries {
            let cached = Cached::new(&registry.layout, entry).map_err(Status::internal)?;
            objects.insert(cached.key.clone(), Held::new(Arc::new(cached)));
        }
        match range.entries.last() {
            Some(last) if range.more => {
                start = last.key.to_vec();
                start.push(0);
                // A long read must not hold up the other requests of this thread.
                tokio::task::yield_now().await;
            }
            _ => return Ok((revision, Arc::new(Snapshot { revision, objects }))),
        }
    }
}

fn past_error(error: &triad_kv::Error, continued: bool) -> Status {
    match error {
        triad_kv::Error::Compacted { .. } if continued => Status::expired(EXPIRED_TOKEN),
        triad_kv::Error::Compacted { .. } => Status::expired(EXPIRED),
        other => unavailable(other),
    }
}

/// Writes a selection, without trees wherever the form allows it.
pub(crate) fn write(call: &Call, selected: Selected, accepted: &Accepted) -> Result<Reply, Status> {
    Cached::prepare(&call.registry()?.layout, selected.items.iter());
    if let Some(form) = Form::of(call, accepted)? {
        let indented = accepted.pretty && !form.is_protobuf();
        let zippable = (!indented && matches!(form, Form::Json))
            .then(|| zippable(call, &selected))
            .transpose()?
            .flatten();
        let chunks = Chunks::new(call, selected, form)?;
        if indented {
            let chunks = Indented::new(chunks);
            return Ok(reply::chunked(200, accepted.media.content_type(), chunks));
        }
        let mut reply = reply::chunked(200, accepted.media.content_type(), chunks);
        zippable.map(|zippable| reply.extensions_mut().insert(zippable));
        return Ok(reply);
    }
    if let Some(convert) = &accepted.convert {
        let objects = trees(call, &selected)?;
        let (list, ty) = transform::list(call, objects, list_meta(&selected), convert)?;
        return Ok(reply::object(200, &list, ty, accepted));
    }
    let mut objects = trees(call, &selected)?;
    let resource = call.endpoint.resource;
    if call.endpoint.custom.is_some() {
        let list = super::form::custom_list(call, objects, list_meta(&selected));
        return Ok(reply::object(200, &list, list_type(call)?, accepted));
    }
    objects
        .iter_mut()
        .for_each(triad_machinery::meta::clear_type);
    let list = json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.group_version(), "metadata": list_meta(&selected), "items": objects});
    Ok(reply::object(200, &list, list_type(call)?, accepted))
}

fn list_type(call: &Call) -> Result<triad_machinery::schema::TypeId, Status> {
    let resource = call.endpoint.resource;
    resource.list_type().ok_or_else(|| {
        Status::internal(format!("the schema table has no {}", resource.list_kind()))
    })
}

fn trees(call: &Call, selected: &Selected) -> Result<Vec<Value>, Status> {
    let registry = call.registry()?;
    let object = |item: &Arc<Cached>| {
        item.object(&registry.layout)
            .map(|object| call.endpoint.served(object))
            .map_err(|why| unreadable(call, item, &why))
    };
    selected.items.iter().map(object).collect()
}

/// What a list says of an object that cannot be read: one that a webhook did not convert, say.
fn unreadable(call: &Call, item: &Cached, why: &str) -> Status {
    if call.endpoint.custom.is_none() {
        return Status::internal(why);
    }
    let why = why.replace("Key: /", "Key: /registry/");
    let resource = call.endpoint.group_resource();
    let text = format!("failed to read one or more {resource} from the storage: {why}");
    Status::storage_read_error(resource, "list", text).with_cause(Cause {
        reason: reason::CAUSE_UNEXPECTED_SERVER_RESPONSE.into(),
        message: why,
        field: item.key.to_string(),
    })
}

pub(crate) fn list_meta(selected: &Selected) -> Value {
    let mut metadata = json!({"resourceVersion": selected.revision.to_string()});
    if !selected.continue_token.is_empty() {
        metadata["continue"] = selected.continue_token.as_str().into();
    }
    if let Some(remaining) = selected.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    metadata
}

pub(super) fn json_head(call: &Call, selected: &Selected) -> String {
    let resource = call.endpoint.resource;
    format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
        resource.kind,
        resource.group_version(),
        list_meta(selected)
    )
}

/// Reads tokens as Go does: bits left over at the end do not matter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// Where a list goes on: upstream's token, {"v":"meta.k8s.io/v1","rv":N,"start":"key\u0000"} in URL-safe base64.
struct Token {
    revision: Revision,
    start: String,
}

impl Token {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(
            json!({"v": "meta.k8s.io/v1", "rv": self.revision.0, "start": self.start}).to_string(),
        )
    }

    fn decode(text: &str, options: &ListOptions, scope: &str) -> Result<Self, Status> {
        let invalid = |why: String| Status::bad_request(format!("invalid continue token: {why}"));
        if !options.resource_version.is_empty() && options.resource_version != "0" {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let bytes = LENIENT
            .decode(text)
            .map_err(|_| invalid("continue key is not valid: illegal base64 data".to_owned()))?;
        let token = triad_machinery::codec::json::decode_untyped(
            &bytes,
            triad_machinery::codec::Strictness::Ignore,
        )
        .map_err(|e| invalid(format!("continue key is not valid: {e}")))?
        .value;
        if token["v"] != "meta.k8s.io/v1" {
            return Err(invalid(
                "continue key is not valid: server does not recognize this encoded version"
                    .to_owned(),
            ));
        }
        let revision = token["rv"].as_i64().filter(|rv| *rv != 0).ok_or_else(|| invalid("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned()))?;
        let start = token["start"]
            .as_str()
            .filter(|start| !start.is_empty())
            .ok_or_else(|| {
                invalid(
                    "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)"
                        .to_owned(),
                )
            })?;
        // The key must stay inside the scope: no path tricks.
        let clean =
            !start.starts_with('/') && !start.split('/').any(|part| part == ".." || part == ".");
        if !clean {
            return Err(invalid(format!(
                "continue key is not valid: {scope}{start}"
            )));
        }
        Ok(Token {
            revision: Revision(u64::try_from(revision).unwrap_or(0)),
            start: start.to_owned(),
        })
    }
}
