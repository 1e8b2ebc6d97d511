//! What members say about themselves and each other: one report per member, gathered by whichever is asked.

use super::certificates::Certificates;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use time::format_description::well_known::Rfc3339;
use triad_kv::{Answer, Peer, Store};

/// The one question that members' servers ask each other so far.
const REPORT: &[u8] = b"report";

/// Answers other members about this one.
pub(crate) struct Reporter {
    store: OnceLock<Store>,
    certificates: Arc<Certificates>,
    /// Where this member's API is reached.
    api: String,
    /// How far the archive of the log has come, where this member keeps one.
    archive: Mutex<Value>,
}

impl Reporter {
    pub(crate) fn new(certificates: Arc<Certificates>, api: String) -> Self {
        Self {
            store: OnceLock::new(),
            certificates,
            api,
            archive: Mutex::default(),
        }
    }

    /// The store that is reported on; it exists only after its options, which hold this.
    pub(crate) fn watch(&self, store: &Store) {
        // Set once, by whoever opened the store.
        let _ = self.store.set(store.clone());
    }

    fn report(&self) -> Value {
        let Some(store) = self.store.get() else {
            return json!({"api": self.api});
        };
        let metrics = store.metrics();
        let health = store.health();
        let expires = self.certificates.expires();
        json!({
            "api": self.api,
            "version": env!("CARGO_PKG_VERSION"),
            "term": metrics.term,
            "index": metrics.last_index,
            "applied": metrics.applied_index,
            "revision": metrics.revision.0,
            "fsyncP99Ms": quantile_ms(&metrics.fsync_buckets, 0.99),
            "sizeBytes": metrics.log_db_bytes + metrics.state_db_bytes + metrics.memtable_bytes,
            "certificateExpires": expires.and_then(|at| at.format(&Rfc3339).ok()),
            "trouble": health.trouble,
            "archive": *self.archive.lock(),
        })
    }

    pub(crate) fn set_archive(&self, archive: Value) {
        *self.archive.lock() = archive;
    }

    /// How far the leader says that the archive has come; null when it does not say.
    pub(crate) async fn leaders_archive(&self) -> Value {
        let Some(store) = self.store.get() else {
            return Value::Null;
        };
        let Some(leader) = store.members().into_iter().find(|peer| peer.leader) else {
            return Value::Null;
        };
        self.of(store, &leader).await["archive"].take()
    }

    /// Every member with what it says of itself; one that does not answer is marked.
    pub(crate) async fn members(&self) -> Value {
        let Some(store) = self.store.get() else {
            return json!([]);
        };
        let peers = store.members();
        let reports = futures_util::future::join_all(peers.iter().map(|peer| self.of(store, peer)));
        let reports = reports.await;
        let newest = reports.iter().filter_map(|r| r["index"].as_u64()).max();
        let members = peers.iter().zip(reports).map(|(peer, report)| {
            let mut member = json!({
                "name": peer.member.name,
                "id": format!("{:016x}", peer.id),
                "address": peer.member.address,
                "leader": peer.leader,
                "role": if peer.voter { "voter" } else { "learner" },
                "reachable": !report.is_null(),
            });
            if let (Some(fields), Value::Object(report)) = (member.as_object_mut(), report) {
                fields.extend(report);
                let applied = fields.get("applied").and_then(Value::as_u64);
                if let (Some(newest), Some(applied)) = (newest, applied) {
                    fields.insert("lag".into(), newest.saturating_sub(applied).into());
                }
            }
            member
        });
        members.collect()
    }

    async fn of(&self, store: &Store, peer: &Peer) -> Value {
        if peer.own {
            return self.report();
        }
        match store.ask(peer, REPORT).await {
            Ok(answer) => serde_json::from_slice(&answer).unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// The API's addresses of all members that answer, this one first.
    pub(crate) async fn endpoints(&self) -> Vec<String> {
        let members = self.members().await;
        let mut endpoints = vec![self.api.clone()];
        for member in members.as_array().into_iter().flatten() {
            if let Some(api) = member["api"].as_str()
                && api != self.api
            {
                endpoints.push(api.to_owned());
            }
        }
        endpoints
    }
}

impl Answer for Reporter {
    fn answer(&self, question: Bytes) -> Pin<Box<dyn Future<Output = Bytes> + Send>> {
        let answer = if question == REPORT {
            self.report().to_string()
        } else {
            "null".to_owned()
        };
        Box::pin(std::future::ready(answer.into()))
    }
}

/// The upper bound of the bucket that a quantile falls into, in milliseconds.
fn quantile_ms(buckets: &[(f64, u64)], quantile: f64) -> Option<f64> {
    let total = buckets.last()?.1;
    if total == 0 {
        return None;
    }
    let wanted = (total as f64 * quantile).ceil() as u64;
    let found = buckets.iter().find(|(_, count)| *count >= wanted)?;
    found.0.is_finite().then_some(found.0 * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::quantile_ms;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let buckets = [(0.001, 90), (0.002, 98), (0.004, 100), (f64::INFINITY, 100)];
        assert_eq!(quantile_ms(&buckets, 0.5), Some(1.0));
        assert_eq!(quantile_ms(&buckets, 0.99), Some(4.0));
        assert_eq!(quantile_ms(&[], 0.99), None);
        assert_eq!(quantile_ms(&[(0.001, 0), (f64::INFINITY, 0)], 0.99), None);
    }
}
