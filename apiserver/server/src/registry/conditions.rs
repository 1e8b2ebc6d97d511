//! Conditions that the server itself sets on objects: one of each type, its time moves when its status does.

use crate::clock::Clock;
use serde_json::{Value, json};

/// What is found out about an object.
pub(crate) struct Condition {
    pub(crate) kind: &'static str,
    pub(crate) status: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Condition {
    pub(crate) fn new(
        kind: &'static str,
        status: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Condition {
            kind,
            status,
            reason,
            message: message.into(),
        }
    }

    /// Sets it on the object; false: the object says so already.
    pub(crate) fn set(&self, object: &mut Value) -> bool {
        let status = if self.status { "True" } else { "False" };
        let mut condition = json!({"type": self.kind, "status": status, "lastTransitionTime": Clock.now(),
            "reason": self.reason, "message": self.message});
        let list = object.pointer("/status/conditions");
        let mut list = list.and_then(Value::as_array).cloned().unwrap_or_default();
        match list.iter_mut().find(|other| other["type"] == self.kind) {
            Some(there) => {
                if there["status"] == status {
                    condition["lastTransitionTime"] = there["lastTransitionTime"].clone();
                }
                if *there == condition {
                    return false;
                }
                *there = condition;
            }
            None => list.push(condition),
        }
        object["status"]["conditions"] = list.into();
        true
    }
}

/// An object's condition of a type.
pub(crate) fn find<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let list = object.pointer("/status/conditions")?.as_array()?;
    list.iter().find(|condition| condition["type"] == kind)
}

/// Whether an object's condition of a type is met.
pub(crate) fn is_true(object: &Value, kind: &str) -> bool {
    find(object, kind).is_some_and(|condition| condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stays_while_the_status_does() {
        let mut object = json!({"status": {"conditions": [{"type": "Available", "status": "False",
            "lastTransitionTime": "2020-01-01T00:00:00Z", "reason": "A", "message": "a"}]}});
        assert!(!Condition::new("Available", false, "A", "a").set(&mut object));
        assert!(Condition::new("Available", false, "B", "b").set(&mut object));
        let condition = &object["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], "2020-01-01T00:00:00Z");
        assert_eq!(condition["reason"], "B");
        assert!(Condition::new("Available", true, "C", "c").set(&mut object));
        assert_ne!(
            object["status"]["conditions"][0]["lastTransitionTime"],
            "2020-01-01T00:00:00Z"
        );
        assert!(is_true(&object, "Available"));
    }
}
