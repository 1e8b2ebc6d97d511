//! One stream of log entries to a follower, kept honest where openraft 0.10.0-alpha.37 is not: a
//! stream whose answers end early is taken up again with the entries that were asked for last,
//! although they may have been purged since, and what the log still has of them is then sent as if
//! it came next. The follower would be left with a hole in its log, and apply what lies behind it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use futures_util::{Stream, StreamExt, stream};
use openraft::entry::RaftEntry;
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use openraft::{LogIdOptionExt, RaftTypeConfig};
use tokio::sync::oneshot;

/// What the requests and the answers of one stream know of each other.
#[derive(Debug)]
pub struct Session {
    counts: Arc<Counts>,
    /// Gone with the answers: then the requests end too. Those of the next stream come from the
    /// same source, and would be taken from it.
    open: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    answered: AtomicU64,
    refused: OnceLock<String>,
}

impl Session {
    /// Begins a stream: its requests, up to the first that must not be sent.
    pub fn begin<C, S>(
        requests: S,
    ) -> (
        Self,
        impl Stream<Item = AppendEntriesRequest<C>> + Send + Unpin + use<C, S>,
    )
    where
        C: RaftTypeConfig,
        S: Stream<Item = AppendEntriesRequest<C>> + Send + Unpin,
    {
        let counts = Arc::new(Counts::default());
        let (open, closed) = oneshot::channel::<()>();
        let session = Self {
            counts: counts.clone(),
            open,
        };
        let requests = requests.take_until(closed).scan((), move |(), request| {
            let sound = counts.takes(&request);
            std::future::ready(sound.then_some(request))
        });
        (session, requests)
    }

    /// The answers as openraft may see them: an end before everything is answered is an error,
    /// upon which openraft works out anew what the follower needs.
    pub fn answers<C, S>(
        self,
        answers: S,
    ) -> impl Stream<Item = Result<StreamAppendResult<C>, RPCError<C>>> + use<C, S>
    where
        C: RaftTypeConfig,
        S: Stream<Item = Result<StreamAppendResult<C>, RPCError<C>>>,
    {
        let Self { counts, open } = self;
        let end = counts.clone();
        answers
            .inspect(move |_| {
                counts.answered.fetch_add(1, Relaxed);
            })
            .chain(stream::once(async move { end.verdict() }).filter_map(std::future::ready))
            .map(move |answer| {
                let _held = &open;
                answer
            })
    }
}

impl Counts {
    fn takes<C: RaftTypeConfig>(&self, request: &AppendEntriesRequest<C>) -> bool {
        match check_consecutive(request) {
            Ok(()) => {
                self.sent.fetch_add(1, Relaxed);
                true
            }
            Err(why) => {
                // Only the first counts; it ends the requests.
                self.refused.get_or_init(|| why);
                false
            }
        }
    }

    fn verdict<T, C: RaftTypeConfig>(&self) -> Option<Result<T, RPCError<C>>> {
        let why = match self.refused.get() {
            Some(why) => why.clone(),
            None => {
                let unanswered = self.sent.load(Relaxed) - self.answered.load(Relaxed);
                (unanswered > 0)
                    .then(|| format!("the stream ended with {unanswered} requests unanswered"))?
            }
        };
        let why = std::io::Error::other(why);
        Some(Err(RPCError::Network(NetworkError::new(&why))))
    }
}

/// Whether the entries of a request follow what it says they follow, and each other.
///
/// # Errors
/// Which entry does not.
pub fn check_consecutive<C: RaftTypeConfig>(
    request: &AppendEntriesRequest<C>,
) -> Result<(), String> {
    let expected = request.prev_log_id.next_index()..;
    let indexes = request.entries.iter().map(|entry| entry.log_id_parts().1);
    match expected.zip(indexes).find(|(next, index)| next != index) {
        Some((next, index)) => Err(format!("entry {index} stands where {next} belongs")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::type_config::{CommittedLeader, Entry, LogId, Payload, TypeConfig, Vote};

    type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

    fn id(index: u64) -> LogId {
        let leader_id = CommittedLeader {
            term: 1,
            node_id: 1,
        };
        LogId { leader_id, index }
    }

    fn request(previous: u64, entries: &[u64]) -> AppendEntriesRequest<TypeConfig> {
        let entry = |index: &u64| Entry {
            log_id: id(*index),
            payload: Payload::Blank,
        };
        AppendEntriesRequest {
            vote: Vote {
                leader_id: id(0).leader_id,
                committed: true,
            },
            prev_log_id: Some(id(previous)),
            entries: entries.iter().map(entry).collect(),
            leader_commit: None,
        }
    }

    fn answer(matching: u64) -> Answer {
        Ok(Ok(Some(id(matching))))
    }

    #[tokio::test]
    async fn entries_that_do_not_follow_are_not_sent() {
        for holed in [request(5, &[9, 10]), request(5, &[6, 8]), request(5, &[5])] {
            let requests = stream::iter([request(4, &[5]), holed, request(5, &[6])]);
            let (session, sent) = Session::begin(requests);
            assert_eq!(sent.count().await, 1);
            let answers: Vec<Answer> = session.answers(stream::iter([answer(5)])).collect().await;
            assert_eq!(answers.len(), 2);
            assert!(matches!(answers[1], Err(RPCError::Network(_))));
        }
    }

    #[tokio::test]
    async fn answers_that_end_early_are_an_error() {
        let requests = stream::iter([request(4, &[5]), request(5, &[6, 7]), request(7, &[])]);
        for (answered, sound) in [(3, true), (2, false), (0, false)] {
            let (session, sent) = Session::begin(requests.clone());
            assert_eq!(sent.count().await, 3);
            let answers = stream::iter((0..answered).map(answer));
            let answers: Vec<Answer> = session.answers(answers).collect().await;
            assert_eq!(answers.len(), answered as usize + usize::from(!sound));
            assert_eq!(answers.last().is_some_and(Result::is_ok), sound);
        }
    }

    #[tokio::test]
    async fn requests_end_with_the_answers() {
        let (session, mut sent) =
            Session::begin(stream::pending::<AppendEntriesRequest<TypeConfig>>());
        let answers = session.answers(stream::pending::<Answer>());
        assert!(futures_util::poll!(sent.next()).is_pending());
        drop(answers);
        assert!(sent.next().await.is_none());
    }
}
