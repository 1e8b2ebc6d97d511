//! What is written while things break: rising numbers, each to several keys at once, so that a half transaction, a lost one and
//! one that came twice are all seen afterwards. What is said of it is what a ledger reads.

use std::time::Duration;

use bytes::Bytes;
use triad_kv::{Change, Error, Revision, Store, Txn, TxnOutcome};

use crate::Dice;

/// Writes rising numbers, each to three keys at once, and now and then to a fourth that it then
/// deletes, as long as it is to go on.
///
/// # Errors
/// When the store cannot be read.
pub async fn write(
    store: Store,
    writer: u64,
    seed: u64,
    going: impl Fn() -> bool,
    say: impl Fn(&str),
) -> Result<(), Error> {
    let mut dice = Dice::new(seed ^ (writer << 32));
    let key = |part: &str| Bytes::from(format!("/t/{writer}/{part}"));
    let last = store.get(&key("a"), None)?.map_or(0, |e| number(&e.value));
    for count in last + 1.. {
        if !going() {
            break;
        }
        let most = if dice.one_in(10) { 20_000 } else { 500 };
        let filler = "x".repeat(usize::try_from(dice.below(most)).unwrap_or(0));
        let value = Bytes::from(format!("{count:020}{filler}"));
        let put = |part| Change::Put {
            key: key(part),
            value: value.clone(),
            ttl_seconds: None,
        };
        let mut changes = vec![put("a"), put("b"), put("c")];
        changes.push(if count % 2 == 0 {
            put("d")
        } else {
            Change::Delete { key: key("d") }
        });
        say(&format!("try {writer} {count}"));
        match store
            .txn(Txn {
                compares: vec![],
                changes,
            })
            .await
        {
            Ok(TxnOutcome::Committed { revision }) => {
                say(&format!("ack {writer} {count} {revision}"))
            }
            Ok(other) => say(&format!("odd {other:?}")),
            Err(e) => {
                say(&format!("error {writer} {count} {e}"));
                tokio::time::sleep(Duration::from_millis(20)).await;
                // Its outcome is unknown; what comes next must not be mixed up with it.
            }
        }
    }
    Ok(())
}

/// Flushes and compacts now and then.
pub async fn disturb(store: Store, seed: u64) {
    let mut dice = Dice::new(!seed);
    loop {
        tokio::time::sleep(Duration::from_millis(10 + dice.below(60))).await;
        if dice.one_in(2) {
            // While the store is down there is nothing to flush or compact.
            let _ = store.flush().await;
        } else {
            let (from, to) = (store.compacted().0, store.revision().0);
            let _ = store
                .compact(Revision(from + dice.below((to - from) / 2 + 1)))
                .await;
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(&value[..20])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}
