//! Events that controllers write about objects. The same thing told again raises a count instead of adding an event
//! (client-go tools/record).

use super::client::{Client, Target};
use crate::api::Api;
use crate::clock::Clock;
use crate::registry::Registry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use triad_machinery::status::{Status, reason};

/// The longest name of an object that an event's name has room for, beside a dot and sixteen digits.
const NAME_MAX: usize = 253 - 17;

pub(super) struct Recorder {
    client: Client,
    events: Option<Arc<Registry>>,
    component: &'static str,
}

/// What is told, about which object.
pub(super) struct Record<'a> {
    pub(super) kind: &'a str,
    pub(super) api_version: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl Recorder {
    pub(super) fn new(api: &Arc<Api>, component: &'static str) -> Self {
        Recorder {
            client: Client::new(api),
            events: api.endpoints.registry("", "events").cloned(),
            component,
        }
    }

    /// Writes a Warning.
    pub(super) async fn warn(&self, record: &Record<'_>) -> Result<(), Status> {
        let Some(events) = &self.events else {
            return Ok(());
        };
        // What is in no namespace is told of in the default one.
        let namespace = if record.namespace.is_empty() {
            "default"
        } else {
            record.namespace
        };
        let name = event_name(record);
        let now = Clock.now();
        let event = json!({
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"kind": record.kind, "apiVersion": record.api_version, "namespace": record.namespace, "name": record.name, "uid": record.uid},
            "type": "Warning", "reason": record.reason, "message": record.message,
            "source": {"component": self.component}, "reportingComponent": self.component,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        });
        match self.client.create(events, namespace, &event).await {
            Err(status) if status.is(reason::ALREADY_EXISTS) => {
                self.again(events, namespace, &name, &now).await
            }
            other => other,
        }
    }

    async fn again(
        &self,
        events: &Arc<Registry>,
        namespace: &str,
        name: &str,
        now: &str,
    ) -> Result<(), Status> {
        let Some(stored) = events.get_local(namespace, name)? else {
            return Ok(());
        };
        let count = stored.object.get("count").and_then(Value::as_i64);
        let patch = json!({"count": count.unwrap_or(0) + 1, "lastTimestamp": now});
        let target = Target::new(events, namespace, name);
        self.client.patch(target, &patch).await
    }
}

/// The same for the same thing told of the same object.
fn event_name(record: &Record<'_>) -> String {
    let told = format!("{}\0{}\0{}", record.uid, record.reason, record.message);
    let digest = Sha256::digest(told.as_bytes());
    let digits: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "{}.{digits}",
        record.name.get(..NAME_MAX).unwrap_or(record.name)
    )
}
