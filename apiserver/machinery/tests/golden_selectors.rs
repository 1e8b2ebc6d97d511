//! Selectors against recorded answers of the reference: what was refused, and in which words. Reads the recordings beside the
//! repository and skips where they are absent; the tests beside the selectors prove the rules without them.

use std::path::Path;

use serde_json::Value;
use triad_machinery::selector::{FieldSelector, LabelSelector, SelectorError};

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = [bytes.next(), bytes.next()]
                    .map(|digit| char::from(digit.unwrap_or(b'0')).to_digit(16).unwrap_or(0));
                out.push(u8::try_from(hex[0] * 16 + hex[1]).unwrap_or(0));
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What the text of one parameter comes to; `None` for parameters that are no selectors.
fn parsed(parameter: &str) -> Option<Result<String, SelectorError>> {
    let (name, value) = parameter.split_once('=')?;
    let value = decoded(value).replace("${u}", "u").replace("${ns}", "ns");
    match name {
        "labelSelector" => Some(LabelSelector::parse(&value).map(|selector| selector.to_string())),
        "fieldSelector" => Some(FieldSelector::parse(&value).map(|selector| selector.to_string())),
        _ => None,
    }
}

#[test]
fn selectors_are_read_as_recorded() {
    let root = Path::new("../../../shared/golden/suites");
    let (mut read, mut refused) = (0, 0);
    for file in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(text) = std::fs::read_to_string(file.path()) else {
            continue;
        };
        let Ok(suite) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        for step in suite["cases"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|case| case["steps"].as_array())
            .flatten()
        {
            let query = step["path"]
                .as_str()
                .and_then(|path| path.split_once('?'))
                .map_or("", |(_, query)| query);
            let message = step["expect"]["json"]["message"].as_str().unwrap_or("");
            for result in query.split('&').filter_map(parsed) {
                match result {
                    Ok(_) => {
                        read += 1;
                        let about_text = [
                            "found '",
                            "unable to parse requirement",
                            "invalid selector",
                            "invalid field selector",
                        ];
                        assert!(
                            !about_text.iter().any(|start| message.starts_with(start)),
                            "{query}: {message}"
                        );
                    }
                    Err(error) => {
                        refused += 1;
                        let silent = step["expect"]["json"].is_null();
                        assert!(
                            silent || error.0 == message,
                            "{query}\n want {message}\n got  {error}"
                        );
                    }
                }
            }
        }
    }
    assert!(
        read == 0 || read > 300 && refused > 20,
        "only {read} read and {refused} refused"
    );
}
