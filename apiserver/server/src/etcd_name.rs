//! The program under the name `etcd`, for test harnesses that start one: /health is well, the store is elsewhere.

use std::convert::Infallible;
use triad_server::options::{Etcd, Exit};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Exit> {
    let config = Etcd::new(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Exit {
        code: 1,
        text: format!("cannot start the runtime: {error}\n"),
    })?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for address in config.listen {
            let listener = TcpListener::bind(address).await.map_err(|error| Exit {
                code: 1,
                text: format!("cannot listen on {address}: {error}\n"),
            })?;
            tasks.spawn(serve(listener));
        }
        tokio::select! {
            () = super::stop_signal() => {}
            _ = tasks.join_next() => {}
        }
        Ok(())
    })
}

async fn serve(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| async move {
                Ok::<_, Infallible>(answer(&request))
            });
            // A connection that breaks is its client's affair.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (code, body) = match request.uri().path() {
        "/health" | "/livez" | "/readyz" => (200, r#"{"health":"true","reason":""}"#),
        "/version" => (200, r#"{"etcdserver":"3.7.0","etcdcluster":"3.7.0"}"#),
        _ => (
            404,
            r#"{"error":"the store is built into kube-apiserver; this name only answers /health"}"#,
        ),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response
}
