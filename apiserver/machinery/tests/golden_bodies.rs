//! Request bodies of the recorded API conversations: what the decoders say of them is what the reference said. The recordings lie
//! beside the repository; where they are absent this test says so and passes, and `json_errors.rs` holds examples of each text.

#![allow(
    clippy::print_stderr,
    reason = "figures and skips are for whoever runs the tests"
)]

use std::path::PathBuf;

use serde_json::Value;
use triad_machinery::codec::{DecodeError, Strictness, json};
use triad_machinery::schema::schema;

struct Body {
    place: String,
    bytes: Vec<u8>,
    status: u64,
    message: String,
    warnings: Vec<String>,
    /// Strict or Ignore was asked for: no warnings.
    silent: bool,
}

fn bodies() -> Option<Vec<Body>> {
    let dir = PathBuf::from("../../../shared/golden/suites");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: no recordings at {}", dir.display());
        return None;
    };
    let mut bodies = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let suite: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        for case in suite["cases"].as_array().into_iter().flatten() {
            for step in case["steps"].as_array().into_iter().flatten() {
                let kind = step["headers"]["Content-Type"].as_str();
                let method = step["method"].as_str().unwrap_or("");
                if !matches!(method, "POST" | "PUT")
                    || !matches!(kind, None | Some("application/json"))
                {
                    continue;
                }
                let bytes = match (&step["body"], &step["text"]) {
                    (Value::Null, Value::String(text)) => text.clone().into_bytes(),
                    (Value::Null, _) => continue,
                    (body, _) => serde_json::to_vec(body).unwrap(),
                };
                let warnings = match &step["expect"]["headers"]["warning"] {
                    Value::String(one) => vec![one.clone()],
                    Value::Array(all) => all
                        .iter()
                        .filter_map(|w| w.as_str().map(str::to_owned))
                        .collect(),
                    _ => Vec::new(),
                };
                bodies.push(Body {
                    place: format!(
                        "{}/{}/{}",
                        entry.file_name().to_string_lossy(),
                        case["id"].as_str().unwrap(),
                        step["id"]
                    ),
                    bytes,
                    status: step["expect"]["status"].as_u64().unwrap_or(0),
                    message: step["expect"]["json"]["message"]
                        .as_str()
                        .unwrap_or("")
                        .replace("<<time>>", "2006-01-02T15:04:05Z")
                        .replace("<<mtime>>", "2006-01-02T15:04:05.000000Z"),
                    warnings,
                    silent: step["path"]
                        .as_str()
                        .is_some_and(|p| p.contains("fieldValidation=")),
                });
            }
        }
    }
    Some(bodies)
}

#[test]
fn bodies_are_judged_as_recorded() {
    let Some(bodies) = bodies() else { return };
    let (mut bad, mut refused, mut strict, mut accepted) = (Vec::new(), 0, 0, 0);
    for body in &bodies {
        if body.place.contains("webhook")
            || body.place.starts_with("crd.json")
            || body.place.starts_with("aggregation")
        {
            continue;
        }
        let meta = match json::interpret(&body.bytes) {
            Ok(meta) => meta,
            Err(error) => {
                if body.message.contains("unrecognized (must be")
                    && !body.message.contains(&error.to_string())
                {
                    bad.push(format!(
                        "{}: got {error}, want {}",
                        body.place, body.message
                    ));
                }
                continue;
            }
        };
        let (group, version) = meta.group_version();
        let Some(id) = schema().kind(group, version, &meta.kind) else {
            continue;
        };
        let result = json::decode(&body.bytes, id, Strictness::Report);
        let handled = body
            .message
            .split_once(&format!(" cannot be handled as a {}: ", meta.kind))
            .map(|(_, m)| m);
        match (result, handled) {
            (Err(DecodeError::Unfit(got)), Some(want)) if got == want => refused += 1,
            (Err(got), want) if (200..300).contains(&body.status) || want.is_some() => {
                bad.push(format!(
                    "{}: got {got:?}, want {} {want:?}",
                    body.place, body.status
                ));
            }
            (Ok(decoded), Some(want)) => {
                let found = want.strip_prefix("strict decoding error: ");
                let got = decoded.strict_errors.join(", ");
                match found {
                    Some(found) if found == got => strict += 1,
                    None if want.starts_with("no kind") || want.starts_with("converting") => {}
                    _ => bad.push(format!("{}: got {got:?}, want {want}", body.place)),
                }
            }
            (Ok(decoded), None) if (200..300).contains(&body.status) => {
                accepted += 1;
                for error in &decoded.strict_errors {
                    let shown = format!("299 - {error:?}");
                    if !body.silent && !body.warnings.is_empty() && !body.warnings.contains(&shown)
                    {
                        bad.push(format!("{}: not warned of {error}", body.place));
                    }
                }
            }
            _ => {}
        }
    }
    eprintln!(
        "{} bodies: {accepted} accepted, {refused} refused, {strict} strict",
        bodies.len()
    );
    assert!(
        bad.is_empty(),
        "{}:\n{}",
        bad.len(),
        bad[..bad.len().min(30)].join("\n")
    );
}
