//! The proxy subresources.

use super::{PODS, World};
use crate::egress::Trust;
use crate::filters::request_info::RequestInfo;
use crate::handlers::Call;
use crate::handlers::connect::proxies::Target;
use crate::handlers::connect::{Taken, pass};
use crate::proxy::Location;
use crate::proxy::client::{Client, DIAL, Way};
use crate::query::Query;
use crate::reply::Reply;
use crate::user::User;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use tokio::io::AsyncWriteExt as _;

/// Only addresses of others are dialled for others: not this host's own, and not the link's, where clouds keep credentials.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_to_this_host_or_its_link_through_a_proxy() {
    let world = World::start().await;
    let not_allowed = (400, "address not allowed".to_owned());
    assert_eq!(
        world.refused("GET /api/v1/nodes/n/proxy/pods").await,
        not_allowed
    );
    for (name, address) in [
        ("here", "127.0.0.1"),
        ("link", "169.254.169.254"),
        ("six", "::1"),
    ] {
        world.add_pod(name, "n", &["c"]).await;
        assert_eq!(
            world.refused(&format!("GET {PODS}/{name}/proxy/")).await,
            not_allowed
        );
        let status = json!({"status": {"podIPs": [{"ip": address}]}});
        world
            .server
            .patch_status("pods", "default", name, status)
            .await;
        assert_eq!(
            world.refused(&format!("GET {PODS}/{name}:80/proxy/")).await,
            not_allowed,
            "{address}"
        );
    }
    assert!(world.node.seen().is_empty());
    let asked = world
        .refused(&format!("GET {PODS}/ftp:here:21/proxy/"))
        .await;
    assert_eq!(
        asked,
        (400, "invalid pod request \"ftp:here:21\"".to_owned())
    );
    assert_eq!(world.refused("GET /api/v1/nodes/none/proxy/").await.0, 404);
}

/// Whoever writes endpoints leads nobody anywhere but to pods of the namespace.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_leads_to_its_pods_alone() {
    let world = World::start().await;
    let services = "/api/v1/namespaces/default/services";
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}});
    world.server.create("services", "default", service).await;
    let none = (503, "no endpoints available for service \"s\"".to_owned());
    for name in ["s", "s:web", "https:s:web", "s:80"] {
        assert_eq!(
            world
                .refused(&format!("GET {services}/{name}/proxy/"))
                .await,
            none
        );
    }
    let asked = world.refused(&format!("GET {services}/s:81/proxy/")).await;
    assert_eq!(
        asked,
        (503, "no service port 81 found for service \"s\"".to_owned())
    );
    let slice = |name: &str, target: serde_json::Value| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "s"}},
            "ports": [{"name": "web", "port": 8080}], "endpoints": [{"addresses": ["192.0.2.9"], "targetRef": target}]})
    };
    let target = json!({"kind": "Pod", "namespace": "default", "name": "p"});
    for (name, target) in [
        ("nobody", json!(null)),
        (
            "other",
            json!({"kind": "Pod", "namespace": "kube-system", "name": "p"}),
        ),
        ("lying", target.clone()),
    ] {
        world
            .server
            .create(
                "endpointslices.discovery.k8s.io",
                "default",
                slice(name, target),
            )
            .await;
        assert_eq!(
            world.refused(&format!("GET {services}/s:80/proxy/")).await,
            none,
            "{name}"
        );
    }
}

/// Answers requests as the proxy of a pod would that is at the fake kubelet's port.
async fn through(world: &World, head: &str) -> String {
    let (mut client, stream) = tokio::io::duplex(1 << 20);
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(world, request).await)
    });
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let head = format!(
        "{head} HTTP/1.1\r\nHost: api.example:6443\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Own: kept\r\nAuthorization: Bearer secret\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.expect("sent");
    let reading = crate::testing::raw::read_until(&mut client, "\0");
    let (served, answer) = tokio::join!(serving, reading);
    served.expect("served");
    answer
}

async fn answer(world: &World, request: Request<Incoming>) -> Reply {
    let (mut head, body) = request.into_parts();
    let query = Query::parse(head.uri.query().unwrap_or(""));
    let info = RequestInfo::new(head.method.as_str(), head.uri.path(), &query);
    let call = Call {
        api: world.server.api.clone(),
        endpoint: world
            .server
            .api
            .endpoints
            .get("", "v1", "pods")
            .expect("pods"),
        info,
        query,
        headers: head.headers.clone(),
        user: User::default(),
        body: Bytes::new(),
        warnings: Vec::new(),
        patched: None,
        trail: Default::default(),
    };
    let trust = Trust {
        insecure: true,
        ..Trust::default()
    };
    let client = Client::new(&Way {
        tls: trust.config().expect("a configuration"),
        name: None,
        dial: DIAL,
        global: false,
    });
    let target = Target {
        client: client.expect("a client"),
        location: Location {
            scheme: "https",
            authority: format!("127.0.0.1:{}", world.node.port),
            path: String::new(),
            query: String::new(),
        },
    };
    let taken = Taken::new(&mut head, body, [192, 0, 2, 1].into());
    let options = crate::handlers::connect::options::of(&call).expect("options");
    let path = options["path"].as_str().unwrap_or("");
    let path = crate::proxy::location::cleaned_with_slash(path);
    let reply = pass::proxy(&call, taken, target, path).await;
    reply.unwrap_or_else(|status| crate::reply::raw_status(&status))
}

const PROXY: &str = "/api/v1/namespaces/default/pods/p/proxy";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_with_its_path_query_and_headers() {
    let world = World::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = through(
            &world,
            &format!("{method} {PROXY}/a/%C3%BC%20/../echo?b=2&a=%20"),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for line in [
            format!("{method} /a/echo?b=2&a=%20").as_str(),
            "host: api.example:6443",
            "x-forwarded-for: 192.0.2.7, 192.0.2.1",
            &format!("x-forwarded-uri: {PROXY}/a/echo"),
            "x-own: kept",
        ] {
            assert!(answer.contains(line), "{line}: {answer}");
        }
        assert!(
            !answer.contains("x-hop")
                && !answer.contains("secret")
                && !answer.contains("access-control"),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_leads_through_the_proxy_again() {
    let world = World::start().await;
    let page = through(&world, &format!("GET {PROXY}/page")).await;
    let link = format!("<a href=\"{PROXY}/next\">next</a><a href=\"https://a.example/\">a</a>");
    assert!(page.contains(&link), "{page}");
    let moved = through(&world, &format!("GET {PROXY}/to")).await;
    assert!(moved.starts_with("HTTP/1.1 301"), "{moved}");
    assert!(
        moved.contains(&format!("location: {PROXY}/login\r\n")),
        "{moved}"
    );
    // Without its last slash, the links of a page would lead out of the proxy.
    let root = through(&world, &format!("GET {PROXY}?a=1")).await;
    assert!(root.starts_with("HTTP/1.1 301"), "{root}");
    assert!(
        root.contains(&format!("location: {PROXY}/?a=1\r\n")),
        "{root}"
    );
    assert_eq!(world.node.seen(), ["GET /page", "GET /to"]);
}
