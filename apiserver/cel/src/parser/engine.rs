//! Runs the grammar's program over the tokens and makes the parse tree, going on after errors as cel-go's generated parser
//! does. No recursion: nesting is a list of frames, bounded as cel-go bounds it.

use super::lexer::Token;
use super::net::{self, At, Choose, NET, Op, RuleId, StateId};
use super::predict::{Failure, Place, Predictor};
use super::stacks::{NONE, Stacks};
use super::token::{EOF, Kind, Set};
use super::tree::{Item, Node, NodeId, Tree};
use crate::issue::Issues;
use crate::source::{NO_LOCATION, Source};

/// How deep one rule may lie in itself (parser.go's maxRecursionDepth).
const DEPTH: usize = 250;
/// Syntax errors beyond which the parse ends (parser.go's errorReportingLimit).
const REPORTS: usize = 100;

/// The parse was ended before its time; the reason has been reported.
#[derive(Debug)]
pub(crate) struct Ended;

/// What a rule fails with.
#[derive(Debug)]
pub(super) enum Fault {
    NoViable { start: usize, offending: usize },
    Mismatch { offending: usize, expected: Set },
    Precedence { offending: usize },
}

struct Frame {
    back: At,
    label: &'static str,
    node: NodeId,
}

/// One parse.
pub(crate) struct Engine<'a> {
    pub(super) source: &'a Source,
    pub(super) issues: &'a mut Issues,
    predictor: &'a mut Predictor,
    pub(super) tokens: &'a [Token],
    /// The tokens that are not hidden: their places in `tokens`, and their kinds.
    pub(super) visible: Vec<usize>,
    kinds: Vec<Kind>,
    pub(super) position: usize,
    pub(super) state: StateId,
    pub(super) node: NodeId,
    pub(super) tree: Tree,
    frames: Vec<Frame>,
    precedences: Vec<u8>,
    depths: Vec<usize>,
    pub(super) recovery: super::recovery::Recovery,
    pub(super) reports: usize,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(
        source: &'a Source,
        tokens: &'a [Token],
        issues: &'a mut Issues,
        predictor: &'a mut Predictor,
    ) -> Self {
        let visible: Vec<usize> = (0..tokens.len())
            .filter(|at| !tokens[*at].hidden())
            .collect();
        predictor.begin();
        Self {
            source,
            reports: issues.count(),
            issues,
            predictor,
            tokens,
            kinds: visible.iter().map(|at| tokens[*at].kind).collect(),
            visible,
            position: 0,
            state: 0,
            node: 0,
            tree: Tree::default(),
            frames: Vec::new(),
            precedences: vec![0],
            depths: vec![0; NET.rules.len()],
            recovery: super::recovery::Recovery::default(),
        }
    }

    /// Parses from the first rule on; the root is the first node.
    pub(crate) fn run(mut self) -> Result<Tree, Ended> {
        if self.reports >= REPORTS {
            return Err(Ended);
        }
        let mut at = self.enter(0, None, 0)?;
        loop {
            match self.step(at)? {
                Next::At(next) => at = next,
                Next::Done => return Ok(self.tree),
            }
        }
    }

    fn step(&mut self, at: At) -> Result<Next, Ended> {
        let op = &NET.program[at];
        let outcome = match op {
            Op::Enter => Ok(at + 1),
            Op::Sync(state) => {
                self.state = *state;
                self.sync()?.map(|()| at + 1)
            }
            Op::Match { state, set, label } => {
                self.state = *state;
                match self.expect(*set)? {
                    Ok(token) => {
                        self.label(label, Item::Token(token));
                        Ok(at + 1)
                    }
                    Err(fault) => Err(fault),
                }
            }
            Op::Call {
                state,
                rule,
                precedence,
                label,
            } => {
                self.state = *state;
                self.frames.push(Frame {
                    back: at + 1,
                    label,
                    node: self.node,
                });
                return self.enter(*rule, Some(*state), *precedence).map(Next::At);
            }
            Op::Precedence { state, level } => {
                self.state = *state;
                if *level >= self.precedence() {
                    Ok(at + 1)
                } else {
                    Err(Fault::Precedence {
                        offending: self.position,
                    })
                }
            }
            Op::Switch(choose, places) => self.switch(choose)?.map(|chosen| places[chosen - 1]),
            Op::Unless(choose, past) => self
                .fork(choose)?
                .map(|first| if first { at + 1 } else { *past }),
            Op::Repeat(choose, body) => self
                .fork(choose)?
                .map(|first| if first { *body } else { at + 1 }),
            Op::Form(form) => {
                self.tree.nodes[self.node].form = form;
                Ok(at + 1)
            }
            Op::Wrap(form) => {
                self.wrap(form);
                Ok(at + 1)
            }
            Op::Jump(to) => Ok(*to),
            Op::Leave => return Ok(self.leave()),
        };
        match outcome {
            Ok(next) => Ok(Next::At(next)),
            Err(fault) => {
                self.report(&fault)?;
                self.recover()?;
                Ok(self.leave())
            }
        }
    }

    pub(super) fn la(&self, ahead: usize) -> Kind {
        self.kinds
            .get(self.position + ahead - 1)
            .copied()
            .unwrap_or(EOF)
    }

    /// The visible token at an index; the last one is the end and stays there.
    pub(super) fn visible_token(&self, index: usize) -> Token {
        self.tokens[self.visible[index.min(self.visible.len() - 1)]]
    }

    pub(super) fn current(&self) -> Token {
        self.visible_token(self.position)
    }

    pub(super) fn consume(&mut self) {
        if self.la(1) != EOF {
            self.position += 1;
        }
    }

    fn precedence(&self) -> u8 {
        self.precedences.last().copied().unwrap_or(0)
    }

    fn label(&mut self, label: &'static str, item: Item) {
        if !label.is_empty() {
            self.tree.nodes[self.node].items.push((label, item));
        }
    }

    fn enter(
        &mut self,
        rule: RuleId,
        caller: Option<StateId>,
        precedence: u8,
    ) -> Result<At, Ended> {
        let info = NET.rule(rule);
        let parent = caller.map(|_| self.node);
        self.tree.nodes.push(Node {
            rule,
            form: "",
            start: self.current(),
            items: Vec::new(),
            caller,
            parent,
            stacks: None,
        });
        self.node = self.tree.nodes.len() - 1;
        self.state = info.start;
        if info.recursive {
            self.precedences.push(precedence);
        }
        let depth = &mut self.depths[usize::from(rule)];
        *depth += 1;
        if *depth > DEPTH {
            return Err(self.end(&format!("expression recursion limit exceeded: {DEPTH}")));
        }
        Ok(info.entry)
    }

    /// Ends the parse with an error that has no place.
    pub(super) fn end(&mut self, message: &str) -> Ended {
        self.issues.report(NO_LOCATION, message);
        Ended
    }

    fn leave(&mut self) -> Next {
        let done = self.node;
        let node = &self.tree.nodes[done];
        let (rule, caller) = (node.rule, node.caller);
        self.depths[usize::from(rule)] -= 1;
        if NET.rule(rule).recursive {
            self.precedences.pop();
        } else if let Some(caller) = caller {
            self.state = caller;
        }
        let Some(frame) = self.frames.pop() else {
            return Next::Done;
        };
        self.node = frame.node;
        self.label(frame.label, Item::Node(done));
        Next::At(frame.back)
    }

    /// A turn of a left-recursive rule's loop: what there is becomes the left part of a new node.
    fn wrap(&mut self, form: &'static str) {
        let left = self.node;
        let old = &self.tree.nodes[left];
        let node = Node {
            rule: old.rule,
            form,
            start: old.start,
            items: vec![("left", Item::Node(left))],
            caller: old.caller,
            parent: old.parent,
            stacks: old.stacks,
        };
        self.tree.nodes.push(node);
        self.node = self.tree.nodes.len() - 1;
    }

    fn switch(&mut self, choose: &Choose) -> Result<Result<usize, Fault>, Ended> {
        match choose {
            Choose::ByToken(sets) => Ok(net::by_token(sets, self.la(1)).ok_or(Fault::NoViable {
                start: self.position,
                offending: self.position,
            })),
            Choose::Predict(decision) => self.predict(*decision),
        }
    }

    /// Whether a loop turns (again) or an optional part is there.
    fn fork(&mut self, choose: &Choose) -> Result<Result<bool, Fault>, Ended> {
        match choose {
            Choose::ByToken(sets) => Ok(Ok(sets[0].has(self.la(1)))),
            Choose::Predict(decision) => Ok(self.predict(*decision)?.map(|chosen| chosen == 1)),
        }
    }

    fn predict(&mut self, decision: usize) -> Result<Result<usize, Fault>, Ended> {
        let place = Place {
            kinds: &self.kinds,
            position: self.position,
            precedence: self.precedences.last().copied().unwrap_or(0),
            stacks: stacks(&mut self.tree, self.predictor, self.node),
        };
        match self.predictor.predict(decision, &place) {
            Ok(alternative) => Ok(Ok(usize::from(alternative))),
            Err(Failure::NoViable(failure)) => Ok(Err(Fault::NoViable {
                start: self.position,
                offending: failure.offending,
            })),
            Err(Failure::Exhausted) => Err(self.end("expression takes too long to parse")),
        }
    }
}

enum Next {
    At(At),
    Done,
}

/// The return states from a node up to the root, kept with the nodes.
fn stacks(tree: &mut Tree, predictor: &mut Predictor, node: NodeId) -> Stacks {
    let mut chain = Vec::new();
    let mut at = Some(node);
    let mut known = NONE;
    while let Some(id) = at {
        if let Some(stacks) = tree.nodes[id].stacks {
            known = stacks;
            break;
        }
        chain.push(id);
        at = tree.nodes[id].parent;
    }
    for id in chain.into_iter().rev() {
        if let Some(caller) = tree.nodes[id].caller {
            known = predictor.arena.push(known, NET.follow(caller));
        }
        tree.nodes[id].stacks = Some(known);
    }
    known
}
