//! Paths and definitions of every document against those recorded from kube-apiserver (../shared/golden, outside the
//! project; skipped where absent).

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use triad_machinery::openapi::{Descriptions, Documents};

#[test]
fn documents_have_the_recorded_keys() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/suites/discovery.json");
    let Ok(text) = std::fs::read_to_string(&suite) else {
        eprintln!("skipped: no {}", suite.display());
        return;
    };
    let suite: Value = serde_json::from_str(&text).expect("JSON");
    let cases = suite["cases"].as_array().expect("cases");
    let case = cases.iter().find(|c| c["id"] == "openapi").expect("openapi");
    let documents = Documents::served_by_default("v1.37.0");
    let descriptions = Descriptions::default();
    let mut compared = 0;
    for step in case["steps"].as_array().expect("steps") {
        let (Some(path), Some(keys)) = (step["path"].as_str(), step["expect"]["keys"].as_object()) else { continue };
        let document = match path.strip_prefix("/openapi/v3/") {
            Some(name) => documents.v3(name, &descriptions).expect(name),
            None => documents.v2(&descriptions),
        };
        for (place, wanted) in keys {
            let pointer = if place.is_empty() { String::new() } else { format!("/{}", place.replace('.', "/")) };
            let got: BTreeSet<&str> = document.pointer(&pointer).and_then(Value::as_object).expect(place).keys().map(String::as_str).collect();
            let wanted: BTreeSet<&str> = wanted.as_array().expect("keys").iter().filter_map(Value::as_str).collect();
            let missing: Vec<_> = wanted.difference(&got).collect();
            let extra: Vec<_> = got.difference(&wanted).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{path} {place}: missing {missing:?}, extra {extra:?}");
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} compared");
}

#[test]
fn the_index_has_the_recorded_names() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/suites/discovery.json");
    let Ok(text) = std::fs::read_to_string(&suite) else { return };
    let suite: Value = serde_json::from_str(&text).expect("JSON");
    let steps = suite["cases"].as_array().expect("cases").iter().find(|c| c["id"] == "openapi").expect("openapi")["steps"].clone();
    let step = steps.as_array().expect("steps").iter().find(|s| s["path"] == "/openapi/v3").expect("the index").clone();
    let index: Value = serde_json::from_str(step["expect"]["text"].as_str().expect("text")).expect("JSON");
    let wanted: Vec<&String> = index["paths"].as_object().expect("paths").keys().collect();
    let names = Documents::served_by_default("v1.37.0").names();
    assert_eq!(names.iter().collect::<Vec<_>>(), wanted);
    let text = std::fs::read_to_string(std::env::var("DESC").unwrap()).unwrap();
    let descriptions = Descriptions::read(&text);
    use sha2::Digest;
    for name in &names {
        let t = std::time::Instant::now();
        let d = Documents::served_by_default("v1.37.0").v3(name, &descriptions).unwrap().to_string();
        let e = t.elapsed();
        let d = d.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        let h: String = sha2::Sha512::digest(&d).iter().map(|b| format!("{b:02X}")).collect();
        let ok = index["paths"][name]["serverRelativeURL"].as_str().unwrap().ends_with(&h);
        println!("{name} {} {e:?} {ok}", d.len());
        std::fs::write(format!("/tmp/oa/{}.json", name.replace('/', "__")), d).unwrap();
    }
    let t = std::time::Instant::now();
    let d = Documents::served_by_default("v1.37.0").v2(&descriptions);
    println!("v2 tree {:?}", t.elapsed());
    let s = d.to_string();
    println!("v2 text {} {:?}", s.len(), t.elapsed());
    println!("v2 pb {} {:?}", triad_machinery::openapi::v2_protobuf(&d).len(), t.elapsed());
    std::fs::write("/tmp/oa/v2.json", s).unwrap();
}
