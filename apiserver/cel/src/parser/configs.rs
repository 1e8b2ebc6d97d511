//! Where a prediction may stand: a state, the alternative that leads there, the stack under it and the precedence it needs.

use std::collections::HashMap;

use super::net::{Net, StateId, StateKind};
use super::stacks::{Arena, Stacks};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub(crate) state: StateId,
    /// From 1.
    pub(crate) alternative: u8,
    pub(crate) stacks: Stacks,
    /// The highest precedence that the rule may have been called with for this to count.
    pub(crate) level: Option<u8>,
    /// Passed the end of the rule that decides.
    pub(crate) outside: bool,
    /// Came back to the left-recursive rule that decides: not subject to its precedence filter.
    pub(crate) returned: bool,
}

/// Configurations in the order found; those that differ in their stacks alone are merged.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    pub(crate) all: Vec<Config>,
    index: HashMap<(StateId, u8, Option<u8>), usize>,
}

impl Configs {
    pub(crate) fn add(&mut self, config: Config, arena: &mut Arena, wildcard: bool) {
        let key = (config.state, config.alternative, config.level);
        match self.index.get(&key) {
            None => {
                self.index.insert(key, self.all.len());
                self.all.push(config);
            }
            Some(at) => {
                let known = &mut self.all[*at];
                known.outside |= config.outside;
                known.returned |= config.returned;
                known.stacks = arena.merge(known.stacks, config.stacks, wildcard);
            }
        }
    }

    pub(crate) fn unique_alternative(&self) -> Option<u8> {
        let first = self.all.first()?.alternative;
        self.all
            .iter()
            .all(|config| config.alternative == first)
            .then_some(first)
    }

    /// By state and stack, the alternatives as bits.
    pub(crate) fn subsets(&self) -> Vec<u16> {
        let mut sets: HashMap<(StateId, Stacks), u16> = HashMap::new();
        for config in &self.all {
            *sets.entry((config.state, config.stacks)).or_default() |= 1 << config.alternative;
        }
        sets.into_values().collect()
    }

    fn some_state_has_one_alternative(&self) -> bool {
        let mut sets: HashMap<StateId, u16> = HashMap::new();
        for config in &self.all {
            *sets.entry(config.state).or_default() |= 1 << config.alternative;
        }
        sets.into_values().any(|set| set.count_ones() == 1)
    }

    /// No more input can tell the alternatives apart without the stack (PredictionMode.hasSLLConflictTerminatingPrediction).
    pub(crate) fn conflicts(&self, net: &Net) -> bool {
        self.all
            .iter()
            .all(|config| net.state(config.state).kind == StateKind::RuleStop)
            || (self.subsets().iter().any(|set| set.count_ones() > 1)
                && !self.some_state_has_one_alternative())
    }

    /// The lowest alternative of each subset where that is the same in all (PredictionMode.getSingleViableAlt).
    pub(crate) fn single_viable(&self) -> Option<u8> {
        let mut lowest = self.subsets().into_iter().map(u16::trailing_zeros);
        let first = lowest.next()?;
        lowest
            .all(|other| other == first)
            .then(|| u8::try_from(first).expect("a bit of sixteen"))
    }

    /// The alternative of the first that left the deciding rule with `fits`.
    pub(crate) fn finished(
        &self,
        net: &Net,
        arena: &Arena,
        fits: impl Fn(&Config) -> bool,
    ) -> Option<u8> {
        self.all
            .iter()
            .filter(|config| fits(config))
            .filter(|config| {
                config.outside
                    || (net.state(config.state).kind == StateKind::RuleStop
                        && arena.has_bottom(config.stacks))
            })
            .map(|config| config.alternative)
            .min()
    }
}
