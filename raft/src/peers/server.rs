//! Takes calls of other members: who they are is proved by their certificate, that they mean this
//! member of this cluster by their words. It runs on the raft thread, beside openraft.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use openraft::Raft;
use openraft::raft::{TransferLeaderRequest, VoteRequest};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::connection::{CLUSTER, FROM, Outgoing, TO};
use super::wire::{Ballot, Change, Chunk, Offer, Proposed, Transfer, Transferred, Wanted, whole};
use super::{PeerOptions, append, receive};
use crate::node::Lead;
use crate::state_machine::{Driver, StateSource};
use crate::type_config::{Frame, TypeConfig, Vote};
use crate::{Error, Identity, Position, StateMachine};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_LIMIT: Duration = Duration::from_secs(5);
const WINDOW: u32 = 4 << 20;
/// Calls of one member at a time; more of them wait on its side.
const MAX_STREAMS: u32 = 512;
/// How long the listener rests when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers the calls.
pub(crate) struct Service<S: StateMachine> {
    pub(crate) raft: Raft<TypeConfig, Driver<S>>,
    pub(crate) identity: Identity,
    pub(crate) dir: PathBuf,
    pub(crate) lead: Lead<S>,
    pub(crate) options: PeerOptions,
}

/// A call that is not answered: the status and the reason.
type Refusal = (StatusCode, String);
type Reply = Result<Response<Outgoing>, Refusal>;

/// Binds the address and serves until the task is dropped.
pub(crate) async fn listen<S: StateMachine>(service: Arc<Service<S>>) -> Result<(), Error> {
    let address = service.options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| Error::io(format!("listening for members on {address}"), e))?;
    tracing::info!(%address, "listening for members");
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(service.clone(), stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "a member's connection was not taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Ok(())
}

async fn connection<S: StateMachine>(service: Arc<Service<S>>, stream: TcpStream) {
    let peer = stream.peer_addr();
    let acceptor =
        tokio_rustls::TlsAcceptor::from(service.options.tls.server(service.identity.node));
    let secured = timeout(HANDSHAKE_LIMIT, async {
        stream.set_nodelay(true)?;
        acceptor.accept(stream).await
    });
    let stream = match secured.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(?peer, %error, "refused a connection to the members' port");
            return;
        }
        Err(_) => return,
    };
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_LIMIT)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(answer(&service, request).await) }
            }),
        );
    if let Err(error) = served.await {
        tracing::debug!(?peer, %error, "a member's connection ended");
    }
}

async fn answer<S: StateMachine>(
    service: &Arc<Service<S>>,
    request: Request<Incoming>,
) -> Response<Outgoing> {
    let (head, body) = request.into_parts();
    let replied = match meant_for(service, &head.headers) {
        Ok(()) => route(service, head.uri.path(), body).await,
        Err(refusal) => Err(refusal),
    };
    replied.unwrap_or_else(|(status, why)| {
        let mut response = Response::new(Full::from(why).boxed_unsync());
        *response.status_mut() = status;
        response
    })
}

fn meant_for<S: StateMachine>(service: &Service<S>, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name| text(name).and_then(|value| value.parse::<u64>().ok());
    let identity = &service.identity;
    if text(CLUSTER) != Some(identity.token().as_str()) {
        return Err((
            StatusCode::FORBIDDEN,
            "it belongs to another cluster, or to this one before it was restored".into(),
        ));
    }
    if number(TO) != Some(identity.node) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "another member has this address".into(),
        ));
    }
    match number(FROM) {
        Some(from) if !service.lead.has_removed(from) => Ok(()),
        Some(_) => Err((
            StatusCode::GONE,
            "the calling member has been removed from the cluster".into(),
        )),
        None => Err((
            StatusCode::BAD_REQUEST,
            "the call does not say whose it is".into(),
        )),
    }
}

async fn route<S: StateMachine>(service: &Arc<Service<S>>, path: &str, body: Incoming) -> Reply {
    let raft = &service.raft;
    match path {
        "/peer/v1/append" => {
            let answers = append::serve(raft, body);
            Ok(Response::new(StreamBody::new(answers).boxed_unsync()))
        }
        "/peer/v1/vote" => {
            let request = VoteRequest::from(read::<Ballot>(body).await?);
            let answer = raft.vote(request).await.map_err(stopped)?;
            reply(&Ballot::from(answer))
        }
        "/peer/v1/pre-vote" => {
            let request = VoteRequest::from(read::<Ballot>(body).await?);
            let answer = raft.pre_vote(request).await.map_err(stopped)?;
            reply(&Ballot::from(answer))
        }
        "/peer/v1/transfer" => {
            let request = TransferLeaderRequest::from(read::<Transfer>(body).await?);
            let answer = raft
                .handle_transfer_leader(request)
                .await
                .map_err(stopped)?;
            reply(&Transferred::from(answer))
        }
        "/peer/v1/propose" => {
            let frame = read::<Frame>(body).await?;
            reply(&Proposed::from(service.lead.write(frame).await))
        }
        "/peer/v1/barrier" => {
            read::<Wanted>(body).await?;
            reply(&Proposed::from(service.lead.read_index().await))
        }
        "/peer/v1/change" => {
            let change = read::<Change>(body).await?;
            reply(&Proposed::from(service.lead.change(change).await))
        }
        "/peer/v1/ask" => {
            let question = body.collect().await.map_err(unreadable)?.to_bytes();
            let answer = service.options.answer.answer(question).await;
            Ok(Response::new(Full::from(answer).boxed_unsync()))
        }
        "/peer/v1/state/offer" => {
            let offer = read::<Offer>(body).await?;
            newest(raft, offer.vote.vote()).await?;
            let dir = service.dir.clone();
            reply(&blocking(move || receive::offer(&dir, &offer)).await?)
        }
        "/peer/v1/state/chunk" => {
            let chunk = read::<Chunk>(body).await?;
            let dir = service.dir.clone();
            blocking(move || receive::chunk(&dir, &chunk)).await?;
            reply(&Wanted::default())
        }
        "/peer/v1/state/install" => install(service, read::<Offer>(body).await?).await,
        other => Err((StatusCode::NOT_FOUND, format!("there is no call {other}"))),
    }
}

async fn install<S: StateMachine>(service: &Service<S>, offer: Offer) -> Reply {
    let vote = offer.vote.vote();
    let (dir, sealed) = (service.dir.clone(), offer.clone());
    let place = blocking(move || receive::seal(&dir, &sealed)).await?;
    let applied = Position::from(offer.applied);
    tracing::info!(%applied, "installing a state from the leader");
    let snapshot = StateSource::received(place, applied, offer.membership)
        .map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))?;
    let installed = service.raft.install_full_snapshot(vote, snapshot).await;
    let answer = installed.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
    reply(&Ballot::from(openraft::raft::VoteResponse::new(
        answer.vote,
        None,
        true,
    )))
}

/// Files are taken only from whoever leads by the newest vote.
async fn newest<S: StateMachine>(
    raft: &Raft<TypeConfig, Driver<S>>,
    vote: Vote,
) -> Result<(), Refusal> {
    let ours = raft
        .with_raft_state(|state| *state.vote_ref())
        .await
        .map_err(stopped)?;
    if vote >= ours {
        return Ok(());
    }
    Err((
        StatusCode::CONFLICT,
        format!("a newer leader is known: {ours}"),
    ))
}

async fn read<M: Message + Default>(body: Incoming) -> Result<M, Refusal> {
    whole(body).await.map_err(unreadable)
}

fn unreadable(why: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_REQUEST, why.to_string())
}

fn stopped(why: impl std::fmt::Display) -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, why.to_string())
}

fn reply(message: &impl Message) -> Reply {
    let bytes = Bytes::from(message.encode_to_vec());
    Ok(Response::new(Full::from(bytes).boxed_unsync()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await.map_err(stopped)?;
    done.inspect_err(|error| tracing::warn!(%error, "a state was not taken in"))
        .map_err(stopped)
}
