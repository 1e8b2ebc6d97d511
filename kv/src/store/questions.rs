//! What members ask each other beside the log: each other's state hash, and whatever their users
//! have to say. Each compares its own hash with the others'; one that differs from most stops.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use tokio::time::Instant;
use triad_raft::Answer;

use super::Running;
use crate::Error;
use crate::hashes::Hashes;

/// How often a member compares itself with the others.
pub(super) const COMPARE_INTERVAL: Duration = Duration::from_secs(60);
/// How long a member that lags may take to reach the index that is asked for.
const REACH_LIMIT: Duration = Duration::from_secs(1);
const REACH_PAUSE: Duration = Duration::from_millis(5);

/// The first byte of a question says whose it is.
const OF_STORE: u8 = 0;
const OF_USER: u8 = 1;

/// The hash after an entry. In an answer without one, the entry is not known there (any more).
#[derive(Clone, Copy, PartialEq, Message)]
struct HashAt {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, optional, tag = "2")]
    hash: Option<u64>,
}

/// Answers other members.
pub(super) struct Questions {
    hashes: Arc<Hashes>,
    user: Arc<dyn Answer>,
}

impl Questions {
    pub(super) fn new(hashes: Arc<Hashes>, user: Arc<dyn Answer>) -> Self {
        Self { hashes, user }
    }
}

impl Answer for Questions {
    fn answer(&self, mut question: Bytes) -> Pin<Box<dyn Future<Output = Bytes> + Send>> {
        let body = question.split_off(question.len().min(1));
        if question.first() == Some(&OF_USER) {
            return self.user.answer(body);
        }
        let hashes = self.hashes.clone();
        Box::pin(async move {
            // What is not understood is answered like what is not known.
            let asked = HashAt::decode(body).unwrap_or_default();
            let hash = hash_at(&hashes, asked.index).await;
            HashAt {
                index: asked.index,
                hash,
            }
            .encode_to_vec()
            .into()
        })
    }
}

async fn hash_at(hashes: &Hashes, index: u64) -> Option<u64> {
    let deadline = Instant::now() + REACH_LIMIT;
    while hashes.newest().is_none_or(|(newest, _)| newest < index) && Instant::now() < deadline {
        tokio::time::sleep(REACH_PAUSE).await;
    }
    hashes.at(index)
}

pub(super) fn for_user(question: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + question.len());
    out.put_u8(OF_USER);
    out.put_slice(question);
    out.freeze()
}

/// Compares this member with all others after the same entry. It judges itself alone: every
/// member comes to the same verdict about its own state.
pub(super) async fn compare(running: &Running) -> Result<(), Error> {
    let Some((index, own)) = running.hashes.newest() else {
        return Ok(());
    };
    let mut question = vec![OF_STORE];
    question.extend(HashAt { index, hash: None }.encode_to_vec());
    let question = Bytes::from(question);
    let (mut agree, mut differ) = (1, Vec::new());
    for peer in running.node.peers().iter().filter(|peer| !peer.own) {
        let answer = running.node.ask(peer, question.clone()).await;
        // A member that is away, or that has given the entry up, says nothing about it.
        let Ok(Ok(HashAt {
            hash: Some(hash), ..
        })) = answer.map(HashAt::decode)
        else {
            continue;
        };
        if hash == own {
            agree += 1;
        } else {
            differ.push((peer.member.name.clone(), hash));
        }
    }
    judge(index, agree, &differ)
}

fn judge(index: u64, agree: usize, differ: &[(String, u64)]) -> Result<(), Error> {
    let Some((name, _)) = differ.first() else {
        return Ok(());
    };
    let against = differ
        .iter()
        .map(|(_, hash)| differ.iter().filter(|(_, other)| other == hash).count())
        .max()
        .unwrap_or(0);
    if against > agree {
        return Err(Error::Corrupt {
            what: format!(
                "after entry {index} it differs from the majority of the members: remove this \
                 member's data directory and let it join again"
            ),
            file: "state".into(),
        });
    }
    tracing::error!(index, member = %name, "a member's state differs from this one's");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(hashes: &[u64]) -> Vec<(String, u64)> {
        hashes.iter().map(|hash| ("x".into(), *hash)).collect()
    }

    #[test]
    fn the_odd_one_judges_itself_and_nobody_else_does() {
        assert!(judge(9, 3, &[]).is_ok());
        assert!(judge(9, 2, &others(&[7])).is_ok());
        assert!(judge(9, 1, &others(&[7, 7])).is_err());
        // Without a majority nobody can tell who is wrong.
        assert!(judge(9, 1, &others(&[7])).is_ok());
        assert!(judge(9, 1, &others(&[7, 8])).is_ok());
    }
}
