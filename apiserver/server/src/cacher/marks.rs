//! A digest of what lists select objects by, so that most of those that do not fit are passed over without being looked at: a Bloom
//! filter of labels and selectable fields with their values.

use super::Cached;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Deref;
use std::sync::Arc;
use triad_machinery::selector::label::Operator;
use triad_machinery::selector::{FieldSelector, LabelSelector};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks([u64; 2]);

impl Marks {
    /// What an object has to have that a selector takes; nothing for what a selector leaves open.
    pub(crate) fn wanted(labels: &LabelSelector, fields: &FieldSelector) -> Self {
        let mut marks = Marks::default();
        for requirement in labels.requirements() {
            let of_values = matches!(
                requirement.operator,
                Operator::In | Operator::Equals | Operator::DoubleEquals
            );
            if let (true, [value]) = (of_values, &requirement.values[..]) {
                marks.label(&requirement.key, value);
            }
        }
        for term in fields.terms.iter().filter(|term| term.equal) {
            marks.field(&term.field, &term.value);
        }
        marks
    }

    pub(super) fn label(&mut self, key: &str, value: &str) {
        self.put(0, key, value);
    }

    /// An empty value is no value: whoever asks for it asks for nothing here.
    pub(super) fn field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.put(1, name, value);
        }
    }

    /// Two bits of 128 for each.
    fn put(&mut self, kind: u8, name: &str, value: &str) {
        let mut hasher = DefaultHasher::new();
        (kind, name, value).hash(&mut hasher);
        let hash = hasher.finish();
        for (word, bits) in self.0.iter_mut().zip([hash, hash >> 32]) {
            *word |= 1 << (bits % 64);
        }
    }

    /// Whether an object with these marks may be one that is wanted.
    pub(crate) fn may_fit(self, wanted: Marks) -> bool {
        let mut words = self.0.iter().zip(wanted.0);
        words.all(|(word, wanted)| word & wanted == wanted)
    }
}

/// An object as snapshots hold it.
#[derive(Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) marks: Marks,
    pub(crate) object: Arc<Cached>,
}

impl Held {
    pub(crate) fn new(object: Arc<Cached>) -> Self {
        Held {
            marks: object.marks(),
            object,
        }
    }
}

impl Deref for Held {
    type Target = Arc<Cached>;

    fn deref(&self) -> &Arc<Cached> {
        &self.object
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks(labels: &[(String, String)], node: &str) -> Marks {
        let mut marks = Marks::default();
        for (key, value) in labels {
            marks.label(key, value);
        }
        marks.field("spec.nodeName", node);
        marks
    }

    proptest! {
        /// What a selector takes is never passed over.
        #[test]
        fn what_fits_may_fit(labels in prop::collection::vec(("[a-c]{1,2}", "[a-c]{0,2}"), 0..12), node in "[a-c]{0,2}", ask in "[a-c]{1,2}=[a-c]{0,2}(,[a-c]{1,2}(=|!=)[a-c]{1,2})?", asked in "[a-c]{0,2}") {
            let selector = LabelSelector::parse(&ask).expect("a selector");
            let fields = FieldSelector::parse(&format!("spec.nodeName={asked}")).expect("a selector");
            let found = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
            if selector.matches(found) && fields.matches(|_| &node) {
                prop_assert!(marks(&labels, &node).may_fit(Marks::wanted(&selector, &fields)));
            }
        }
    }

    #[test]
    fn most_of_what_does_not_fit_is_passed_over() {
        let labels = |of: u32| {
            (0..8)
                .map(|n| (format!("label-{n}"), format!("value-{of}-{n}")))
                .collect::<Vec<_>>()
        };
        let selector = LabelSelector::parse("label-3=value-1-3").expect("a selector");
        let wanted = Marks::wanted(&selector, &FieldSelector::default());
        let passed =
            (0..10_000).filter(|of| !marks(&labels(*of), &format!("node-{of}")).may_fit(wanted));
        assert!(passed.count() > 9_000);
        let fields = FieldSelector::parse("spec.nodeName=node-7").expect("a selector");
        let wanted = Marks::wanted(&LabelSelector::everything(), &fields);
        let passed =
            (0..10_000).filter(|of| !marks(&labels(*of), &format!("node-{of}")).may_fit(wanted));
        assert!(passed.count() > 9_000);
    }
}
