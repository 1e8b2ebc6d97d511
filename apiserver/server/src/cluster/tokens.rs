//! Join tokens: made by an admin, shown once, kept as a hash in the store, gone when their time is over.
//!
//! A token is `triad.` and base64url of JSON: the API's addresses, the CA's fingerprint, the token's id and its secret. So
//! whoever holds it can reach the cluster, be sure of it, and prove that it was asked in.

mod token;

pub(crate) use token::Token;

use super::{hex, now};
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use triad_kv::{Change, Error, Store, Txn};

/// Beside the API's objects, which all lie under /registry/.
const KEYS: &str = "/triad/tokens/";

/// Makes a token of a role that is good for some seconds; its id and secret.
pub(crate) async fn create(
    store: &Store,
    role: &str,
    ttl_seconds: u32,
) -> Result<(String, String), Error> {
    let id = hex(&rand::random::<[u8; 4]>());
    let secret = hex(&rand::random::<[u8; 24]>());
    let expires = now() + u64::from(ttl_seconds);
    let record = json!({"role": role, "hash": digest(&secret), "expires": expires});
    let put = Change::Put {
        key: key(&id),
        value: record.to_string().into(),
        ttl_seconds: Some(ttl_seconds),
    };
    store
        .txn(Txn {
            compares: Vec::new(),
            changes: vec![put],
        })
        .await?;
    Ok((id, secret))
}

/// Whether a proof belongs to a token of this role that still is good.
pub(crate) async fn admits(store: &Store, role: &str, proof: &str) -> Result<bool, Error> {
    let Some((id, secret)) = proof.split_once('.') else {
        return Ok(false);
    };
    // A token that was revoked a moment ago elsewhere must not be good here.
    store.read_barrier().await?;
    let Some(entry) = store.get(&key(id), None)? else {
        return Ok(false);
    };
    let record: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
    let fresh = record["expires"].as_u64() > Some(now());
    // Hashes are compared, so how long it takes tells nothing about the secret.
    Ok(fresh && record["role"] == role && record["hash"] == digest(secret))
}

/// All tokens, without what would let anybody in.
pub(crate) fn list(store: &Store) -> Result<Value, Error> {
    let end = triad_kv::prefix_end(KEYS.as_bytes());
    let range = store.range(KEYS.as_bytes(), &end, None, 0)?;
    let tokens = range.entries.iter().map(|entry| {
        let record: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let id = String::from_utf8_lossy(&entry.key[KEYS.len()..]).into_owned();
        json!({"id": id, "role": record["role"], "expires": record["expires"]})
    });
    Ok(tokens.collect())
}

/// Whether there was such a token.
pub(crate) async fn revoke(store: &Store, id: &str) -> Result<bool, Error> {
    let before = store.get(&key(id), None)?;
    let delete = Change::Delete { key: key(id) };
    store
        .txn(Txn {
            compares: Vec::new(),
            changes: vec![delete],
        })
        .await?;
    Ok(before.is_some())
}

fn key(id: &str) -> Bytes {
    format!("{KEYS}{id}").into()
}

fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// A token's time, as people write it: `24h`, `30m`.
pub(crate) fn seconds(text: &str) -> Result<u32> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(anyhow!("{text:?} is not a time such as 24h")),
    };
    let number: u32 = number
        .parse()
        .with_context(|| format!("{text:?} is not a time such as 24h"))?;
    number
        .checked_mul(factor)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| anyhow!("{text:?} is not a time that a token can be good for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use triad_kv::StoreOptions;

    fn token() -> Token {
        Token {
            endpoints: vec!["10.0.0.1:6443".into()],
            ca: "ab".into(),
            id: "0102".into(),
            secret: "s3".into(),
        }
    }

    #[test]
    fn a_token_comes_back_and_anything_else_is_refused() {
        assert_eq!(
            Token::parse(&format!("{}\n", token().text())).unwrap(),
            token()
        );
        for text in ["", "triad.", "triad.!!", "K10abc::server:xyz", "triad.e30"] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
        assert_eq!(seconds("24h").unwrap(), 86400);
        for text in ["", "h", "0s", "-1h", "1w", "99999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_admits_until_it_is_revoked_and_only_in_its_role() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(dir.path(), "a"))
            .await
            .unwrap();
        let (id, secret) = create(&store, "server", 60).await.unwrap();
        let proof = format!("{id}.{secret}");
        assert!(admits(&store, "server", &proof).await.unwrap());
        assert!(!admits(&store, "agent", &proof).await.unwrap());
        assert!(
            !admits(&store, "server", &format!("{id}.{secret}0"))
                .await
                .unwrap()
        );
        assert!(!admits(&store, "server", "nothing").await.unwrap());
        let listed = list(&store).unwrap().to_string();
        assert!(
            listed.contains(&id) && !listed.contains(&secret) && !listed.contains(&digest(&secret))
        );
        assert!(revoke(&store, &id).await.unwrap());
        assert!(!admits(&store, "server", &proof).await.unwrap());
        store.shutdown().await;
    }
}
