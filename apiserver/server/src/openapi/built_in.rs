//! What built-in kinds are in the document of OpenAPI v2. It never changes and is made once.

use super::chunk::{Chunk, chunks};
use super::published::{Encoding, apart, hash};
use crate::body::CutShort;
use serde_json::{Map, Value};
use triad_machinery::openapi::{
    CUSTOM_DESCRIBED_BY, Descriptions, Documents, Known, Section, V2Frame, V2Part,
};

/// Another one whenever another document is made of the same parts.
const FORM: u32 = 2;
/// Definitions that begin so stand for kinds that other servers have, too.
const SHARED: &str = "io.k8s.apimachinery.";

pub(super) struct BuiltIn {
    pub(super) tag: String,
    pub(super) known: Known,
    /// Definitions that other servers may say stand for kinds of theirs; each is a chunk of its own.
    pub(super) shared: Map<String, Value>,
    pub(super) parameters: Map<String, Value>,
    json: Vec<Chunk>,
    protobuf: Vec<Chunk>,
    pub(super) frame: V2Frame,
    /// The descriptions that custom kinds have.
    pub(super) descriptions: String,
}

impl BuiltIn {
    pub(super) fn new(documents: &Documents<'_>) -> Result<Self, CutShort> {
        apart(|| {
            let text = triad_docs::text();
            let part = documents.v2_part(&Descriptions::read(&text));
            let mut shown = format!("{FORM}").into_bytes();
            for section in Section::ALL {
                shown.extend(section.json(part.section(section)));
            }
            let mut known = Known::default();
            known.add(&part);
            let shared = part.definitions.iter().filter(|(name, definition)| {
                name.starts_with(SHARED)
                    && definition.get("x-kubernetes-group-version-kind").is_some()
            });
            let shared = shared.map(|(name, value)| (name.to_string(), value.clone()));
            let shared: Map<_, _> = shared.collect();
            Ok(BuiltIn {
                tag: hash(&shown),
                known,
                json: chunks(&part, Encoding::Json, &shared)?,
                protobuf: chunks(&part, Encoding::Protobuf, &shared)?,
                shared,
                parameters: part.parameters,
                frame: documents.v2_frame(),
                descriptions: Descriptions::excerpt(&text, &CUSTOM_DESCRIBED_BY),
            })
        })
    }

    /// Takes out of a part what built-in kinds have under the same names.
    pub(super) fn keep_new(&self, part: &mut V2Part) {
        let is_new = |section: Section, name: &str| !self.known.has(section, name);
        part.paths.retain(|name, _| is_new(Section::Paths, name));
        part.definitions
            .retain(|name, _| is_new(Section::Definitions, name));
        part.parameters
            .retain(|name, _| is_new(Section::Parameters, name));
    }

    pub(super) fn chunks(&self, encoding: Encoding) -> &[Chunk] {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
        }
    }
}
