//! Any text as an expression, and any JSON as what it is run over: refused, or a result within its budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use std::sync::LazyLock;
use triad_cel::compile::compile;
use triad_cel::cost::{Sizes, estimate};
use triad_cel::env::{Env, Mode};
use triad_cel::eval::{Value, evaluate};
use triad_cel::types::Type;

const BUDGET: u64 = 100_000;

static ENV: LazyLock<Env> =
    LazyLock::new(|| Env::base(Mode::Stored).with_variable("object", Type::Dyn));

fuzz_target!(|data: &[u8]| {
    let split = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..split]) else {
        return;
    };
    let Ok(checked) = compile(&ENV, text) else {
        return;
    };
    let cost = estimate(&checked, Sizes::None);
    assert!(cost.min <= cost.max);
    let object: Json = serde_json::from_slice(data.get(split + 1..).unwrap_or_default())
        .unwrap_or_else(|_| serde_json::json!({"a": [1, "b", {"c": true}]}));
    let outcome = evaluate(&checked, &[("object", Value::of(&object))], BUDGET);
    if let Ok(value) = outcome.result {
        // It can be told of, or it is said why not.
        let _ = value.to_json();
    }
});
