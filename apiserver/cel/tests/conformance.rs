//! The conformance tests of the language (cel.dev/expr, tests/simple/testdata): how many pass is printed, and never falls. They are
//! taken from the Go module of that name; where go or the module is not to be had, that is said and nothing is tested.
//!
//! What does not pass is for the most part what Kubernetes' environment has not: messages of the tests' own protobuf schemas, containers
//! for names, strong enums, expressions that are not checked, and the extensions `math`, `encoders`, `network`, `block` and `proto`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how many pass is for people"
)]

#[path = "conformance/textproto.rs"]
mod textproto;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use textproto::{Field, Message};
use triad_cel::check::Checked;
use triad_cel::compile::compile;
use triad_cel::env::{Env, Mode};
use triad_cel::eval::{Activation, Value, evaluate};
use triad_cel::types::Type;

const MODULE: &str = "cel.dev/expr@v0.25.2";
/// As many have passed before.
const LEAST: usize = 1521;
const BUDGET: u64 = 10_000_000;

#[derive(Default)]
struct Tally {
    passed: usize,
    all: usize,
    failures: Vec<String>,
}

#[test]
fn as_many_conformance_tests_pass_as_before() {
    let Some(directory) = data() else {
        eprintln!("skipped: {MODULE} is not to be had");
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "textproto")
    });
    files.sort();
    let (mut passed, mut all) = (0, 0);
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let tally = run_file(&Message::read(&text));
        println!("{name:16} {:4} of {:4}", tally.passed, tally.all);
        if std::env::var_os("TRIAD_CEL_FAILURES").is_some() {
            tally
                .failures
                .iter()
                .for_each(|failure| println!("  {name}: {failure}"));
        }
        passed += tally.passed;
        all += tally.all;
    }
    println!(
        "{passed} of {all} conformance tests pass, {:.1} %",
        passed as f64 * 100.0 / all as f64
    );
    assert!(passed >= LEAST, "{passed} pass, where {LEAST} did");
}

/// The module's tests, fetched unless they are there.
fn data() -> Option<PathBuf> {
    let told = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .current_dir(std::env::temp_dir())
        .output()
        .ok()?;
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).ok()?;
    let directory = PathBuf::from(told["Dir"].as_str()?).join("tests/simple/testdata");
    directory.is_dir().then_some(directory)
}

fn run_file(file: &Message) -> Tally {
    let mut tally = Tally::default();
    for section in file.messages("section") {
        for test in section.messages("test") {
            tally.all += 1;
            match run(test) {
                Ok(()) => tally.passed += 1,
                Err(why) => tally.failures.push(format!(
                    "{}/{}: {}: {why}",
                    section.text("name"),
                    test.text("name"),
                    test.text("expr")
                )),
            }
        }
    }
    tally
}

fn run(test: &Message) -> Result<(), String> {
    let mut env = Env::base(Mode::Stored).with_bindings().with_includes();
    let values = Bindings(
        test.messages("bindings")
            .map(binding)
            .collect::<Result<_, _>>()?,
    );
    for (name, _) in &values.0 {
        env = env.with_variable(name, Type::Dyn);
    }
    for declared in test.messages("type_env") {
        if let Some(of) = declared
            .message("ident")
            .and_then(|ident| ident.message("type"))
        {
            env = env.with_variable(&declared.text("name"), declared_type(of)?);
        }
    }
    let checked = compile(&env, &test.text("expr"));
    let fails = test.get("eval_error").is_some() || test.get("any_eval_errors").is_some();
    let checked = match checked {
        Err(_) if fails => return Ok(()),
        other => other?,
    };
    let typed = test.message("typed_result");
    if let Some(deduced) = typed.and_then(|typed| typed.message("deduced_type")) {
        same_type(&checked, &declared_type(deduced)?)?;
    }
    let wanted = match typed {
        Some(typed) => typed.message("result"),
        None => test.message("value"),
    };
    if test.text("check_only") == "true" {
        return Ok(());
    }
    match (evaluate(&checked, &values, BUDGET).result, fails) {
        (Err(_), true) => Ok(()),
        (Ok(value), true) => Err(format!("{value:?}, where it should fail")),
        (Err(error), false) => Err(error.to_string()),
        // Without anything else it should be true.
        (Ok(value), false) => match wanted {
            None if matches!(value, Value::Bool(true)) => Ok(()),
            Some(wanted) if same(&value, wanted)? => Ok(()),
            _ => Err(format!("{value:?}")),
        },
    }
}

struct Bindings(Vec<(String, Value<'static>)>);

impl Activation<'static> for Bindings {
    fn variable(&self, name: &str) -> Option<Value<'static>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}

fn binding(message: &Message) -> Result<(String, Value<'static>), String> {
    let value = message
        .message("value")
        .and_then(|value| value.message("value"));
    Ok((
        message.text("key"),
        made(value.ok_or("a binding without a value")?)?,
    ))
}

fn number<T: std::str::FromStr>(field: &Field) -> Result<T, String> {
    let text = field.text();
    text.parse().map_err(|_| format!("no number: {text}"))
}

/// A value that a test gives to a variable. Maps are made by an expression of their own: nothing else makes them.
fn made(message: &Message) -> Result<Value<'static>, String> {
    let (kind, field) = message.first().ok_or("an empty value")?;
    Ok(match kind {
        "null_value" => Value::Null,
        "bool_value" => Value::Bool(field.text() == "true"),
        "int64_value" => Value::Int(number(field)?),
        "uint64_value" => Value::Uint(number(field)?),
        "double_value" => Value::Double(number(field)?),
        "string_value" => Value::text(field.text()),
        "bytes_value" => Value::Bytes(field.bytes().into()),
        "list_value" => {
            let list = field.message().ok_or("no list")?;
            Value::list(
                list.messages("values")
                    .map(made)
                    .collect::<Result<_, _>>()?,
            )
        }
        "map_value" => {
            let entries = field.message().ok_or("no map")?;
            let mut values = Vec::new();
            for entry in entries.messages("entries") {
                for part in ["key", "value"] {
                    values.push((
                        format!("v{}", values.len()),
                        made(entry.message(part).ok_or("half an entry")?)?,
                    ));
                }
            }
            let pairs: Vec<String> = (0..values.len())
                .step_by(2)
                .map(|at| format!("v{at}: v{}", at + 1))
                .collect();
            let env = values
                .iter()
                .fold(Env::base(Mode::Stored), |env, (name, _)| {
                    env.with_variable(name, Type::Dyn)
                });
            let checked = compile(&env, &format!("{{{}}}", pairs.join(", ")))?;
            evaluate(&checked, &Bindings(values), BUDGET)
                .result
                .map_err(|error| error.to_string())?
        }
        other => return Err(format!("{other} cannot be made")),
    })
}

fn same(value: &Value<'_>, wanted: &Message) -> Result<bool, String> {
    let (kind, field) = wanted.first().ok_or("an empty value")?;
    Ok(match (kind, value) {
        ("null_value", Value::Null) => true,
        ("bool_value", Value::Bool(value)) => field.text() == value.to_string(),
        ("int64_value", Value::Int(value)) => number::<i64>(field)? == *value,
        ("uint64_value", Value::Uint(value)) => number::<u64>(field)? == *value,
        ("double_value", Value::Double(value)) => {
            let wanted: f64 = number(field)?;
            wanted == *value || wanted.is_nan() && value.is_nan()
        }
        ("string_value", Value::String(value)) => field.text() == **value,
        ("bytes_value", Value::Bytes(value)) => field.bytes() == &**value,
        ("type_value", Value::Type(value)) => field.text() == **value,
        ("list_value", Value::List(list)) => {
            let wanted: Vec<&Message> = field
                .message()
                .map(|list| list.messages("values").collect())
                .unwrap_or_default();
            wanted.len() == list.len()
                && all(list
                    .iter()
                    .zip(wanted)
                    .map(|(value, wanted)| same(&value, wanted)))?
        }
        ("map_value", Value::Map(map)) => {
            let wanted: Vec<&Message> = field
                .message()
                .map(|map| map.messages("entries").collect())
                .unwrap_or_default();
            wanted.len() == map.len() && all(wanted.iter().map(|entry| has_entry(map, entry)))?
        }
        ("object_value", Value::Duration(nanoseconds)) => {
            let (seconds, nanos) = moment(field, "google.protobuf.Duration")?;
            i128::from(*nanoseconds) == i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
        }
        ("object_value", Value::Timestamp(seconds, nanoseconds)) => {
            moment(field, "google.protobuf.Timestamp")? == (*seconds, i64::from(*nanoseconds))
        }
        _ => false,
    })
}

fn all(mut parts: impl Iterator<Item = Result<bool, String>>) -> Result<bool, String> {
    parts.try_fold(true, |so_far, part| Ok(so_far && part?))
}

fn has_entry(map: &triad_cel::eval::Map<'_>, entry: &Message) -> Result<bool, String> {
    let (key, wanted) = (
        entry.message("key").ok_or("no key")?,
        entry.message("value").ok_or("no value")?,
    );
    for (known, value) in map.entries() {
        if same(&known, key)? {
            return same(&value, wanted);
        }
    }
    Ok(false)
}

fn moment(field: &Field, name: &str) -> Result<(i64, i64), String> {
    let path = format!("type.googleapis.com/{name}");
    let found = field
        .message()
        .and_then(|any| any.message(&path))
        .ok_or("another message")?;
    let part = |name: &str| found.get(name).map_or(Ok(0), number);
    Ok((part("seconds")?, part("nanos")?))
}

fn same_type(checked: &Checked, wanted: &Type) -> Result<(), String> {
    let found = checked.output();
    match found.same(wanted) {
        true => Ok(()),
        false => Err(format!(
            "it is a {}, not a {}",
            found.shown(),
            wanted.shown()
        )),
    }
}

/// A type as the tests write it (cel.expr.Type).
fn declared_type(message: &Message) -> Result<Type, String> {
    let (kind, field) = message.first().ok_or("an empty type")?;
    let inner = |name: &str| match field.message().and_then(|of| of.message(name)) {
        Some(inner) => declared_type(inner),
        None => Ok(Type::Dyn),
    };
    Ok(match (kind, field.text().as_str()) {
        ("dyn", _) => Type::Dyn,
        ("null", _) => Type::Null,
        ("primitive" | "wrapper", name) => {
            let primitive = match name {
                "BOOL" => Type::Bool,
                "INT64" => Type::Int,
                "UINT64" => Type::Uint,
                "DOUBLE" => Type::Double,
                "STRING" => Type::String,
                "BYTES" => Type::Bytes,
                other => return Err(format!("no primitive type {other}")),
            };
            match kind {
                "wrapper" => Type::Wrapper(primitive.into()),
                _ => primitive,
            }
        }
        ("well_known", "TIMESTAMP") => Type::Timestamp,
        ("well_known", "DURATION") => Type::Duration,
        ("well_known", "ANY") => Type::Any,
        ("list_type", _) => Type::list(inner("elem_type")?),
        ("map_type", _) => Type::map(inner("key_type")?, inner("value_type")?),
        ("type", _) => Type::Type(
            field
                .message()
                .filter(|of| of.first().is_some())
                .map(|of| declared_type(of).map(Into::into))
                .transpose()?,
        ),
        ("abstract_type", _) => {
            let of = field.message().ok_or("no type")?;
            match of.text("name").as_str() {
                "optional_type" => Type::optional(
                    of.message("parameter_types")
                        .map_or(Ok(Type::Dyn), declared_type)?,
                ),
                other => return Err(format!("no type {other}")),
            }
        }
        (other, name) => return Err(format!("no type {other} {name}")),
    })
}
