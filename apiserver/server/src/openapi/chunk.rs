//! Runs of entries of the Swagger document, encoded and packed each by itself: what does not change is not made again, and the document
//! is put together of what is packed already.

use super::published::Encoding;
use crate::body::{CutShort, Piece};
use crate::gzip;
use bytes::Bytes;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, Crc};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::sync::Arc;
use triad_machinery::openapi::{Section, V2Part};

/// Part of a deflate stream that stands for itself.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) deflated: Bytes,
    /// Of what it unpacks to.
    pub(super) crc: Arc<Crc>,
    /// Of the same, in bytes.
    pub(super) length: usize,
}

impl Run {
    pub(super) fn new(plain: &[u8]) -> Result<Self, CutShort> {
        let mut packer = Compress::new(Compression::default(), false);
        let (deflated, crc) = gzip::deflate(&mut packer, plain)?;
        Ok(Run {
            deflated: deflated.into(),
            crc: crc.into(),
            length: plain.len(),
        })
    }

    pub(super) fn plain(&self) -> Piece {
        let mut plain = Vec::with_capacity(self.length);
        let stream = self.deflated.as_ref().chain(&gzip::LAST[..]);
        let read = DeflateDecoder::new(stream).read_to_end(&mut plain);
        read.map_err(crate::reply::cut_short)?;
        Ok(plain.into())
    }
}

/// Neighbours in a section.
pub(super) struct Chunk {
    pub(super) section: Section,
    /// The name of the first: the document has chunks in the order of these.
    pub(super) first: Box<str>,
    pub(super) run: Run,
}

/// The paths and definitions of a part. Entries between which those of others may come are in different chunks, and definitions that are
/// to be `alone` in one each.
pub(super) fn chunks(
    part: &V2Part,
    encoding: Encoding,
    alone: &Map<String, Value>,
) -> Result<Vec<Chunk>, CutShort> {
    let mut all = Vec::new();
    for section in [Section::Paths, Section::Definitions] {
        let mut neighbours = Map::new();
        for (name, value) in part.section(section) {
            let place =
                |name: &str| match section == Section::Definitions && alone.contains_key(name) {
                    true => name.to_owned(),
                    false => place(section, name).to_owned(),
                };
            let last = neighbours.keys().next_back();
            if last.is_some_and(|last| place(last) != place(name)) {
                all.push(Chunk::new(section, &neighbours, encoding)?);
                neighbours = Map::new();
            }
            neighbours.insert(name.to_string(), value.clone());
        }
        if !neighbours.is_empty() {
            all.push(Chunk::new(section, &neighbours, encoding)?);
        }
    }
    Ok(all)
}

impl Chunk {
    pub(super) fn new(
        section: Section,
        entries: &Map<String, Value>,
        encoding: Encoding,
    ) -> Result<Self, CutShort> {
        let first = entries.keys().next().map_or("", |name| name);
        Ok(Chunk {
            section,
            first: first.into(),
            run: Run::new(&encoding.entries(section, entries))?,
        })
    }

    /// Whether it begins with the same entry as another.
    pub(super) fn is_in_place_of(&self, other: &Self) -> bool {
        (self.section, &self.first) == (other.section, &other.first)
    }
}

/// What a name begins with: a group and version and whether in a namespace, or all before the type.
fn place(section: Section, name: &str) -> &str {
    const SCOPED: &str = "/namespaces/{namespace}/";
    if section != Section::Paths {
        return name.rsplit_once('.').map_or("", |(place, _)| place);
    }
    if let Some(at) = name.find(SCOPED) {
        return &name[..at + SCOPED.len()];
    }
    let parts = if name.starts_with("/api/") { 3 } else { 4 };
    let end = name.match_indices('/').nth(parts - 1);
    end.map_or(name, |(at, _)| &name[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_apart_and_so_are_namespaces() {
        for (name, wanted) in [
            ("/api/v1/pods", "/api/v1/"),
            ("/apis/apps/v1/deployments", "/apis/apps/v1/"),
            (
                "/apis/a.io/v1/namespaces/{namespace}/bs/{name}",
                "/apis/a.io/v1/namespaces/{namespace}/",
            ),
            ("/version/", "/version/"),
        ] {
            assert_eq!(place(Section::Paths, name), wanted);
        }
        assert_eq!(place(Section::Definitions, "io.a.v1.B"), "io.a.v1");
    }

    #[test]
    fn a_run_reads_back() {
        let text = "\"name\":{}".repeat(10_000);
        let run = Run::new(text.as_bytes()).expect("it can be packed");
        assert!(run.deflated.len() < 1000);
        assert_eq!(run.length, text.len());
        assert_eq!(run.plain().expect("it can be read"), text);
    }
}
