//! Which groups are listed, when APIServices come and go.

use super::{SERVICES, World};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_api_service_was_deleted_is_listed_no_longer_and_served_all_the_same() {
    let world = World::start().await;
    let listed = || {
        let table = world.server.api.aggregation.table();
        table.all().any(|service| service.name == "v1.batch")
    };
    world
        .server
        .eventually("batch has its service", |_| listed())
        .await;
    let shown = |body: &str| body.contains("\"batch/v1\"") || body.contains("\"name\":\"batch\"");
    let aggregated = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\nConnection: close\r\n";
    assert!(shown(&world.get("/apis").await.1));
    assert!(shown(&world.ask("GET /apis", aggregated, "\0").await));
    world
        .server
        .delete(SERVICES, "", "v1.batch", "Background")
        .await;
    world.server.eventually("it is gone", |_| !listed()).await;
    assert!(!shown(&world.get("/apis").await.1));
    assert!(!shown(&world.ask("GET /apis", aggregated, "\0").await));
    for path in ["/apis/batch", "/apis/batch/v1", "/apis/batch/v1/jobs"] {
        let (code, body) = world.get(path).await;
        assert_eq!(code, 200, "{path}: {body}");
    }
    let again = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.batch"},
        "spec": {"group": "batch", "version": "v1", "groupPriorityMinimum": 17400, "versionPriority": 15}});
    world.server.create(SERVICES, "", again).await;
    world
        .server
        .eventually("it is there again", |_| listed())
        .await;
    assert!(shown(&world.get("/apis").await.1));
}
