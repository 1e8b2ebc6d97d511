//! What a watch shows of objects: bytes that all watchers of a form share, bytes of its own without a tree, or what a tree is
//! turned into; and the events that are no objects, bookmarks and errors.

use crate::cacher::{Cached, Event, Seen};
use crate::endpoint::Endpoint;
use crate::handlers::form::Form;
use crate::handlers::{Call, transform};
use crate::negotiate::{Accepted, Convert, Media};
use crate::reply;
use crate::storage::Layout;
use crate::wire;
use bytes::Bytes;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::codec::{json as json_codec, protobuf};
use triad_machinery::meta;
use triad_machinery::schema::TypeId;
use triad_machinery::status::Status;

const INITIAL_END: &str = "k8s.io/initial-events-end";

pub(super) struct Shown {
    endpoint: Arc<Endpoint>,
    media: Media,
    /// What only those need whose objects do not go out as they are in the storage version.
    own: Option<Box<Own>>,
}

/// How one watch alone shows objects.
struct Own {
    call: Call,
    accepted: Accepted,
    /// Without trees, where they can be.
    form: Option<Form>,
    /// Table columns are sent with the first event alone.
    columns_sent: bool,
}

impl Shown {
    pub(super) fn new(call: Call, accepted: Accepted) -> Result<Self, Status> {
        let form = Form::of(&call, &accepted)?;
        let shared = match &form {
            Some(Form::Json | Form::Protobuf) => true,
            // All that watch the stored version see the same.
            Some(Form::Custom(_)) => call.endpoint.is_storage_version(),
            _ => false,
        };
        Ok(Shown {
            endpoint: call.endpoint.clone(),
            media: accepted.media,
            own: (!shared).then(|| {
                Box::new(Own {
                    call,
                    accepted,
                    form,
                    columns_sent: false,
                })
            }),
        })
    }

    /// The bytes of an event that all watchers of its form share; one that is this watcher's alone is appended to `out`.
    pub(super) fn event(
        &mut self,
        layout: &Layout,
        event: &Event,
        seen: Seen,
        out: &mut Vec<u8>,
    ) -> Option<Bytes> {
        if self.own.is_some() {
            let shown = (event.shown(seen), event.revision);
            self.object(layout, seen.text(), shown, out);
            return None;
        }
        match event.frame(layout, seen, self.media) {
            Ok(frame) => Some(frame),
            Err(error) => {
                self.error(&Status::internal(error), out);
                None
            }
        }
    }

    /// Appends an event of one object, at the revision given.
    pub(super) fn object(
        &mut self,
        layout: &Layout,
        kind: &str,
        (object, revision): (&Cached, Revision),
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let mut shared = match self.media {
            Media::Protobuf => Form::Protobuf,
            _ => Form::Json,
        };
        let (form, headers) = match &mut self.own {
            None => (Some(&mut shared), false),
            Some(own) => {
                let headers = !own.columns_sent || self.endpoint.resource.repeats_columns;
                own.columns_sent |= own.form.is_some();
                (own.form.as_mut(), headers)
            }
        };
        let written = match form {
            Some(form) => form.event(out, layout, (object, revision), kind, headers),
            None => object.object(layout).map(|mut tree| {
                meta::set(&mut tree, "resourceVersion", &revision.to_string());
                self.tree(kind, self.endpoint.served(tree), out);
            }),
        };
        if let Err(error) = written {
            out.truncate(start);
            self.error(&Status::internal(error), out);
        }
    }

    /// Appends an object of the served version, transformed if the client asked for another kind.
    fn tree(&mut self, kind: &str, object: Value, out: &mut Vec<u8>) {
        let convert = self
            .own
            .as_ref()
            .and_then(|own| own.accepted.convert.clone());
        let (object, ty) = match convert {
            None => (object, self.endpoint.ty),
            Some(convert) => match self.transformed(object, &convert, kind == "BOOKMARK") {
                Ok(transformed) => transformed,
                Err(status) => return self.error(&status, out),
            },
        };
        self.write(kind, &object, ty, out);
        if let Some(own) = &mut self.own {
            own.columns_sent = true;
        }
    }

    fn transformed(
        &self,
        object: Value,
        convert: &Convert,
        bookmark: bool,
    ) -> Result<(Value, TypeId), Status> {
        let Some(own) = &self.own else {
            return Ok((object, self.endpoint.ty));
        };
        let (mut object, ty) = transform::object(&own.call, object, convert)?;
        let again = own.columns_sent && !self.endpoint.resource.repeats_columns;
        if convert.kind == "Table" && (again || bookmark) {
            object["columnDefinitions"] = Value::Null;
        }
        Ok((object, ty))
    }

    pub(super) fn bookmark(&mut self, revision: Revision, initial_end: bool, out: &mut Vec<u8>) {
        let resource = self.endpoint.resource;
        let mut object = json!({"kind": &*resource.kind, "apiVersion": resource.group_version(), "metadata": {"resourceVersion": revision.to_string()}});
        if initial_end {
            object["metadata"]["annotations"] = json!({INITIAL_END: "true"});
        }
        self.tree("BOOKMARK", object, out);
    }

    pub(super) fn error(&self, status: &Status, out: &mut Vec<u8>) {
        self.write("ERROR", &status.to_value(), reply::status_type(), out);
    }

    fn write(&self, kind: &str, object: &Value, ty: TypeId, out: &mut Vec<u8>) {
        if self.media == Media::Protobuf {
            return wire::put_event(out, kind, &protobuf::encode(object, ty, None));
        }
        let Ok(()) = wire::put_event_line(out, kind, |out| {
            json_codec::encode_into(out, object, ty, None);
            Ok::<_, Infallible>(())
        });
    }
}
