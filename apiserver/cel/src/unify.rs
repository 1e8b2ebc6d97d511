//! Which type fits where, and what type parameters stand for meanwhile: cel-go's checker/types.go. A comparison that fails
//! leaves no trace.

use std::collections::HashMap;
use std::sync::Arc;

use crate::types::Type;

/// What type parameters stand for.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    known: HashMap<Arc<str>, Type>,
    /// What was there before each change, newest last.
    undo: Vec<(Arc<str>, Option<Type>)>,
}

impl Bindings {
    fn find(&self, t: &Type) -> Option<&Type> {
        match t {
            Type::Param(name) => self.known.get(name),
            _ => None,
        }
    }

    fn bind(&mut self, param: &Type, to: Type) {
        if let Type::Param(name) = param {
            let old = self.known.insert(Arc::clone(name), to);
            self.undo.push((Arc::clone(name), old));
        }
    }

    fn attempt(&mut self, fits: impl FnOnce(&mut Self) -> bool) -> bool {
        let mark = self.undo.len();
        if fits(self) {
            return true;
        }
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some((name, Some(old))) => self.known.insert(name, old),
                Some((name, None)) => self.known.remove(&name),
                None => None,
            };
        }
        false
    }

    /// Whether a value of type `from` may stand where `to` is wanted.
    pub(crate) fn assignable(&mut self, to: &Type, from: &Type) -> bool {
        self.attempt(|bindings| bindings.fits(to, from))
    }

    pub(crate) fn assignable_list(&mut self, to: &[Type], from: &[Type]) -> bool {
        self.attempt(|bindings| {
            to.len() == from.len() && to.iter().zip(from).all(|(a, b)| bindings.fits(a, b))
        })
    }

    fn fits(&mut self, a: &Type, b: &Type) -> bool {
        if matches!(b, Type::Param(_)) {
            match self.substitutes(a, b) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if matches!(a, Type::Param(_)) {
            return self.substitutes(b, a).0;
        }
        if a.is_dyn_or_error() || b.is_dyn_or_error() {
            return true;
        }
        match (a, b) {
            (Type::Null, other) | (other, Type::Null) => nullable(other),
            (Type::Type(_), Type::Type(_)) => true,
            (Type::Opaque(one, left), Type::Opaque(two, right)) => {
                one == two
                    && left.len() == right.len()
                    && left.iter().zip(right.iter()).all(|(a, b)| self.fits(a, b))
            }
            (Type::List(left), Type::List(right)) => self.fits(left, right),
            (Type::Map(left), Type::Map(right)) => {
                self.fits(&left.0, &right.0) && self.fits(&left.1, &right.1)
            }
            (one, two) => one.same(two),
        }
    }

    /// Whether `param` may stand for `t`, and whether it stood for something before.
    fn substitutes(&mut self, t: &Type, param: &Type) -> (bool, bool) {
        if t == param {
            return (true, true);
        }
        if let Some(bound) = self.find(param).cloned() {
            if t.same(&bound) {
                return (true, true);
            }
            if !self.fits(t, &bound) {
                return (false, true);
            }
            let general = most_general(t, &bound).clone();
            if self.free_in(param, &general) {
                self.bind(param, general);
            }
            return (true, true);
        }
        if self.free_in(param, t) {
            self.bind(param, t.clone());
            return (true, false);
        }
        (false, false)
    }

    /// Whether `param` does not occur in `t`.
    fn free_in(&self, param: &Type, t: &Type) -> bool {
        if param == t {
            return false;
        }
        match t {
            Type::Param(_) => self.find(t).is_none_or(|bound| self.free_in(param, bound)),
            _ => t.params().into_iter().all(|part| self.free_in(param, part)),
        }
    }

    /// The type with what its parameters stand for; `settle`: those that stand for nothing are dyn.
    pub(crate) fn substitute(&self, t: &Type, settle: bool) -> Type {
        if let Some(bound) = self.find(t) {
            return self.substitute(bound, settle);
        }
        match t {
            Type::Param(_) if settle => Type::Dyn,
            Type::List(element) => Type::list(self.substitute(element, settle)),
            Type::Map(both) => Type::map(
                self.substitute(&both.0, settle),
                self.substitute(&both.1, settle),
            ),
            Type::Opaque(name, params) if !params.is_empty() => Type::Opaque(
                Arc::clone(name),
                params
                    .iter()
                    .map(|one| self.substitute(one, settle))
                    .collect(),
            ),
            Type::Type(Some(inner)) => Type::type_of(self.substitute(inner, settle)),
            other => other.clone(),
        }
    }
}

fn nullable(t: &Type) -> bool {
    matches!(
        t,
        Type::Null
            | Type::Opaque(..)
            | Type::Struct(_)
            | Type::Any
            | Type::Duration
            | Type::Timestamp
            | Type::Wrapper(_)
            | Type::Param(_)
    )
}

/// The more general of two types that fit each other.
pub(crate) fn most_general<'a>(a: &'a Type, b: &'a Type) -> &'a Type {
    if less_specific(a, b) { a } else { b }
}

fn less_specific(a: &Type, b: &Type) -> bool {
    if a.is_dyn() || matches!(a, Type::Param(_)) {
        return true;
    }
    if b.is_dyn() || matches!(b, Type::Param(_)) {
        return false;
    }
    match (a, b) {
        (Type::Opaque(one, left), Type::Opaque(two, right)) => {
            one == two
                && left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(a, b)| less_specific(a, b))
        }
        (Type::List(left), Type::List(right)) => less_specific(left, right),
        (Type::Map(left), Type::Map(right)) => {
            less_specific(&left.0, &right.0) && less_specific(&left.1, &right.1)
        }
        (Type::Type(_), Type::Type(_)) => true,
        (one, two) => one.same(two),
    }
}
