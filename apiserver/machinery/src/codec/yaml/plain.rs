//! JSON that means the same as YAML: what most clients send under YAML's name. Whatever might be read in another way is left to the YAML
//! parser, which takes several times as long.

use serde_json::Value;

use crate::codec::{Strictness, json};
use crate::nesting::is_deep;

/// Longer ones are no keys in YAML (1,024 characters with their quotes).
const LONGEST_KEY: usize = 1000;

/// The value of a document on one line, in ASCII without escapes, whose numbers are integers and whose keys come once.
pub(super) fn value(data: &[u8]) -> Option<Value> {
    let line = data.strip_suffix(b"\n").unwrap_or(data);
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    if line.first() != Some(&b'{') || !line.iter().all(plain) {
        return None;
    }
    let decoded = json::decode_untyped(line, Strictness::Report).ok()?;
    let same = decoded.strict_errors.is_empty()
        && !is_deep(&[&decoded.value])
        && means_the_same(&decoded.value);
    same.then_some(decoded.value)
}

fn means_the_same(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64(),
        Value::Array(items) => items.iter().all(means_the_same),
        Value::Object(map) => map
            .iter()
            .all(|(key, value)| key.len() <= LONGEST_KEY && means_the_same(value)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::yaml::{node, value as yaml_value};
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,6}".prop_map(Value::from),
            prop::sample::select(vec![
                "<<",
                "yes",
                "0x1",
                "1e3",
                "~",
                "a: b",
                "- a",
                "#",
                "2020-01-01",
                "é\t"
            ])
            .prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let key = "[ -~]{0,4}|<<|y|1|null";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..5).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        /// What is read as JSON is what the YAML parser makes of it, with nothing to say about it.
        #[test]
        fn plain_json_is_yaml(mut document in any_json(), indented in any::<bool>()) {
            if !document.is_object() {
                document = serde_json::json!({"a": document});
            }
            let text = if indented { format!("{document:#}") } else { format!("{document}\n") };
            if let Some(quick) = value(text.as_bytes()) {
                let parsed = node::parse(&text).and_then(|parsed| yaml_value::convert(&parsed));
                prop_assert_eq!(parsed, Ok((quick, Vec::new())));
            }
        }
    }

    #[test]
    fn what_means_something_else_is_left_to_yaml() {
        let left = [
            r#"{"a":1e3}"#,
            r#"{"a":1,"a":2}"#,
            "{\"a\":\"\\u0041\"}",
            "{\"a\"\n:1}",
            "a: 1",
            "{\"a\":\"é\"}",
            "{\"a\":\t1}",
            "[]",
            "{a: 1}",
            "{\"a\":1}\n---\n{}",
            r#"{"a":9223372036854775808}"#,
            "",
        ];
        for text in left {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
        let long = format!("{{{:?}:1}}", "k".repeat(1001));
        assert_eq!(value(long.as_bytes()), None);
        assert!(value(br#"{"a":{"b":[1,"yes",null,true]}}"#).is_some());
    }
}
