//! Tokens that are asked for over a connection, and what they say.

use crate::service_accounts::Told;
use crate::testing::Server;
use crate::testing::raw;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

const ADMIN: &str = "a-secret-of-alice";

struct World {
    server: Server,
}

impl World {
    /// A pod `p` on a node `n`, whose account is `a`.
    async fn start(more: &[&str]) -> Self {
        let users = format!("{ADMIN},alice,1,system:masters\n");
        let server = Server::start_for(&users, more).await;
        server
            .create("nodes", "", json!({"metadata": {"name": "n"}}))
            .await;
        server
            .create(
                "serviceaccounts",
                "default",
                json!({"metadata": {"name": "a"}}),
            )
            .await;
        let pod = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": "a", "nodeName": "n",
            "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}});
        server.create("pods", "default", pod).await;
        World { server }
    }

    /// The answer's head, and the TokenRequest as it comes back.
    async fn ask(&self, spec: Value) -> (String, Value) {
        let mut client = raw::open(&self.server);
        let body =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
                .to_string();
        let head = format!(
            "POST /api/v1/namespaces/default/serviceaccounts/a/token HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.expect("sent");
        client.write_all(body.as_bytes()).await.expect("sent");
        let answer = raw::read_until(&mut client, "\0").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
        (
            head.to_owned(),
            serde_json::from_str(body).expect("an object"),
        )
    }
}

fn claims(request: &Value) -> Value {
    let token = request["status"]["token"].as_str().expect("a token");
    let payload = token.split('.').nth(1).expect("claims");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

fn seconds(claims: &Value) -> i64 {
    let at = |field: &str| claims[field].as_i64().expect("a time");
    at("exp") - at("iat")
}

fn of_pod(seconds: i64) -> Value {
    json!({"expirationSeconds": seconds, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubelets_ask_for_lives_longer_than_it_says() {
    let world = World::start(&[]).await;
    let (_, given) = world.ask(of_pod(3607)).await;
    let said = claims(&given);
    assert_eq!(given["spec"]["expirationSeconds"], 3607);
    assert_eq!(seconds(&said), 365 * 24 * 3600);
    let warned = said["kubernetes.io"]["warnafter"].as_i64().expect("a time");
    assert_eq!(warned - said["iat"].as_i64().expect("a time"), 3607);
    for spec in [
        of_pod(3600),
        json!({"expirationSeconds": 3607}),
        json!({"expirationSeconds": 3607, "audiences": ["other"],
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}),
    ] {
        let said = claims(&world.ask(spec.clone()).await.1);
        assert_eq!(json!(seconds(&said)), spec["expirationSeconds"], "{spec}");
        assert_eq!(said["kubernetes.io"]["warnafter"], Value::Null, "{spec}");
    }
    let world = World::start(&["--service-account-extend-token-expiration=false"]).await;
    assert_eq!(seconds(&claims(&world.ask(of_pod(3607)).await.1)), 3607);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_lives_longer_than_is_allowed() {
    let world = World::start(&["--service-account-max-token-expiration=2h"]).await;
    let (head, given) = world.ask(json!({"expirationSeconds": 7201})).await;
    let warning =
        "warning: 299 - \"requested expiration of 7201 seconds shortened to 7200 seconds\"";
    assert!(head.contains(warning), "{head}");
    assert_eq!(given["spec"]["expirationSeconds"], 7200);
    assert_eq!(seconds(&claims(&given)), 7200);
    let (head, given) = world.ask(json!({"expirationSeconds": 7200})).await;
    assert!(!head.contains("warning:"), "{head}");
    assert_eq!(seconds(&claims(&given)), 7200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_token_says_on_which_node_it_is() {
    let world = World::start(&[]).await;
    let (_, given) = world.ask(of_pod(3607)).await;
    let uid = |plural: &str, namespace: &str, name: &str| {
        let object = world.server.get(plural, namespace, name).expect("there");
        object["metadata"]["uid"].clone()
    };
    let said = claims(&given);
    assert_eq!(
        said["kubernetes.io"]["node"],
        json!({"name": "n", "uid": uid("nodes", "", "n")})
    );
    assert_eq!(
        said["kubernetes.io"]["pod"],
        json!({"name": "p", "uid": uid("pods", "default", "p")})
    );
    // It stays who it is when the node goes, and is nobody when the pod does.
    world.server.delete("nodes", "", "n", "Background").await;
    let token = given["status"]["token"].as_str().expect("a token");
    let tokens = &world.server.api.authenticator.tokens;
    let (user, _) = tokens
        .check(token, &[], &mut Told::default())
        .expect("ours")
        .expect("good");
    assert_eq!(user.name, "system:serviceaccount:default:a");
    assert_eq!(user.extra["authentication.kubernetes.io/node-name"], ["n"]);
    let now = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
    let pods = world.server.registry("pods");
    let target = crate::controllers::client::Target::new(pods, "default", "p");
    world
        .server
        .client
        .delete(target, now)
        .await
        .expect("deleted");
    let refused = |_: &Server| {
        tokens
            .check(token, &[], &mut Told::default())
            .expect("ours")
            .is_err()
    };
    world.server.eventually("it is nobody's", refused).await;
}
