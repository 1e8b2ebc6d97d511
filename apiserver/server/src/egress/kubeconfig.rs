//! Whom to call, as a kubeconfig file says it (client-go tools/clientcmd): the current context's server, its CA, and what to show.

use super::{Target, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;

/// The server of a file's current context.
pub(crate) fn target(file: &Path) -> Result<Target, String> {
    let config = document(file)?;
    read(&config, file.parent().unwrap_or(Path::new("")))
        .map_err(|why| format!("{}: {why}", file.display()))
}

fn document(file: &Path) -> Result<Value, String> {
    let text =
        std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    triad_machinery::codec::yaml::to_value(&text)
        .map_err(|error| format!("{} is no kubeconfig: {error}", file.display()))
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
    let shown = Shown::read(&user, home)?;
    let trust = Trust {
        ca: pem(&cluster, "certificate-authority", home)?.unwrap_or_default(),
        insecure: cluster["insecure-skip-tls-verify"] == true,
        identity: shown.identity,
    };
    Ok(Target {
        url,
        dialled: None,
        tls: trust.config()?,
        bearer: shown.bearer,
    })
}

/// A file's part as PEM, from within or from beside.
fn pem(of: &Value, name: &str, home: &Path) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = of[format!("{name}-data")].as_str() {
        let pem = STANDARD.decode(data).map(Some);
        return pem.map_err(|error| format!("{name}-data: {error}"));
    }
    let Some(path) = of[name].as_str().filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let pem = std::fs::read(home.join(path)).map(Some);
    pem.map_err(|error| format!("{name} {path}: {error}"))
}

/// What a user of a file shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Certificates and key, PEM.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) bearer: Option<String>,
}

impl Shown {
    fn read(user: &Value, home: &Path) -> Result<Self, String> {
        let certificate = pem(user, "client-certificate", home)?;
        let identity = match (certificate, pem(user, "client-key", home)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("client-certificate and client-key go together".to_owned()),
        };
        let bearer = match (user["token"].as_str(), user["tokenFile"].as_str()) {
            (Some(token), _) if !token.is_empty() => Some(token.to_owned()),
            (_, Some(file)) => {
                let token = std::fs::read_to_string(home.join(file));
                let token = token.map_err(|error| format!("tokenFile {file}: {error}"))?;
                Some(token.trim().to_owned())
            }
            _ => None,
        };
        Ok(Shown { identity, bearer })
    }
}

/// Users named after the hosts that they are shown to (apiserver pkg/util/webhook/authentication.go).
#[derive(Clone, Default)]
pub(crate) struct Users {
    by_host: Vec<(String, Shown)>,
    /// The current context's, for all others.
    current: Option<Shown>,
}

impl Users {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let config = document(file)?;
        let home = file.parent().unwrap_or(Path::new(""));
        let users = config["users"].as_array().into_iter().flatten();
        let users = users.map(|entry| {
            let name = entry["name"].as_str().unwrap_or("").to_owned();
            let shown = Shown::read(&entry["user"], home)
                .map_err(|why| format!("{}: user {name}: {why}", file.display()))?;
            Ok((name, shown))
        });
        let by_host: Vec<_> = users.collect::<Result<_, String>>()?;
        let mut contexts = config["contexts"].as_array().into_iter().flatten();
        let current = contexts.find(|context| context["name"] == config["current-context"]);
        let current = current.and_then(|current| {
            let mut named = by_host.iter();
            named.find(|(name, _)| current["context"]["user"] == name.as_str())
        });
        let current = current.map(|(_, shown)| shown.clone());
        Ok(Users { by_host, current })
    }

    /// What is shown to a server: by its full name, by `*` in the place of its first words, with and without the default port.
    pub(crate) fn of(&self, host: &str, port: u16) -> Shown {
        let named = |name: &str| {
            let mut all = self.by_host.iter();
            all.find(|(own, _)| own == name).map(|(_, shown)| shown)
        };
        let matching = |name: &str| {
            let rest = name.match_indices('.').map(|(at, _)| &name[at..]);
            named(name).or_else(|| rest.into_iter().find_map(|rest| named(&format!("*{rest}"))))
        };
        let found = matching(&format!("{host}:{port}"))
            .or_else(|| matching(host).filter(|_| port == 443))
            .or_else(|| named("*"))
            .or(self.current.as_ref());
        found.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_the_user_named_after_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("users.yaml");
        let text = "users:
- {name: 'hook.shop.svc', user: {token: service}}
- {name: '*.example.com', user: {token: domain}}
- {name: 'a.example.com:8443', user: {token: port}}
- {name: me, user: {token: current}}
contexts: [{name: c, context: {user: me}}]
current-context: c
";
        std::fs::write(&file, text).expect("written");
        let users = Users::read(&file).expect("read");
        let bearer = |host: &str, port| users.of(host, port).bearer.unwrap_or_default();
        assert_eq!(bearer("hook.shop.svc", 443), "service");
        assert_eq!(bearer("hook.shop.svc", 8443), "current");
        assert_eq!(bearer("b.example.com", 443), "domain");
        assert_eq!(bearer("a.example.com", 8443), "port");
        assert_eq!(bearer("example.com", 443), "current");
        std::fs::write(&file, "users: [{name: x, user: {tokenFile: none}}]").expect("written");
        assert!(Users::read(&file).is_err());
    }
}
