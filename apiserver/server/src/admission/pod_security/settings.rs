//! What the configuration says: the policy of namespaces that say nothing, and who and what is exempt (k8s.io/pod-security-admission
//! admission/api).

use super::policy::{Level, Policy, Standard, Version};
use crate::admission::configuration::Configuration;
use crate::configuration::Form;
use serde_json::Value;
use triad_machinery::names;
use triad_machinery::pod::{items, text};
use triad_machinery::status::{FieldError, Status};

const FORM: Form = Form {
    kind: "PodSecurityConfiguration",
    versions: &[
        "pod-security.admission.config.k8s.io/v1",
        "pod-security.admission.config.k8s.io/v1beta1",
        "pod-security.admission.config.k8s.io/v1alpha1",
    ],
    fields: &[
        ("", &["defaults", "exemptions"]),
        (
            "/defaults",
            &[
                "enforce",
                "enforce-version",
                "audit",
                "audit-version",
                "warn",
                "warn-version",
            ],
        ),
        (
            "/exemptions",
            &["usernames", "namespaces", "runtimeClasses"],
        ),
    ],
};

pub(super) struct Settings {
    pub(super) defaults: Policy,
    pub(super) namespaces: Vec<String>,
    pub(super) users: Vec<String>,
    pub(super) runtime_classes: Vec<String>,
}

impl Settings {
    pub(super) fn read(configuration: &Configuration) -> Result<Self, String> {
        let own = configuration.of_form("PodSecurity", &FORM)?;
        let own = own.unwrap_or(&Value::Null);
        let mut errors = Vec::new();
        let mut standard = |mode: &str| {
            let version = format!("{mode}-version");
            Standard {
                level: of(&own["defaults"], mode, Level::read, &mut errors)
                    .unwrap_or(Level::Privileged),
                version: of(&own["defaults"], &version, Version::read, &mut errors)
                    .unwrap_or(Version::Latest),
            }
        };
        let defaults = Policy {
            enforce: standard("enforce"),
            warn: standard("warn"),
            audit: standard("audit"),
        };
        let mut exempt = |field: &str, wrong: fn(&str) -> Vec<String>| {
            let at = format!("exemptions.{field}");
            list(&own["exemptions"][field], &at, wrong, &mut errors)
        };
        let settings = Settings {
            defaults,
            namespaces: exempt("namespaces", names::dns1123_label),
            runtime_classes: exempt("runtimeClasses", names::dns1123_subdomain),
            users: exempt("usernames", |name| match name.is_empty() {
                true => vec!["username must not be empty".to_owned()],
                false => Vec::new(),
            }),
        };
        match errors.is_empty() {
            true => Ok(settings),
            false => Err(Status::aggregate(&errors)),
        }
    }
}

fn of<T>(
    defaults: &Value,
    field: &str,
    read: fn(&str) -> Result<T, &'static str>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    let given = text(&defaults[field]);
    if given.is_empty() {
        return None;
    }
    let read = read(given)
        .map_err(|why| errors.push(FieldError::invalid(format!("defaults.{field}"), given, why)));
    read.ok()
}

fn list(
    given: &Value,
    at: &str,
    wrong: fn(&str) -> Vec<String>,
    errors: &mut Vec<FieldError>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (place, name) in items(given).map(text).enumerate() {
        let path = format!("{at}[{place}]");
        let why = wrong(name);
        if !why.is_empty() {
            errors.push(FieldError::invalid(path, name, why.join(", ")));
        } else if found.iter().any(|known| known == name) {
            errors.push(FieldError::duplicate(path, name));
        } else {
            found.push(name.to_owned());
        }
    }
    found
}
