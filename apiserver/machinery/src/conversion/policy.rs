//! Disruption budgets: an empty selector meant no pod in v1beta1 and means every pod in v1 (kubernetes
//! pkg/apis/policy/v1beta1/conversion.go).

use serde_json::{Map, Value, json};

use super::spec;

/// A label that no pod has, in whose terms the one version says what the other says with nothing.
const LABEL: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";

fn with(operator: &str) -> Value {
    json!({"matchExpressions": [{"key": LABEL, "operator": operator}]})
}

fn selector(budget: &mut Map<String, Value>) -> Option<&mut Value> {
    spec(budget)?.get_mut("selector")
}

pub(super) fn budget_to_v1(budget: &mut Map<String, Value>) {
    let Some(selector) = selector(budget) else {
        return;
    };
    if *selector == json!({}) {
        *selector = with("Exists");
    } else if *selector == with("DoesNotExist") {
        *selector = json!({});
    } else if let Some(list) = selector
        .get_mut("matchExpressions")
        .and_then(Value::as_array_mut)
    {
        list.retain(|expression| expression["key"] != LABEL);
    }
}

pub(super) fn budget_from_v1(budget: &mut Map<String, Value>) {
    let Some(selector) = selector(budget) else {
        return;
    };
    if *selector == with("Exists") {
        *selector = json!({});
    } else if *selector == json!({}) {
        *selector = with("DoesNotExist");
    }
}
