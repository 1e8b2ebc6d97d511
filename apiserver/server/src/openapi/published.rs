//! One document in both encodings, made when first asked for. Kept compressed: most clients take it so, and it is a tenth.

use crate::body::CutShort;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};
use std::io::{Read, Write};
use std::sync::OnceLock;
use triad_machinery::openapi::Section;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    /// Entries of a section of the Swagger document.
    pub(super) fn entries(self, section: Section, entries: &Map<String, Value>) -> Vec<u8> {
        match self {
            Encoding::Json => section.json(entries),
            Encoding::Protobuf => section.protobuf(entries),
        }
    }
}

/// What is made once for each encoding, or cannot be made.
pub(super) struct Slots<T> {
    json: OnceLock<Result<T, CutShort>>,
    protobuf: OnceLock<Result<T, CutShort>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots {
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn of(&self, encoding: Encoding) -> &OnceLock<Result<T, CutShort>> {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        }
    }
}

/// How a document is made, and how it becomes protobuf.
pub(super) struct Maker<'a> {
    pub(super) make: &'a (dyn Fn() -> Value + Sync),
    pub(super) protobuf: fn(&Value) -> Vec<u8>,
}

#[derive(Default)]
pub(super) struct Published {
    etag: OnceLock<String>,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Published {
    /// One whose tag is known before it is made.
    pub(super) fn tagged(etag: String) -> Self {
        Published {
            etag: etag.into(),
            ..Published::default()
        }
    }

    /// SHA-512 of the JSON or of what it is made of, in capitals; the protobuf has the same, for Vary tells them apart. The document itself is not kept.
    pub(super) fn etag(&self, maker: &Maker<'_>) -> &str {
        self.etag
            .get_or_init(|| apart(|| hash((maker.make)().to_string().as_bytes())))
    }

    /// The compressed document. Making it gives the tag, too.
    pub(super) fn compressed(&self, encoding: Encoding, maker: &Maker<'_>) -> &Bytes {
        let slot = match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        };
        let make = || {
            let document = (maker.make)();
            let json = document.to_string();
            self.etag.get_or_init(|| hash(json.as_bytes()));
            match encoding {
                Encoding::Json => compress(json.as_bytes()),
                Encoding::Protobuf => compress(&(maker.protobuf)(&document)),
            }
        };
        slot.get_or_init(|| apart(make))
    }

    /// The document as it is.
    pub(super) fn plain(&self, encoding: Encoding, maker: &Maker<'_>) -> Bytes {
        let compressed = self.compressed(encoding, maker);
        let mut plain = Vec::with_capacity(compressed.len() * 8);
        // What was compressed in memory reads back.
        match GzDecoder::new(&compressed[..]).read_to_end(&mut plain) {
            Ok(_) => plain.into(),
            Err(_) => Bytes::new(),
        }
    }
}

/// Runs in a thread that ends with it: the tens of megabytes that a document takes on its way go back to the system.
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(made) => made,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

pub(super) fn hash(document: &[u8]) -> String {
    Sha512::digest(document)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

fn compress(document: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(
        Vec::with_capacity(document.len() / 8),
        Compression::default(),
    );
    // Writing to memory does not fail.
    let written = encoder.write_all(document).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_document_is_made_once_for_each_encoding() {
        let made = AtomicU32::new(0);
        let make = || {
            made.fetch_add(1, Ordering::Relaxed);
            Value::from("x".repeat(1000))
        };
        let maker = Maker {
            make: &make,
            protobuf: |_| vec![7; 1000],
        };
        let document = Published::default();
        for _ in 0..3 {
            assert_eq!(document.plain(Encoding::Json, &maker).len(), 1002);
            assert!(document.compressed(Encoding::Json, &maker).len() < 100);
            assert_eq!(document.plain(Encoding::Protobuf, &maker), vec![7; 1000]);
            assert_eq!(document.etag(&maker).len(), 128);
        }
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }
}
