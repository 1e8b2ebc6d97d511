//! What custom kinds are in the Swagger document, some kinds of a group and version at a time: a change of one makes its part anew.

use super::built_in::BuiltIn;
use super::chunk::{Chunk, chunks};
use super::published::{Encoding, Slots, hash};

use crate::body::CutShort;
use crate::custom::{Kind, Members};
use crate::gzip::ends_run;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use triad_machinery::openapi::{Descriptions, ShownCustom, custom_definitions, custom_v2};

/// A part ends behind a kind whose name says so, on average every so many,
const KINDS: u64 = 16;
/// and behind so many.
const MOST_KINDS: usize = 64;

/// Kinds in one of their versions.
pub(super) struct Part {
    version: Arc<str>,
    kinds: Vec<Arc<Kind>>,
    /// Of what it shows.
    pub(super) tag: String,
    made: Slots<Vec<Chunk>>,
    /// Parameters that no built-in kind has: none, unless those are few.
    parameters: OnceLock<Map<String, Value>>,
}

/// The established kinds of a group and version in parts; those of before that are the same are kept.
pub(super) fn parts(version: &Arc<str>, members: &Members, before: &[Arc<Part>]) -> Vec<Arc<Part>> {
    let mut kinds = members.values().filter(|kind| kind.established).cloned();
    let mut all = Vec::new();
    loop {
        let mut run = Vec::new();
        for kind in kinds.by_ref() {
            let ends = ends_run(&kind.definition.plural, KINDS);
            run.push(kind);
            if ends || run.len() == MOST_KINDS {
                break;
            }
        }
        if run.is_empty() {
            return all;
        }
        let known = before.iter().find(|part| part.is_of(&run)).cloned();
        all.push(known.unwrap_or_else(|| Arc::new(Part::new(version, run))));
    }
}

impl Part {
    fn new(version: &Arc<str>, kinds: Vec<Arc<Kind>>) -> Self {
        let mut part = Part {
            version: version.clone(),
            kinds,
            tag: String::new(),
            made: Slots::default(),
            parameters: OnceLock::new(),
        };
        let mut shown = String::new();
        for (definition, version) in part.shown() {
            shown.push_str(&definition.shape());
            shown.push_str(&version.shape());
        }
        part.tag = hash(shown.as_bytes());
        part
    }

    fn is_of(&self, kinds: &[Arc<Kind>]) -> bool {
        let mut pairs = self.kinds.iter().zip(kinds);
        self.kinds.len() == kinds.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    }

    pub(super) fn shown(&self) -> Vec<ShownCustom<'_>> {
        let definitions = self.kinds.iter().map(|kind| &kind.definition);
        let shown = definitions
            .filter_map(|definition| Some((definition, &**definition.version(&self.version)?)));
        shown.collect()
    }

    /// The names of its definitions.
    pub(super) fn definitions(&self) -> Vec<String> {
        let shown = self.shown();
        let names = shown.iter().flat_map(|kind| custom_definitions(*kind));
        names.collect()
    }

    /// Makes its entries, unless they are there. What built-in kinds have stays as it is there.
    pub(super) fn make(
        &self,
        encoding: Encoding,
        built_in: &BuiltIn,
        descriptions: &Descriptions<'_>,
    ) {
        self.made.of(encoding).get_or_init(|| {
            let mut part = custom_v2(&self.shown(), descriptions);
            built_in.keep_new(&mut part);
            let chunks = chunks(&part, encoding, &Map::new());
            self.parameters.get_or_init(|| part.parameters);
            chunks
        });
    }

    /// Its entries, once they were made.
    pub(super) fn made(&self, encoding: Encoding) -> Option<&Result<Vec<Chunk>, CutShort>> {
        self.made.of(encoding).get()
    }

    pub(super) fn parameters(&self) -> Option<&Map<String, Value>> {
        self.parameters.get()
    }
}
