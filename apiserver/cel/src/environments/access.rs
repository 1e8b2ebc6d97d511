//! Expressions of the server's configuration of who may come in and what they may do: claims of tokens and the users made of
//! them (k8s.io/apiserver pkg/authentication/cel), conditions on requests to an authorizing webhook (pkg/authorization/cel). A
//! configuration is not stored by a version before, so all of this version is allowed.

use std::sync::LazyLock;

use super::runnable;
use crate::check::Checked;
use crate::compile::compile;
use crate::decl::{Decl, UNBOUNDED};
use crate::env::{Env, Mode};
use crate::types::Type;

/// Compiles an expression over `claims`.
pub fn claims(text: &str, wanted: &[Type]) -> Result<Checked, String> {
    mapped(&CLAIMS, text, wanted)
}

/// Compiles an expression over `user`, which is what claims were made into.
pub fn user(text: &str, wanted: &[Type]) -> Result<Checked, String> {
    mapped(&USER, text, wanted)
}

/// Compiles a condition over `request`, a review of access.
pub fn request(text: &str) -> Result<Checked, String> {
    let checked = checked(&REQUEST, text)?;
    match checked.output() {
        Type::Bool => runnable(&REQUEST, checked),
        other => Err(format!(
            "must evaluate to bool but got {}",
            other.declared()
        )),
    }
}

fn mapped(env: &Env, text: &str, wanted: &[Type]) -> Result<Checked, String> {
    let checked = checked(env, text)?;
    let output = checked.output();
    if wanted.contains(&output) || wanted.contains(&Type::Any) {
        return runnable(env, checked);
    }
    let shown: Vec<String> = wanted.iter().map(Type::declared).collect();
    Err(match shown.as_slice() {
        [one] => format!("must evaluate to {one}"),
        several => format!("must evaluate to one of [{}]", several.join(" ")),
    })
}

fn checked(env: &Env, text: &str) -> Result<Checked, String> {
    compile(env, text).map_err(|errors| format!("compilation failed: {errors}"))
}

static CLAIMS: LazyLock<Env> = LazyLock::new(|| {
    let any = Decl::simple(Type::Any, 1);
    let claims = Decl::map(text(), any, UNBOUNDED);
    Env::base(Mode::Stored).with_declared("claims", &claims)
});
static USER: LazyLock<Env> = LazyLock::new(|| {
    let user = object(
        "UserInfo",
        [
            ("username", text()),
            ("uid", text()),
            ("groups", texts()),
            ("extra", extra()),
        ],
    );
    Env::base(Mode::Stored).with_declared("user", &user)
});
static REQUEST: LazyLock<Env> =
    LazyLock::new(|| Env::base(Mode::Stored).with_declared("request", &review()));

fn text() -> Decl {
    Decl::simple(Type::String, 2)
}

fn texts() -> Decl {
    Decl::list(text(), UNBOUNDED)
}

fn extra() -> Decl {
    Decl::map(text(), texts(), UNBOUNDED)
}

fn object<const N: usize>(name: &str, fields: [(&str, Decl); N]) -> Decl {
    let fields = fields.map(|(name, decl)| (name.to_owned(), decl));
    Decl::object(&format!("kubernetes.{name}"), fields)
}

/// A review of access as conditions see it (buildRequestType).
fn review() -> Decl {
    let requirement = || {
        object(
            "SelectorRequirement",
            [("key", text()), ("operator", text()), ("values", texts())],
        )
    };
    let selector = |name: &str| {
        let requirements = Decl::list(requirement(), UNBOUNDED);
        object(
            name,
            [("rawSelector", text()), ("requirements", requirements)],
        )
    };
    let resource = object(
        "ResourceAttributes",
        [
            ("namespace", text()),
            ("verb", text()),
            ("group", text()),
            ("version", text()),
            ("resource", text()),
            ("subresource", text()),
            ("name", text()),
            ("fieldSelector", selector("FieldSelectorAttributes")),
            ("labelSelector", selector("LabelSelectorAttributes")),
        ],
    );
    let path = object(
        "NonResourceAttributes",
        [("path", text()), ("verb", text())],
    );
    object(
        "SubjectAccessReviewSpec",
        [
            ("resourceAttributes", resource),
            ("nonResourceAttributes", path),
            ("user", text()),
            ("groups", texts()),
            ("extra", extra()),
            ("uid", text()),
        ],
    )
}
