//! Exec and attach over WebSocket for a kubelet that speaks SPDY: a channel of the one is a stream of the other (apiserver
//! pkg/util/proxy/{streamtranslator,websocket}.go, client-go tools/remotecommand).

mod opened;
mod outcome;

use super::spdy::{self, Frame};
use super::tunnel::{SPDY, STREAM_PROTOCOL, is_spdy};
use super::websocket::{self, LAST_WORD, LONGEST_MESSAGE};
use crate::metrics::streams::Streams as Counts;
use crate::proxy::passing::{Pace, Passing};
use crate::proxy::upgrade::{self, Answer, Failure};
use crate::proxy::{Client, Location};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Either, Empty, Limited};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
pub(crate) use opened::Wanted;
use opened::{ERROR, Ends, Opened, STDERR, STDOUT};
use outcome::Outcome;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The WebSocket protocol that is translated, since it alone can end a stream and go on.
pub(crate) const PROTOCOL: &str = "v5.channel.k8s.io";
/// What kubelets are offered, the newest first.
const PROTOCOLS: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
];
/// Frames that wait for the kubelet; who sends more waits with them.
const WAITING: usize = 16;
/// How often an idle connection shows that it is there.
const PING: Duration = Duration::from_secs(5);
/// What a kubelet may have to say of an error.
const LONGEST_ERROR: usize = 1 << 20;

/// Where the kubelet is asked.
pub(crate) struct Remote {
    pub(crate) client: Client,
    pub(crate) location: Location,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Node = TokioIo<Upgraded>;

/// Serves a client that was told that its connection goes on with WebSocket.
pub(crate) async fn serve(
    asking: OnUpgrade,
    remote: Remote,
    wanted: Wanted,
    passing: Passing,
    counts: Arc<Counts>,
) {
    let asking = match asking.await {
        Ok(asking) => asking,
        Err(error) => return tracing::debug!(%error, "a connection was not taken over"),
    };
    let (mut to_client, mut from_client) = websocket::over(asking, LONGEST_MESSAGE).await.split();
    let client = (&mut from_client, &mut to_client);
    let outcome = run(&remote, wanted, passing.pace, client).await;
    counts.translated(outcome.code());
    let last = async {
        let mut message = vec![ERROR];
        message.extend(outcome.status().to_string().into_bytes());
        to_client.send(Message::Binary(message.into())).await?;
        to_client.send(websocket::goodbye()).await
    };
    // The client may have gone already.
    let _ = tokio::time::timeout(LAST_WORD, last).await;
}

/// From the first message to the end of the command.
async fn run(
    remote: &Remote,
    wanted: Wanted,
    pace: Pace,
    (from_client, to_client): (&mut SplitStream<Socket>, &mut SplitSink<Socket, Message>),
) -> Outcome {
    // An empty message tells the client that it is connected.
    let first = match (wanted.stdout, wanted.stderr) {
        (true, _) => STDOUT,
        (false, true) => STDERR,
        (false, false) => ERROR,
    };
    let first = Message::Binary(Bytes::copy_from_slice(&[first]));
    if let Err(error) = to_client.send(first).await {
        return Outcome::failed(error);
    }
    match connect(remote).await {
        Err(why) => Outcome::Failed(why),
        Ok((protocol, connection)) => {
            match stream(connection, wanted, pace, (from_client, to_client)).await {
                Ok(said) => Outcome::read(&protocol, &said),
                Err(error) => Outcome::failed(error),
            }
        }
    }
}

/// A connection to the kubelet that goes on with SPDY, and the protocol that it chose.
async fn connect(remote: &Remote) -> Result<(String, Upgraded), String> {
    let mut request = Request::post(remote.location.uri()?)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, SPDY);
    for protocol in PROTOCOLS {
        request = request.header(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    }
    let request = request.body(Either::Right(Empty::new()));
    let request = request.map_err(|error| error.to_string())?;
    let sending = |why: String| format!("error sending request: {why}");
    match upgrade::ask(&remote.client, request).await {
        Err(Failure::Unreachable(why)) => Err(sending(why)),
        // A kubelet sends nobody anywhere else.
        Err(Failure::Neither(300..=399)) => Err(sending("redirect not allowed".to_owned())),
        Err(neither @ Failure::Neither(_)) => {
            Err(format!("unable to upgrade connection: {neither}"))
        }
        Ok(Answer::Refused(answer)) => Err(refusal(answer.into_body()).await),
        Ok(Answer::Switched(answer)) if !is_spdy(answer.headers()) => {
            Err("unable to upgrade connection: empty server response".to_owned())
        }
        Ok(Answer::Switched(mut answer)) => {
            let protocol = chosen(answer.headers());
            let taken = hyper::upgrade::on(&mut answer).await;
            Ok((protocol, taken.map_err(|error| error.to_string())?))
        }
    }
}

fn chosen(headers: &HeaderMap) -> String {
    let chosen = headers.get(STREAM_PROTOCOL);
    let chosen = chosen.and_then(|value| value.to_str().ok());
    chosen.unwrap_or("channel.k8s.io").trim().to_owned()
}

/// What a kubelet has against going on.
async fn refusal(body: Incoming) -> String {
    let Ok(body) = Limited::new(body, LONGEST_ERROR).collect().await else {
        return "unable to upgrade connection: unable to read error from server response"
            .to_owned();
    };
    let body = body.to_bytes();
    let document: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let said = |field: &str| {
        let text = document.as_ref()?.get(field)?.as_str()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let whole = String::from_utf8_lossy(&body).trim().to_owned();
    let whole = match whole.is_empty() {
        true => "empty server response".to_owned(),
        false => whole,
    };
    let why = said("message").or_else(|| said("error")).unwrap_or(whole);
    format!("unable to upgrade connection: {why}")
}

/// Carries all streams until the command has ended; what was said on the error stream.
async fn stream(
    connection: Upgraded,
    wanted: Wanted,
    pace: Pace,
    (from_client, to_client): (&mut SplitStream<Socket>, &mut SplitSink<Socket, Message>),
) -> io::Result<Vec<u8>> {
    let (opened, frames) = Opened::open(wanted)?;
    let (from_node, to_node) = split(TokioIo::new(connection));
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut writing = tokio::spawn(write(to_node, receiver));
    sender.send(frames).await.map_err(io::Error::other)?;
    let carried = tokio::select! {
        ended = outwards(from_node, &opened, pace, to_client, &sender) => ended,
        ended = inwards(from_client, &opened, pace, &sender) => {
            ended.and_then(|()| Err(io::Error::other("the client has gone")))
        }
    };
    // The kubelet ends what it has begun when the connection does.
    let last = async {
        let told = sender.send(spdy::go_away()).await;
        drop(sender);
        (told.is_ok(), (&mut writing).await.is_ok())
    };
    if tokio::time::timeout(LAST_WORD, last).await.is_err() {
        writing.abort();
    }
    carried
}

/// Writes frames as they come, and shows now and then that this side is there.
async fn write(mut to: WriteHalf<Node>, mut frames: mpsc::Receiver<Vec<u8>>) {
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    let mut next = 1;
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => frame,
            _ = pings.tick() => {
                next += 2;
                Some(spdy::ping(next - 2))
            }
        };
        let Some(frame) = frame else { break };
        if let Err(error) = to.write_all(&frame).await {
            tracing::debug!(%error, "a kubelet takes no more");
            // Who sends more sees that nobody takes it.
            return;
        }
        if let Err(error) = to.flush().await {
            return tracing::debug!(%error, "a kubelet takes no more");
        }
    }
    let goodbye = tokio::time::timeout(LAST_WORD, to.shutdown()).await;
    tracing::trace!(?goodbye, "a connection to a kubelet ended");
}

async fn inwards(
    from: &mut SplitStream<Socket>,
    opened: &Opened,
    pace: Pace,
    to: &mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let mut meter = pace.meter();
    let mut ended = Vec::new();
    while let Some(message) = from.next().await {
        let message = match message.map_err(io::Error::other)? {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            Message::Close(_) => break,
            _ => continue,
        };
        let Some((stream, bytes, last)) = opened.inwards(&message)? else {
            continue;
        };
        if ended.contains(&stream) {
            continue;
        }
        if last {
            ended.push(stream);
        }
        meter.pass(bytes.len()).await;
        let sent = to.send(spdy::data(stream, bytes, last)).await;
        sent.map_err(io::Error::other)?;
    }
    Ok(())
}

async fn outwards(
    mut from: ReadHalf<Node>,
    opened: &Opened,
    pace: Pace,
    to_client: &mut SplitSink<Socket, Message>,
    to_node: &mpsc::Sender<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    let mut meter = pace.meter();
    let mut ends = Ends::new(opened);
    let mut said = Vec::new();
    while !ends.all() {
        match spdy::read(&mut from).await? {
            Some(Frame::Data {
                stream,
                bytes,
                last,
            }) => {
                if stream == opened.error {
                    let room = LONGEST_ERROR - said.len();
                    said.extend(&bytes[..bytes.len().min(room)]);
                }
                if let Some(channel) = opened.channel(stream).filter(|_| !bytes.is_empty()) {
                    meter.pass(bytes.len()).await;
                    let mut message = Vec::with_capacity(bytes.len() + 1);
                    message.push(channel);
                    message.extend(bytes);
                    let sent = to_client.send(Message::Binary(message.into())).await;
                    sent.map_err(io::Error::other)?;
                }
                ends.ended(stream, last);
            }
            Some(Frame::Reply { stream, last }) => ends.replied(stream, last),
            Some(Frame::Reset { stream }) => ends.reset(stream)?,
            // Its own are even; one that cannot be answered at once is answered by what is being sent.
            Some(Frame::Ping(id)) if id % 2 == 0 => drop(to_node.try_send(spdy::ping(id))),
            Some(_) => {}
            None if said.is_empty() => {
                let why = "error reading from error stream: unexpected EOF";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            None => break,
        }
    }
    Ok(said)
}
