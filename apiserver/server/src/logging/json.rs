//! Lines as JSON (component-base logs/json): `ts` in milliseconds since 1970, `caller`, `msg`, `v` but for errors, and what is said
//! beside.

use super::line::{Line, Said, place};
use super::verbosity::verbosity_of;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::{Event, Level};

pub(super) fn line(event: &Event<'_>) -> String {
    format!("{}\n", document(event))
}

fn document(event: &Event<'_>) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.unwrap_or_default().as_secs_f64() * 1e3;
    let line = Line::of(event);
    let mut said = Map::new();
    let mut put = |name: &str, value: Value| {
        said.insert(name.to_owned(), value);
    };
    put("ts", json!(milliseconds));
    put("caller", json!(place(event)));
    put("msg", json!(line.message));
    let level = event.metadata().level();
    if *level != Level::ERROR {
        put("v", json!(verbosity_of(level).max(0)));
    }
    for (name, value) in line.values {
        let value = match value {
            Said::Text(text) => json!(text),
            Said::Bare(text) => serde_json::from_str(&text).unwrap_or(json!(text)),
        };
        put(name, value);
    }
    Value::Object(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::line::tests::logged;

    #[test]
    fn each_line_is_a_document() {
        let text = logged(line, || {
            tracing::info!(pod = "a\"}\n{", count = 3, on = true, "hello");
            tracing::error!(error = "broken", "failed");
        });
        let read = |line: &str| -> Value { serde_json::from_str(line).expect("a document") };
        let lines: Vec<Value> = text.lines().map(read).collect();
        let [hello, failed] = lines.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(
            (&hello["msg"], &hello["v"], &hello["count"]),
            (&json!("hello"), &json!(0), &json!(3))
        );
        assert_eq!(
            (&hello["pod"], &hello["on"]),
            (&json!("a\"}\n{"), &json!(true))
        );
        assert!(hello["ts"].as_f64().is_some_and(|ts| ts > 1.6e12));
        assert_eq!(
            (&failed["err"], &failed["v"]),
            (&json!("broken"), &Value::Null)
        );
    }
}
