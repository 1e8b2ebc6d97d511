//! Checked expressions, run: what cel-go's interpreter makes of them, with the cost counted as it counts it. A tree is walked as
//! the checker left it; objects are read where they lie, as JSON.
//!
//! An expression ends by its result, by an error, or when it has cost more than its budget; never otherwise.

mod addresses;
mod convert;
mod equality;
mod formats;
mod functions;
mod index;
mod lists;
mod meter;
mod operators;
mod quantities;
pub(crate) mod regexes;
mod semver;
mod strings;
mod times;
mod urls;
mod value;
mod walk;

pub use value::{Access, List, Map, Object, Opaque, Value};

use crate::check::Checked;
use crate::compile::on_a_deep_stack_if;
use std::fmt;
use walk::Walk;

/// Trees deeper than this want a stack of their own.
const SHALLOW: usize = 48;

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What the expression did wrong, in the reference's words; another operand may make up for it.
    Evaluation(String),
    /// It cost more than it may.
    Budget,
}

impl Error {
    pub fn new(text: impl Into<String>) -> Self {
        Self::Evaluation(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evaluation(text) => f.write_str(text),
            Self::Budget => f.write_str("operation cancelled: actual cost limit exceeded"),
        }
    }
}

impl std::error::Error for Error {}

/// What the variables of an expression stand for.
pub trait Activation<'a>: Sync {
    /// A variable, by its name; none where there is none.
    fn variable(&self, name: &str) -> Option<Value<'a>>;

    /// A field of `variables`, worked out when it is first asked for.
    fn lazy(&self, _name: &str) -> Option<Result<Value<'a>, Error>> {
        None
    }
}

/// Variables in a list.
impl<'a, const N: usize> Activation<'a> for [(&str, Value<'a>); N] {
    fn variable(&self, name: &str) -> Option<Value<'a>> {
        let found = self.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }
}

/// What came of an expression, and what it cost.
pub struct Outcome<'a> {
    pub result: Result<Value<'a>, Error>,
    pub cost: u64,
}

/// Runs an expression that may cost `budget` at most.
pub fn evaluate<'a>(checked: &Checked, variables: &dyn Activation<'a>, budget: u64) -> Outcome<'a> {
    let run = || {
        let mut walk = Walk::new(checked, variables, budget);
        let result = walk.evaluate(&checked.expr);
        Outcome {
            result,
            cost: walk.cost(),
        }
    };
    let deep = depth_exceeds(&checked.expr, SHALLOW);
    on_a_deep_stack_if(deep, run).unwrap_or_else(|error| Outcome {
        result: Err(Error::new(error)),
        cost: 0,
    })
}

fn depth_exceeds(expr: &crate::ast::Expr, limit: usize) -> bool {
    let mut open = vec![(expr, 1)];
    while let Some((expr, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        open.extend(expr.children().into_iter().map(|child| (child, depth + 1)));
    }
    false
}
