//! The ConfigMap by which extension servers know whom to believe: the CA of client certificates, and that of front proxies with the
//! headers in which they say who asks (kubernetes pkg/controlplane/controller/clusterauthenticationtrust). Every server adds its own
//! to what is there; nothing that still holds is taken away.

use crate::api::Api;
use crate::bootstrap;
use crate::controllers::status::Resource;
use crate::pki::front_proxy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use triad_machinery::status::Status;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(60);
/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
const BUNDLES: [&str; 2] = ["client-ca-file", "requestheader-client-ca-file"];

/// The ConfigMap as this server alone would have it.
pub(crate) fn config_map(api: &Api) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": NAMESPACE}, "data": wanted(api)})
}

fn wanted(api: &Api) -> Value {
    let mut data = json!({"client-ca-file": read(&api.client_ca_file)});
    let mut set = |key: &str, names: &[String]| data[key] = json!(names).to_string().into();
    if let Some(header) = &api.config.request_header {
        set("requestheader-allowed-names", &header.allowed_names);
        set("requestheader-username-headers", &header.username_headers);
        set("requestheader-group-headers", &header.group_headers);
        set("requestheader-extra-headers-prefix", &header.extra_prefixes);
        if !header.uid_headers.is_empty() {
            set("requestheader-uid-headers", &header.uid_headers);
        }
        data["requestheader-client-ca-file"] = read(&header.ca_file).into();
    } else if let Some(ca) = &api.front_proxy.ca {
        let one = |name: &str| [name.to_owned()];
        set("requestheader-allowed-names", &one(front_proxy::NAME));
        set("requestheader-username-headers", &one("X-Remote-User"));
        set("requestheader-group-headers", &one("X-Remote-Group"));
        set(
            "requestheader-extra-headers-prefix",
            &one("X-Remote-Extra-"),
        );
        set("requestheader-uid-headers", &one("X-Remote-Uid"));
        data["requestheader-client-ca-file"] = read(ca).into();
    }
    data
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| {
        tracing::error!(%error, file = %file.display(), "cannot read the CA that extension servers are to trust");
        String::new()
    })
}

/// Keeps the ConfigMap current for as long as the server runs.
pub(crate) async fn keep(api: Arc<Api>) {
    let Some(maps) = Resource::new(&api, ("", "v1", "configmaps"), "kube-apiserver") else {
        return;
    };
    loop {
        let revision = maps.revision();
        if let Err(status) = round(&api, &maps).await {
            tracing::warn!(%status, "cannot keep {NAME} current; trying again");
            tokio::time::sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            () = maps.gone_or_other(NAMESPACE, NAME, revision) => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn round(api: &Arc<Api>, maps: &Resource) -> Result<(), Status> {
    bootstrap::ensure(api, config_map(api)).await?;
    let wanted = wanted(api);
    maps.update(NAMESPACE, NAME, |live| merge(live, &wanted))
        .await
}

/// Adds to a ConfigMap what it lacks, and drops certificates that have expired. False: nothing is to be written.
fn merge(live: &mut Value, wanted: &Value) -> bool {
    let before = live["data"].clone();
    let Some(wanted) = wanted.as_object() else {
        return false;
    };
    for (key, value) in wanted {
        let (there, ours) = (
            before[key.as_str()].as_str().unwrap_or(""),
            value.as_str().unwrap_or(""),
        );
        let both = match BUNDLES.contains(&key.as_str()) {
            true => bundle(there, ours),
            false => names(there, ours),
        };
        live["data"][key.as_str()] = both.into();
    }
    live["data"] != before
}

/// Both lists, without repetition.
fn names(there: &str, ours: &str) -> String {
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap_or_default();
    let mut all = list(there);
    for name in list(ours) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    json!(all).to_string()
}

/// The certificates of both texts that are still good, without repetition.
fn bundle(there: &str, ours: &str) -> String {
    if there == ours {
        return ours.to_owned();
    }
    let now = crate::clock::Clock.unix_seconds();
    let mut all: Vec<CertificateDer<'static>> = Vec::new();
    for text in [there, ours] {
        for found in CertificateDer::pem_slice_iter(text.as_bytes()).flatten() {
            if !all.contains(&found) && holds(&found, now) {
                all.push(found);
            }
        }
    }
    all.iter().map(armored).collect()
}

fn holds(certificate: &CertificateDer<'_>, now: i64) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, parsed)| parsed.validity().not_after.timestamp() > now)
}

fn armored(certificate: &CertificateDer<'static>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(days: i64) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(100);
        params.not_after = now + time::Duration::days(days);
        params.self_signed(&key).expect("a certificate").pem()
    }

    fn count(text: &Value) -> usize {
        text.as_str().unwrap_or("").matches("BEGIN").count()
    }

    #[test]
    fn servers_add_up_and_what_expired_goes() {
        let (ours, others, expired) = (certificate(10), certificate(10), certificate(-1));
        let data = |ca: &str, names: &str| json!({"client-ca-file": ca, "requestheader-allowed-names": names});
        let mut live = json!({"data": data(&format!("{expired}{others}"), "[\"a\"]")});
        let wanted = data(&ours, "[\"b\",\"a\"]");
        assert!(merge(&mut live, &wanted));
        assert_eq!(count(&live["data"]["client-ca-file"]), 2);
        assert_eq!(live["data"]["requestheader-allowed-names"], "[\"a\",\"b\"]");
        assert!(!merge(&mut live, &wanted), "nothing is left to write");
        let own = live["data"]["client-ca-file"].as_str().unwrap_or("");
        let parsed = CertificateDer::pem_slice_iter(own.as_bytes()).flatten();
        assert_eq!(parsed.count(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_mended() {
        let mut live =
            json!({"data": {"client-ca-file": "junk", "requestheader-allowed-names": "{"}});
        let wanted =
            json!({"client-ca-file": certificate(1), "requestheader-allowed-names": "[\"a\"]"});
        assert!(merge(&mut live, &wanted));
        assert_eq!(count(&live["data"]["client-ca-file"]), 1);
        assert_eq!(live["data"]["requestheader-allowed-names"], "[\"a\"]");
    }
}
