//! A group whose requests another server answers, from its registration to its end, over real connections.

mod contents;
mod listed;
mod swagger;

use crate::registry::conditions;
use crate::testing::Server;
use crate::testing::behind::{Behind, PATH};
use crate::testing::raw::{open, read_until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const SERVICES: &str = "apiservices.apiregistration.k8s.io";
const NAME: &str = "v1.behind.example";
const ALICE: &str = "token-of-alice";

struct World {
    server: Server,
    behind: Behind,
}

impl World {
    /// A server, and one behind it, which is not registered yet.
    async fn start() -> Self {
        Self::start_with("none").await
    }

    /// The same with some controllers.
    async fn start_with(controllers: &str) -> Self {
        let users = format!("{ALICE},alice,alice-uid,\"team-a,system:masters\"\n");
        let controllers = format!("--controllers={controllers}");
        let flags = ["--authorization-mode=RBAC", &controllers];
        let server = Server::start_for(&users, &flags).await;
        let ca = server.api.front_proxy.ca.clone().expect("a CA of its own");
        let behind = Behind::start("s.default.svc", &ca).await;
        World { server, behind }
    }

    /// Registers it as the service `s`.
    async fn register(&self, more: Value) {
        let port = self.behind.port;
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}});
        self.server.create("services", "default", service).await;
        let mut spec = json!({"group": "behind.example", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
            "service": {"namespace": "default", "name": "s", "port": port}, "caBundle": STANDARD.encode(&self.behind.ca_pem)});
        for (key, value) in more.as_object().expect("an object") {
            spec[key.as_str()] = value.clone();
        }
        let object = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME}, "spec": spec});
        self.server.create(SERVICES, "", object).await;
    }

    async fn reason_becomes(&self, reason: &str) -> String {
        let found = || {
            let object = self.server.get(SERVICES, "", NAME)?;
            let condition = conditions::find(&object, "Available")?.clone();
            Some((condition["reason"].clone(), condition["message"].clone()))
        };
        self.server
            .eventually(reason, |_| found().is_some_and(|(is, _)| is == reason))
            .await;
        let (_, message) = found().expect("a condition");
        // What stands in the store reaches those who route a moment later.
        let served = async {
            while reason == "Passed" && self.get(PATH).await.0 == 503 {
                tokio::task::yield_now().await;
            }
        };
        let served = tokio::time::timeout(Duration::from_secs(60), served).await;
        assert!(served.is_ok(), "available, and not served");
        message.as_str().unwrap_or("").to_owned()
    }

    /// Sends a request with more lines in its head and reads until `end` has come, or the connection ends.
    async fn ask(&self, first: &str, more: &str, end: &str) -> String {
        let mut client = open(&self.server);
        let head = format!(
            "{first} HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {ALICE}\r\n{more}\r\n"
        );
        client.write_all(head.as_bytes()).await.expect("sent");
        read_until(&mut client, end).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .ask(&format!("GET {path}"), "Connection: close\r\n", "\0")
            .await;
        let code = answer[9..12].parse().expect("a code");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (code, body.to_owned())
    }
}

fn echoed(answer: &str) -> Value {
    let (from, to) = (answer.find('{'), answer.rfind('}'));
    let body = &answer[from.expect("an object")..=to.expect("its end")];
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_the_server_behind_and_say_who_asks() {
    let world = World::start().await;
    let path = format!("{PATH}/namespaces/n/things");
    assert_eq!(world.get(&path).await.0, 404);
    world.register(json!({})).await;
    let message = world.reason_becomes("Passed").await;
    assert_eq!(message, "all checks passed");
    let lines = "X-Remote-User: root\r\nX-Remote-Group: evil\r\nX-Remote-Extra-A: b\r\nX-Custom: kept\r\nUpgrade: h2c\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
    let answer = world
        .ask(&format!("POST {path}?b=2&a=1"), lines, "\0")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains("access-control"), "{answer}");
    assert!(answer.contains("audit-id"), "{answer}");
    let seen = echoed(&answer);
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["uri"], format!("{path}?a=1&b=2"));
    assert_eq!(seen["body"], "body");
    assert_eq!(seen["certificate"], "front-proxy-client");
    let headers = seen["headers"].to_string();
    for line in [
        "x-remote-user: alice",
        "x-remote-uid: alice-uid",
        "x-remote-group: team-a",
        "x-remote-group: system:authenticated",
        "x-custom: kept",
        "x-forwarded-for: 192.0.2.1",
        "audit-id: ",
    ] {
        assert!(headers.contains(line), "{line} in {headers}");
    }
    for word in ["root", "evil", "x-remote-extra", "authorization", "h2c"] {
        assert!(!headers.contains(word), "{word} in {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_come_as_they_are_made_and_redirects_do_not() {
    let world = World::start().await;
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    let first = format!("GET {PATH}/stream");
    let streamed = world.ask(&first, "", "two\n").await;
    assert!(streamed.contains("one\n"), "{streamed}");
    let (code, body) = world.get(&format!("{PATH}/moved")).await;
    assert_eq!(code, 502);
    assert!(body.contains("redirect"), "{body}");
    assert!(!body.contains("169.254"), "{body}");
    let before = world.behind.requests();
    let (code, _) = world
        .get(&format!("{PATH}/namespaces/n%2f..%2fother/things"))
        .await;
    assert_eq!((code, world.behind.requests()), (404, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_pass_through() {
    let world = World::start().await;
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    let mut client = open(&world.server);
    let head = format!(
        "GET {PATH}/upgrade HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALICE}\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.expect("sent");
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    client.write_all(b"hello").await.expect("sent");
    let louder = read_until(&mut client, "HELLO").await;
    assert_eq!(louder, "HELLO");
    // What is no upgrade ends the connection: what was sent behind it reaches nobody.
    let smuggled = format!(
        "Connection: Upgrade\r\nUpgrade: shout\r\n\r\nGET {PATH}/smuggled HTTP/1.1\r\nHost: a\r\n"
    );
    let first = format!("GET {PATH}/upgrade-refused");
    let before = world.behind.requests();
    let answer = world.ask(&first, &smuggled, "\0").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(world.behind.requests(), before + 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_is_not_trusted() {
    let world = World::start().await;
    let other = Behind::start(
        "localhost",
        world.server.api.front_proxy.ca.as_ref().expect("a CA"),
    );
    let behind = other.await;
    let world = World { behind, ..world };
    world.register(json!({})).await;
    let message = world.reason_becomes("FailedDiscoveryCheck").await;
    assert!(message.contains("x509"), "{message}");
    let (code, body) = world.get(&format!("{PATH}/namespaces/n/things")).await;
    assert_eq!((code, &*body), (503, "service unavailable\n"));
    let patch = json!({"spec": {"caBundle": null, "insecureSkipTLSVerify": true}});
    world.server.patch(SERVICES, "", NAME, patch).await;
    world.reason_becomes("Passed").await;
    assert_eq!(
        world.get(&format!("{PATH}/namespaces/n/things")).await.0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leads_back_here_is_cut() {
    let world = World::start().await;
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    let via = format!(
        "Via: 1.1 {}\r\nConnection: close\r\n",
        world.server.api.aggregation.pseudonym
    );
    let first = format!("GET {PATH}/namespaces/n/things");
    let before = world.behind.requests();
    let answer = world.ask(&first, &via, "\0").await;
    assert!(answer.starts_with("HTTP/1.1 508"), "{answer}");
    assert_eq!(world.behind.requests(), before);
}

impl World {
    /// The aggregated document's entry of the group behind.
    async fn shown(&self) -> Value {
        let accept = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\nConnection: close\r\n";
        let document = echoed(&self.ask("GET /apis", accept, "\0").await);
        let items = document["items"].as_array().cloned().unwrap_or_default();
        let found = items
            .into_iter()
            .find(|item| item["metadata"]["name"] == "behind.example");
        found.map_or(Value::Null, |found| found["versions"][0].clone())
    }

    async fn shown_becomes(&self, freshness: &str) -> Value {
        for _ in 0..3000 {
            let shown = self.shown().await;
            if shown["freshness"] == freshness {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("in vain: {freshness}, but {}", self.shown().await);
    }

    async fn groups(&self) -> Vec<String> {
        let (_, body) = self.get("/apis").await;
        let list: Value = serde_json::from_str(&body).expect("JSON");
        let groups = list["groups"].as_array().expect("groups").iter();
        groups
            .map(|group| group["name"].as_str().unwrap_or("").to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_shows_what_the_server_behind_said_last() {
    let world = World::start().await;
    assert_eq!(world.shown().await, Value::Null);
    world
        .register(json!({"groupPriorityMinimum": 17_775}))
        .await;
    world.reason_becomes("Passed").await;
    let shown = world.shown_becomes("Current").await;
    assert_eq!(shown["resources"][0]["resource"], "things");
    let subresource = &shown["resources"][0]["subresources"][0]["subresource"];
    assert_eq!(*subresource, "status");
    let groups = world.groups().await;
    let place = |name: &str| groups.iter().position(|group| group == name);
    assert_eq!(place("apiregistration.k8s.io"), Some(0));
    assert_eq!(place("apps"), Some(1));
    assert_eq!(place("behind.example"), Some(2), "{groups:?}");
    let (code, group) = world.get("/apis/behind.example").await;
    assert_eq!(code, 200, "{group}");
    let group: Value = serde_json::from_str(&group).expect("JSON");
    assert_eq!(group["preferredVersion"]["version"], "v1");
    // It breaks, and something on the way to it changes, so that it is looked at.
    world.behind.set_broken(true);
    let touch = json!({"metadata": {"annotations": {"a": "b"}}});
    world.server.patch("services", "default", "s", touch).await;
    let message = world.reason_becomes("FailedDiscoveryCheck").await;
    assert!(message.contains("bad status from"), "{message}");
    let shown = world.shown_becomes("Stale").await;
    assert_eq!(shown["resources"][0]["resource"], "things");
    let (code, _) = world.get(&format!("{PATH}/namespaces/n/things")).await;
    assert_eq!(code, 503);
    world.server.delete(SERVICES, "", NAME, "Background").await;
    for _ in 0..3000 {
        if world.get("/apis/behind.example").await.0 == 404 {
            assert_eq!(world.shown().await, Value::Null);
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the group stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn extension_servers_always_find_whom_to_trust() {
    let server = Server::start("none").await;
    let place = (
        "configmaps",
        "kube-system",
        "extension-apiserver-authentication",
    );
    let whole = |server: &Server| {
        let map = server.get(place.0, place.1, place.2);
        map.is_some_and(|map| {
            let data = &map["data"];
            let has = |key: &str| data[key].as_str().is_some_and(|text| !text.is_empty());
            has("client-ca-file")
                && has("requestheader-client-ca-file")
                && data["requestheader-allowed-names"] == "[\"front-proxy-client\"]"
                && data["requestheader-username-headers"] == "[\"X-Remote-User\"]"
        })
    };
    assert!(whole(&server));
    let lacking = json!({"data": {"requestheader-client-ca-file": null}});
    server.patch(place.0, place.1, place.2, lacking).await;
    server
        .eventually("what was taken away is back", whole)
        .await;
    server.delete(place.0, place.1, place.2, "Background").await;
    server.eventually("it is made anew", whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_the_server_behind_are_in_the_index() {
    let world = World::start().await;
    let first = "GET /openapi/v3";
    let close = "Connection: close\r\n";
    let before = world.ask(first, close, "\0").await;
    assert!(!before.contains("behind.example"), "{before}");
    let dated = before
        .lines()
        .find_map(|line| line.strip_prefix("last-modified: "))
        .expect("a date");
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    world.shown_becomes("Current").await;
    // Even within the same second the date of another index is another.
    let since = format!("If-Modified-Since: {dated}\r\n{close}");
    let after = world.ask(first, &since, "\0").await;
    let name = PATH.trim_start_matches('/');
    assert!(after.contains(name), "{after}");
    let (code, document) = world.get(&format!("/openapi/v3{PATH}?hash=1")).await;
    assert_eq!(code, 200);
    assert!(document.contains("behind"), "{document}");
    let (code, own) = world.get("/openapi/v3/apis/apps/v1").await;
    assert_eq!(code, 200);
    assert!(own.contains("Deployment"), "this server shows its own");
}
