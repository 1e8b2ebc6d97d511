//! How objects of a custom kind lie in the store: as JSON, in the version that was the stored one when they were written. They are
//! read into the version of whoever reads (apiextensions-apiserver pkg/apiserver/customresource_handler.go, crdConversionRESTOptionsGetter).

use super::Kind;
use super::memo::Memo;
use serde_json::Value;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::codec::Strictness;
use triad_machinery::codec::json::{decode_untyped, encode_untyped};
use triad_machinery::custom::{Conversion, Version, coerce_stored};
use triad_machinery::meta;
use triad_machinery::status::Status;

pub(crate) struct Codec {
    kind: Arc<Kind>,
    /// None: objects are read as they lie there, for what is the same in all versions.
    version: Option<Arc<Version>>,
    /// What a webhook made of objects of other versions.
    converted: Memo,
}

/// Objects that a webhook is asked to convert at a time, and their bytes: what it answers is bounded.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

impl Codec {
    pub(super) fn new(kind: Arc<Kind>, version: Option<Arc<Version>>) -> Self {
        Codec {
            kind,
            version,
            converted: Memo::default(),
        }
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
        let Some(wanted) = &self.version else {
            return parse(bytes);
        };
        if self.asks()
            && let Some(known) = self.converted.get(bytes)
        {
            return Ok(known);
        }
        let object = self.written(bytes)?;
        let written_so = meta::api_version(&object) == wanted.group_version();
        let read = self
            .read_as(object, wanted)
            .map_err(|why| self.undecodable(bytes, revision, &why))?;
        if self.asks() && !written_so {
            self.converted.put(bytes, read.clone());
        }
        Ok(read)
    }

    /// Has many stored objects converted at a time, where a webhook does that. What it does not convert is asked for again by who reads
    /// it, one by one: then the error names the object.
    pub(crate) fn prepare<'a>(&self, all: impl Iterator<Item = &'a [u8]>) {
        let Some(wanted) = self.version.as_ref().filter(|_| self.asks()) else {
            return;
        };
        // What we wrote in that version begins so; it is told without being parsed.
        let same = format!("{{\"apiVersion\":\"{}\"", wanted.group_version());
        let others = all.filter(|bytes| !bytes.starts_with(same.as_bytes()));
        let mut batch = Batch::default();
        for bytes in others.filter(|bytes| !self.converted.has(bytes)) {
            let Ok(object) = self.written(bytes) else {
                continue;
            };
            if meta::api_version(&object) == wanted.group_version() {
                continue;
            }
            batch.bytes += bytes.len();
            batch.stored.push(bytes);
            batch.objects.push(object);
            if batch.is_full() && !self.convert(std::mem::take(&mut batch), wanted) {
                return;
            }
        }
        self.convert(batch, wanted);
    }

    /// False: the webhook does not do it.
    fn convert(&self, batch: Batch<'_>, wanted: &Version) -> bool {
        // One alone is asked for by who reads it.
        if batch.objects.len() < 2 {
            return true;
        }
        let converter = &self.kind.converter;
        let converted = converter.convert_all(&self.kind, batch.objects, &wanted.name);
        match converted {
            Ok(converted) => {
                for (bytes, mut object) in batch.stored.iter().zip(converted) {
                    if wanted.coerce_converted(&mut object).is_ok() {
                        self.converted.put(bytes, object);
                    }
                }
                true
            }
            Err(why) => {
                let definition = &self.kind.definition.name;
                tracing::debug!(definition, why, "many objects were not converted at a time");
                false
            }
        }
    }

    /// Whether a webhook converts what was written in another version.
    fn asks(&self) -> bool {
        self.kind.definition.conversion != Conversion::None
    }

    /// An object as it was written, by the schema of its version.
    fn written(&self, bytes: &[u8]) -> Result<Value, String> {
        let mut object = parse(bytes)?;
        let (_, name) = meta::group_version(meta::api_version(&object));
        if let Some(written) = self.kind.definition.version(name) {
            coerce_stored(written, &mut object)?;
        }
        Ok(object)
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

/// Objects that are converted together.
#[derive(Default)]
struct Batch<'a> {
    stored: Vec<&'a [u8]>,
    objects: Vec<Value>,
    bytes: usize,
}

impl Batch<'_> {
    fn is_full(&self) -> bool {
        self.objects.len() >= BATCH || self.bytes >= BATCH_BYTES
    }
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    let decoded = decode_untyped(bytes, Strictness::Ignore);
    decoded
        .map(|decoded| decoded.value)
        .map_err(|error| error.to_string())
}
