//! Scale before autoscaling/v1: the selector of its status was a map, with the text beside it where the map could not say it
//! (kubernetes pkg/apis/extensions/v1beta1/conversion.go).

use serde_json::{Map, Value};

use crate::selector::label::LabelSelector;

fn status(scale: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    scale.get_mut("status").and_then(Value::as_object_mut)
}

pub(super) fn selector_to_text(scale: &mut Map<String, Value>) {
    let Some(status) = status(scale) else { return };
    let map = status.shift_remove("selector");
    let text = status.shift_remove("targetSelector").or_else(|| {
        let mut pairs: Vec<String> = map
            .as_ref()?
            .as_object()?
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
            .collect();
        pairs.sort();
        Some(pairs.join(",").into())
    });
    if let Some(text) = text {
        status.set("selector", text);
    }
}

pub(super) fn text_to_selector(scale: &mut Map<String, Value>) {
    let Some(status) = status(scale) else { return };
    let Some(Value::String(text)) = status.shift_remove("selector") else {
        return;
    };
    // The map can say no more than that labels have values.
    let plain: Option<Map<String, Value>> = LabelSelector::parse(&text)
        .is_ok()
        .then_some(())
        .and_then(|()| text.split(',').map(pair).collect());
    if let Some(map) = plain {
        status.set("selector", map.into());
    }
    status.set("targetSelector", text.into());
}

fn pair(term: &str) -> Option<(String, Value)> {
    let (key, value) = term.trim().split_once('=')?;
    let value = value.trim_start_matches('=');
    let plain = !key.ends_with('!') && !key.contains(' ') && !value.contains([' ', '(']);
    plain.then(|| (key.to_owned(), value.into()))
}
