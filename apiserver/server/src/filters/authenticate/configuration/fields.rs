//! The fields that a file may have.

use serde_json::Value;

/// A misspelt field would let in more than is meant.
pub(super) fn unknown_fields(config: &Value) -> Vec<String> {
    const MAPPED: [&str; 3] = ["claim", "prefix", "expression"];
    let known: [(&str, &[&str]); 10] = [
        ("", &["apiVersion", "kind", "jwt", "anonymous"]),
        ("/anonymous", &["enabled", "conditions"]),
        (
            "/jwt",
            &[
                "issuer",
                "claimValidationRules",
                "claimMappings",
                "userValidationRules",
            ],
        ),
        (
            "/jwt/issuer",
            &[
                "url",
                "discoveryURL",
                "certificateAuthority",
                "audiences",
                "audienceMatchPolicy",
                "egressSelectorType",
            ],
        ),
        (
            "/jwt/claimValidationRules",
            &["claim", "requiredValue", "expression", "message"],
        ),
        (
            "/jwt/claimMappings",
            &["username", "groups", "uid", "extra"],
        ),
        ("/jwt/claimMappings/username", &MAPPED),
        ("/jwt/claimMappings/groups", &MAPPED),
        ("/jwt/claimMappings/uid", &["claim", "expression"]),
        ("/jwt/userValidationRules", &["expression", "message"]),
    ];
    let mut unknown = Vec::new();
    look(config, "", &known, &mut unknown);
    unknown
}

fn look(value: &Value, at: &str, known: &[(&str, &[&str])], unknown: &mut Vec<String>) {
    if let Some(list) = value.as_array() {
        for one in list {
            look(one, at, known, unknown);
        }
        return;
    }
    let Some((_, fields)) = known.iter().find(|(path, _)| *path == at) else {
        return;
    };
    for (field, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{field}");
        if !fields.contains(&field.as_str()) {
            unknown.push(path.trim_start_matches('/').replace('/', "."));
        }
        look(inner, &path, known, unknown);
    }
}
