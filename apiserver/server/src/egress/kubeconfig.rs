//! Whom to call, as a kubeconfig file says it (client-go tools/clientcmd): the current context's server, its CA, and what to show.

use super::{Target, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;

/// The server of a file's current context.
pub(crate) fn target(file: &Path) -> Result<Target, String> {
    let text =
        std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let config = triad_machinery::codec::yaml::to_value(&text)
        .map_err(|error| format!("{} is no kubeconfig: {error}", file.display()))?;
    read(&config, file.parent().unwrap_or(Path::new("")))
        .map_err(|why| format!("{}: {why}", file.display()))
}

fn read(config: &Value, home: &Path) -> Result<Target, String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let named = |list: &str, part: &str, name: &str| {
        let mut all = config[list].as_array().into_iter().flatten();
        all.find(|entry| entry["name"] == name)
            .map(|entry| entry[part].clone())
    };
    let current = text(&config["current-context"]);
    // A file of one server needs no contexts.
    let context = named("contexts", "context", &current)
        .unwrap_or_else(|| config["contexts"][0]["context"].clone());
    let cluster = named("clusters", "cluster", &text(&context["cluster"]))
        .unwrap_or_else(|| config["clusters"][0]["cluster"].clone());
    let user = named("users", "user", &text(&context["user"])).unwrap_or(Value::Null);
    let url = text(&cluster["server"]);
    if url.is_empty() {
        return Err("no server is named".to_owned());
    }
    let pem = |of: &Value, name: &str| -> Result<Option<Vec<u8>>, String> {
        if let Some(data) = of[format!("{name}-data")].as_str() {
            return STANDARD
                .decode(data)
                .map(Some)
                .map_err(|error| format!("{name}-data: {error}"));
        }
        let Some(path) = of[name].as_str().filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        std::fs::read(home.join(path))
            .map(Some)
            .map_err(|error| format!("{name} {path}: {error}"))
    };
    let identity = match (pem(&user, "client-certificate")?, pem(&user, "client-key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("client-certificate and client-key go together".to_owned()),
    };
    let bearer = match (user["token"].as_str(), user["tokenFile"].as_str()) {
        (Some(token), _) if !token.is_empty() => Some(token.to_owned()),
        (_, Some(file)) => {
            let token = std::fs::read_to_string(home.join(file));
            Some(
                token
                    .map_err(|error| format!("tokenFile {file}: {error}"))?
                    .trim()
                    .to_owned(),
            )
        }
        _ => None,
    };
    let trust = Trust {
        ca: pem(&cluster, "certificate-authority")?.unwrap_or_default(),
        insecure: cluster["insecure-skip-tls-verify"] == true,
        identity,
    };
    Ok(Target {
        url,
        dialled: None,
        tls: trust.config()?,
        bearer,
    })
}
