//! Compiles the expressions of admission objects (pkg/apis/admissionregistration/validation/validation.go). An expression that
//! the object had before is compiled as stored: it stays right whatever a later version would say of it.

use std::collections::HashSet;

use triad_cel::env::Mode;
use triad_cel::environments::policy::{Compiler, Scope, Wanted};

use super::at::{At, Errors};

/// The expressions that an object had before, of one use.
#[derive(Debug, Default)]
pub(super) struct Before(HashSet<String>);

impl Before {
    /// The `field` of each item of a list.
    pub(super) fn of(list: &At<'_>, field: &str) -> Self {
        let each = list.items().map(|item| item.get(field).text().to_owned());
        Self(each.collect())
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn mode(&self, expression: &str) -> Mode {
        if self.0.contains(expression) {
            Mode::Stored
        } else {
            Mode::New
        }
    }
}

/// What the expressions of one object may refer to.
pub(super) struct Expressions {
    compiler: Compiler,
    pub(super) params: bool,
}

impl Expressions {
    /// Without variables: match conditions, and policies that define none.
    pub(super) fn plain(params: bool) -> Self {
        Self {
            compiler: Compiler::plain(),
            params,
        }
    }

    pub(super) fn composing(params: bool) -> Self {
        Self {
            compiler: Compiler::composing(),
            params,
        }
    }

    fn scope(&self, mode: Mode, wanted: Wanted) -> Scope {
        Scope {
            mode,
            params: self.params,
            authorizer: true,
            patches: matches!(wanted, Wanted::ApplyConfiguration | Wanted::Patches),
        }
    }

    /// An expression as it is written.
    pub(super) fn whole(&self, at: &At<'_>, wanted: Wanted, before: &Before, errors: &mut Errors) {
        let scope = self.scope(before.mode(at.text()), wanted);
        self.compile(at, at.text(), at.text(), wanted, scope, errors);
    }

    /// A message: nobody is asked for permissions while it is made.
    pub(super) fn message(&self, at: &At<'_>, before: &Before, errors: &mut Errors) {
        let scope = Scope {
            authorizer: false,
            ..self.scope(before.mode(at.text()), Wanted::String)
        };
        self.compile(at, at.text(), at.text(), Wanted::String, scope, errors);
    }

    /// An expression without the space around it, which errors show without it too.
    pub(super) fn trimmed(
        &self,
        at: &At<'_>,
        wanted: Wanted,
        before: &Before,
        errors: &mut Errors,
    ) {
        let text = at.text().trim();
        let scope = self.scope(before.mode(at.text()), wanted);
        self.compile(at, text, text, wanted, scope, errors);
    }

    /// The value of an annotation: compiled without the space around it, shown with it.
    pub(super) fn annotation(&self, at: &At<'_>, before: &Before, errors: &mut Errors) {
        let scope = self.scope(before.mode(at.text()), Wanted::StringOrNull);
        let text = at.text().trim();
        self.compile(at, text, at.text(), Wanted::StringOrNull, scope, errors);
    }

    /// A match condition, of which the text without space is looked up.
    pub(super) fn condition(&self, at: &At<'_>, before: &Before, errors: &mut Errors) {
        let text = at.text().trim();
        let scope = self.scope(before.mode(text), Wanted::Bool);
        self.compile(at, text, text, Wanted::Bool, scope, errors);
    }

    /// A variable, which later expressions of the object know.
    pub(super) fn variable(&mut self, name: &str, at: &At<'_>, errors: &mut Errors) {
        let scope = self.scope(Mode::New, Wanted::Any);
        if let Err(detail) = self.compiler.variable(name, at.text(), scope) {
            errors.invalid(at, detail);
        }
    }

    fn compile(
        &self,
        at: &At<'_>,
        text: &str,
        shown: &str,
        wanted: Wanted,
        scope: Scope,
        errors: &mut Errors,
    ) {
        if let Err(detail) = self.compiler.compile(text, wanted, scope) {
            errors.invalid_value(at, shown, detail);
        }
    }
}
