//! Expressions of admission: policies, their variables, messages, annotations and mutations, match conditions of policies and
//! webhooks (k8s.io/apiserver pkg/admission/plugin/cel: compile.go, composition.go).

use std::sync::LazyLock;

use super::runnable;
use crate::check::Checked;
use crate::compile::compile;
use crate::decl::{Decl, UNBOUNDED};
use crate::env::{Env, Mode};
use crate::types::Type;

/// What an expression must evaluate to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Bool,
    String,
    StringOrNull,
    Any,
    /// `Object{...}`
    ApplyConfiguration,
    /// `[JSONPatch{...}]`
    Patches,
}

impl Wanted {
    fn types(self) -> Vec<Type> {
        match self {
            Self::Bool => vec![Type::Bool],
            Self::String => vec![Type::String],
            Self::StringOrNull => vec![Type::String, Type::Null],
            Self::Any => vec![Type::Any, Type::Dyn],
            Self::ApplyConfiguration => vec![Type::object("Object")],
            Self::Patches => vec![Type::list(Type::object("JSONPatch"))],
        }
    }
}

/// What an expression may refer to besides the object and the request.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub mode: Mode,
    pub params: bool,
    pub authorizer: bool,
    pub patches: bool,
}

/// Compiles the expressions of one policy; its variables are known to what comes after them.
#[derive(Debug, Default)]
pub struct Compiler {
    variables: Option<Vec<(String, Decl)>>,
}

impl Compiler {
    /// One whose expressions know no variables.
    pub fn plain() -> Self {
        Self::default()
    }

    /// One whose expressions have `variables`, none of them yet.
    pub fn composing() -> Self {
        Self {
            variables: Some(Vec::new()),
        }
    }

    /// Compiles an expression; what is wrong with it, or with its type, reads as in a field's error.
    pub fn compile(&self, text: &str, wanted: Wanted, scope: Scope) -> Result<Checked, String> {
        let env = self.env(scope);
        let checked =
            compile(&env, text).map_err(|errors| format!("compilation failed: {errors}"))?;
        let output = checked.output();
        let types = wanted.types();
        if wanted == Wanted::Any || types.iter().any(|one| one.same(&output)) {
            return runnable(&env, checked);
        }
        let found = output.declared();
        Err(match types.as_slice() {
            [one] => format!("must evaluate to {} but got {found}", one.declared()),
            several => {
                let shown: Vec<String> = several.iter().map(Type::declared).collect();
                format!(
                    "must evaluate to one of [{}] but got {found}",
                    shown.join(" ")
                )
            }
        })
    }

    /// Compiles a variable and makes it known; one that does not compile is of any type.
    pub fn variable(&mut self, name: &str, text: &str, scope: Scope) -> Result<Checked, String> {
        let compiled = self.compile(text, Wanted::Any, scope);
        let decl = match &compiled {
            Ok(checked) => Decl::of(&checked.output()),
            Err(_) => Decl::simple(Type::Dyn, 1),
        };
        if let Some(variables) = &mut self.variables {
            variables.push((name.to_owned(), decl));
        }
        compiled
    }

    fn env(&self, scope: Scope) -> Env {
        let base = match scope.mode {
            Mode::New => NEW.clone(),
            Mode::Stored => STORED.clone(),
        };
        let mut env = base;
        if scope.params {
            env = env.with_variable("params", Type::Dyn);
        }
        if scope.authorizer {
            let check = "kubernetes.authorization.ResourceCheck";
            env = env
                .with_variable(
                    "authorizer",
                    Type::object("kubernetes.authorization.Authorizer"),
                )
                .with_variable("authorizer.requestResource", Type::object(check));
        }
        if scope.patches {
            env = env.with_patches();
        }
        if let Some(variables) = &self.variables {
            let decl = Decl::object("kubernetes.variables", variables.iter().cloned());
            env = env.with_declared("variables", &decl);
        }
        env
    }
}

static NEW: LazyLock<Env> = LazyLock::new(|| with_request(Env::base(Mode::New)));
static STORED: LazyLock<Env> = LazyLock::new(|| with_request(Env::base(Mode::Stored)));

fn with_request(env: Env) -> Env {
    env.with_variable("object", Type::Dyn)
        .with_variable("oldObject", Type::Dyn)
        .with_declared("namespaceObject", &namespace())
        .with_declared("request", &request())
}

fn text() -> Decl {
    Decl::simple(Type::String, 2)
}

fn texts() -> Decl {
    Decl::list(text(), UNBOUNDED)
}

fn fields<const N: usize>(fields: [(&str, Decl); N]) -> Vec<(String, Decl)> {
    fields
        .into_iter()
        .map(|(name, decl)| (name.to_owned(), decl))
        .collect()
}

/// The admission request as expressions see it (BuildRequestType).
fn request() -> Decl {
    let kind = |name: &str, last: &str| {
        Decl::object(
            &format!("kubernetes.{name}"),
            fields([("group", text()), ("version", text()), (last, text())]),
        )
    };
    let user = Decl::object(
        "kubernetes.UserInfo",
        fields([
            ("username", text()),
            ("uid", text()),
            ("groups", texts()),
            ("extra", Decl::map(text(), texts(), UNBOUNDED)),
        ]),
    );
    Decl::object(
        "kubernetes.AdmissionRequest",
        fields([
            ("kind", kind("GroupVersionKind", "kind")),
            ("resource", kind("GroupVersionResource", "resource")),
            ("subResource", text()),
            ("requestKind", kind("GroupVersionKind", "kind")),
            ("requestResource", kind("GroupVersionResource", "resource")),
            ("requestSubResource", text()),
            ("name", text()),
            ("namespace", text()),
            ("operation", text()),
            ("userInfo", user),
            ("dryRun", Decl::simple(Type::Bool, 4)),
            ("options", Decl::simple(Type::Dyn, 1)),
        ]),
    )
}

/// The namespace of the request as expressions see it (BuildNamespaceType).
fn namespace() -> Decl {
    let time = || Decl::simple(Type::Timestamp, 20);
    let number = || Decl::simple(Type::Int, 1);
    let labels = || Decl::map(text(), text(), UNBOUNDED);
    let condition = Decl::object(
        "kubernetes.NamespaceCondition",
        fields([
            ("status", text()),
            ("type", text()),
            ("lastTransitionTime", time()),
            ("message", text()),
            ("reason", text()),
        ]),
    );
    let status = Decl::object(
        "kubernetes.NamespaceStatus",
        fields([
            ("conditions", Decl::list(condition, UNBOUNDED)),
            ("phase", text()),
        ]),
    );
    let metadata = Decl::object(
        "kubernetes.NamespaceMetadata",
        fields([
            ("name", text()),
            ("generateName", text()),
            ("namespace", text()),
            ("labels", labels()),
            ("annotations", labels()),
            ("UID", text()),
            ("creationTimestamp", time()),
            ("deletionGracePeriodSeconds", number()),
            ("deletionTimestamp", time()),
            ("generation", number()),
            ("resourceVersion", text()),
            ("finalizers", texts()),
        ]),
    );
    let spec = Decl::object(
        "kubernetes.NamespaceSpec",
        fields([("finalizers", texts())]),
    );
    Decl::object(
        "kubernetes.Namespace",
        fields([("metadata", metadata), ("spec", spec), ("status", status)]),
    )
}
