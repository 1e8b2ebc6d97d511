//! RuntimeClass: a pod's class gives it the overhead of its sandbox and chooses among the nodes
//! (kubernetes plugin/pkg/admission/runtimeclass).

use super::{Attributes, Lookup, Plugin, Seen, Verdict};
use serde_json::{Key, Map, Value};
use std::sync::Arc;
use triad_machinery::quantity::Quantity;
use triad_machinery::status::Status;

const OTHER_OVERHEAD: &str =
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
const STRAY_OVERHEAD: &str =
    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";

pub(super) struct RuntimeClass {
    pub(super) lookup: Arc<Lookup>,
}

impl RuntimeClass {
    fn class(&self, attributes: &Attributes, pod: &Value) -> Result<Option<Value>, Status> {
        let named = pod
            .pointer("/spec/runtimeClassName")
            .and_then(Value::as_str);
        let Some(name) = named else {
            return Ok(None);
        };
        if name.is_empty() {
            return Err(Status::plain_error("resource name may not be empty"));
        }
        match self.lookup.find(&self.lookup.runtime_classes, "", name) {
            Some(class) => Ok(Some(class)),
            None => {
                let why = format!("pod rejected: RuntimeClass {name:?} not found");
                Err(attributes.forbidden(Some(pod), why))
            }
        }
    }
}

fn overhead(class: &Value) -> Option<&Value> {
    class
        .get("overhead")
        .filter(|overhead| !overhead.is_null())
        .map(|overhead| overhead.get("podFixed").unwrap_or(&Value::Null))
}

/// Whether two lists of resources ask for the same, however the amounts are written.
fn same_amounts(a: &Value, b: &Value) -> bool {
    let amounts = |list: &Value| -> Vec<(Key, Option<Quantity>)> {
        let entries = list.as_object().into_iter().flatten();
        let mut amounts: Vec<_> = entries
            .map(|(name, amount)| {
                let amount = amount.as_str().and_then(|text| Quantity::parse(text).ok());
                (name.clone(), amount)
            })
            .collect();
        amounts.sort_by(|one, other| one.0.cmp(&other.0));
        amounts
    };
    amounts(a) == amounts(b)
}

fn schedule(scheduling: &Value, pod: &mut Value) -> Result<(), String> {
    let none = Map::new();
    let wanted = scheduling.get("nodeSelector").and_then(Value::as_object);
    let mut labels = pod
        .pointer("/spec/nodeSelector")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (key, value) in wanted.unwrap_or(&none) {
        match labels.get(key) {
            Some(own) if own != value => {
                let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                    text(value),
                    text(own)
                ));
            }
            _ => labels.put(key, value.clone()),
        };
    }
    if !labels.is_empty() {
        pod["spec"]["nodeSelector"] = labels.into();
    }
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned();
    let mut all = list(pod.pointer("/spec/tolerations")).unwrap_or_default();
    all.extend(list(scheduling.get("tolerations")).unwrap_or_default());
    if !all.is_empty() {
        pod["spec"]["tolerations"] = merged(&all).into();
    }
    Ok(())
}

/// Without those that another one contains.
fn merged(all: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for (at, toleration) in all.iter().enumerate() {
        let later = all.get(at + 1..).unwrap_or_default();
        let contained = kept.iter().any(|other| contains(other, toleration))
            || later
                .iter()
                .any(|other| other != toleration && contains(other, toleration));
        if !contained {
            kept.push(toleration.clone());
        }
    }
    kept
}

/// Whether `wide` tolerates all that `narrow` does.
fn contains(wide: &Value, narrow: &Value) -> bool {
    let text = |toleration: &Value, field: &str| -> String {
        let text = toleration.get(field).and_then(Value::as_str);
        text.unwrap_or("").to_owned()
    };
    if wide == narrow {
        return true;
    }
    let operator = text(wide, "operator");
    let all_keys = text(wide, "key").is_empty() && operator == "Exists";
    if text(wide, "key") != text(narrow, "key") && !all_keys {
        return false;
    }
    let effect = text(wide, "effect");
    if !effect.is_empty() && effect != text(narrow, "effect") {
        return false;
    }
    let seconds = |of: &Value| of.get("tolerationSeconds").and_then(Value::as_i64);
    if effect == "NoExecute"
        && seconds(wide).is_some_and(|most| seconds(narrow).is_none_or(|asked| asked > most))
    {
        return false;
    }
    match operator.as_str() {
        "" | "Equal" => {
            text(narrow, "operator") == "Equal" && text(wide, "value") == text(narrow, "value")
        }
        "Exists" => true,
        _ => false,
    }
}

impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, _old: Seen<'_>) -> Verdict {
        if !attributes.creates("", "pods") {
            return Ok(());
        }
        let Some(class) = self.class(attributes, object)? else {
            return Ok(());
        };
        if let Some(amounts) = overhead(&class) {
            let own = object.pointer("/spec/overhead").unwrap_or(&Value::Null);
            let given = own.as_object().is_some_and(|own| !own.is_empty());
            if given && !same_amounts(own, amounts) {
                return Err(attributes.forbidden(Some(object), OTHER_OVERHEAD));
            }
            object["spec"]["overhead"] = amounts.clone();
        }
        if let Some(scheduling) = class.get("scheduling") {
            schedule(scheduling, object).map_err(|why| attributes.forbidden(Some(object), why))?;
        }
        Ok(())
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let Some(pod) = object.filter(|_| attributes.creates("", "pods")) else {
            return Ok(());
        };
        let class = self.class(attributes, pod)?;
        let own = pod.pointer("/spec/overhead").unwrap_or(&Value::Null);
        let why = match class.as_ref().and_then(overhead) {
            Some(amounts) if !same_amounts(own, amounts) => OTHER_OVERHEAD,
            None if !own.is_null() => STRAY_OVERHEAD,
            _ => return Ok(()),
        };
        Err(attributes.forbidden(Some(pod), why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_compared_by_what_they_are() {
        assert!(same_amounts(&json!({"cpu": "1"}), &json!({"cpu": "1000m"})));
        assert!(!same_amounts(&json!({"cpu": "1"}), &json!({"cpu": "2"})));
        assert!(same_amounts(&Value::Null, &json!({})));
    }

    #[test]
    fn a_class_adds_to_the_choice_of_nodes() {
        let scheduling = json!({"nodeSelector": {"a": "b"},
            "tolerations": [{"key": "k", "operator": "Exists"}]});
        let mut pod = json!({"spec": {"nodeSelector": {"c": "d"},
            "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}]}});
        assert_eq!(schedule(&scheduling, &mut pod), Ok(()));
        let want = json!({"spec": {"nodeSelector": {"c": "d", "a": "b"},
            "tolerations": [{"key": "k", "operator": "Exists"}]}});
        assert_eq!(pod, want);
        pod["spec"]["nodeSelector"]["a"] = json!("x");
        let said = schedule(&scheduling, &mut pod);
        assert_eq!(
            said,
            Err("conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = x".into())
        );
    }

    #[test]
    fn seconds_limit_what_is_tolerated() {
        let with = |seconds: Option<i64>| {
            let mut toleration = json!({"key": "k", "operator": "Exists", "effect": "NoExecute"});
            if let Some(seconds) = seconds {
                toleration["tolerationSeconds"] = json!(seconds);
            }
            toleration
        };
        assert!(contains(&with(None), &with(Some(5))));
        assert!(contains(&with(Some(5)), &with(Some(4))));
        assert!(!contains(&with(Some(5)), &with(Some(6))));
        assert!(!contains(&with(Some(5)), &with(None)));
    }
}
