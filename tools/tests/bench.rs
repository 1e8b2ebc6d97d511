//! `triadctl bench` against servers in this process: one that serves, with every scenario for a moment, and one that fails.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::sync::oneshot;
use triad_server::options::{Config, Flags};

fn triadctl(kubeconfig: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_triadctl"));
    let output = command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .output();
    output.expect("triadctl runs")
}

/// The lines that a run printed, each scenario's figures.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let parsed = text.lines().map(serde_json::from_str);
    parsed.collect::<Result<_, _>>().expect("lines of JSON")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Runs what needs a server beside one.
fn beside_triad(test: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        format!("--data-dir={}", dir.path().display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", free_port()),
        format!("--peer-listen=127.0.0.1:{}", free_port()),
    ];
    let flags: Vec<OsString> = flags.into_iter().map(OsString::from).collect();
    let flags = Flags::parse("triad serve", flags)
        .map_err(|exit| exit.text)
        .unwrap();
    let config = Config::new(&flags, false)
        .map_err(|exit| exit.text)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(16 << 20)
        .build()
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = runtime.spawn(triad_server::server::run(config, async move {
        let _ = stopped.await;
    }));
    let kubeconfig = dir.path().join("admin.kubeconfig");
    let began = Instant::now();
    let ready = || kubeconfig.exists() && triadctl(&kubeconfig, &["status"]).status.success();
    while !ready() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the server gets ready"
        );
        assert!(!server.is_finished(), "the server runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    test(&kubeconfig);
    drop(stop);
    runtime.block_on(server).unwrap().unwrap();
}

/// Names and clients of all scenarios, from the program itself.
fn scenarios() -> Vec<String> {
    let output = triadctl(Path::new("/nonexistent"), &["bench", "list"]);
    assert!(output.status.success(), "a list needs no server");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text
        .lines()
        .skip(1)
        .map(|line| line.split(' ').next().unwrap_or_default());
    names.map(str::to_owned).collect()
}

#[test]
fn every_scenario_gives_plausible_figures() {
    let names = scenarios();
    assert!(names.len() >= 30, "{names:?}");
    beside_triad(|kubeconfig| {
        let pid = std::process::id().to_string();
        let run = |names: &[String], more: &[&str]| {
            let mut args = vec!["bench", "run"];
            args.extend(names.iter().map(String::as_str));
            args.extend([
                "--warmup",
                "50ms",
                "--objects",
                "200",
                "--threads",
                "2",
                "--pid",
                &pid,
                "-o",
                "json",
            ]);
            args.extend(["--label", "here"]);
            args.extend(more);
            let output = triadctl(kubeconfig, &args);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            lines(&output)
        };
        // What goes at a rate goes at one that a busy machine keeps too; all others as fast as they can.
        let (rated, others): (Vec<String>, Vec<String>) = names
            .iter()
            .cloned()
            .partition(|name| ["leases-beside-lists", "cluster"].contains(&name.as_str()));
        let mut lines = run(&others, &["--duration", "300ms", "--clients", "3"]);
        sizes(&lines);
        lines.extend(run(
            &rated,
            &[
                "--nodes",
                "20",
                "--rate",
                "5",
                "--duration",
                "2s",
                "--clients",
                "8",
            ],
        ));
        let mut found: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["scenario"].as_str())
            .collect();
        let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "a line for each");
        assert!(
            lines.iter().any(|line| line["lists"].as_u64() > Some(1)),
            "the lister listed"
        );
        let renewals = &lines[lines.len() - 1]["PUT resource"];
        assert!(renewals["calls"].as_f64().unwrap() >= 2.0, "{renewals}");
        for line in &lines {
            plausible(line);
        }
    });
}

fn plausible(line: &Value) {
    let number = |name: &str| {
        line[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} of {line}"))
    };
    assert_eq!(line["failed"], 0, "{line}");
    assert_eq!(line["label"], "here");
    assert!(number("operations") >= 1.0, "{line}");
    let rate = number("operations") / number("seconds");
    assert!((number("per_second") / rate - 1.0).abs() < 0.1, "{line}");
    let ranks = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"].map(number);
    assert!(ranks.is_sorted() && ranks[0] > 0.0, "{line}");
    // No client waits longer than the measuring and the last operation took, and none is faster than light.
    assert!(ranks[4] <= number("seconds") * 1e3 * 1.1 + 50.0, "{line}");
    assert!(number("server_resident_bytes") > 1e6, "{line}");
    assert!(
        number("server_cpu_seconds") <= number("seconds") * 64.0 + 0.1,
        "{line}"
    );
}

/// What went over the wire is of the size that the scenario names.
fn sizes(lines: &[Value]) {
    let each = |scenario: &str, bytes: &str| {
        let line = lines.iter().find(|line| line["scenario"] == scenario);
        let line = line.unwrap_or_else(|| panic!("{scenario} ran"));
        line[bytes].as_f64().unwrap() / line["operations"].as_f64().unwrap()
    };
    let pod = each("create-pods", "bytes_sent");
    assert!((3700.0..4200.0).contains(&pod), "{pod}");
    let got = each("get-pods", "bytes_received");
    let all = each("list-pods", "bytes_received");
    // All 200 of the population, and what create-pods left.
    assert!(all > 195.0 * got, "{all} and {got}");
    assert!(each("list-pods-gzip", "bytes_received") < all / 5.0);
    let pages = each("list-pods-pages", "bytes_received");
    assert!((pages / all - 1.0).abs() < 0.05, "{pages} and {all}");
    let shard = each("list-pods-label", "bytes_received");
    assert!(
        (1.0..=3.0).contains(&(shard / got)),
        "two of two hundred: {shard} and {got}"
    );
    // Initial events have the object as JSON each.
    assert!(each("watchlist-pods", "bytes_received") > all);
    let event = each("fan-out-100", "bytes_received");
    assert!((1000.0..3000.0).contains(&event), "{event}");
    let deleted = lines
        .iter()
        .find(|line| line["scenario"] == "delete-pods")
        .unwrap();
    assert!(deleted["operations"].as_u64().unwrap() >= 200);
    let churned = lines
        .iter()
        .find(|line| line["scenario"] == "churn-pods")
        .unwrap();
    assert_eq!(churned["operations"], 200);
}

/// A server with a certificate of its own that lets a load be prepared and then fails each GET by the turn: 503, a closed
/// stream, or a good answer.
fn beside_failing(test: impl FnOnce(&Path, &AtomicU64)) {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key).into(),
        )
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::fs::write(dir.path().join("ca.crt"), made.cert.pem()).unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let text = format!(
        "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: ca.crt}}}}]\n"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let good = Arc::new(AtomicU64::new(0));
    runtime.spawn(accept(listener, tls, good.clone()));
    test(&kubeconfig, &good);
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, tls: rustls::ServerConfig, good: Arc<AtomicU64>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, good) = (acceptor.clone(), good.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let turn = Arc::new(AtomicU64::new(0));
            let service = service_fn(move |request| answer(request, turn.clone(), good.clone()));
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = serving
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    turn: Arc<AtomicU64>,
    good: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let get = request.method() == Method::GET;
    let _ = request.into_body().collect().await;
    let with = |status: u16, text: &'static str| {
        let body = Full::new(Bytes::from_static(text.as_bytes()));
        Ok(Response::builder()
            .status(status)
            .body(body)
            .expect("an answer"))
    };
    if !get {
        return with(201, "{}");
    }
    match turn.fetch_add(1, Ordering::Relaxed) % 4 {
        0 | 1 => with(503, "overloaded, and fast at saying so"),
        2 => Err(std::io::Error::other("cut")),
        _ => {
            good.fetch_add(1, Ordering::Relaxed);
            with(200, "{}")
        }
    }
}

#[test]
fn errors_are_reported_as_errors_and_not_as_speed() {
    beside_failing(|kubeconfig, good| {
        // No objects: the population's check is itself a GET.
        let args = [
            "bench",
            "run",
            "get-pods",
            "--objects",
            "0",
            "--duration",
            "500ms",
            "--warmup",
            "0s",
            "--clients",
            "4",
            "-o",
            "json",
        ];
        let output = triadctl(kubeconfig, &args);
        assert_eq!(output.status.code(), Some(1), "what failed is no success");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("operations failed, the first with 503"),
            "{said}"
        );
        let line = &lines(&output)[0];
        let (done, failed) = (
            line["operations"].as_u64().unwrap(),
            line["failed"].as_u64().unwrap(),
        );
        assert!(done > 0 && failed >= 2 * done, "{line}");
        assert!(
            done <= good.load(Ordering::Relaxed),
            "only good answers are operations: {line}"
        );
        let kinds: Vec<&str> = line["failures"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["503", "no answer"]);
        assert_eq!(
            line["server_cpu_seconds"],
            Value::Null,
            "no process was named"
        );
    });
}

#[test]
fn a_scenario_or_process_that_is_not_there_is_said() {
    beside_failing(|kubeconfig, _| {
        let output = triadctl(kubeconfig, &["bench", "run", "get-everything"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&output.stderr)
                .contains("there is no scenario \"get-everything\"")
        );
        let args = ["bench", "run", "fill-pods", "--rate", "10"];
        let output = triadctl(kubeconfig, &args);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("no --rate"));
        let args = [
            "bench",
            "run",
            "get-pods",
            "--objects",
            "0",
            "--duration",
            "10ms",
            "--warmup",
            "0s",
            "--pid",
            "4294967295",
        ];
        let output = triadctl(kubeconfig, &args);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("is 4294967295 running?"));
    });
}
