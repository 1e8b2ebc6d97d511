//! What became of the scheduled backups, kept in the store so that every member can say it and the next leader knows.

use crate::metrics::{head, line};
use bytes::Bytes;
use serde_json::{Value, json};
use triad_kv::{Change, Error, Store, Txn};

/// Beside the API's objects, which all lie under /registry/.
const KEY: &str = "/triad/backups";

/// The last success and the last failure, or null.
pub(super) fn read(store: &Store) -> Result<Value, Error> {
    let entry = store.get(KEY.as_bytes(), None)?;
    Ok(entry
        .and_then(|entry| serde_json::from_slice(&entry.value).ok())
        .unwrap_or(Value::Null))
}

pub(super) async fn succeeded(store: &Store, what: Value) -> Result<(), Error> {
    let old = read(store)?;
    let failures = old["failures"].as_u64().unwrap_or(0);
    let record = json!({"success": what, "failure": old["failure"], "failures": failures});
    write(store, &record).await
}

pub(super) async fn failed(
    store: &Store,
    time: String,
    seconds: i64,
    why: &str,
) -> Result<(), Error> {
    let old = read(store)?;
    let failures = old["failures"].as_u64().unwrap_or(0) + 1;
    let failure = json!({"time": time, "unixSeconds": seconds, "why": why});
    let record = json!({"success": old["success"], "failure": failure, "failures": failures});
    write(store, &record).await
}

async fn write(store: &Store, record: &Value) -> Result<(), Error> {
    let put = Change::Put {
        key: Bytes::from_static(KEY.as_bytes()),
        value: record.to_string().into(),
        ttl_seconds: None,
    };
    let txn = Txn {
        compares: Vec::new(),
        changes: vec![put],
    };
    store.txn(txn).await.map(|_| ())
}

/// The lines of /metrics.
pub(crate) fn render(out: &mut String, store: &Store) {
    let Ok(record) = read(store) else { return };
    if record.is_null() {
        return;
    }
    let mut number = |name: &str, kind: &str, help: &str, value: &Value| {
        if let Some(value) = value.as_f64() {
            head(out, name, kind, help);
            line(out, name, &[], value);
        }
    };
    number(
        "triad_backup_last_success_timestamp_seconds",
        "gauge",
        "When the last scheduled backup that succeeded was made.",
        &record["success"]["unixSeconds"],
    );
    number(
        "triad_backup_last_duration_seconds",
        "gauge",
        "How long it took.",
        &record["success"]["seconds"],
    );
    number(
        "triad_backup_last_failure_timestamp_seconds",
        "gauge",
        "When a scheduled backup failed last.",
        &record["failure"]["unixSeconds"],
    );
    number(
        "triad_backup_failures_total",
        "counter",
        "How many scheduled backups have failed.",
        &record["failures"],
    );
}
