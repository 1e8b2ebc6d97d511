//! ALL(*) prediction, as ANTLR 4's runtime does it (parser_atn_simulator.go): first without the stack, remembered in automata;
//! where that cannot tell, once more with the whole stack. Which alternative it takes, and at which token it gives up, decides
//! what a syntax error says.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::configs::{Config, Configs};
use super::net::{NET, Net, StateId, StateKind, Step};
use super::stacks::{Arena, BOTTOM, NONE, Stacks};
use super::token::{EOF, Kind};

/// Remembered states beyond which all is forgotten before the next prediction: memory stays bounded whatever is parsed.
const REMEMBERED: usize = 4_000;
/// Configurations looked at in one parse beyond which it is given up: a bound on time, far above what a real expression takes.
const EFFORT: usize = 1_500_000;

/// No alternative fits; the offset in visible tokens at which the last one died.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoViable {
    pub(crate) offending: usize,
}

/// Why there is no prediction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    NoViable(NoViable),
    /// The parse took more than the bound on effort.
    Exhausted,
}

/// What is known of the place where a prediction is asked for.
pub(crate) struct Place<'a> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) position: usize,
    pub(crate) precedence: u8,
    pub(crate) stacks: Stacks,
}

impl Place<'_> {
    fn at(&self, index: usize) -> Kind {
        self.kinds.get(index).copied().unwrap_or(EOF)
    }
}

enum Outcome {
    More,
    Alternative(u8),
    /// By the precedence in force: (the highest allowed, alternative).
    ByLevel(Vec<(Option<u8>, u8)>, bool),
    NeedsStack,
}

/// A state of a decision's automaton.
struct Known {
    configs: Rc<Configs>,
    edges: HashMap<Kind, Option<usize>>,
    outcome: Rc<Outcome>,
}

/// Predicts for one thread; what it learned stays for later parses.
#[derive(Default)]
pub(crate) struct Predictor {
    pub(crate) arena: Arena,
    starts: HashMap<(usize, u8), usize>,
    known: Vec<Known>,
    /// Equal states of a decision's automaton are one.
    index: HashMap<(usize, Vec<Config>), usize>,
    effort: usize,
}

#[derive(Clone, Copy)]
struct Mode {
    whole_stack: bool,
    /// Collect precedences on the way.
    collect: bool,
    eof_is_empty: bool,
    /// The left-recursive rule whose loop decides.
    recursive_rule: Option<u8>,
}

impl Predictor {
    /// Called before each parse.
    pub(crate) fn begin(&mut self) {
        self.effort = 0;
        if self.known.len() > REMEMBERED || self.arena.len() > 4 * REMEMBERED {
            *self = Self::default();
        }
    }

    /// The alternative to take, from 1.
    pub(crate) fn predict(&mut self, decision: usize, place: &Place<'_>) -> Result<u8, Failure> {
        let net = &*NET;
        let mut at = self.start(net, decision, place);
        let mut index = place.position;
        loop {
            let kind = place.at(index);
            let next = match self.known[at].edges.get(&kind) {
                Some(next) => *next,
                None => self.advance(net, decision, at, kind)?,
            };
            let Some(next) = next else {
                let configs = Rc::clone(&self.known[at].configs);
                return self.gave_up(net, &configs, place, index);
            };
            let outcome = Rc::clone(&self.known[next].outcome);
            match &*outcome {
                Outcome::More => {}
                Outcome::Alternative(alternative) => return Ok(*alternative),
                Outcome::ByLevel(levels, conflict) => {
                    let allowed: Vec<u8> = levels
                        .iter()
                        .filter(|(level, _)| level.is_none_or(|level| level >= place.precedence))
                        .map(|(_, alternative)| *alternative)
                        .collect();
                    match (allowed.as_slice(), conflict) {
                        ([one], _) => return Ok(*one),
                        (_, true) => return self.with_stack(net, decision, place),
                        ([], false) => {
                            return Err(Failure::NoViable(NoViable {
                                offending: place.position,
                            }));
                        }
                        (several, false) => return Ok(several[0]),
                    }
                }
                Outcome::NeedsStack => return self.with_stack(net, decision, place),
            }
            at = next;
            if kind != EOF {
                index += 1;
            }
        }
    }

    fn gave_up(
        &self,
        net: &Net,
        configs: &Configs,
        place: &Place<'_>,
        offending: usize,
    ) -> Result<u8, Failure> {
        let valid = |config: &Config| config.level.is_none_or(|level| level >= place.precedence);
        configs
            .finished(net, &self.arena, valid)
            .or_else(|| configs.finished(net, &self.arena, |config| !valid(config)))
            .ok_or(Failure::NoViable(NoViable { offending }))
    }

    fn remember(&mut self, decision: usize, configs: Configs, outcome: Outcome) -> usize {
        let key = (decision, configs.all.clone());
        if let Some(known) = self.index.get(&key) {
            return *known;
        }
        self.known.push(Known {
            configs: Rc::new(configs),
            edges: HashMap::new(),
            outcome: Rc::new(outcome),
        });
        self.index.insert(key, self.known.len() - 1);
        self.known.len() - 1
    }

    fn start(&mut self, net: &Net, decision: usize, place: &Place<'_>) -> usize {
        let info = &net.decisions[decision];
        let level = if info.precedence { place.precedence } else { 0 };
        if let Some(known) = self.starts.get(&(decision, level)) {
            return *known;
        }
        let mut configs = self.first(net, decision, NONE, false, place.precedence);
        if info.precedence {
            configs = self.filtered(&configs, place.precedence);
        }
        let at = self.remember(decision, configs, Outcome::More);
        self.starts.insert((decision, level), at);
        at
    }

    fn first(
        &mut self,
        net: &Net,
        decision: usize,
        stacks: Stacks,
        whole_stack: bool,
        precedence: u8,
    ) -> Configs {
        let mut found = Configs::default();
        let state = net.decisions[decision].state;
        for (alternative, step) in (1..).zip(&net.state(state).steps) {
            let Step::Epsilon { to, .. } = step else {
                unreachable!("a fork's edges are empty")
            };
            let config = Config {
                state: *to,
                alternative,
                stacks,
                level: None,
                outside: false,
                returned: false,
            };
            let mode = Mode {
                whole_stack,
                collect: true,
                eof_is_empty: false,
                recursive_rule: recursive_rule(net, decision),
            };
            self.closure(
                net,
                config,
                mode,
                precedence,
                &mut HashSet::new(),
                &mut found,
            );
        }
        found
    }

    /// Settles the precedences of a left-recursive loop's start (applyPrecedenceFilter).
    fn filtered(&mut self, configs: &Configs, precedence: u8) -> Configs {
        let mut kept = Configs::default();
        let mut turns: HashMap<StateId, Stacks> = HashMap::new();
        for config in configs.all.iter().filter(|config| config.alternative == 1) {
            if config.level.is_some_and(|level| level < precedence) {
                continue;
            }
            turns.insert(config.state, config.stacks);
            let settled = Config {
                level: None,
                ..*config
            };
            kept.add(settled, &mut self.arena, true);
        }
        for config in configs.all.iter().filter(|config| config.alternative != 1) {
            let shadowed = turns.get(&config.state) == Some(&config.stacks);
            if config.returned || !shadowed {
                kept.add(*config, &mut self.arena, true);
            }
        }
        kept
    }

    fn advance(
        &mut self,
        net: &Net,
        decision: usize,
        from: usize,
        kind: Kind,
    ) -> Result<Option<usize>, Failure> {
        let configs = Rc::clone(&self.known[from].configs);
        let reached = self.reach(net, decision, &configs, kind, false, 0)?;
        let next = reached.map(|configs| {
            let outcome = outcome(net, &configs);
            self.remember(decision, configs, outcome)
        });
        self.known[from].edges.insert(kind, next);
        Ok(next)
    }

    fn with_stack(&mut self, net: &Net, decision: usize, place: &Place<'_>) -> Result<u8, Failure> {
        let mut configs = self.first(net, decision, place.stacks, true, place.precedence);
        let mut index = place.position;
        loop {
            let kind = place.at(index);
            let reached = self.reach(net, decision, &configs, kind, true, place.precedence)?;
            let Some(reached) = reached else {
                return self.gave_up(net, &configs, place, index);
            };
            let decided = reached
                .unique_alternative()
                .or_else(|| reached.single_viable());
            if let Some(alternative) = decided {
                return Ok(alternative);
            }
            configs = reached;
            if kind != EOF {
                index += 1;
            }
        }
    }

    /// Where `kind` leads (computeReachSet); nowhere is none.
    fn reach(
        &mut self,
        net: &Net,
        decision: usize,
        from: &Configs,
        kind: Kind,
        whole_stack: bool,
        precedence: u8,
    ) -> Result<Option<Configs>, Failure> {
        self.effort += from.all.len() + 1;
        if self.effort > EFFORT {
            return Err(Failure::Exhausted);
        }
        let mut direct = Configs::default();
        let mut stopped = Vec::new();
        for config in &from.all {
            let state = net.state(config.state);
            if state.kind == StateKind::RuleStop {
                if whole_stack || kind == EOF {
                    stopped.push(*config);
                }
                continue;
            }
            for step in &state.steps {
                if let Step::Token { set, to } = step
                    && set.has(kind)
                {
                    let moved = Config {
                        state: *to,
                        ..*config
                    };
                    direct.add(moved, &mut self.arena, !whole_stack);
                }
            }
        }
        let settled = stopped.is_empty() && kind != EOF && direct.unique_alternative().is_some();
        let mut reached = direct;
        if !settled {
            let mode = Mode {
                whole_stack,
                collect: false,
                eof_is_empty: kind == EOF,
                recursive_rule: recursive_rule(net, decision),
            };
            let mut busy = HashSet::new();
            let mut closed = Configs::default();
            for config in &reached.all {
                self.closure(net, *config, mode, precedence, &mut busy, &mut closed);
            }
            self.effort += closed.all.len();
            reached = closed;
        }
        if kind == EOF {
            reached = self.stops_only(net, &reached, whole_stack);
        }
        let has_stop = |configs: &Configs| {
            configs
                .all
                .iter()
                .any(|config| net.state(config.state).kind == StateKind::RuleStop)
        };
        if !whole_stack || !has_stop(&reached) {
            for config in stopped {
                reached.add(config, &mut self.arena, !whole_stack);
            }
        }
        Ok((!reached.all.is_empty()).then_some(reached))
    }

    fn stops_only(&mut self, net: &Net, configs: &Configs, whole_stack: bool) -> Configs {
        let mut kept = Configs::default();
        for config in &configs.all {
            if net.state(config.state).kind == StateKind::RuleStop {
                kept.add(*config, &mut self.arena, !whole_stack);
            }
        }
        kept
    }

    /// All that is reachable from `config` without a token.
    fn closure(
        &mut self,
        net: &Net,
        config: Config,
        mode: Mode,
        precedence: u8,
        busy: &mut HashSet<Config>,
        found: &mut Configs,
    ) {
        // With each configuration: how deep below the deciding rule it is; 0 is the rule itself.
        let mut open = vec![(config, 0_i32)];
        while let Some((config, depth)) = open.pop() {
            if net.state(config.state).kind == StateKind::RuleStop {
                if config.stacks != NONE {
                    self.pop(net, config, mode, depth, precedence, busy, found, &mut open);
                    continue;
                }
                if mode.whole_stack {
                    found.add(config, &mut self.arena, false);
                    continue;
                }
            }
            self.work(net, config, mode, depth, precedence, busy, found, &mut open);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one walk, split where the reference splits it"
    )]
    fn pop(
        &mut self,
        net: &Net,
        config: Config,
        mode: Mode,
        depth: i32,
        precedence: u8,
        busy: &mut HashSet<Config>,
        found: &mut Configs,
        open: &mut Vec<(Config, i32)>,
    ) {
        for (state, under) in self.arena.entries(config.stacks).to_vec() {
            if state != BOTTOM {
                let back = Config {
                    state,
                    stacks: under,
                    ..config
                };
                open.push((back, depth));
            } else if mode.whole_stack {
                let bare = Config {
                    stacks: NONE,
                    ..config
                };
                found.add(bare, &mut self.arena, false);
            } else {
                self.work(net, config, mode, depth, precedence, busy, found, open);
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one walk, split where the reference splits it"
    )]
    fn work(
        &mut self,
        net: &Net,
        config: Config,
        mode: Mode,
        depth: i32,
        precedence: u8,
        busy: &mut HashSet<Config>,
        found: &mut Configs,
        open: &mut Vec<(Config, i32)>,
    ) {
        let state = net.state(config.state);
        if !state.only_epsilon() || state.steps.is_empty() {
            found.add(config, &mut self.arena, !mode.whole_stack);
        }
        let drop_turn = self.turn_is_settled(net, &config);
        // The reference walks depth first in order; a stack takes them in reverse.
        for (index, step) in state.steps.iter().enumerate().rev() {
            if index == 0 && drop_turn {
                continue;
            }
            let Some(mut next) = self.follow(config, step, mode, depth == 0, precedence) else {
                continue;
            };
            let mut deeper = depth;
            if state.kind == StateKind::RuleStop {
                if let Step::Epsilon { outermost, .. } = step {
                    next.returned |= outermost.is_some() && *outermost == mode.recursive_rule;
                }
                next.outside = true;
                if !busy.insert(next) {
                    continue;
                }
                deeper -= 1;
            } else {
                let consumes = matches!(step, Step::Token { .. });
                if consumes && !busy.insert(next) {
                    continue;
                }
                if matches!(step, Step::Rule { .. }) && deeper >= 0 {
                    deeper += 1;
                }
            }
            open.push((next, deeper));
        }
    }

    fn follow(
        &mut self,
        config: Config,
        step: &Step,
        mode: Mode,
        in_rule: bool,
        precedence: u8,
    ) -> Option<Config> {
        match step {
            Step::Epsilon { to, .. } => Some(Config {
                state: *to,
                ..config
            }),
            Step::Rule { to, follow, .. } => Some(Config {
                state: *to,
                stacks: self.arena.push(config.stacks, *follow),
                ..config
            }),
            Step::Token { set, to } => (mode.eof_is_empty && set.has(EOF)).then_some(Config {
                state: *to,
                ..config
            }),
            Step::Precedence { level, to } => {
                let moved = Config {
                    state: *to,
                    ..config
                };
                if !(mode.collect && in_rule) {
                    return Some(moved);
                }
                if mode.whole_stack {
                    return (*level >= precedence).then_some(moved);
                }
                let needed = config.level.map_or(*level, |known| known.min(*level));
                Some(Config {
                    level: Some(needed),
                    ..moved
                })
            }
        }
    }

    /// A left-recursive rule's loop entered from a call at that rule's own end need not turn again: the precedence has settled
    /// that (canDropLoopEntryEdgeInLeftRecursiveRule).
    fn turn_is_settled(&self, net: &Net, config: &Config) -> bool {
        let entry = net.state(config.state);
        let Some(block_end) = entry.recursive_block_end else {
            return false;
        };
        config.stacks != NONE
            && !self.arena.has_bottom(config.stacks)
            && self
                .arena
                .entries(config.stacks)
                .iter()
                .all(|(state, _)| *state == block_end)
    }
}

fn recursive_rule(net: &Net, decision: usize) -> Option<u8> {
    let info = &net.decisions[decision];
    info.precedence.then(|| net.state(info.state).rule)
}

fn outcome(net: &Net, configs: &Configs) -> Outcome {
    let unique = configs.unique_alternative();
    let conflict = unique.is_none() && configs.conflicts(net);
    if unique.is_none() && !conflict {
        return Outcome::More;
    }
    match by_level(configs) {
        Some(levels) => Outcome::ByLevel(levels, conflict),
        None => unique.map_or(Outcome::NeedsStack, Outcome::Alternative),
    }
}

/// What each alternative in doubt needs; none where no alternative needs anything (getPredsForAmbigAlts).
fn by_level(configs: &Configs) -> Option<Vec<(Option<u8>, u8)>> {
    let conflicting: u16 = match configs.unique_alternative() {
        Some(one) => 1 << one,
        None => configs.subsets().into_iter().fold(0, |all, set| all | set),
    };
    let mut needed: Vec<(Option<u8>, u8)> = Vec::new();
    for config in configs
        .all
        .iter()
        .filter(|config| conflicting & (1 << config.alternative) != 0)
    {
        match needed
            .iter_mut()
            .find(|(_, one)| *one == config.alternative)
        {
            None => needed.push((config.level, config.alternative)),
            Some((level, _)) => *level = level.zip(config.level).map(|(a, b)| a.max(b)),
        }
    }
    needed.sort_by_key(|(_, alternative)| *alternative);
    needed
        .iter()
        .any(|(level, _)| level.is_some())
        .then_some(needed)
}
