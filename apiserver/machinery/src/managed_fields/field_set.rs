//! A set of field paths, as `fieldsV1` stores it: a tree in which every node may itself be a member.
//! The operations are structured-merge-diff's; empty branches are never kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path_element::PathElement;

/// Members of this level, and the sets below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// Sets from paths of plain field names.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<PathElement> = path.iter().map(|name| PathElement::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Adds a path, not its parents. The empty path is ignored: nobody owns a whole object.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => match self.children.get_mut(first) {
                Some(child) => child.insert(rest),
                None => self.children.entry(first.clone()).or_default().insert(rest),
            },
        }
    }

    /// Adds one step and what lies below it.
    pub(super) fn attach(&mut self, step: &PathElement, member: bool, below: Self) {
        if member {
            self.members.insert(step.clone());
        }
        if below.is_empty() {
            return;
        }
        let before = self.children.remove(step).unwrap_or_default();
        let all = if before.is_empty() {
            below
        } else {
            before.union(&below)
        };
        self.children.insert(step.clone(), all);
    }

    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self
                .children
                .get(first)
                .is_some_and(|child| child.has(rest)),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    pub(super) fn members(&self) -> &BTreeSet<PathElement> {
        &self.members
    }

    pub(super) fn children(&self) -> &BTreeMap<PathElement, FieldSet> {
        &self.children
    }

    /// What lies below one step; `None` when nothing does.
    pub(super) fn below(&self, step: &PathElement) -> Option<&FieldSet> {
        self.children.get(step)
    }

    pub fn union(mut self, other: &Self) -> Self {
        self.members.extend(other.members.iter().cloned());
        for (step, theirs) in &other.children {
            let ours = self.children.remove(step).unwrap_or_default();
            self.children.insert(step.clone(), ours.union(theirs));
        }
        self
    }

    pub fn intersection(&self, other: &Self) -> Self {
        let members = self.members.intersection(&other.members).cloned().collect();
        let shared = |(step, ours): (&PathElement, &Self)| {
            let both = ours.intersection(other.children.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        };
        Self {
            members,
            children: self.children.iter().filter_map(shared).collect(),
        }
    }

    /// What is here and not there. A parent that is in `other` does not take its children along.
    pub fn difference(&self, other: &Self) -> Self {
        self.subtract(other, &Self::difference, |_| false)
    }

    /// What is here and not there; a member of `other` takes all below it along.
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.subtract(other, &Self::recursive_difference, |step| {
            other.members.contains(step)
        })
    }

    fn subtract(
        &self,
        other: &Self,
        inner: &dyn Fn(&Self, &Self) -> Self,
        drops_branch: impl Fn(&PathElement) -> bool,
    ) -> Self {
        let members = self.members.difference(&other.members).cloned().collect();
        let left = |(step, ours): (&PathElement, &Self)| {
            if drops_branch(step) {
                return None;
            }
            let rest = match other.children.get(step) {
                Some(theirs) => inner(ours, theirs),
                None => ours.clone(),
            };
            (!rest.is_empty()).then(|| (step.clone(), rest))
        };
        Self {
            members,
            children: self.children.iter().filter_map(left).collect(),
        }
    }

    /// Every path, members of a level before what lies below it.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
        for member in &self.members {
            let mut path = prefix.clone();
            path.push(member.clone());
            out.push(path);
        }
        for (step, child) in &self.children {
            prefix.push(step.clone());
            child.collect(prefix, out);
            prefix.pop();
        }
    }

    pub(super) fn with_parts(
        members: BTreeSet<PathElement>,
        children: BTreeMap<PathElement, FieldSet>,
    ) -> Self {
        Self { members, children }
    }

    /// The `fieldsV1` object. Its keys stand in upstream's order; writers must keep it.
    pub fn to_value(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    fn to_map(&self, is_member: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if is_member {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        let mut members = self.members.iter().peekable();
        let mut children = self.children.iter().peekable();
        loop {
            let (step, below) = match (members.peek(), children.peek()) {
                (None, None) => return map,
                (Some(member), Some((step, _))) if member == step => {
                    members.next();
                    let Some((step, child)) = children.next() else {
                        return map;
                    };
                    (step, child.to_map(true))
                }
                (Some(member), Some((step, _))) if *member < *step => (*member, Map::new()),
                (Some(member), None) => (*member, Map::new()),
                (_, Some((step, child))) => (*step, child.to_map(false)),
            };
            map.insert(step.to_wire(), Value::Object(below));
            // Step over what was written; a shared step has been stepped over already.
            if members.peek().is_some_and(|member| *member == step) {
                members.next();
            } else if children.peek().is_some_and(|(child, _)| *child == step) {
                children.next();
            }
        }
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
        for (key, below) in map {
            if key == "." {
                continue;
            }
            let Some(step) = PathElement::from_wire(key)? else {
                continue;
            };
            let empty = Map::new();
            let below = below.as_object().unwrap_or(&empty);
            let child = Self::read(below)?;
            if child.is_empty() || below.contains_key(".") {
                set.members.insert(step.clone());
            }
            if !child.is_empty() {
                set.children.insert(step, child);
            }
        }
        Ok(set)
    }
}
