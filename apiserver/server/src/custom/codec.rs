//! How objects of a custom kind lie in the store: as JSON, in the version that was the stored one when they were written. They are
//! read into the version of whoever reads (apiextensions-apiserver pkg/apiserver/customresource_handler.go, crdConversionRESTOptionsGetter).

use super::Kind;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::codec::Strictness;
use triad_machinery::codec::json::{decode_untyped, encode_untyped};
use triad_machinery::custom::{Version, coerce_stored};
use triad_machinery::meta;
use triad_machinery::status::Status;

pub(crate) struct Codec {
    kind: Arc<Kind>,
    /// None: objects are read as they lie there, for what is the same in all versions.
    version: Option<Arc<Version>>,
}

impl Codec {
    pub(super) fn new(kind: Arc<Kind>, version: Option<Arc<Version>>) -> Self {
        Codec { kind, version }
    }

    pub(crate) fn encode(&self, object: &Value) -> Result<Vec<u8>, Status> {
        let stored = &self.kind.definition.storage;
        let converted = self
            .kind
            .converter
            .convert(&self.kind, object.clone(), stored);
        converted
            .map(|object| encode_untyped(&object))
            .map_err(Status::plain_error)
    }

    pub(crate) fn decode(&self, bytes: &[u8], revision: Revision) -> Result<Value, String> {
        let decoded =
            decode_untyped(bytes, Strictness::Ignore).map_err(|error| error.to_string())?;
        let mut object = decoded.value;
        let Some(wanted) = &self.version else {
            return Ok(object);
        };
        let (_, name) = meta::group_version(meta::api_version(&object));
        if let Some(written) = self.kind.definition.version(name) {
            coerce_stored(written, &mut object)?;
        }
        self.read_as(object, wanted)
            .map_err(|why| self.undecodable(bytes, revision, &why))
    }

    fn read_as(&self, object: Value, wanted: &Version) -> Result<Value, String> {
        let before = meta::api_version(&object).to_owned();
        let mut object = self
            .kind
            .converter
            .convert(&self.kind, object, &wanted.name)?;
        if meta::api_version(&object) != before {
            wanted.coerce_converted(&mut object)?;
        }
        Ok(object)
    }

    /// As the reference's store says it, of which clients see the words.
    fn undecodable(&self, bytes: &[u8], revision: Revision, why: &str) -> String {
        let definition = &self.kind.definition;
        let stored = decode_untyped(bytes, Strictness::Ignore).map(|decoded| decoded.value);
        let stored = stored.unwrap_or_default();
        let place = [
            &*definition.group,
            &*definition.plural,
            meta::namespace(&stored),
            meta::name(&stored),
        ];
        let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
        format!(
            "StorageError: corrupt object, Code: 7, Key: /{}, ResourceVersion: 0, AdditionalErrorMsg: object not decodable revision={revision}: {why}",
            place.join("/")
        )
    }
}
