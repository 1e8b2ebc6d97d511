//! The grammar as ANTLR 4 sees it: a network of states to predict with, and a program to parse with. Both come from the same
//! table, built once per process; the program is what ANTLR generates, the network is what it serializes.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::grammar;
use super::table::{self, Alternative, Item, Repeat};
use super::token::{Kind, Set};

pub(crate) type StateId = u16;
pub(crate) type RuleId = u8;
/// An index into the program.
pub(crate) type At = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateKind {
    Basic,
    RuleStop,
    BlockStart,
    LoopEntry,
    LoopBack,
    BlockEnd,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// `outermost` is the left-recursive rule that this edge returns from at precedence 0.
    Epsilon {
        to: StateId,
        outermost: Option<RuleId>,
    },
    Token {
        set: Set,
        to: StateId,
    },
    Rule {
        to: StateId,
        follow: StateId,
    },
    Precedence {
        level: u8,
        to: StateId,
    },
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) kind: StateKind,
    pub(crate) rule: RuleId,
    pub(crate) steps: Vec<Step>,
    /// What may come next within the rule; epsilon where the rule may end (ATN.nextTokens without context).
    pub(crate) next: Set,
    /// The entry of a left-recursive rule's loop: the end of the block inside it.
    pub(crate) recursive_block_end: Option<StateId>,
}

impl State {
    pub(crate) fn only_epsilon(&self) -> bool {
        !self
            .steps
            .iter()
            .any(|step| matches!(step, Step::Token { .. }))
    }
}

/// Where the grammar forks.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) state: StateId,
    /// The loop of a left-recursive rule: prediction depends on the precedence.
    pub(crate) precedence: bool,
}

/// How a fork is decided: by the next token where that is enough, else by prediction.
#[derive(Debug)]
pub(crate) enum Choose {
    ByToken(Vec<Set>),
    Predict(usize),
}

#[derive(Debug)]
pub(crate) enum Op {
    Enter,
    Sync(StateId),
    Match {
        state: StateId,
        set: Set,
        label: &'static str,
    },
    Call {
        state: StateId,
        rule: RuleId,
        precedence: u8,
        label: &'static str,
    },
    Precedence {
        state: StateId,
        level: u8,
    },
    /// Goes to the chosen alternative; no viable one is an error.
    Switch(Choose, Vec<At>),
    /// Goes on for the first alternative, else to the place given.
    Unless(Choose, At),
    /// Goes to the place given for the first alternative, else on.
    Repeat(Choose, At),
    Form(&'static str),
    Wrap(&'static str),
    Jump(At),
    Leave,
}

#[derive(Debug)]
pub(crate) struct RuleInfo {
    pub(crate) name: &'static str,
    pub(crate) start: StateId,
    pub(crate) stop: StateId,
    pub(crate) entry: At,
    pub(crate) recursive: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) states: Vec<State>,
    pub(crate) rules: Vec<RuleInfo>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) program: Vec<Op>,
}

pub(crate) static NET: LazyLock<Net> = LazyLock::new(|| Builder::default().build());

impl Net {
    pub(crate) fn state(&self, id: StateId) -> &State {
        &self.states[usize::from(id)]
    }

    pub(crate) fn rule(&self, id: RuleId) -> &RuleInfo {
        &self.rules[usize::from(id)]
    }

    /// Where a rule called from `state` goes on.
    pub(crate) fn follow(&self, state: StateId) -> StateId {
        match self.state(state).steps.first() {
            Some(Step::Rule { follow, .. }) => *follow,
            step => unreachable!("a rule is called from a rule's state, not {step:?}"),
        }
    }
}

#[derive(Default)]
struct Builder {
    net: Net,
    names: HashMap<&'static str, RuleId>,
    rule: RuleId,
    /// Forks whose way of choosing is known only when all rules are there: (operation, decision).
    pending: Vec<(At, usize)>,
}

impl Builder {
    fn build(mut self) -> Net {
        let rules = table::rules(grammar::RULES);
        for (id, rule) in (0..).zip(&rules) {
            self.names.insert(rule.name, id);
            self.rule = id;
            let start = self.state(StateKind::Basic);
            let stop = self.state(StateKind::RuleStop);
            let recursive = rule.alternatives.iter().any(|one| {
                one.items
                    .iter()
                    .any(|item| matches!(item, Item::Group(Repeat::Recursive, _)))
            });
            self.net.rules.push(RuleInfo {
                name: rule.name,
                start,
                stop,
                entry: 0,
                recursive,
            });
        }
        for (id, rule) in (0..).zip(&rules) {
            self.rule = id;
            self.net.rules[usize::from(id)].entry = self.net.program.len();
            self.emit(Op::Enter);
            let (start, stop) = (self.net.rule(id).start, self.net.rule(id).stop);
            let left = match rule.alternatives.as_slice() {
                [one] => {
                    let end = self.state(StateKind::Basic);
                    self.link(end, stop);
                    self.alternative(one, false, end)
                }
                several => {
                    let (left, right) = self.choice(several, false);
                    self.link(right, stop);
                    left
                }
            };
            self.link(start, left);
            self.emit(Op::Leave);
        }
        self.returns();
        self.lookahead();
        self.net
    }

    fn state(&mut self, kind: StateKind) -> StateId {
        let id = StateId::try_from(self.net.states.len()).expect("a small grammar");
        self.net.states.push(State {
            kind,
            rule: self.rule,
            steps: Vec::new(),
            next: Set::default(),
            recursive_block_end: None,
        });
        id
    }

    fn step(&mut self, from: StateId, step: Step) {
        self.net.states[usize::from(from)].steps.push(step);
    }

    fn link(&mut self, from: StateId, to: StateId) {
        self.step(
            from,
            Step::Epsilon {
                to,
                outermost: None,
            },
        );
    }

    fn emit(&mut self, op: Op) -> At {
        self.net.program.push(op);
        self.net.program.len() - 1
    }

    fn decision(&mut self, state: StateId, precedence: bool) -> usize {
        self.net.decisions.push(Decision { state, precedence });
        self.net.decisions.len() - 1
    }

    /// One alternative: its first state. `wrap`: it is a turn of a left-recursive rule's loop. What it ends in leads straight to
    /// `end`, as in the reference's network: alternatives that end in the same rule then return to the same state.
    fn alternative(&mut self, one: &Alternative, wrap: bool, end: StateId) -> StateId {
        if wrap {
            self.emit(Op::Wrap(one.form));
        } else if !one.form.is_empty() {
            self.emit(Op::Form(one.form));
        }
        let first = self.state(StateKind::Basic);
        let mut last = first;
        for (left_over, item) in (0..one.items.len()).rev().zip(&one.items) {
            let to = if left_over == 0 { Some(end) } else { None };
            let (left, right) = self.item(item, to);
            self.link(last, left);
            last = right;
        }
        if last != end {
            self.link(last, end);
        }
        first
    }

    fn item(&mut self, item: &Item, to: Option<StateId>) -> (StateId, StateId) {
        if let Item::Group(repeat, alternatives) = item {
            return self.group(*repeat, alternatives);
        }
        let state = self.state(StateKind::Basic);
        let to = to.unwrap_or_else(|| self.state(StateKind::Basic));
        match item {
            Item::Match { label, set } => {
                self.step(state, Step::Token { set: *set, to });
                self.emit(Op::Match {
                    state,
                    set: *set,
                    label,
                });
            }
            Item::Call {
                label,
                rule,
                precedence,
            } => {
                let rule = self.names[rule];
                let start = self.net.rule(rule).start;
                self.step(
                    state,
                    Step::Rule {
                        to: start,
                        follow: to,
                    },
                );
                self.emit(Op::Call {
                    state,
                    rule,
                    precedence: *precedence,
                    label,
                });
            }
            Item::Precedence(level) => {
                self.step(state, Step::Precedence { level: *level, to });
                self.emit(Op::Precedence {
                    state,
                    level: *level,
                });
            }
            Item::Group(..) => unreachable!("handled above"),
        }
        (state, to)
    }

    /// Several alternatives, chosen with a synchronization before.
    fn choice(&mut self, several: &[Alternative], wrap: bool) -> (StateId, StateId) {
        let start = self.state(StateKind::BlockStart);
        let end = self.state(StateKind::BlockEnd);
        let decision = self.decision(start, false);
        self.emit(Op::Sync(start));
        let switch = self.emit(Op::Switch(Choose::Predict(decision), Vec::new()));
        self.pending.push((switch, decision));
        let mut targets = Vec::new();
        let mut jumps = Vec::new();
        for one in several {
            targets.push(self.net.program.len());
            let left = self.alternative(one, wrap, end);
            self.link(start, left);
            jumps.push(self.emit(Op::Jump(0)));
        }
        let after = self.net.program.len();
        for jump in jumps {
            self.net.program[jump] = Op::Jump(after);
        }
        if let Op::Switch(_, places) = &mut self.net.program[switch] {
            *places = targets;
        }
        (start, end)
    }

    /// The block inside a repeated group: (start, end).
    fn block(&mut self, alternatives: &[Alternative], wrap: bool) -> (StateId, StateId) {
        if let [one] = alternatives {
            let start = self.state(StateKind::BlockStart);
            let end = self.state(StateKind::BlockEnd);
            let left = self.alternative(one, wrap, end);
            self.link(start, left);
            return (start, end);
        }
        self.choice(alternatives, wrap)
    }

    fn group(&mut self, repeat: Repeat, alternatives: &[Alternative]) -> (StateId, StateId) {
        match repeat {
            Repeat::Optional => self.optional(alternatives),
            Repeat::Star => self.star(alternatives, false),
            Repeat::Recursive => self.star(alternatives, true),
            Repeat::Plus => self.plus(alternatives),
        }
    }

    fn optional(&mut self, alternatives: &[Alternative]) -> (StateId, StateId) {
        let [one] = alternatives else {
            panic!("an optional group has one alternative");
        };
        let start = self.state(StateKind::BlockStart);
        let end = self.state(StateKind::BlockEnd);
        let decision = self.decision(start, false);
        self.emit(Op::Sync(start));
        let fork = self.emit(Op::Unless(Choose::Predict(decision), 0));
        self.pending.push((fork, decision));
        let left = self.alternative(one, false, end);
        self.link(start, left);
        self.link(start, end);
        self.aim(fork);
        (start, end)
    }

    /// Lets a fork go to the next operation.
    fn aim(&mut self, fork: At) {
        let here = self.net.program.len();
        if let Op::Unless(_, place) = &mut self.net.program[fork] {
            *place = here;
        }
    }

    fn star(&mut self, alternatives: &[Alternative], recursive: bool) -> (StateId, StateId) {
        let entry = self.state(StateKind::LoopEntry);
        let back = self.state(StateKind::LoopBack);
        let end = self.state(StateKind::Basic);
        let decision = self.decision(entry, recursive);
        self.emit(Op::Sync(entry));
        let fork = self.emit(Op::Unless(Choose::Predict(decision), 0));
        self.pending.push((fork, decision));
        let (start, block_end) = self.block(alternatives, recursive);
        self.link(entry, start);
        self.link(entry, end);
        self.link(block_end, back);
        self.link(back, entry);
        if recursive {
            self.net.states[usize::from(entry)].recursive_block_end = Some(block_end);
        }
        self.emit(Op::Sync(back));
        self.emit(Op::Jump(fork));
        self.aim(fork);
        (entry, end)
    }

    fn plus(&mut self, alternatives: &[Alternative]) -> (StateId, StateId) {
        let [one] = alternatives else {
            panic!("a group that comes once or more has one alternative");
        };
        let start = self.state(StateKind::BlockStart);
        let block_end = self.state(StateKind::BlockEnd);
        let back = self.state(StateKind::LoopBack);
        let end = self.state(StateKind::Basic);
        self.emit(Op::Sync(start));
        let body = self.net.program.len();
        let left = self.alternative(one, false, block_end);
        self.link(start, left);
        self.link(block_end, back);
        self.link(back, start);
        self.link(back, end);
        let decision = self.decision(back, false);
        self.emit(Op::Sync(back));
        let fork = self.emit(Op::Repeat(Choose::Predict(decision), body));
        self.pending.push((fork, decision));
        (start, end)
    }

    /// Edges from each rule's end to all places that it may return to.
    fn returns(&mut self) {
        let mut edges = Vec::new();
        for op in &self.net.program {
            if let Op::Call {
                state,
                rule,
                precedence,
                ..
            } = op
            {
                let info = self.net.rule(*rule);
                let outermost = (info.recursive && *precedence == 0).then_some(*rule);
                edges.push((info.stop, self.net.follow(*state), outermost));
            }
        }
        for (from, to, outermost) in edges {
            self.step(from, Step::Epsilon { to, outermost });
        }
    }

    fn lookahead(&mut self) {
        let sets: Vec<Set> = (0..self.net.states.len())
            .map(|id| within(&self.net, StateId::try_from(id).expect("numbered so")))
            .collect();
        for (state, next) in self.net.states.iter_mut().zip(sets) {
            state.next = next;
        }
        for (at, decision) in std::mem::take(&mut self.pending) {
            let Some(sets) = disjoint(&self.net, self.net.decisions[decision].state) else {
                continue;
            };
            match &mut self.net.program[at] {
                Op::Switch(choose, _) | Op::Unless(choose, _) | Op::Repeat(choose, _) => {
                    *choose = Choose::ByToken(sets);
                }
                op => unreachable!("{op:?} is no fork"),
            }
        }
    }
}

/// Tokens reachable within the rule, epsilon where its end is. No rule of the grammar can be empty, so a call's first tokens
/// are all there is to a call.
fn within(net: &Net, state: StateId) -> Set {
    let mut seen = vec![false; net.states.len()];
    let mut open = vec![state];
    let mut found = Set::default();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[usize::from(id)], true) {
            continue;
        }
        let at = net.state(id);
        if at.kind == StateKind::RuleStop {
            // A called rule's end is not reached without a token, so this is the end of the rule begun with.
            found = found.union(Set::epsilon());
            continue;
        }
        for step in &at.steps {
            match step {
                Step::Token { set, .. } => found = found.union(*set),
                Step::Epsilon { to, .. } | Step::Rule { to, .. } | Step::Precedence { to, .. } => {
                    open.push(*to);
                }
            }
        }
    }
    found
}

/// The first tokens of each alternative where no two share one and no precedence decides (ANTLR's test for a choice by the
/// next token alone).
fn disjoint(net: &Net, state: StateId) -> Option<Vec<Set>> {
    let mut all = Set::default();
    let mut sets = Vec::new();
    for step in &net.state(state).steps {
        let Step::Epsilon { to, .. } = step else {
            unreachable!("a fork's edges are empty")
        };
        let look = beyond(net, *to)?;
        if look.meets(all) {
            return None;
        }
        all = all.union(look);
        sets.push(look);
    }
    Some(sets)
}

/// Tokens reachable from a state, beyond the rule's end into all its callers; none when a precedence stands in the way.
fn beyond(net: &Net, state: StateId) -> Option<Set> {
    let mut seen = vec![false; net.states.len()];
    let mut open = vec![state];
    let mut found = Set::default();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[usize::from(id)], true) {
            continue;
        }
        for step in &net.state(id).steps {
            match step {
                Step::Token { set, .. } => found = found.union(*set),
                Step::Epsilon { to, .. } | Step::Rule { to, .. } => open.push(*to),
                Step::Precedence { .. } => return None,
            }
        }
    }
    Some(found)
}

/// The alternative that the next token chooses, from 1.
pub(crate) fn by_token(sets: &[Set], next: Kind) -> Option<usize> {
    sets.iter().position(|set| set.has(next)).map(|at| at + 1)
}
