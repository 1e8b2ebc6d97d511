//! The documents of custom kinds: one for each group and each group-version.

use super::parts::{Part, parts};
use super::published::{Published, hash};
use crate::custom::{Customs as Kinds, Members};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_machinery::openapi::{Descriptions, ShownCustom, custom_v3};

/// Another one whenever other documents are made of the same definitions: clients keep a document by its tag for good.
const FORM: u32 = 1;

#[derive(Default)]
pub(super) struct Customs {
    generation: u64,
    documents: BTreeMap<String, Arc<Document>>,
}

struct Document {
    /// The kinds that it shows, those that are established.
    members: Members,
    parts: Vec<Arc<Part>>,
    published: Published,
}

impl Customs {
    /// Of what is served now; documents of which nothing changed since `before` are kept.
    pub(super) fn new(kinds: &Kinds, before: &Customs) -> Self {
        // First: what is read then is at least as new.
        let generation = kinds.generation();
        let mut documents = BTreeMap::new();
        for ((group, version), members) in &kinds.groups() {
            if !members.values().any(|kind| kind.established) {
                continue;
            }
            let name = format!("apis/{group}/{version}");
            let known = before.documents.get(&name);
            let same = known.filter(|known| Arc::ptr_eq(&known.members, members));
            let parts_before = known.map_or(&[][..], |known| &known.parts);
            let made = || Arc::new(Document::new(version, members, parts_before));
            let document = same.cloned().unwrap_or_else(made);
            documents.insert(name, document);
        }
        Customs {
            generation,
            documents,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn document(&self, name: &str) -> Option<&Published> {
        self.documents.get(name).map(|document| &document.published)
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&String, &Published)> {
        let documents = self.documents.iter();
        documents.map(|(name, document)| (name, &document.published))
    }

    pub(super) fn make(&self, name: &str, descriptions: &Descriptions<'_>) -> Option<Value> {
        let document = self.documents.get(name)?;
        Some(custom_v3(&document.shown(), descriptions))
    }

    /// All kinds, as the Swagger document shows them.
    pub(super) fn parts(&self) -> Vec<Arc<Part>> {
        let documents = self.documents.values();
        documents.flat_map(|one| one.parts.clone()).collect()
    }
}

impl Document {
    /// Its tag is that of what it shows: the index bears the tags of all, and making a document takes a thousand times as long.
    fn new(version: &Arc<str>, members: &Members, before: &[Arc<Part>]) -> Self {
        let parts = parts(version, members, before);
        let mut shown = format!("{} {FORM}", env!("CARGO_PKG_VERSION"));
        parts.iter().for_each(|part| shown.push_str(&part.tag));
        Document {
            members: members.clone(),
            published: Published::tagged(hash(shown.as_bytes())),
            parts,
        }
    }

    fn shown(&self) -> Vec<ShownCustom<'_>> {
        self.parts.iter().flat_map(|part| part.shown()).collect()
    }
}
