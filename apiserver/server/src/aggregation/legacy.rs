//! The discovery document of one group and version as servers have always had it, in the form of the aggregated one (apiserver
//! pkg/endpoints/installer.go, ConvertGroupVersionIntoToDiscovery).

use serde_json::{Value, json};

/// The resources of an APIResourceList, each with its subresources.
pub(super) fn to_aggregated(list: &Value) -> Result<Value, String> {
    let all = list["resources"].as_array().ok_or("no list of resources")?;
    let name = |entry: &Value| entry["name"].as_str().unwrap_or("").to_owned();
    let mut out: Vec<Value> = Vec::new();
    for entry in all.iter().filter(|entry| !name(entry).contains('/')) {
        out.push(resource(entry));
    }
    for entry in all {
        let name = name(entry);
        let Some((parent, subresource)) = name.split_once('/') else {
            continue;
        };
        let at = out.iter().position(|known| known["resource"] == parent);
        let at = at.unwrap_or_else(|| {
            out.push(json!({"resource": parent, "responseKind": kind(&Value::Null), "scope": scope(entry), "singularResource": "", "verbs": null}));
            out.len() - 1
        });
        if out[at]["scope"] != scope(entry) {
            return Err(format!("{name} lies elsewhere than {parent}"));
        }
        let found = json!({"subresource": subresource, "responseKind": kind(entry), "verbs": entry["verbs"]});
        match out[at]
            .get_mut("subresources")
            .and_then(Value::as_array_mut)
        {
            Some(list) => list.push(found),
            None => out[at]["subresources"] = json!([found]),
        }
    }
    Ok(out.into())
}

fn resource(entry: &Value) -> Value {
    let mut found = json!({"resource": entry["name"], "responseKind": kind(entry), "scope": scope(entry),
        "singularResource": entry["singularName"].as_str().unwrap_or(""), "verbs": entry["verbs"]});
    for list in ["shortNames", "categories"] {
        if let Some(names) = entry.get(list) {
            found[list] = names.clone();
        }
    }
    found
}

fn kind(entry: &Value) -> Value {
    let text = |field: &str| entry[field].as_str().unwrap_or("").to_owned();
    json!({"group": text("group"), "version": text("version"), "kind": text("kind")})
}

fn scope(entry: &Value) -> &'static str {
    match entry["namespaced"] == true {
        true => "Namespaced",
        false => "Cluster",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subresources_come_to_their_resource() {
        let list = json!({"resources": [
            {"name": "things/status", "singularName": "", "namespaced": true, "kind": "Thing", "verbs": ["get"]},
            {"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing", "verbs": ["list"], "shortNames": ["th"]},
            {"name": "orphans/scale", "namespaced": false, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get"]}]});
        let want = json!([
            {"resource": "things", "responseKind": {"group": "", "version": "", "kind": "Thing"}, "scope": "Namespaced", "singularResource": "thing",
             "verbs": ["list"], "shortNames": ["th"], "subresources": [{"subresource": "status", "responseKind": {"group": "", "version": "", "kind": "Thing"}, "verbs": ["get"]}]},
            {"resource": "orphans", "responseKind": {"group": "", "version": "", "kind": ""}, "scope": "Cluster", "singularResource": "", "verbs": null,
             "subresources": [{"subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}, "verbs": ["get"]}]}]);
        assert_eq!(to_aggregated(&list), Ok(want));
        let elsewhere = json!({"resources": [{"name": "a", "namespaced": true}, {"name": "a/b", "namespaced": false}]});
        assert!(to_aggregated(&elsewhere).is_err());
    }
}
