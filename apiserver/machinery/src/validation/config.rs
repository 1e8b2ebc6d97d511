//! Config maps and secrets: keys, sizes, what a type of secret needs, and the switch that makes them immutable
//! (pkg/apis/core/validation/validation.go).

use serde_json::Value;

use super::at::{At, Errors};
use super::formats;

/// All data of one object together.
const MAX_BYTES: usize = 1024 * 1024;
const SET: &str = "field is immutable when `immutable` is set";

/// The number of bytes behind a base64 text.
fn decoded_len(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

pub(crate) fn config_map(object: &At<'_>, errors: &mut Errors) {
    let (data, binary) = (object.get("data"), object.get("binaryData"));
    let mut size = 0;
    for (key, value) in data.entries() {
        for problem in formats::config_key(key) {
            errors.invalid_value(&value, key, problem);
        }
        if binary.get(key).given() {
            errors.invalid_value(&value, key, "duplicate of key present in binaryData");
        }
        size += value.text().len();
    }
    for (key, value) in binary.entries() {
        for problem in formats::config_key(key) {
            errors.invalid_value(&value, key, problem);
        }
        size += decoded_len(value.text());
    }
    if size > MAX_BYTES {
        errors.too_long(&At::absent("[]"), MAX_BYTES);
    }
}

/// What may not change once `immutable` is set.
fn frozen(object: &At<'_>, old: &At<'_>, fields: &[&str], errors: &mut Errors) {
    if !old.get("immutable").yes() {
        return;
    }
    if !object.get("immutable").yes() {
        errors.forbidden(&object.get("immutable"), SET);
    }
    for field in fields {
        if !super::same(object.get(field).value, old.get(field).value) {
            errors.forbidden(&object.get(field), SET);
        }
    }
}

pub(crate) fn config_map_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    frozen(object, old, &["data", "binaryData"], errors);
    config_map(object, errors);
}

pub(crate) fn secret(object: &At<'_>, errors: &mut Errors) {
    let data = object.get("data");
    let mut size = 0;
    for (key, value) in data.entries() {
        for problem in formats::config_key(key) {
            errors.invalid_value(&value, key, problem);
        }
        size += decoded_len(value.text());
    }
    if size > MAX_BYTES {
        errors.too_long(&data, MAX_BYTES);
    }
    let account = "kubernetes.io/service-account.name";
    match object.get("type").text() {
        "kubernetes.io/service-account-token" => {
            errors.need(&object.get("metadata").get("annotations").key(account));
        }
        "kubernetes.io/dockercfg" => json(&data.key(".dockercfg"), errors),
        "kubernetes.io/dockerconfigjson" => json(&data.key(".dockerconfigjson"), errors),
        "kubernetes.io/basic-auth" => {
            let both = [data.key("username"), data.key("password")];
            if both.iter().all(|at| !at.given()) {
                for at in &both {
                    errors.required(at, "");
                }
            }
        }
        "kubernetes.io/ssh-auth" => {
            errors.need(&data.key("ssh-privatekey"));
        }
        "kubernetes.io/tls" => {
            for at in [data.key("tls.crt"), data.key("tls.key")] {
                if !at.given() {
                    errors.required(&at, "");
                }
            }
        }
        _ => {}
    }
}

/// A JSON object behind base64.
fn json(at: &At<'_>, errors: &mut Errors) {
    if !at.given() {
        return errors.required(at, "");
    }
    let bytes = crate::codec::base64::decode(at.text()).unwrap_or_default();
    let problem = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(other) => {
            let kind = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        }
        Err(_) => crate::codec::json::syntax_message(&bytes),
    };
    errors.invalid_value(at, "<secret contents redacted>", problem);
}

pub(crate) fn secret_update(object: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable(&object.get("type"), &old.get("type"));
    frozen(object, old, &["data"], errors);
    secret(object, errors);
}
