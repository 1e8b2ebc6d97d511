//! The documents of custom kinds: one for each group and each group-version.

use super::published::{Published, hash};
use crate::custom::{Customs as Kinds, Members};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_machinery::openapi::{Descriptions, ShownCustom, add_customs_to_v2, custom_v3};

/// Another one whenever other documents are made of the same definitions: clients keep a document by its tag for good.
const FORM: u32 = 1;

#[derive(Default)]
pub(super) struct Customs {
    generation: u64,
    documents: BTreeMap<String, Arc<Document>>,
}

struct Document {
    version: Arc<str>,
    /// The kinds that it shows, those that are established.
    members: Members,
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
            let made = || Arc::new(Document::new(version, members));
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

    pub(super) fn add_to_v2(&self, document: &mut Value, descriptions: &Descriptions<'_>) {
        let shown: Vec<_> = self
            .documents
            .values()
            .flat_map(|one| one.shown())
            .collect();
        if !shown.is_empty() {
            add_customs_to_v2(document, &shown, descriptions);
        }
    }
}

impl Document {
    /// Its tag is that of what it shows: the index bears the tags of all, and making a document takes a thousand times as long.
    fn new(version: &Arc<str>, members: &Members) -> Self {
        let mut document = Document {
            version: version.clone(),
            members: members.clone(),
            published: Published::default(),
        };
        let mut shown = format!("{} {FORM}", env!("CARGO_PKG_VERSION"));
        for (definition, version) in document.shown() {
            shown.push_str(&definition.shape());
            shown.push_str(&version.shape());
        }
        document.published = Published::tagged(hash(shown.as_bytes()));
        document
    }

    fn shown(&self) -> Vec<ShownCustom<'_>> {
        let kinds = self.members.values().filter(|kind| kind.established);
        let definitions = kinds.map(|kind| &kind.definition);
        let shown = definitions
            .filter_map(|definition| Some((definition, &**definition.version(&self.version)?)));
        shown.collect()
    }
}
