//! Expressions, good and bad, in every environment, with what the reference says of them: `tests/peers/kubernetes/cel` recorded
//! the answers. Errors are compared to the letter, costs to the unit.

use std::fs;

use serde_json::{Value, json};
use triad_cel::compile::compile;
use triad_cel::cost::{Sizes, estimate};
use triad_cel::env::{Env, Mode};
use triad_cel::environments::access;
use triad_cel::environments::definition::{Place, declaration};
use triad_cel::environments::device;
use triad_cel::environments::policy::{Compiler, Scope, Wanted};
use triad_cel::types::Type;

/// Asks for an answer to each recorded request; all differences are shown at once.
fn replay(name: &str, at_least: usize) {
    let path = format!("tests/recorded/{name}.jsonl");
    let recorded = fs::read_to_string(&path).expect("a recording");
    let mut differing = Vec::new();
    let mut count = 0;
    for line in recorded.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let answer = answer(&case);
        if answer != case["answer"] {
            differing.push(format!(
                "{}\n  wanted {}\n  got    {answer}",
                case["expr"], case["answer"]
            ));
        }
        count += 1;
    }
    assert!(count >= at_least, "{count} cases");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn mode(case: &Value) -> Mode {
    if case["stored"] == true {
        Mode::Stored
    } else {
        Mode::New
    }
}

fn answer(case: &Value) -> Value {
    let text = case["expr"].as_str().expect("an expression");
    let found = match case["env"].as_str() {
        Some("base") => base(text, mode(case)),
        Some("policy") => policy(text, case),
        Some("dra") => selector(text, mode(case)),
        Some("claims") => access::claims(text, &wanted(case)).map(|_| json!({})),
        Some("user") => access::user(text, &wanted(case)).map(|_| json!({})),
        Some("request") => access::request(text).map(|_| json!({})),
        _ => rule(text, case),
    };
    found.unwrap_or_else(|error| json!({ "error": error }))
}

fn wanted(case: &Value) -> Vec<Type> {
    match case["want"].as_str() {
        Some("any") => vec![Type::Any],
        Some(_) => vec![Type::String, Type::list(Type::String)],
        None => vec![Type::Bool],
    }
}

fn base(text: &str, mode: Mode) -> Result<Value, String> {
    let checked = compile(&Env::base(mode), text)?;
    let cost = estimate(&checked, Sizes::None);
    Ok(json!({"type": checked.output().declared(), "min": cost.min, "max": cost.max}))
}

fn policy(text: &str, case: &Value) -> Result<Value, String> {
    let variables = case["variables"].as_array();
    let mut compiler = match variables {
        None => Compiler::plain(),
        Some(_) => Compiler::composing(),
    };
    let scope = Scope {
        mode: mode(case),
        params: case["params"] == true,
        authorizer: true,
        patches: false,
    };
    for variable in variables.into_iter().flatten() {
        let part = |index: usize| variable[index].as_str().expect("a text");
        // A variable that does not compile is known nevertheless.
        let _ = compiler.variable(part(0), part(1), scope);
    }
    let wanted = match case["want"].as_str() {
        Some("bool") => Wanted::Bool,
        Some("string") => Wanted::String,
        Some("audit") => Wanted::StringOrNull,
        Some("apply") => Wanted::ApplyConfiguration,
        Some("jsonpatch") => Wanted::Patches,
        _ => Wanted::Any,
    };
    let scope = Scope {
        authorizer: case["authorizer"] == true,
        patches: case["patch"] == true,
        ..scope
    };
    let checked = compiler.compile(text, wanted, scope)?;
    Ok(json!({"type": checked.output().declared()}))
}

fn selector(text: &str, mode: Mode) -> Result<Value, String> {
    let checked = device::selector(text, mode)?;
    let cost = device::cost(&checked, mode);
    Ok(json!({"type": checked.output().declared(), "max": cost}))
}

fn rule(text: &str, case: &Value) -> Result<Value, String> {
    let decl = declaration(&case["schema"], true)
        .ok_or("failed to convert to declType for CEL validation rules")?;
    let place = Place::new(decl);
    let optional = case["optional"] == true;
    let rule = place.rule(text, mode(case), optional)?;
    let mut answer = json!({"max": rule.cost, "cardinality": place.cardinality()});
    if let Some(message) = case["message"].as_str() {
        match place.message(message, mode(case), optional) {
            Ok(compiled) if compiled.cost == 0 => {}
            Ok(compiled) => answer["message_max"] = compiled.cost.into(),
            Err(error) => answer["message_error"] = error.into(),
        }
    }
    Ok(answer)
}

#[test]
fn syntax() {
    replay("syntax", 180);
}

#[test]
fn types() {
    replay("types", 300);
}

#[test]
fn policies() {
    replay("policies", 150);
}

#[test]
fn devices() {
    replay("devices", 80);
}

#[test]
fn definitions() {
    replay("definitions", 150);
}

/// What is noticed only when an expression is made to run: constants that do not convert, patterns that are none.
#[test]
fn programs() {
    replay("programs", 140);
}

#[test]
fn access_to_the_server() {
    replay("access", 30);
}

/// What is compiled once is used by many at a time.
#[test]
fn compiled_expressions_are_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Env>();
    shared::<triad_cel::check::Checked>();
}
