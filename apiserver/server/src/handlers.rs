//! The verbs on resources: decode, mutate, hand to the registry, encode. One file per family of verbs.

mod binding;
mod chunks;
pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod decode;
pub(crate) mod delete;
mod eviction;
mod form;
pub(crate) mod list;
pub(crate) mod params;
pub(crate) mod patch;
pub(crate) mod read;
pub(crate) mod scale;
pub(crate) mod subresource;
pub(crate) mod token;
pub(crate) mod transform;
pub(crate) mod update;
pub(crate) mod virtuals;
pub(crate) mod watch;
mod zipped;

use crate::api::Api;
use crate::audit::Trail;
use crate::endpoint::Endpoint;
use crate::filters::request_info::RequestInfo;
use crate::negotiate::{Accepted, Media, Offer, accept_where};
use crate::query::Query;
use crate::registry::before::{Document, Written};
use crate::registry::{Outcome, Registry, Stored};
use crate::reply::{self, Reply};
use crate::user::User;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use std::sync::Arc;
use triad_machinery::goformat::quote;
use triad_machinery::meta;
use triad_machinery::schema::TypeId;
use triad_machinery::status::{FieldError, GroupResource, Status};

/// One authorized request for a resource, its body read.
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) info: RequestInfo,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) user: User,
    pub(crate) body: Bytes,
    /// Texts for Warning headers, in order.
    pub(crate) warnings: Vec<String>,
    /// The object that a patch made, before it was decoded.
    pub(crate) patched: Option<Value>,
    /// What is kept of the request.
    pub(crate) trail: Trail,
}

/// Where duplicate owners come from, in their warning.
const AFTER_ADMISSION: &str = " after mutating admission happens";

impl Call {
    /// Takes away owners that are named twice, with a warning.
    fn dedup_owners(&mut self, object: &mut Value, whence: &str) {
        if let Some(rest) = crate::registry::owners::dedup(object) {
            let what = ".metadata.ownerReferences contains duplicate entries";
            self.warnings.push(format!("{what}{whence}{rest}"));
        }
    }

    /// How the object being written came.
    fn written(&self) -> Written<'_> {
        let media = self
            .headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |v| v.as_bytes());
        Written {
            served: self.endpoint.resource,
            document: match &self.patched {
                Some(tree) => Document::Tree(tree),
                None if media.is_empty() || media.starts_with(b"application/json") => {
                    Document::Json(&self.body)
                }
                None => Document::None,
            },
        }
    }

    /// The registry of a resource that is stored; the router has seen to it that it is.
    pub(crate) fn registry(&self) -> Result<&Arc<Registry>, Status> {
        self.endpoint
            .registry
            .as_ref()
            .ok_or_else(Status::method_not_allowed)
    }

    /// The namespace of the request; cluster-scoped resources are in none, namespaces too.
    pub(crate) fn namespace(&self) -> &str {
        if self.endpoint.resource.namespaced {
            &self.info.namespace
        } else {
            ""
        }
    }

    /// Reads the object in the path.
    pub(crate) async fn fetch(&self) -> Result<Stored, Status> {
        self.registry()?.get(self.namespace(), self.name()).await
    }

    /// An error about the stored resource in the words of the group that it is asked for in: what one group stores another
    /// may serve too (events).
    pub(crate) fn in_served_group(&self, mut status: Status) -> Status {
        let (Some(registry), served) = (&self.endpoint.registry, self.endpoint.group_resource())
        else {
            return status;
        };
        let stored = registry.group_resource();
        if stored == served {
            return status;
        }
        let name = |of: GroupResource<'_>| format!("{of} \"");
        status.message = status.message.replacen(&name(stored), &name(served), 1);
        if let Some(details) = &mut status.details
            && *details.kind == *stored.resource
            && details.group == stored.group
        {
            details.group = served.group.into();
        }
        status
    }

    pub(crate) fn name(&self) -> &str {
        self.info.path_name().unwrap_or("")
    }

    pub(crate) fn accepted(&self, offer: Offer) -> Result<Accepted, Status> {
        // Custom kinds have no protobuf, but what they are shown as has.
        let takes = |accepted: &Accepted| {
            let shown_as_it_is = accepted.convert.is_none() && self.info.subresource != "scale";
            self.endpoint.custom.is_none() || accepted.media != Media::Protobuf || !shown_as_it_is
        };
        accept_where(&self.headers, &self.query, offer, takes)
    }

    /// The form of an answer that shows the object itself or a view of it.
    pub(crate) fn accepted_view(&self) -> Result<Accepted, Status> {
        let subresource = self.endpoint.resource.subresource(&self.info.subresource);
        self.accepted(match subresource {
            Some(subresource) if !subresource.tables => Offer::Partial,
            _ => Offer::Table,
        })
    }

    /// The manager that a write is recorded under: the fieldManager parameter, else the User-Agent up to its first slash.
    pub(crate) fn manager(&self, field_manager: &str) -> String {
        let agent = self
            .headers
            .get(http::header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        triad_machinery::managed_fields::manager_name(field_manager, agent)
    }

    /// Refuses roles and bindings that grant more than the caller holds.
    pub(crate) fn check_escalation(
        &self,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let resource = self.endpoint.resource;
        if resource.group == "certificates.k8s.io" {
            return self.check_signer(object, old);
        }
        if resource.group != "rbac.authorization.k8s.io" {
            return Ok(());
        }
        let why = self
            .api
            .authorizer
            .escalation(&self.user, &resource.plural, object, old);
        why.map_or(Ok(()), |why| {
            Err(Status::forbidden(
                self.endpoint.group_resource(),
                meta::name(object),
                why,
            ))
        })
    }

    /// Refuses a status of a pod certificate request from those who may not sign for its signer (kubernetes
    /// pkg/registry/certificates/podcertificaterequest).
    fn check_signer(&self, object: &Value, old: Option<&Value>) -> Result<(), Status> {
        let of_status = self.info.subresource == "status"
            && &*self.endpoint.resource.plural == "podcertificaterequests";
        let Some(old) = old.filter(|old| of_status && old.get("status") != object.get("status"))
        else {
            return Ok(());
        };
        let signer = old.pointer("/spec/signerName").and_then(Value::as_str);
        let signer = signer.unwrap_or("");
        if crate::admission::certificates::may(&self.api.authorizer, &self.user, "sign", signer) {
            return Ok(());
        }
        let why = format!(
            "User {} is not permitted to \"sign\" for signer {}",
            quote(&self.user.name),
            quote(signer)
        );
        let error = FieldError::forbidden("spec.signerName", why);
        Err(self.registry()?.invalid(meta::name(object), &[error]))
    }

    /// Answers with what a write left behind; without a tree where it goes out as it was stored.
    pub(crate) fn answer_outcome(
        &self,
        code: u16,
        outcome: Outcome,
        accepted: &Accepted,
    ) -> Result<Reply, Status> {
        let registry = self.registry()?;
        if let Outcome::Stored {
            bytes,
            revision,
            settled,
        } = &outcome
            && read::plain(accepted, self)
            && accepted.media != Media::Yaml
        {
            let (layout, media) = (&registry.layout, accepted.media);
            let shown = layout.show(bytes, *revision, media, *settled);
            let shown = shown.map_err(Status::internal)?;
            return Ok(reply::bytes(code, accepted.media.content_type(), shown));
        }
        self.answer(code, outcome.into_object(registry)?, accepted)
    }

    /// Answers with an object of the storage version, in this endpoint's version and the form asked for.
    pub(crate) fn answer(
        &self,
        code: u16,
        object: Value,
        accepted: &Accepted,
    ) -> Result<Reply, Status> {
        let object = self.endpoint.served(object);
        self.answer_served(code, object, self.endpoint.ty, accepted)
    }

    /// Answers with an object that is in the served version already.
    pub(crate) fn answer_served(
        &self,
        code: u16,
        object: Value,
        ty: TypeId,
        accepted: &Accepted,
    ) -> Result<Reply, Status> {
        match &accepted.convert {
            Some(convert) => {
                let (object, ty) = transform::object(self, object, convert)?;
                Ok(reply::object(code, &object, ty, accepted))
            }
            None => Ok(reply::object(code, &object, ty, accepted)),
        }
    }

    /// A Status of success about an object that is gone.
    pub(crate) fn deleted(&self, object: &Value, accepted: &Accepted) -> Reply {
        let mut details = serde_json::Map::new();
        details.insert("name".to_owned(), meta::name(object).into());
        if !self.endpoint.resource.group.is_empty() {
            details.insert("group".to_owned(), (*self.endpoint.resource.group).into());
        }
        details.insert("kind".to_owned(), (*self.endpoint.resource.plural).into());
        details.insert("uid".to_owned(), meta::uid(object).into());
        success(details, accepted)
    }
}

/// A Status of success with details.
pub(crate) fn success(details: serde_json::Map<String, Value>, accepted: &Accepted) -> Reply {
    let mut status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    if !details.is_empty() {
        status["details"] = Value::Object(details);
    }
    reply::object(200, &status, reply::status_type(), accepted)
}
