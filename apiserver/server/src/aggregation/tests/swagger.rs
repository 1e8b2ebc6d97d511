//! What the server behind says in OpenAPI v2 stands in the document of all kinds.

use super::{NAME, PATH, SERVICES, World};
use crate::body::Body;
use crate::query::Query;
use crate::testing::Server;
use serde_json::{Value, json};

/// The document of all kinds, as it is now.
fn swagger(server: &Server) -> Value {
    let (api, headers) = (&server.api, http::HeaderMap::new());
    let answer = api.openapi.answer(
        &api.endpoints.customs,
        &api.aggregation.others(),
        &http::Method::GET,
        "/openapi/v2",
        &headers,
        &Query::default(),
    );
    let Body::Chunks(chunks) = answer.expect("a path of OpenAPI").into_body() else {
        panic!("it is unpacked as it is read");
    };
    let chunks: Result<Vec<_>, _> = chunks.collect();
    serde_json::from_slice(&chunks.expect("whole").concat()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_the_server_behind_are_in_the_document_of_all() {
    let world = World::start().await;
    let path = format!("{PATH}/things");
    let metadata = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let own = swagger(&world.server);
    assert!(own["paths"].get(&path).is_none());
    world.register(json!({})).await;
    world.reason_becomes("Passed").await;
    world.shown_becomes("Current").await;
    let merged = swagger(&world.server);
    let operation = &merged["paths"][path.as_str()]["get"];
    let definition = "#/definitions/example.behind.v1.Thing";
    assert_eq!(operation["responses"]["200"]["schema"]["$ref"], definition);
    let definitions = &merged["definitions"];
    // Its metadata is not this server's: it has another name, and this server's is as it was.
    let renamed = format!("{metadata}_v2");
    assert_eq!(
        definitions["example.behind.v1.Thing"]["properties"]["metadata"]["$ref"],
        format!("#/definitions/{renamed}")
    );
    assert_eq!(
        definitions[renamed.as_str()]["description"],
        "of the server behind"
    );
    assert_eq!(definitions[metadata], own["definitions"][metadata]);
    // It was asked for one version.
    assert!(definitions.get("example.behind.v2.Thing").is_none());
    assert!(
        merged["paths"]
            .get("/apis/behind.example/v2/things")
            .is_none()
    );

    world.server.delete(SERVICES, "", NAME, "Background").await;
    let gone = |server: &Server| swagger(server) == own;
    world
        .server
        .eventually("it goes with its APIService", gone)
        .await;
}
