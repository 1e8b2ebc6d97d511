//! Selectors of devices (k8s.io/dynamic-resource-allocation cel/compile.go).

use std::sync::LazyLock;

use super::runnable;
use crate::check::Checked;
use crate::compile::compile;
use crate::cost::{self, Sizes};
use crate::decl::Decl;
use crate::env::{Env, Mode};
use crate::types::Type;

/// Limits of resource/v1: lengths, and entries of a device.
const DOMAIN_LENGTH: i64 = 63;
const ID_LENGTH: i64 = 32;
const DRIVER_LENGTH: i64 = 63;
const VALUE_LENGTH: i64 = 64;
const ENTRIES: i64 = 32;

/// The longest selector that is compiled, in bytes.
pub const LONGEST: usize = 10 * 1024;
/// The most that a selector may cost.
pub const DEAREST: u64 = 1_000_000;

/// Compiles a selector; what is wrong with it, or with its type, reads as in a field's error.
pub fn selector(text: &str, mode: Mode) -> Result<Checked, String> {
    let (env, attribute) = match mode {
        Mode::New => (&*NEW, Type::Any),
        Mode::Stored => (&*STORED, Type::Dyn),
    };
    let checked = compile(env, text).map_err(|errors| format!("compilation failed: {errors}"))?;
    let output = checked.output();
    if output.same(&Type::Bool) || output == attribute {
        return runnable(env, checked);
    }
    let found = output.declared();
    Err(format!(
        "must evaluate to bool or the unknown type, not {found}"
    ))
}

/// The most that a selector may cost, at its worst device.
pub fn cost(checked: &Checked, mode: Mode) -> u64 {
    let declared = match mode {
        Mode::New => &*NEW_DEVICE,
        Mode::Stored => &*STORED_DEVICE,
    };
    cost::estimate(checked, Sizes::Device(declared)).max
}

static NEW_DEVICE: LazyLock<Decl> = LazyLock::new(|| declaration(Type::Any));
static STORED_DEVICE: LazyLock<Decl> = LazyLock::new(|| declaration(Type::Dyn));
static NEW: LazyLock<Env> = LazyLock::new(|| env(Mode::New, &NEW_DEVICE));
static STORED: LazyLock<Env> = LazyLock::new(|| env(Mode::Stored, &STORED_DEVICE).with_includes());

fn env(mode: Mode, device: &Decl) -> Env {
    Env::base(mode)
        .with_bindings()
        .with_declared("device", device)
}

/// A device as selectors see it; `attribute` is what an attribute's value may be.
fn declaration(attribute: Type) -> Decl {
    let attribute = Decl::simple(attribute, 1).sized(VALUE_LENGTH);
    let text = |length| Decl::simple(Type::String, 2).sized(length);
    let by_name = |value| {
        let inner = Decl::map(text(ID_LENGTH), value, ENTRIES);
        Decl::map(text(DOMAIN_LENGTH), inner, ENTRIES)
    };
    let quantity = Decl::simple(Type::object("kubernetes.Quantity"), 8);
    let fields = [
        ("driver", text(DRIVER_LENGTH)),
        ("attributes", by_name(attribute)),
        ("capacity", by_name(quantity)),
        (
            "allowMultipleAllocations",
            Decl::simple(Type::Bool, 4).sized(1),
        ),
    ];
    let fields = fields.map(|(name, decl)| (name.to_owned(), decl));
    Decl::object("kubernetes.DRADevice", fields)
}
