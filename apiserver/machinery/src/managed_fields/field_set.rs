//! A set of field paths, as `fieldsV1` stores it: a tree in which every node may itself be a member.
//! The operations are structured-merge-diff's; empty branches are never kept.

use std::cmp::Ordering;
use std::hash::Hasher;

use serde_json::{Key, Map, Value};

use super::path_element::PathElement;

/// The steps of one level in their order, each with what lies below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) step: PathElement,
    pub(super) member: bool,
    pub(super) below: FieldSet,
}

impl Node {
    fn new(step: PathElement) -> Self {
        Node {
            step,
            member: false,
            below: FieldSet::default(),
        }
    }

    fn is_nothing(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// Sets from paths of plain field names.
    pub fn of_fields(paths: &[&[&'static str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<PathElement> = path
                .iter()
                .map(|name| PathElement::field(Key::fixed(name)))
                .collect();
            set.insert(&path);
        }
        set
    }

    /// Where a step stands, or would.
    fn find(&self, step: &PathElement) -> Result<usize, usize> {
        // Most sets are made in their order.
        match self.nodes.last().map(|last| last.step.cmp(step)) {
            None | Some(Ordering::Less) => Err(self.nodes.len()),
            Some(Ordering::Equal) => Ok(self.nodes.len() - 1),
            Some(Ordering::Greater) => self.nodes.binary_search_by(|node| node.step.cmp(step)),
        }
    }

    /// The node of a step, made if need be.
    fn node(&mut self, step: &PathElement) -> &mut Node {
        let at = self.find(step).unwrap_or_else(|at| {
            self.nodes.insert(at, Node::new(step.clone()));
            at
        });
        &mut self.nodes[at]
    }

    /// The node of a step where there is none yet; None where there is one.
    pub(super) fn new_node(&mut self, step: PathElement) -> Option<&mut Node> {
        let at = self.find(&step).err()?;
        self.nodes.insert(at, Node::new(step));
        Some(&mut self.nodes[at])
    }

    /// Adds a path, not its parents. The empty path is ignored: nobody owns a whole object.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => self.node(last).member = true,
            [first, rest @ ..] => self.node(first).below.insert(rest),
        }
    }

    /// Adds one step and what lies below it.
    pub(super) fn attach(&mut self, step: &PathElement, member: bool, below: Self) {
        if !member && below.is_empty() {
            return;
        }
        let node = self.node(step);
        node.member |= member;
        node.below.unite(below);
    }

    /// Takes out what lies below a step.
    pub(super) fn forget_below(&mut self, step: &PathElement) {
        self.node(step).below = Self::default();
    }

    pub fn has(&self, path: &[PathElement]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        let Ok(at) = self.find(first) else {
            return false;
        };
        let node = &self.nodes[at];
        match rest {
            [] => node.member,
            _ => node.below.has(rest),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What the set says of one step.
    pub(super) fn at(&self, step: &PathElement) -> Option<&Node> {
        self.find(step).ok().map(|at| &self.nodes[at])
    }

    pub fn union(mut self, other: &Self) -> Self {
        self.unite(other.clone());
        self
    }

    /// Adds all of another set.
    pub(super) fn unite(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        for theirs in other.nodes {
            match self.find(&theirs.step) {
                Ok(at) => {
                    self.nodes[at].member |= theirs.member;
                    self.nodes[at].below.unite(theirs.below);
                }
                Err(at) => self.nodes.insert(at, theirs),
            }
        }
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let shared = |ours: &Node| {
            let theirs = other.at(&ours.step)?;
            let both = Node {
                step: ours.step.clone(),
                member: ours.member && theirs.member,
                below: ours.below.intersection(&theirs.below),
            };
            (!both.is_nothing()).then_some(both)
        };
        if other.is_empty() {
            return Self::default();
        }
        Self {
            nodes: self.nodes.iter().filter_map(shared).collect(),
        }
    }

    /// Whether all of this set is in another.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.nodes.iter().all(|node| {
            other.at(&node.step).is_some_and(|theirs| {
                (theirs.member || !node.member) && node.below.is_within(&theirs.below)
            })
        })
    }

    /// Whether another set says the same in the same words: numbers are written alike, too.
    pub(super) fn is_exactly(&self, other: &Self) -> bool {
        let same = |a: &Node, b: &Node| {
            a.member == b.member && a.step.is_exactly(&b.step) && a.below.is_exactly(&b.below)
        };
        self.nodes.len() == other.nodes.len()
            && self.nodes.iter().zip(&other.nodes).all(|(a, b)| same(a, b))
    }

    /// The same for sets that are exactly each other.
    pub(super) fn hash_into(&self, state: &mut impl Hasher) {
        state.write_usize(self.nodes.len());
        for node in &self.nodes {
            state.write_u8(node.member.into());
            node.step.hash_into(state);
            node.below.hash_into(state);
        }
    }

    /// What is here and not there. A parent that is in `other` does not take its children along.
    pub fn difference(&self, other: &Self) -> Self {
        self.clone().without(other)
    }

    /// As `difference`, of a set that is not needed any more.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.subtract(other, false);
        self
    }

    /// What is here and not there; a member of `other` takes all below it along.
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other, true);
        rest
    }

    /// Takes out what is in another set, with all below its members when they take it along.
    pub(super) fn subtract(&mut self, other: &Self, with_all_below: bool) {
        if other.is_empty() {
            return;
        }
        self.nodes.retain_mut(|node| {
            let Some(theirs) = other.at(&node.step) else {
                return true;
            };
            if theirs.member && with_all_below {
                return false;
            }
            node.member &= !theirs.member;
            node.below.subtract(&theirs.below, with_all_below);
            !node.is_nothing()
        });
    }

    /// Every path, members of a level before what lies below it.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            let mut path = prefix.clone();
            path.push(node.step.clone());
            out.push(path);
        }
        for node in &self.nodes {
            prefix.push(node.step.clone());
            node.below.collect(prefix, out);
            prefix.pop();
        }
    }

    /// A set of nodes that stand in their order.
    pub(super) fn of_nodes(nodes: Vec<Node>) -> Self {
        Self { nodes }
    }

    /// The `fieldsV1` object. Its keys stand in upstream's order; writers must keep it.
    pub fn to_value(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    fn to_map(&self, is_member: bool) -> Map<String, Value> {
        let mut map = Map::with_capacity(self.nodes.len() + usize::from(is_member));
        if is_member {
            map.set(".", Value::Object(Map::new()));
        }
        for node in &self.nodes {
            let below = if node.below.is_empty() {
                Map::new()
            } else {
                node.below.to_map(node.member)
            };
            map.put(node.step.to_wire(), Value::Object(below));
        }
        map
    }

    /// Reads a `fieldsV1` object.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(map) => Self::read(map),
            _ => Err("fieldsV1 must be an object".into()),
        }
    }

    fn read(map: &Map<String, Value>) -> Result<Self, String> {
        let mut set = Self::default();
        set.nodes.reserve_exact(map.len());
        for (key, below) in map {
            if key == "." {
                continue;
            }
            let Some(step) = PathElement::from_wire(key)? else {
                continue;
            };
            let (child, is_member) = match below {
                Value::Object(below) if !below.is_empty() => {
                    (Self::read(below)?, below.contains_key("."))
                }
                _ => (Self::default(), false),
            };
            let node = set.node(&step);
            node.member |= child.is_empty() || is_member;
            if !child.is_empty() {
                node.below = child;
            }
        }
        Ok(set)
    }
}
