//! Secrets: stringData is written into data and never stored (kubernetes pkg/registry/core/secret).

use crate::registry::Strategy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(in crate::registry) struct Secrets;

fn merge_string_data(object: &mut Value) {
    let Some(Value::Object(strings)) = object
        .as_object_mut()
        .and_then(|root| root.shift_remove("stringData"))
    else {
        return;
    };
    for (key, value) in strings {
        object["data"][key] = STANDARD.encode(value.as_str().unwrap_or("")).into();
    }
}

impl Strategy for Secrets {
    fn normalise(&self, object: &mut Value) {
        merge_string_data(object);
    }
}
