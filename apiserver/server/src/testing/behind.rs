//! An API server behind this one, on loopback: TLS for a service's name, and answers that show what arrived. For tests of aggregation.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONNECTION, CONTENT_TYPE, LOCATION, UPGRADE};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The group and version that is served.
pub(crate) const PATH: &str = "/apis/behind.example/v1";

#[derive(Default)]
struct State {
    /// Everything is answered 500.
    broken: AtomicBool,
    /// What lies in namespaces: their names and those of crates.
    crates: Mutex<BTreeSet<(String, String)>>,
    /// Who deleted some, the last time.
    deleted_by: Mutex<String>,
    requests: AtomicUsize,
}

pub(crate) struct Behind {
    pub(crate) port: u16,
    pub(crate) ca_pem: String,
    state: Arc<State>,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Behind {
    /// Its certificate is for `name`; clients show one that `client_ca` signed.
    pub(crate) async fn start(name: &str, client_ca: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut roots = rustls::RootCertStore::empty();
        for ca in crate::tls::certificates(client_ca).expect("a CA") {
            roots.add(ca).expect("a CA");
        }
        let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build();
        let mut config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier.expect("a verifier"))
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            state.clone(),
        ));
        Behind {
            port,
            ca_pem: made.cert.pem(),
            state,
        }
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.state.broken.store(broken, Ordering::Relaxed);
    }

    /// Puts a crate into a namespace; one that is called `stuck` goes only when somebody takes it.
    pub(crate) fn put_crate(&self, namespace: &str, name: &str) {
        let mut crates = self.state.crates.lock();
        crates.insert((namespace.to_owned(), name.to_owned()));
    }

    pub(crate) fn take_crate(&self, namespace: &str, name: &str) -> bool {
        let mut crates = self.state.crates.lock();
        crates.remove(&(namespace.to_owned(), name.to_owned()))
    }

    pub(crate) fn crates(&self) -> usize {
        self.state.crates.lock().len()
    }

    pub(crate) fn deleted_by(&self) -> String {
        self.state.deleted_by.lock().clone()
    }

    /// How many requests came, besides the aggregator's own, which come when they like.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let chain = stream.get_ref().1.peer_certificates().unwrap_or(&[]);
            let shown = chain.first().map(common_name).unwrap_or_default();
            let service = service_fn(move |request| {
                let (state, shown) = (state.clone(), shown.clone());
                async move { Ok::<_, Infallible>(answer(request, &state, &shown).await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            // The caller ends the connection as it likes.
            let _ = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn common_name(certificate: &CertificateDer<'_>) -> String {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).expect("a certificate");
    let name = parsed.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok())
        .unwrap_or("")
        .to_owned()
}

async fn answer(mut request: Request<Incoming>, state: &State, shown: &str) -> Answer {
    let asks = request.headers().get("x-remote-user");
    if asks.is_none_or(|user| user != "system:kube-aggregator") {
        state.requests.fetch_add(1, Ordering::Relaxed);
    }
    if state.broken.load(Ordering::Relaxed) {
        return whole(500, "text/plain", "broken\n".to_owned());
    }
    let path = request.uri().path().to_owned();
    let json = |document: Value| whole(200, "application/json", document.to_string());
    match path.strip_prefix(PATH) {
        Some("" | "/") => json(resources()),
        Some("/stream") => stream(),
        Some("/moved") => {
            let mut moved = whole(302, "text/plain", String::new());
            let elsewhere = http::HeaderValue::from_static("https://169.254.169.254/");
            moved.headers_mut().insert(LOCATION, elsewhere);
            moved
        }
        Some("/upgrade") if request.headers().contains_key(UPGRADE) => upgrade(&mut request),
        Some(below) if below.ends_with("/crates") => {
            let namespace = below.split('/').nth(2).unwrap_or("").to_owned();
            json(crates(&request, state, &namespace))
        }
        Some("/upgrade-refused") => whole(403, "text/plain", "no upgrade\n".to_owned()),
        Some(_) => json(echo(request, shown).await),
        None if path == "/openapi/v3" => {
            let name = PATH.trim_start_matches('/');
            json(
                json!({"paths": {name: {"serverRelativeURL": format!("/openapi/v3{PATH}?hash=1")}}}),
            )
        }
        None if path == "/openapi/v2" => json(swagger()),
        None if path == format!("/openapi/v3{PATH}") => {
            json(json!({"openapi": "3.0.0", "info": {"title": "behind"}}))
        }
        None => whole(404, "text/plain", "404 page not found\n".to_owned()),
    }
}

fn whole(code: u16, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)).boxed());
    *answer.status_mut() = http::StatusCode::from_u16(code).expect("a code");
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(
        "access-control-allow-origin",
        http::HeaderValue::from_static("*"),
    );
    answer
}

fn resources() -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "behind.example/v1", "resources": [
        {"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing", "verbs": ["get", "list"], "shortNames": ["th"]},
        {"name": "crates", "singularName": "crate", "namespaced": true, "kind": "Crate", "verbs": ["list", "delete", "deletecollection"]},
        {"name": "things/status", "singularName": "", "namespaced": true, "kind": "Thing", "verbs": ["get"]}]})
}

/// Lists or deletes what lies in a namespace.
fn crates(request: &Request<Incoming>, state: &State, namespace: &str) -> Value {
    let mut crates = state.crates.lock();
    if request.method() == http::Method::DELETE {
        let user = request.headers().get("x-remote-user");
        let user = user.and_then(|user| user.to_str().ok()).unwrap_or("");
        user.clone_into(&mut state.deleted_by.lock());
        crates.retain(|(place, name)| place != namespace || name == "stuck");
        return json!({"kind": "Status", "apiVersion": "v1", "status": "Success"});
    }
    let here = crates.iter().filter(|(place, _)| place == namespace);
    let here = here.map(|(_, name)| json!({"metadata": {"name": name, "namespace": namespace}}));
    json!({"kind": "CrateList", "apiVersion": "behind.example/v1", "items": here.collect::<Vec<_>>()})
}

/// A kind whose metadata is called like everybody's and is another, and one of a version that nobody asks this server for.
fn swagger() -> Value {
    let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let shows = |name: &str| json!({"get": {"responses": {"200": {"description": "OK", "schema": {"$ref": format!("#/definitions/{name}")}}}}});
    json!({"swagger": "2.0", "info": {"title": "behind", "version": "1"},
        "paths": {format!("{PATH}/things"): shows("example.behind.v1.Thing"), "/apis/behind.example/v2/things": shows("example.behind.v2.Thing")},
        "definitions": {
            metadata: {"type": "object", "description": "of the server behind"},
            "example.behind.v1.Thing": {"type": "object", "properties": {"metadata": {"$ref": format!("#/definitions/{metadata}")}}},
            "example.behind.v2.Thing": {"type": "object"}}})
}

/// Three lines, the last of them never.
fn stream() -> Answer {
    let lines = futures_util::stream::iter(["one\n", "two\n"]);
    let lines = lines.map(|line| Ok(Frame::data(Bytes::from(line))));
    let body = lines.chain(futures_util::stream::pending());
    Response::new(http_body_util::BodyExt::boxed(StreamBody::new(body)))
}

async fn echo(request: Request<Incoming>, shown: &str) -> Value {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let mut headers: Vec<String> = Vec::new();
    for (name, value) in &head.headers {
        headers.push(format!(
            "{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    headers.sort();
    json!({"method": head.method.as_str(), "uri": head.uri.path_and_query().map(ToString::to_string), "headers": headers,
        "body": String::from_utf8_lossy(&body).into_owned(), "certificate": shown})
}

/// Takes over the connection and shouts back what it gets.
fn upgrade(request: &mut Request<Incoming>) -> Answer {
    let taken = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(taken.await.expect("an upgrade"));
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let louder = buffer[..count].to_ascii_uppercase();
            if stream.write_all(&louder).await.is_err() {
                return;
            }
        }
    });
    let mut answer = whole(101, "text/plain", String::new());
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, http::HeaderValue::from_static("shout"));
    answer
}
