//! Expressions that were run by the reference, with what came of them: value, type, cost, error. `tests/peers/kubernetes/cel`
//! recorded the answers (environment `run`). The first line holds the object that all of them are run over.

use serde_json::{Value as Json, json};
use std::fs;
use triad_cel::compile::compile;
use triad_cel::env::{Env, Mode};
use triad_cel::eval::{Error, Value, evaluate};
use triad_cel::types::Type;

const BUDGET: u64 = 1_000_000;

fn env() -> Env {
    Env::base(Mode::Stored).with_variable("object", Type::Dyn)
}

fn run(env: &Env, text: &str, object: &Json) -> Json {
    let checked = compile(env, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let outcome = evaluate(&checked, &[("object", Value::of(object))], BUDGET);
    let mut answer = match outcome.result {
        Ok(value) => {
            let json = value.to_json().unwrap_or(json!("-"));
            json!({"type": value.type_name(), "value": json})
        }
        Err(error) => json!({"eval_error": error.to_string()}),
    };
    answer["cost"] = json!(outcome.cost);
    answer
}

/// The recorded answer in the same form. What has no form as JSON was recorded as `-`, whole numbers as doubles.
fn wanted(answer: &Json) -> Json {
    let mut wanted = answer.clone();
    if let Some(text) = answer["value"].as_str() {
        wanted["value"] = serde_json::from_str(text).unwrap_or(json!("-"));
    }
    if wanted.get("cost").is_none() {
        wanted["cost"] = json!(0);
    }
    wanted
}

fn same(got: &Json, wanted: &Json) -> bool {
    match (got, wanted) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|b| same(value, b)))
        }
        (_, Json::String(text)) if text == "-" => true,
        _ => got == wanted,
    }
}

#[test]
fn values_errors_and_costs_are_the_references() {
    let recorded = fs::read_to_string("tests/recorded/runs.jsonl").expect("a recording");
    let mut lines = recorded.lines();
    let head: Json = serde_json::from_str(lines.next().expect("an object")).expect("JSON");
    let env = env();
    let (mut count, mut differing) = (0, Vec::new());
    for line in lines {
        let case: Json = serde_json::from_str(line).expect("a case");
        let text = case["expr"].as_str().expect("an expression");
        let (mut got, mut wanted) = (run(&env, text, &head["object"]), wanted(&case["answer"]));
        if wanted.get("eval_error").is_some() {
            // What had been spent by then nobody sees.
            (got["cost"], wanted["cost"]) = (Json::Null, Json::Null);
        }
        if !same(&got, &wanted) {
            differing.push(format!("{text}\n  wanted {wanted}\n  got    {got}"));
        }
        count += 1;
    }
    assert!(count >= 1_400, "{count} cases");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn what_costs_more_than_it_may_ends_there() {
    let env = env();
    let object = json!({"list": (0..1_000).collect::<Vec<_>>()});
    let text = "object.list.all(a, object.list.all(b, object.list.all(c, a + b + c >= 0))) || true";
    let checked = compile(&env, text).expect("compiles");
    let outcome = evaluate(&checked, &[("object", Value::of(&object))], 100_000);
    assert_eq!(outcome.result.expect_err("too dear"), Error::Budget);
    assert!(
        outcome.cost > 100_000 && outcome.cost < 100_100,
        "{}",
        outcome.cost
    );
}

#[test]
fn deep_expressions_run_on_a_stack_that_holds_them() {
    let text = vec!["1"; 200].join(" + ");
    let checked = compile(&env(), &text).expect("compiles");
    let outcome = evaluate(&checked, &[("object", Value::Null)], BUDGET);
    assert_eq!(outcome.result.expect("a number"), Value::Int(200));
}

/// Appending to what a macro gathers must not copy it at each step.
#[test]
fn long_lists_are_mapped_in_time() {
    let object = json!({"list": (0..20_000).collect::<Vec<_>>()});
    let checked = compile(
        &env(),
        "object.list.map(x, x + 1).filter(x, x % 2 == 0).size()",
    )
    .expect("compiles");
    let started = std::time::Instant::now();
    let outcome = evaluate(&checked, &[("object", Value::of(&object))], 10_000_000);
    assert_eq!(outcome.result.expect("a number"), Value::Int(10_000));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

/// With the hour that the clocks of a place showed then.
#[test]
fn places_have_their_own_time() {
    let env = env();
    for (text, hour) in [
        (
            "timestamp('2024-07-01T12:00:00Z').getHours('US/Central')",
            7,
        ),
        (
            "timestamp('2024-01-01T12:00:00Z').getHours('US/Central')",
            6,
        ),
        (
            "timestamp('2024-07-01T12:00:00Z').getHours('Asia/Kolkata')",
            17,
        ),
        (
            "timestamp('2024-07-01T12:00:00Z').getMinutes('Asia/Kolkata')",
            30,
        ),
        (
            "timestamp('2024-07-01T12:00:00Z').getHours('Etc/GMT+2')",
            10,
        ),
        ("timestamp('2024-07-01T12:00:00Z').getHours('UTC')", 12),
        ("timestamp('2024-07-01T12:00:00Z').getHours('')", 12),
        ("timestamp('2024-07-01T12:00:00Z').getHours('-02:30')", 9),
        (
            "timestamp('2024-07-01T12:00:00Z').getDate('Pacific/Kiritimati')",
            2,
        ),
    ] {
        let value = run(&env, text, &Json::Null)["value"].clone();
        assert_eq!(value.as_f64(), Some(f64::from(hour)), "{text}");
    }
    for zone in ["us/central", "Moon/Tycho", "1:2:3", "+1"] {
        let text = format!("timestamp('2024-07-01T12:00:00Z').getHours('{zone}')");
        let error = run(&env, &text, &Json::Null)["eval_error"].to_string();
        assert!(error.contains("unknown time zone"), "{error}");
    }
}
