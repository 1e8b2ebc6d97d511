//! The parse tree: one node per rule that was entered, with what its labels name. After an error, labels may be missing.

use super::lexer::Token;
use super::net::{RuleId, StateId};
use super::stacks::Stacks;

pub(crate) type NodeId = usize;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Item {
    Token(Token),
    Node(NodeId),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) rule: RuleId,
    /// Which alternative, once known; empty in a rule that has one and after an error.
    pub(crate) form: &'static str,
    /// The first token.
    pub(crate) start: Token,
    pub(crate) items: Vec<(&'static str, Item)>,
    /// The state that called the rule; none for the first one.
    pub(crate) caller: Option<StateId>,
    pub(crate) parent: Option<NodeId>,
    /// The return states up to here, once prediction needed them.
    pub(crate) stacks: Option<Stacks>,
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

impl Tree {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn tokens(&self, id: NodeId, label: &str) -> Vec<Token> {
        self.items(id, label)
            .filter_map(|item| match item {
                Item::Token(token) => Some(token),
                Item::Node(_) => None,
            })
            .collect()
    }

    pub(crate) fn children(&self, id: NodeId, label: &str) -> Vec<NodeId> {
        self.items(id, label)
            .filter_map(|item| match item {
                Item::Node(node) => Some(node),
                Item::Token(_) => None,
            })
            .collect()
    }

    /// The last one under the label: a label that is given twice keeps what came later.
    pub(crate) fn token(&self, id: NodeId, label: &str) -> Option<Token> {
        self.tokens(id, label).last().copied()
    }

    pub(crate) fn child(&self, id: NodeId, label: &str) -> Option<NodeId> {
        self.children(id, label).last().copied()
    }

    fn items<'a>(&'a self, id: NodeId, label: &'a str) -> impl Iterator<Item = Item> + 'a {
        self.nodes[id]
            .items
            .iter()
            .filter(move |(name, _)| *name == label)
            .map(|(_, item)| *item)
    }
}
