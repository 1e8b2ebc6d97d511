//! A kubelet on loopback, for tests of what goes on to nodes: logs and streams that are told what to do by what they are asked for.

use super::loopback::own_certificate;
use crate::streams::spdy::tests::Reader;
use crate::streams::spdy::{self, Frame};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONNECTION, LOCATION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::net::TcpListener;

pub(crate) struct Node {
    pub(crate) port: u16,
    pub(crate) ca_pem: String,
    seen: Arc<Mutex<Vec<String>>>,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;
type Stream = TokioIo<hyper::upgrade::Upgraded>;

impl Node {
    pub(crate) async fn start() -> Self {
        let (acceptor, ca_pem) = own_certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, noted) = (acceptor.clone(), noted.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let noted = noted.clone();
                        async move { Ok::<_, Infallible>(answer(request, &noted)) }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    // The caller ends the connection as it likes.
                    let _ = served.await;
                });
            }
        });
        Node { port, ca_pem, seen }
    }

    /// The requests that came: methods and what was asked for.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }
}

fn answer(mut request: Request<Incoming>, seen: &Mutex<Vec<String>>) -> Answer {
    let uri = request.uri().to_string();
    seen.lock().push(format!("{} {uri}", request.method()));
    let last = uri
        .split('?')
        .next()
        .and_then(|path| path.rsplit('/').next());
    match last {
        _ if request.headers().contains_key(UPGRADE) => upgrade(&mut request, &uri),
        Some("gone") => whole(404, "no such container"),
        Some("wrong") => whole(400, "container is waiting to start"),
        Some("broken") => whole(500, "disk failure"),
        Some("moved") => {
            let mut moved = whole(302, "");
            let elsewhere = HeaderValue::from_static("https://169.254.169.254/");
            moved.headers_mut().insert(LOCATION, elsewhere);
            moved
        }
        Some("page") => {
            let mut page = whole(
                200,
                "<a href=\"/next\">next</a><a href=\"https://a.example/\">a</a>",
            );
            let html = HeaderValue::from_static("text/html");
            page.headers_mut().insert(http::header::CONTENT_TYPE, html);
            page
        }
        Some("to") => {
            let mut moved = whole(301, "");
            moved
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_static("/login"));
            moved
        }
        Some("echo") => {
            let mut lines = vec![format!("{} {uri}", request.method())];
            for (name, value) in request.headers() {
                lines.push(format!("{name}: {}", value.to_str().unwrap_or("")));
            }
            let mut echo = whole(200, &lines.join("\n"));
            let any = HeaderValue::from_static("*");
            echo.headers_mut()
                .insert("access-control-allow-origin", any);
            echo
        }
        _ if uri.contains("follow=true") => {
            let lines = futures_util::stream::iter(["one\n", "two\n"]);
            let lines = lines.map(|line| Ok(hyper::body::Frame::data(Bytes::from(line))));
            let body = lines.chain(futures_util::stream::pending());
            Response::new(BodyExt::boxed(StreamBody::new(body)))
        }
        _ => whole(200, &format!("asked for {uri}\n")),
    }
}

fn whole(code: u16, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())).boxed());
    *answer.status_mut() = StatusCode::from_u16(code).expect("a code");
    answer
}

/// Goes on with SPDY, or, asked for anything else, by shouting back what comes.
fn upgrade(request: &mut Request<Incoming>, uri: &str) -> Answer {
    if uri.contains("command=refused") {
        return whole(403, "not to you\n");
    }
    if uri.contains("command=neither") {
        return whole(200, "hello\n");
    }
    let of = request.headers()[UPGRADE].clone();
    let speaks_spdy = of == "SPDY/3.1" && !uri.starts_with("/portForward");
    let taken = hyper::upgrade::on(&mut *request);
    let uri = uri.to_owned();
    tokio::spawn(async move {
        let stream = TokioIo::new(taken.await.expect("an upgrade"));
        match speaks_spdy {
            true => serve(stream, &uri).await,
            false => shout(stream).await,
        }
    });
    let mut answer = whole(101, "");
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, of);
    let protocols = request.headers().get_all("x-stream-protocol-version");
    if let Some(first) = protocols.iter().next() {
        headers.insert("x-stream-protocol-version", first.clone());
    }
    answer
}

async fn shout(mut stream: Stream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let louder = buffer[..count].to_ascii_uppercase();
        if stream.write_all(&louder).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Runs a command as its streams come: `cat` gives back what it gets; any other says its name on both outputs and exits with 7.
async fn serve(stream: Stream, uri: &str) {
    let (mut from, mut to) = split(stream);
    let mut reader = Reader::new();
    let mut streams: HashMap<String, u32> = HashMap::new();
    let wanted = 1 + ["input=1", "output=1", "error=1", "tty=1"]
        .iter()
        .filter(|parameter| uri.contains(*parameter))
        .count();
    while streams.len() < wanted {
        let mut head = [0; 8];
        from.read_exact(&mut head).await.expect("a frame");
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]) as usize;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).await.expect("a frame");
        if head[..4] == [0x80, 3, 0, 1] {
            let stream = u32::from_be_bytes(payload[..4].try_into().expect("a number"));
            let headers = reader.headers(&payload);
            let kind = headers.into_iter().find(|(name, _)| name == "streamtype");
            streams.insert(kind.expect("a type").1, stream);
            to.write_all(&about(REPLY, stream)).await.expect("taken");
        }
    }
    let mut frames = Vec::new();
    if uri.contains("command=cat") {
        loop {
            let Some(Frame::Data {
                stream,
                bytes,
                last,
            }) = next_data(&mut from).await
            else {
                return;
            };
            let out = if Some(&stream) == streams.get("resize") {
                "stdout"
            } else {
                ""
            };
            if out.is_empty() && Some(&stream) != streams.get("stdin") {
                continue;
            }
            let echoed = spdy::data(streams["stdout"], &bytes, last);
            to.write_all(&echoed).await.expect("taken");
            to.flush().await.expect("taken");
            if last {
                break;
            }
        }
        frames.extend(spdy::data(
            streams["error"],
            br#"{"status":"Success"}"#,
            true,
        ));
    } else {
        // One output is ended, the other given up, as kubelets do with all that is left.
        for (out, last) in [("stdout", true), ("stderr", false)] {
            if let Some(stream) = streams.get(out) {
                frames.extend(spdy::data(*stream, format!("on {out}\n").as_bytes(), last));
            }
        }
        let status = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        frames.extend(spdy::data(streams["error"], status, true));
        if let Some(stream) = streams.get("stderr") {
            frames.extend(about(RESET, *stream));
        }
    }
    if uri.contains("command=dies") {
        frames.clear();
    }
    to.write_all(&frames).await.expect("taken");
    to.shutdown().await.expect("ended");
    // A connection that is closed with something unread is reset, and takes with it what the other side has not read yet.
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

const REPLY: u8 = 2;
const RESET: u8 = 3;

/// A control frame about a stream.
fn about(kind: u8, stream: u32) -> Vec<u8> {
    let mut frame = vec![0x80, 3, 0, kind, 0, 0, 0, 8];
    frame.extend(stream.to_be_bytes());
    frame.extend([0; 4]);
    frame
}

async fn next_data(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Frame> {
    loop {
        match spdy::read(from).await.ok()?? {
            data @ Frame::Data { .. } => return Some(data),
            Frame::GoAway => return None,
            _ => {}
        }
    }
}
