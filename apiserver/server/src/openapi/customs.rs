//! The documents of custom kinds: one for each group and each group-version.

use super::published::Published;
use crate::custom::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::openapi::{Descriptions, ShownCustom, add_customs_to_v2, custom_v3};

#[derive(Default)]
pub(super) struct Customs {
    generation: u64,
    kinds: Vec<Arc<Kind>>,
    documents: BTreeMap<String, Arc<Document>>,
}

struct Document {
    /// Of the definitions that it shows, and their revisions.
    shows: Vec<(String, Revision)>,
    published: Published,
}

impl Customs {
    pub(super) fn new(kinds: &[Arc<Kind>], generation: u64, before: &Customs) -> Self {
        let kinds: Vec<_> = kinds
            .iter()
            .filter(|kind| kind.established)
            .cloned()
            .collect();
        let mut shown: BTreeMap<String, Vec<(String, Revision)>> = BTreeMap::new();
        for kind in &kinds {
            let definition = &kind.definition;
            for version in definition.served() {
                let name = format!("apis/{}/{}", definition.group, version.name);
                let shows = shown.entry(name).or_default();
                shows.push((definition.name.clone(), kind.revision));
            }
        }
        let document = |(name, shows): (String, Vec<_>)| {
            let known = before
                .documents
                .get(&name)
                .filter(|known| known.shows == shows);
            let made = || {
                Arc::new(Document {
                    shows,
                    published: Published::default(),
                })
            };
            let document = known.cloned();
            (name, document.unwrap_or_else(made))
        };
        Customs {
            generation,
            documents: shown.into_iter().map(document).collect(),
            kinds,
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
        self.documents.get(name)?;
        let shown = self.shown(|group, version| name == format!("apis/{group}/{version}"));
        Some(custom_v3(&shown, descriptions))
    }

    pub(super) fn add_to_v2(&self, document: &mut Value, descriptions: &Descriptions<'_>) {
        let shown = self.shown(|_, _| true);
        if !shown.is_empty() {
            add_customs_to_v2(document, &shown, descriptions);
        }
    }

    fn shown(&self, wanted: impl Fn(&str, &str) -> bool) -> Vec<ShownCustom<'_>> {
        let mut shown = Vec::new();
        for kind in &self.kinds {
            for version in kind.definition.served() {
                if wanted(&version.group, &version.name) {
                    shown.push((&kind.definition, &**version));
                }
            }
        }
        shown
    }
}
