//! A server of somebody else's on loopback, for tests of what this one asks others: it answers as it is told to, over TLS or not.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers a path and a body.
type Answer = Arc<dyn Fn(String, Bytes) -> BoxFuture<'static, Response<Full<Bytes>>> + Send + Sync>;

pub(crate) struct Loopback {
    pub(crate) port: u16,
    /// What callers have to trust; empty without TLS.
    pub(crate) ca_pem: String,
}

impl Loopback {
    pub(crate) async fn plain<F>(
        answer: impl Fn(String, Bytes) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        Self::listen(None, String::new(), answer).await
    }

    pub(crate) async fn tls<F>(answer: impl Fn(String, Bytes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let (acceptor, ca_pem) = own_certificate();
        Self::listen(Some(acceptor), ca_pem, answer).await
    }

    async fn listen<F>(
        acceptor: Option<TlsAcceptor>,
        ca_pem: String,
        answer: impl Fn(String, Bytes) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let answer: Answer = Arc::new(move |path, body| Box::pin(answer(path, body)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, answer).await,
                        Some(acceptor) => {
                            if let Ok(tls) = acceptor.accept(stream).await {
                                serve(tls, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Loopback { port, ca_pem }
    }
}

/// What accepts TLS with a certificate of its own for loopback, and that certificate.
pub(crate) fn own_certificate() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a pair")));
    (acceptor, made.cert.pem())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(path, body).await)
        }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // The caller ends the connection as it likes.
    let _ = served.await;
}
