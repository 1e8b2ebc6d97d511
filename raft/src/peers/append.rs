//! Log entries on their way to a follower: requests go out as openraft makes them, without
//! waiting for the answers to those before, and answers come back in the same order.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError};
use openraft::network::{NetStreamAppend, RPCOption};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use openraft::{OptionalSend, Raft};

use super::network::{Link, RETRY_INTERVAL, unreachable};
use super::session::{Session, check_consecutive};
use super::wire::{self, Append, Appended};
use crate::StateMachine;
use crate::state_machine::Driver;
use crate::type_config::TypeConfig;

type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

impl NetStreamAppend<TypeConfig> for Link {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Answer>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let (session, input) = Session::begin(input);
        let frames = input.map(|request| Ok(Frame::data(wire::frame(&Append::new(&request)))));
        let body = StreamBody::new(frames).boxed_unsync();
        Box::pin(async move {
            let sent = self.connection.send("/peer/v1/append", body);
            let begun = tokio::time::timeout(option.hard_ttl(), sent).await;
            let begun = begun.unwrap_or_else(|_| {
                let name = &self.connection.member.name;
                Err(super::Failed::Unknown(format!(
                    "member {name} does not answer in time"
                )))
            });
            let response = match begun {
                Ok(response) => response,
                Err(failed) => {
                    // openraft pauses where the requests are read, and nobody has come to that yet.
                    tokio::time::sleep(RETRY_INTERVAL).await;
                    return Err(unreachable(failed));
                }
            };
            let answers = wire::messages::<Appended>(response.into_body()).map(|answer| {
                answer.map(StreamAppendResult::from).map_err(|why| {
                    RPCError::Network(NetworkError::new(&std::io::Error::other(why)))
                })
            });
            Ok(session.answers(answers).boxed() as BoxStream<'s, Answer>)
        })
    }
}

/// The follower's side: what comes in is handed to openraft, its answers are the body.
pub(super) fn serve<S: StateMachine>(
    raft: &Raft<TypeConfig, Driver<S>>,
    body: Incoming,
) -> impl Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> + Send + 'static {
    // A request that does not decode, or would leave a hole in the log, ends the stream: the leader dials anew and sends it again.
    let requests = wire::messages::<Append>(body).scan((), |(), message| {
        let request = message.and_then(Append::request);
        let request = request.and_then(|r| check_consecutive(&r).map(|()| r));
        if let Err(why) = &request {
            tracing::debug!(%why, "a stream of log entries ended");
        }
        std::future::ready(request.ok())
    });
    raft.stream_append(requests)
        .scan((), |(), result| std::future::ready(result.ok()))
        .map(|result| Ok(Frame::data(wire::frame(&Appended::from(result)))))
}
