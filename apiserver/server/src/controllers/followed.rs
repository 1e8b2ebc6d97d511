//! The kinds that a controller follows, by the numbers that its changes bear. Built-in ones are there from the start; custom ones come
//! in while it runs, and are replaced when their definition changes. One that goes ends the controller's watches: it starts over.

use crate::custom::Standings;
use crate::registry::Registry;
use imbl::ordmap::DiffItem;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Followed {
    /// Which of the custom kinds are followed.
    wanted: fn(&Registry) -> bool,
    built_in: Vec<Arc<Registry>>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// By number.
    registries: Vec<Arc<Registry>>,
    /// By where their objects lie.
    numbers: HashMap<Box<str>, usize>,
    /// The custom kinds that are among them.
    customs: Standings,
}

impl Followed {
    pub(super) fn new(built_in: Vec<Arc<Registry>>, wanted: fn(&Registry) -> bool) -> Self {
        let mut known = Known::default();
        for registry in &built_in {
            known.put(registry.clone());
        }
        Followed {
            wanted,
            built_in,
            known: RwLock::new(known),
        }
    }

    /// Those that are there from the start.
    pub(super) fn built_in(&self) -> &[Arc<Registry>] {
        &self.built_in
    }

    pub(super) fn get(&self, number: usize) -> Arc<Registry> {
        self.known.read().registries[number].clone()
    }

    pub(super) fn all(&self) -> Vec<Arc<Registry>> {
        self.known.read().registries.clone()
    }

    /// The number of a kind, whichever of its registries this is.
    pub(super) fn number(&self, registry: &Registry) -> Option<usize> {
        self.known
            .read()
            .numbers
            .get(registry.layout.prefix.as_str())
            .copied()
    }

    /// Takes in the custom kinds that are served now; those that are new here.
    pub(super) fn take_in(&self, served: Standings) -> Vec<(usize, Arc<Registry>)> {
        let mut known = self.known.write();
        let before = std::mem::replace(&mut known.customs, served.clone());
        let mut new = Vec::new();
        for item in before.diff(&served) {
            let (DiffItem::Add(_, standing)
            | DiffItem::Update {
                new: (_, standing), ..
            }) = item
            else {
                continue;
            };
            let registry = standing.registry();
            if (self.wanted)(registry) {
                new.extend(
                    known
                        .put(registry.clone())
                        .map(|number| (number, registry.clone())),
                );
            }
        }
        new
    }
}

impl Known {
    /// The number of one that was not there before.
    fn put(&mut self, registry: Arc<Registry>) -> Option<usize> {
        if let Some(number) = self.numbers.get(registry.layout.prefix.as_str()) {
            self.registries[*number] = registry;
            return None;
        }
        let number = self.registries.len();
        self.numbers
            .insert(registry.layout.prefix.as_str().into(), number);
        self.registries.push(registry);
        Some(number)
    }
}
