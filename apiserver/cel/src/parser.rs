//! Text to syntax tree: the grammar, the errors and the macros of cel-go's parser. The environments of checking and of cost come
//! after; nothing here knows a type.

mod build;
mod configs;
mod engine;
mod grammar;
mod lexer;
mod literal;
mod macros;
mod net;
mod nodes;
mod predict;
mod recovery;
mod stacks;
mod table;
mod token;
mod tree;

use std::cell::RefCell;

use crate::ast::{Expr, Positions};
use crate::issue::Issues;
use crate::source::{NO_LOCATION, Source};
use engine::Engine;
use predict::Predictor;

/// Longer expressions are not looked at (parser.go's expressionSizeCodePointLimit).
const CODE_POINTS: usize = 100_000;

thread_local! {
    /// What prediction has learned; forgotten when it grows.
    static PREDICTOR: RefCell<Predictor> = RefCell::default();
}

/// An expression with its parse tree, errors in it or not.
pub(crate) struct Parsed(tree::Tree);

/// Parses an expression. Errors are in `issues`; without a tree there is nothing more to say.
pub(crate) fn parse(source: &Source, issues: &mut Issues) -> Option<Parsed> {
    let size = source.chars().len();
    if size > CODE_POINTS {
        issues.report(
            NO_LOCATION,
            format!("expression code point size exceeds limit: size: {size}, limit {CODE_POINTS}"),
        );
        return None;
    }
    let tokens = lexer::tokens(source, issues);
    let tree = PREDICTOR
        .with_borrow_mut(|predictor| Engine::new(source, &tokens, issues, predictor).run());
    Some(Parsed(tree.ok()?))
}

impl Parsed {
    /// The syntax tree and where its nodes stand; without errors in `issues` it is whole. `bindings`: `cel.bind` is a macro.
    pub(crate) fn build(
        &self,
        source: &Source,
        bindings: bool,
        issues: &mut Issues,
    ) -> Option<(Expr, Positions)> {
        build::build(source, &self.0, bindings, issues)
    }
}
