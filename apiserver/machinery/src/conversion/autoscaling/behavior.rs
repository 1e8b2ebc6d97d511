//! The behavior of a HorizontalPodAutoscaler as v1's annotation has it: the reference writes its own memory there, so fields bear
//! Go's names and all of them are said; it reads them in any case.

use serde_json::{Map, Value};

const DIRECTIONS: [(&str, &str); 2] = [("ScaleUp", "scaleUp"), ("ScaleDown", "scaleDown")];
const RULES: [(&str, &str); 4] = [
    ("StabilizationWindowSeconds", "stabilizationWindowSeconds"),
    ("SelectPolicy", "selectPolicy"),
    ("Policies", "policies"),
    ("Tolerance", "tolerance"),
];
const POLICY: [(&str, &str); 3] = [
    ("Type", "type"),
    ("Value", "value"),
    ("PeriodSeconds", "periodSeconds"),
];

/// v2's behavior as the annotation has it.
pub(super) fn from_v2(mut behavior: Value) -> Value {
    rename(&mut behavior, &DIRECTIONS, |_, rules| {
        rename(rules, &RULES, |field, value| {
            for policy in policies(field, value) {
                rename(policy, &POLICY, |_, _| {});
            }
        });
    });
    behavior
}

/// None: it says nothing.
pub(super) fn to_v2(said: &Value) -> Option<Value> {
    let mut behavior = read(said, &DIRECTIONS);
    for rules in behavior.values_mut() {
        let mut read_rules = read(rules, &RULES);
        for (field, value) in &mut read_rules {
            for policy in policies(field, value) {
                *policy = Value::Object(read(policy, &POLICY));
            }
        }
        *rules = Value::Object(read_rules);
    }
    (!behavior.is_empty()).then_some(Value::Object(behavior))
}

fn policies<'a>(field: &str, value: &'a mut Value) -> impl Iterator<Item = &'a mut Value> {
    let policies = field.eq_ignore_ascii_case("policies").then_some(value);
    let policies = policies.and_then(Value::as_array_mut);
    policies.into_iter().flatten()
}

/// An object with Go's names in Go's order; what is not said is null.
fn rename(value: &mut Value, names: &[(&str, &str)], inner: impl Fn(&str, &mut Value)) {
    let Value::Object(map) = value else {
        return;
    };
    let renamed = names.iter().map(|(go, json)| {
        let mut value = map.shift_remove(*json).unwrap_or_default();
        inner(json, &mut value);
        ((*go).to_owned(), value)
    });
    *value = Value::Object(renamed.collect());
}

/// An object with v2's names; what is null is left out.
fn read(said: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (go, json) in names {
        let mut fields = said.as_object().into_iter().flatten();
        let found = fields.find(|(name, value)| name.eq_ignore_ascii_case(go) && !value.is_null());
        if let Some((_, value)) = found {
            map.insert((*json).to_owned(), value.clone());
        }
    }
    map
}
