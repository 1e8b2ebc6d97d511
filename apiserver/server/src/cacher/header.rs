//! What is kept of each object beside its stored bytes: what lists, watches and controllers ask without looking into it.

use super::fields::{self, kept};
use super::marks::Marks;
use super::texts::{Gathered, Texts};
use crate::cacher::Lineage;
use crate::storage::Layout;
use serde_json::Value;
use triad_machinery::codec::Message;
use triad_machinery::meta;
use triad_machinery::scheme::Resource;

#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Name, namespace, the keys and values of the labels in turn, the values of the selectable fields.
    texts: Texts,
    labels: u32,
    resource: &'static Resource,
    pub(super) lineage: Lineage,
}

const NAME: usize = 0;
const NAMESPACE: usize = 1;
/// Where labels begin.
const LABELS: usize = 2;

impl Header {
    /// None where it cannot be told without a tree.
    pub(super) fn read(layout: &Layout, message: &Message<'_>) -> Option<Self> {
        let metadata = message.message("metadata")?;
        let labels = metadata.pairs("labels")?;
        let mut texts = Gathered::default();
        texts.put(metadata.text("name")?)?;
        texts.put(metadata.text("namespace")?)?;
        for (key, value) in &labels {
            texts.put(key)?;
            texts.put(value)?;
        }
        fields::gather(layout.resource, message, &mut texts)?;
        Some(Header {
            texts: texts.done(),
            labels: u32::try_from(labels.len()).ok()?,
            resource: layout.resource,
            lineage: Lineage::read(&metadata)?,
        })
    }

    /// None where there is more of it than fits.
    pub(super) fn of(layout: &Layout, object: &Value) -> Option<Self> {
        let mut texts = Gathered::default();
        texts.put(meta::name(object))?;
        texts.put(meta::namespace(object))?;
        let mut labels = 0;
        for (key, value) in meta::labels(object) {
            texts.put(key)?;
            texts.put(value)?;
            labels += 1;
        }
        fields::gather(layout.resource, object, &mut texts)?;
        Some(Header {
            texts: texts.done(),
            labels,
            resource: layout.resource,
            lineage: Lineage::of(object),
        })
    }

    pub(super) fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        for label in 0..self.labels as usize {
            let place = LABELS + 2 * label;
            marks.label(self.texts.get(place), self.texts.get(place + 1));
        }
        marks.field("metadata.name", self.name());
        marks.field("metadata.namespace", self.namespace());
        for (place, field) in kept(self.resource).enumerate() {
            let place = LABELS + 2 * self.labels as usize + place;
            marks.field(field, self.texts.get(place));
        }
        marks
    }

    pub(super) fn name(&self) -> &str {
        self.texts.get(NAME)
    }

    pub(super) fn namespace(&self) -> &str {
        self.texts.get(NAMESPACE)
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let places = (0..self.labels as usize).map(|label| LABELS + 2 * label);
        let mut found = places.filter(|place| self.texts.get(*place) == name);
        found.next().map(|place| self.texts.get(place + 1))
    }

    /// The value of a selectable field; absent fields are empty.
    pub(super) fn field(&self, name: &str) -> &str {
        match name {
            "metadata.name" => self.name(),
            "metadata.namespace" => self.namespace(),
            _ => {
                let place = kept(self.resource).position(|field| field == name);
                place.map_or("", |place| {
                    self.texts.get(LABELS + 2 * self.labels as usize + place)
                })
            }
        }
    }
}

#[cfg(test)]
impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        let same_texts = self.texts == other.texts && self.labels == other.labels;
        same_texts && self.lineage == other.lineage
    }
}
