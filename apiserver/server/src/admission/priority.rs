//! Priority: a pod's class becomes its number and preemption policy; classes keep to their rules
//! (kubernetes plugin/pkg/admission/priority).

use super::{Attributes, Lookup, Operation, Plugin, Seen, Verdict};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) struct Priority {
    pub(super) lookup: Arc<Lookup>,
}

impl Priority {
    /// The class that pods without one get: of several, the lowest value.
    fn global_default(&self) -> Option<Value> {
        let cache = &self.lookup.priority_classes;
        let classes = cache.snapshot();
        let defaults = classes
            .all()
            .filter_map(|class| self.lookup.known.object(cache, class))
            .filter(|class| class.get("globalDefault") == Some(&Value::Bool(true)));
        defaults.min_by_key(value)
    }
}

fn value(class: &Value) -> i64 {
    class.get("value").and_then(Value::as_i64).unwrap_or(0)
}

impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn admit(&self, attributes: &Attributes, object: &mut Value, old: Seen<'_>) -> Verdict {
        if !attributes.is_whole("", "pods") {
            return Ok(());
        }
        if attributes.operation == Operation::Update {
            // The numbers never change; a client may leave them out.
            for field in ["priority", "preemptionPolicy"] {
                let kept = old.and_then(|old| old.pointer(&format!("/spec/{field}")));
                if let (None, Some(kept)) = (object.pointer(&format!("/spec/{field}")), kept) {
                    object["spec"][field] = kept.clone();
                }
            }
            return Ok(());
        }
        if attributes.operation != Operation::Create {
            return Ok(());
        }
        let asked = object
            .pointer("/spec/priorityClassName")
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned();
        let class = if asked.is_empty() {
            self.global_default()
        } else {
            self.lookup.find(&self.lookup.priority_classes, "", &asked)
        };
        if class.is_none() && !asked.is_empty() {
            return Err(attributes.forbidden(
                Some(object),
                format!("no PriorityClass with name {asked} was found"),
            ));
        }
        if let (true, Some(class)) = (asked.is_empty(), &class) {
            object["spec"]["priorityClassName"] = triad_machinery::meta::name(class).into();
        }
        let priority = class.as_ref().map_or(0, value);
        let policy = class
            .as_ref()
            .and_then(|class| class.get("preemptionPolicy"))
            .cloned()
            .unwrap_or_else(|| json!("PreemptLowerPriority"));
        if object
            .pointer("/spec/priority")
            .and_then(Value::as_i64)
            .is_some_and(|given| given != priority)
        {
            let given = &object["spec"]["priority"];
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; \
                 priority admission controller computed {priority} from the given PriorityClass name"
            );
            return Err(attributes.forbidden(Some(object), why));
        }
        if object
            .pointer("/spec/preemptionPolicy")
            .is_some_and(|given| *given != policy)
        {
            let given = object
                .pointer("/spec/preemptionPolicy")
                .and_then(Value::as_str)
                .unwrap_or("");
            let computed = policy.as_str().unwrap_or("");
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; \
                 priority admission controller computed {computed} from the given PriorityClass name"
            );
            return Err(attributes.forbidden(Some(object), why));
        }
        object["spec"]["priority"] = json!(priority);
        object["spec"]["preemptionPolicy"] = policy;
        Ok(())
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        let Some(object) =
            object.filter(|_| attributes.is_whole("scheduling.k8s.io", "priorityclasses"))
        else {
            return Ok(());
        };
        if object.get("globalDefault") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        match self.global_default() {
            Some(other)
                if triad_machinery::meta::name(&other) != triad_machinery::meta::name(object) =>
            {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    triad_machinery::meta::name(&other)
                );
                Err(attributes.forbidden(Some(object), why))
            }
            _ => Ok(()),
        }
    }
}
