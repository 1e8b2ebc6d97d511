//! Documents are well-formed: references resolve, ids are unique, what is served is there, and protobuf holds all of it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{Descriptions, Documents, gnostic, v2_protobuf, v3_protobuf};
use crate::scheme::scheme;

fn all() -> Documents<'static> {
    Documents::new(scheme().resources(), "1.37")
}

fn v3_documents() -> Vec<(String, Value)> {
    let documents = all();
    let made = documents.names().into_iter().map(|name| {
        let document = documents
            .v3(&name, &Descriptions::default())
            .expect("every name has a document");
        (name, document)
    });
    made.collect()
}

fn v2_document() -> Value {
    all().v2(&Descriptions::default())
}

/// Every value of a key, wherever it stands.
fn values_of<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            out.extend(object.get(key));
            object.values().for_each(|value| values_of(value, key, out));
        }
        Value::Array(array) => array.iter().for_each(|value| values_of(value, key, out)),
        _ => {}
    }
}

fn references(document: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    values_of(document, "$ref", &mut found);
    // A field may be called so, too: then it has a schema, not a text.
    found.into_iter().filter_map(Value::as_str).collect()
}

#[test]
fn references_resolve_and_nothing_is_there_for_nobody() {
    let documents = v3_documents()
        .into_iter()
        .map(|(_, d)| d)
        .chain([v2_document()]);
    for document in documents {
        let referred: BTreeSet<&str> = references(&document).into_iter().collect();
        for reference in &referred {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for place in ["/definitions", "/components/schemas", "/parameters"] {
            let defined = document
                .pointer(place)
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            for (name, _) in defined {
                assert!(
                    referred.contains(&*format!("#{place}/{name}")),
                    "{name} in {place}"
                );
            }
        }
    }
}

#[test]
fn references_stand_alone_in_v3_and_defaults_are_not_in_v2() {
    fn check(value: &Value) {
        if let Value::Object(object) = value {
            if object.get("$ref").is_some_and(Value::is_string) {
                assert_eq!(object.len(), 1, "{value}");
            }
            object.values().for_each(check);
        } else if let Value::Array(array) = value {
            array.iter().for_each(check);
        }
    }
    v3_documents()
        .iter()
        .for_each(|(_, document)| check(document));
    for definition in v2_document()["definitions"]
        .as_object()
        .expect("definitions")
        .values()
    {
        for property in definition["properties"]
            .as_object()
            .into_iter()
            .flat_map(|p| p.values())
        {
            assert!(property.get("default").is_none(), "{property}");
        }
    }
}

#[test]
fn operation_ids_are_unique() {
    let document = v2_document();
    let mut ids = Vec::new();
    values_of(&document["paths"], "operationId", &mut ids);
    let unique: BTreeSet<&str> = ids.iter().filter_map(|id| id.as_str()).collect();
    assert_eq!(unique.len(), ids.len());
    assert!(unique.contains("listCoreV1PodForAllNamespaces"));
    assert!(unique.contains("deleteAppsV1CollectionNamespacedDeployment"));
    assert!(unique.contains("connectCoreV1HeadNodeProxyWithPath"));
    assert!(unique.contains("replaceCoreV1NamespaceFinalize"));
    assert!(unique.contains("watchCoreV1NamespaceList"));
}

#[test]
fn required_fields_exist() {
    for (name, definition) in v2_document()["definitions"]
        .as_object()
        .expect("definitions")
    {
        for field in definition["required"].as_array().into_iter().flatten() {
            let field = field.as_str().expect("a name");
            assert!(
                definition["properties"].get(field).is_some(),
                "{name}.{field}"
            );
        }
    }
}

#[test]
fn path_parameters_are_those_of_the_path() {
    let document = v2_document();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let wanted: BTreeSet<&str> = path
            .split('/')
            .filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let resolve = |p: &Value| match p.get("$ref").and_then(Value::as_str) {
            Some(reference) => document.pointer(&reference[1..]).expect("resolves").clone(),
            None => p.clone(),
        };
        let common: Vec<Value> = item["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(resolve)
            .collect();
        for method in super::v3::METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let own: Vec<Value> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(resolve)
                .collect();
            let named = common
                .iter()
                .chain(&own)
                .filter(|p| p["in"] == "path")
                .filter_map(|p| p["name"].as_str());
            assert_eq!(named.collect::<BTreeSet<_>>(), wanted, "{method} {path}");
        }
    }
}

#[test]
fn what_is_served_has_its_path_and_operation() {
    let documents: HashMap<String, Value> = v3_documents().into_iter().collect();
    for resource in scheme().resources() {
        let root = super::installer::root_of(&resource.group, &resource.version);
        let paths = &documents[&root[1..]]["paths"];
        let scope = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let collection = format!("{root}{scope}/{}", resource.plural);
        let operation = |path: &str, method: &str, action: &str| {
            let operation = &paths[path][method];
            assert_eq!(operation["x-kubernetes-action"], action, "{method} {path}");
        };
        for verb in &resource.verbs {
            match &**verb {
                "list" => operation(&collection, "get", "list"),
                "create" => operation(&collection, "post", "post"),
                "deletecollection" => operation(&collection, "delete", "deletecollection"),
                "watch" => operation(
                    &collection.replacen(&root, &format!("{root}/watch"), 1),
                    "get",
                    "watchlist",
                ),
                "get" => operation(&format!("{collection}/{{name}}"), "get", "get"),
                "update" => operation(&format!("{collection}/{{name}}"), "put", "put"),
                "patch" => operation(&format!("{collection}/{{name}}"), "patch", "patch"),
                "delete" => operation(&format!("{collection}/{{name}}"), "delete", "delete"),
                other => panic!("verb {other}"),
            }
        }
        for subresource in &resource.subresources {
            let path = format!("{collection}/{{name}}/{}", subresource.name);
            assert!(paths[&path].is_object(), "{path}");
        }
    }
}

#[test]
fn types_are_written_as_clients_read_them() {
    let document = all()
        .v3("apis/apps/v1", &Descriptions::default())
        .expect("apps/v1");
    let schema = |name: &str| &document["components"]["schemas"][name];
    let deployment = schema("io.k8s.api.apps.v1.Deployment");
    assert_eq!(
        deployment["properties"]["spec"].to_string(),
        r##"{"default":{},"allOf":[{"$ref":"#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]}"##
    );
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"].to_string(),
        r#"[{"group":"apps","kind":"Deployment","version":"v1"}]"#
    );
    let container = schema("io.k8s.api.core.v1.Container");
    assert_eq!(
        container["properties"]["ports"].to_string(),
        r##"{"type":"array","items":{"$ref":"#/components/schemas/io.k8s.api.core.v1.ContainerPort"},"x-kubernetes-list-map-keys":["containerPort","protocol"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"containerPort","x-kubernetes-patch-strategy":"merge"}"##
    );
    let protocol = &schema("io.k8s.api.core.v1.ContainerPort")["properties"]["protocol"];
    assert_eq!(
        protocol.to_string(),
        r#"{"description":"Possible enum values:\n - `\"SCTP\"`\n - `\"TCP\"`\n - `\"UDP\"`","type":"string","default":"TCP","enum":["SCTP","TCP","UDP"]}"#
    );
    assert_eq!(
        schema("io.k8s.apimachinery.pkg.util.intstr.IntOrString").to_string(),
        r#"{"format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]}"#
    );
    let limits = &schema("io.k8s.api.core.v1.ResourceRequirements")["properties"]["limits"];
    assert_eq!(
        limits.to_string(),
        r##"{"type":"object","additionalProperties":{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}}"##
    );
}

#[test]
fn every_key_has_its_place_in_protobuf() {
    for (name, document) in v3_documents() {
        assert_eq!(
            gnostic::unplaced(&document, true),
            Vec::<String>::new(),
            "{name}"
        );
    }
    assert_eq!(
        gnostic::unplaced(&v2_document(), false),
        Vec::<String>::new()
    );
}

/// The length-delimited fields of a message, by number.
fn fields(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u32 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a whole number");
            *bytes = rest;
            number |= u32::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        number
    }
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        match tag & 7 {
            0 => {
                varint(&mut bytes);
            }
            1 => bytes = &bytes[8..],
            2 => {
                let length = varint(&mut bytes) as usize;
                let (body, rest) = bytes.split_at(length);
                out.push((tag >> 3, body));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    out
}

fn only(bytes: &[u8], number: u32) -> Vec<&[u8]> {
    fields(bytes)
        .into_iter()
        .filter(|(n, _)| *n == number)
        .map(|(_, body)| body)
        .collect()
}

/// Names of the pairs in a message's field.
fn pair_names(bytes: &[u8], number: u32) -> Vec<&str> {
    only(bytes, number)
        .into_iter()
        .map(|pair| std::str::from_utf8(only(pair, 1)[0]).expect("UTF-8"))
        .collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(|key| key.as_str())
        .collect()
}

#[test]
fn protobuf_of_v2_holds_the_document() {
    let document = v2_document();
    let bytes = v2_protobuf(&document);
    assert_eq!(only(&bytes, 1), [b"2.0"]);
    assert_eq!(pair_names(only(&bytes, 8)[0], 2), keys(&document["paths"]));
    let definitions = only(&bytes, 9)[0];
    assert_eq!(pair_names(definitions, 1), keys(&document["definitions"]));
    assert_eq!(
        pair_names(only(&bytes, 10)[0], 1),
        keys(&document["parameters"])
    );
    let pod = only(definitions, 1)
        .into_iter()
        .find(|pair| only(pair, 1)[0] == b"io.k8s.api.core.v1.Pod")
        .expect("Pod");
    let pod = only(pod, 2)[0];
    assert_eq!(only(only(pod, 22)[0], 1), [b"object"]);
    assert_eq!(pair_names(pod, 31), ["x-kubernetes-group-version-kind"]);
    let kinds = only(only(only(pod, 31)[0], 2)[0], 2)[0];
    assert_eq!(
        kinds,
        b"[{\"group\":\"\",\"kind\":\"Pod\",\"version\":\"v1\"}]\n"
    );
}

#[test]
fn protobuf_of_v3_holds_the_document() {
    let document = all()
        .v3("api/v1", &Descriptions::default())
        .expect("api/v1");
    let bytes = v3_protobuf(&document);
    assert_eq!(only(&bytes, 1), [b"3.0.0"]);
    assert_eq!(pair_names(only(&bytes, 4)[0], 1), keys(&document["paths"]));
    let schemas = only(only(&bytes, 5)[0], 1)[0];
    assert_eq!(
        pair_names(schemas, 1),
        keys(&document["components"]["schemas"])
    );
}
