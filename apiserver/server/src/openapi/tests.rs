//! Answers to clients: forms, tags, hashes, what is not there; and that every served type is described.

use super::*;
use http::header::{ACCEPT, ACCEPT_ENCODING};

const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// Of the smallest groups: documents of all resources take their time.
fn small() -> OpenApi {
    let resources = scheme().resources().iter();
    OpenApi::of(Documents::new(
        resources.filter(|r| r.group == "scheduling.k8s.io" && r.version == "v1"),
        API_VERSION,
    ))
}

fn no_customs() -> crate::custom::Customs {
    let settings = triad_machinery::validation::Settings {
        allow_privileged: false,
    };
    crate::custom::Customs::new(1 << 20, settings)
}

fn ask(openapi: &OpenApi, target: &str, headers: &[(HeaderName, &str)]) -> Reply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers.iter().map(|(name, value)| {
        (
            name.clone(),
            HeaderValue::from_str(value).expect("a header"),
        )
    });
    let headers = HeaderMap::from_iter(headers);
    openapi
        .answer(
            &no_customs(),
            &Others::default(),
            &Method::GET,
            path,
            &headers,
            &Query::parse(query),
        )
        .expect("a path of OpenAPI")
}

fn header<'a>(reply: &'a Reply, name: &HeaderName) -> &'a str {
    reply
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

fn body(reply: Reply) -> Vec<u8> {
    match reply.into_body() {
        crate::body::Body::Pieces(pieces) => pieces.into_iter().flatten().collect(),
        crate::body::Body::Chunks(chunks) => {
            let pieces: Result<Vec<_>, _> = chunks.collect();
            pieces.expect("whole").concat()
        }
        crate::body::Body::Stream(_) => panic!("documents are no streams"),
    }
}

#[test]
fn v2_has_two_forms_and_no_other() {
    let openapi = small();
    let json = ask(&openapi, "/openapi/v2", &[]);
    assert_eq!(
        (json.status().as_u16(), header(&json, &CONTENT_TYPE)),
        (200, "application/json")
    );
    let tag = header(&json, &ETAG).to_owned();
    let document: Value = serde_json::from_slice(&body(json)).expect("JSON");
    assert_eq!(document["swagger"], "2.0");
    for accept in [
        V2_PROTOBUF,
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf, */*;q=0.1",
    ] {
        let protobuf = ask(&openapi, "/openapi/v2", &[(ACCEPT, accept)]);
        assert_eq!(header(&protobuf, &CONTENT_TYPE), V2.protobuf);
        assert_eq!(header(&protobuf, &ETAG), tag);
        assert_eq!(body(protobuf)[..5], *b"\n\x032.0");
    }
    let refused = ask(&openapi, "/openapi/v2", &[(ACCEPT, "application/yaml")]);
    let vary: Vec<_> = refused.headers().get_all(VARY).iter().collect();
    assert_eq!(
        (refused.status().as_u16(), vary.len(), body(refused).len()),
        (406, 2, 0)
    );
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let openapi = small();
    let first = ask(&openapi, "/openapi/v3/version", &[]);
    let tag = header(&first, &ETAG).to_owned();
    let modified = header(&first, &LAST_MODIFIED).to_owned();
    for known in [
        (IF_NONE_MATCH, tag.as_str()),
        (IF_NONE_MATCH, "\"other\", *"),
        (IF_MODIFIED_SINCE, modified.as_str()),
    ] {
        let again = ask(&openapi, "/openapi/v3/version", &[known]);
        assert_eq!(
            (
                again.status().as_u16(),
                header(&again, &ETAG),
                header(&again, &CONTENT_TYPE)
            ),
            (304, tag.as_str(), "")
        );
        assert!(body(again).is_empty());
    }
    let stale = ask(
        &openapi,
        "/openapi/v3/version",
        &[(IF_NONE_MATCH, "\"other\""), (IF_MODIFIED_SINCE, &modified)],
    );
    assert_eq!(stale.status().as_u16(), 200);
}

#[test]
fn the_index_leads_to_documents_that_may_be_kept() {
    let openapi = small();
    let index: Value =
        serde_json::from_slice(&body(ask(&openapi, "/openapi/v3", &[]))).expect("JSON");
    let paths = index["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 7);
    for entry in paths.values() {
        let reply = ask(
            &openapi,
            entry["serverRelativeURL"].as_str().expect("a URL"),
            &[],
        );
        assert_eq!(
            (reply.status().as_u16(), header(&reply, &CACHE_CONTROL)),
            (200, "public, immutable")
        );
        assert!(header(&reply, &EXPIRES).ends_with(" GMT"));
    }
    let right = paths["apis/scheduling.k8s.io/v1"]["serverRelativeURL"]
        .as_str()
        .expect("a URL");
    let moved = ask(
        &openapi,
        "/openapi/v3/apis/scheduling.k8s.io/v1?hash=WRONG",
        &[],
    );
    assert_eq!(
        (moved.status().as_u16(), header(&moved, &LOCATION)),
        (301, right)
    );
    assert_eq!(header(&moved, &CONTENT_TYPE), "application/json");
    assert!(body(moved).is_empty());
    assert_eq!(
        ask(&openapi, "/openapi/v3/apis/nosuch/v1", &[])
            .status()
            .as_u16(),
        404
    );
    assert_eq!(ask(&openapi, "/openapi/v3/", &[]).status().as_u16(), 404);
    let none = openapi.answer(
        &no_customs(),
        &Others::default(),
        &Method::GET,
        "/openapi",
        &HeaderMap::new(),
        &Query::default(),
    );
    assert!(none.is_none());
}

#[test]
fn gzip_is_for_those_who_take_it() {
    let openapi = small();
    let gzip = ask(&openapi, "/openapi/v3/api", &[(ACCEPT_ENCODING, "gzip")]);
    assert_eq!(
        (header(&gzip, &CONTENT_ENCODING), header(&gzip, &VARY)),
        ("gzip", "Accept, Accept-Encoding")
    );
    let plain = ask(&openapi, "/openapi/v3/api", &[]);
    assert_eq!(
        (header(&plain, &CONTENT_ENCODING), header(&plain, &VARY)),
        ("", "Accept")
    );
    let (mut read, plain) = (Vec::new(), body(plain));
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(&body(gzip)[..]),
        &mut read,
    )
    .expect("gzip");
    assert_eq!(read, plain);
}

/// No kind may have been forgotten in the list that apiserver/docs is built from.
#[test]
fn every_served_type_is_described() {
    let table = triad_docs::text();
    let documents = Documents::new(scheme().resources(), API_VERSION);
    let document = documents.v2(&Descriptions::read(&table));
    let definitions = document["definitions"].as_object().expect("definitions");
    let bare = |definition: &&Value| definition.get("description").is_none();
    let names: Vec<_> = definitions
        .iter()
        .filter(|(_, d)| bare(d))
        .map(|(name, _)| name)
        .collect();
    assert!(names.is_empty(), "{names:?}");
    let fields = definitions
        .values()
        .filter_map(|d| d["properties"].as_object())
        .flat_map(|p| p.values());
    let (described, bare): (Vec<_>, Vec<_>) = fields.partition(|field| !bare(field));
    assert!(
        described.len() > 60 * bare.len(),
        "{} of {}",
        bare.len(),
        described.len()
    );
}
