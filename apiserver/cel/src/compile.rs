//! From text to a checked expression, in one step.

use crate::check::{self, Checked};
use crate::env::Env;
use crate::issue::Issues;
use crate::parser::{self, Parsed};
use crate::source::Source;
use crate::validate;

/// Expressions longer than this, in code points, may nest deep enough to want a stack of their own.
const SHALLOW: usize = 200;
/// What compiling the deepest expression takes, several times over.
const STACK_BYTES: usize = 64 << 20;

/// Compiles an expression; what is wrong with it reads as the reference has it.
pub fn compile(env: &Env, text: &str) -> Result<Checked, String> {
    let source = Source::new(text);
    let mut issues = Issues::default();
    let Some(parsed) = parser::parse(&source, &mut issues) else {
        return Err(issues.render(&source));
    };
    on_a_deep_stack(text, || check_tree(env, &source, &parsed, &mut issues))?
        .ok_or_else(|| issues.render(&source))
}

fn check_tree(env: &Env, source: &Source, parsed: &Parsed, issues: &mut Issues) -> Option<Checked> {
    let (expr, positions) = parsed.build(source, env.bindings, issues)?;
    if !issues.is_empty() {
        return None;
    }
    let checked = check::check(env, source, expr, positions, issues)?;
    validate::validate(&checked, source, issues);
    issues.is_empty().then_some(checked)
}

/// Trees are as deep as an expression nests; a long one is worked on where that does no harm.
pub(crate) fn on_a_deep_stack<T: Send>(
    text: &str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, String> {
    on_a_deep_stack_if(text.len() > SHALLOW, work)
}

/// Works on a stack that any tree fits on, where that is called for.
pub(crate) fn on_a_deep_stack_if<T: Send>(
    deep: bool,
    work: impl FnOnce() -> T + Send,
) -> Result<T, String> {
    if !deep {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| format!("no thread for a long expression: {error}"))?;
        match started.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
