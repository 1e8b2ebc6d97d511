//! One document in both encodings, made when first asked for. Kept compressed: most clients take it so, and it is a tenth.

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha512};
use std::io::{Read, Write};
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

#[derive(Default)]
pub(super) struct Published {
    etag: OnceLock<String>,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Published {
    /// SHA-512 of the JSON, in capitals; the protobuf has the same, for Vary tells them apart.
    pub(super) fn etag(&self, make: &dyn Fn(Encoding) -> Vec<u8>) -> &str {
        self.etag.get_or_init(|| hash(&make(Encoding::Json)))
    }

    /// The document, compressed or not.
    pub(super) fn bytes(
        &self,
        encoding: Encoding,
        make: &dyn Fn(Encoding) -> Vec<u8>,
        gzip: bool,
    ) -> Bytes {
        let slot = match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        };
        let compressed = slot.get_or_init(|| compress(&make(encoding)));
        if gzip {
            return compressed.clone();
        }
        let mut plain = Vec::with_capacity(compressed.len() * 8);
        match GzDecoder::new(&compressed[..]).read_to_end(&mut plain) {
            Ok(_) => plain.into(),
            // What was compressed in memory reads back; if it ever does not, it can be made again.
            Err(_) => make(encoding).into(),
        }
    }
}

fn hash(document: &[u8]) -> String {
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
    use std::cell::Cell;

    #[test]
    fn a_document_is_made_once_for_each_encoding() {
        let made = Cell::new(0);
        let make = |encoding| {
            made.set(made.get() + 1);
            format!("{encoding:?}").repeat(100).into_bytes()
        };
        let document = Published::default();
        for _ in 0..3 {
            assert_eq!(
                document.bytes(Encoding::Json, &make, false),
                "Json".repeat(100)
            );
            assert!(document.bytes(Encoding::Json, &make, true).len() < 100);
            assert_eq!(
                document.bytes(Encoding::Protobuf, &make, false),
                "Protobuf".repeat(100)
            );
        }
        assert_eq!(made.get(), 2);
        assert_eq!(document.etag(&make).len(), 128);
    }
}
