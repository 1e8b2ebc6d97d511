//! Which authorizers there are, in order: by --authorization-mode and its flags, or by a file, which is followed while the server
//! runs (kubernetes pkg/kubeapiserver/authorizer; apiserver pkg/apis/apiserver/validation).

mod fields;

use super::webhook::{Settings, condition};
use crate::egress::kubeconfig;
use fields::FORM;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use triad_machinery::duration::GoDuration;
use triad_machinery::names;
use triad_machinery::status::{FieldError, Status};

const TYPES: [&str; 6] = [
    "ABAC",
    "AlwaysAllow",
    "AlwaysDeny",
    "Node",
    "RBAC",
    "Webhook",
];
/// How long a webhook may take where only flags describe it.
const FLAG_TIMEOUT: Duration = Duration::from_secs(30);
/// Conditions of one webhook.
const MOST_CONDITIONS: usize = 64;

/// What flags say of authorization.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub modes: Vec<String>,
    pub config_file: Option<PathBuf>,
    pub policy_file: Option<PathBuf>,
    pub webhook_config_file: Option<PathBuf>,
    pub webhook_version: String,
    pub webhook_ttls: (Duration, Duration),
}

/// An authorizer by type and name.
pub(super) struct Authorizer {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) webhook: Option<Settings>,
}

/// The authorizers that flags name.
pub(super) fn of_flags(options: &Options) -> Result<Vec<Authorizer>, String> {
    let authorizer = |mode: &String| {
        Ok(Authorizer {
            kind: mode.clone(),
            name: mode.to_lowercase(),
            webhook: match mode.as_str() {
                "Webhook" => Some(webhook_of_flags(options)?),
                _ => None,
            },
        })
    };
    options.modes.iter().map(authorizer).collect()
}

fn webhook_of_flags(options: &Options) -> Result<Settings, String> {
    let file = options.webhook_config_file.as_deref();
    let file = file.ok_or("authorization-mode Webhook's authorization config file not passed")?;
    Ok(Settings {
        target: kubeconfig::target(file)?,
        version: options.webhook_version.clone(),
        timeout: FLAG_TIMEOUT,
        authorized_ttl: options.webhook_ttls.0,
        unauthorized_ttl: options.webhook_ttls.1,
        denies_on_error: false,
        conditions: Vec::new(),
    })
}

/// The authorizers that a file's text names. `required` are the types that it must name, since they were there at the start.
pub(super) fn of_file(text: &[u8], required: &[String]) -> Result<Vec<Authorizer>, String> {
    let config = FORM
        .read(text)
        .map_err(|why| format!("failed to load AuthorizationConfiguration from file: {why}"))?;
    let list = config["authorizers"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let errors = validate(list);
    if !errors.is_empty() {
        return Err(Status::aggregate(&errors));
    }
    let kinds: Vec<&str> = list
        .iter()
        .filter_map(|authorizer| authorizer["type"].as_str())
        .collect();
    let missing: Vec<&str> = required
        .iter()
        .map(String::as_str)
        .filter(|kind| !kinds.contains(kind))
        .collect();
    if !missing.is_empty() {
        return Err(format!("missing required types: [{}]", missing.join(" ")));
    }
    list.iter().map(read).collect()
}

fn read(authorizer: &Value) -> Result<Authorizer, String> {
    let text = |field: &str| authorizer[field].as_str().unwrap_or("").to_owned();
    let hook = &authorizer["webhook"];
    let of_hook = |field: &str| hook[field].as_str().unwrap_or("");
    let ttl = |field: &str, kept: &str, default: Duration| {
        let ttl = duration(&hook[field]).unwrap_or(default);
        if hook[kept] == false {
            Duration::ZERO
        } else {
            ttl
        }
    };
    let webhook = match text("type").as_str() {
        "Webhook" => Some(Settings {
            target: kubeconfig::target(Path::new(
                hook["connectionInfo"]["kubeConfigFile"]
                    .as_str()
                    .unwrap_or(""),
            ))?,
            version: of_hook("subjectAccessReviewVersion").to_owned(),
            timeout: duration(&hook["timeout"]).unwrap_or(FLAG_TIMEOUT),
            authorized_ttl: ttl(
                "authorizedTTL",
                "cacheAuthorizedRequests",
                Duration::from_secs(300),
            ),
            unauthorized_ttl: ttl(
                "unauthorizedTTL",
                "cacheUnauthorizedRequests",
                Duration::from_secs(30),
            ),
            denies_on_error: of_hook("failurePolicy") == "Deny",
            conditions: conditions(hook)
                .map(|(_, text)| condition(text))
                .collect::<Result<_, _>>()?,
        }),
        _ => None,
    };
    Ok(Authorizer {
        kind: text("type"),
        name: text("name"),
        webhook,
    })
}

fn duration(value: &Value) -> Option<Duration> {
    let parsed = GoDuration::parse(value.as_str()?)?;
    u64::try_from(parsed.0).ok().map(Duration::from_nanos)
}

fn conditions(hook: &Value) -> impl Iterator<Item = (usize, &str)> {
    let list = hook["matchConditions"].as_array().into_iter().flatten();
    list.enumerate()
        .map(|(at, condition)| (at, condition["expression"].as_str().unwrap_or("")))
}

/// ValidateAuthorizationConfiguration, with kube-apiserver's rule on names.
fn validate(list: &[Value]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if list.is_empty() {
        errors.push(FieldError::required(
            "authorizers",
            "at least one authorization mode must be defined",
        ));
    }
    let (mut kinds, mut seen): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (at, authorizer) in list.iter().enumerate() {
        let path = format!("authorizers[{at}]");
        let text = |field: &str| authorizer[field].as_str().unwrap_or("");
        let (kind, name) = (text("type"), text("name"));
        if kind.is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), ""));
            continue;
        }
        if !TYPES.contains(&kind) {
            errors.push(FieldError::not_supported(
                format!("{path}.type"),
                kind,
                &TYPES,
            ));
            continue;
        }
        if kinds.contains(&kind) && kind != "Webhook" {
            errors.push(FieldError::duplicate(format!("{path}.type"), kind));
            continue;
        }
        kinds.push(kind);
        let at_name = format!("{path}.name");
        if name.is_empty() {
            errors.push(FieldError::required(at_name, ""));
        } else if seen.contains(&name) {
            errors.push(FieldError::duplicate(at_name, name));
        } else if let problems @ [_, ..] = names::dns1123_subdomain(name).as_slice() {
            let why = format!("authorizer name is invalid: {}", problems.join(", "));
            errors.push(FieldError::invalid(at_name, name, why));
        } else if kind != "Webhook" && name != kind.to_lowercase() {
            let why = format!(
                "expected name {} for authorizer {kind} instead of {name}",
                kind.to_lowercase()
            );
            errors.push(FieldError::invalid(at_name, name, why));
        }
        seen.push(name);
        match (
            kind,
            authorizer.get("webhook").filter(|hook| !hook.is_null()),
        ) {
            ("Webhook", None) => errors.push(FieldError::required(
                format!("{path}.webhook"),
                "required when type=Webhook",
            )),
            ("Webhook", Some(hook)) => webhook(hook, &path, &mut errors),
            (_, Some(_)) => errors.push(FieldError::invalid(
                format!("{path}.webhook"),
                "non-null",
                "may only be specified when type=Webhook",
            )),
            (_, None) => {}
        }
    }
    errors
}

/// ValidateWebhookConfiguration.
fn webhook(hook: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let at = |field: &str| format!("{path}.{field}");
    let text = |field: &str| hook[field].as_str().unwrap_or("");
    let mut time = |field: &str, most: Option<u64>, why: &str| match duration(&hook[field]) {
        None if hook[field].is_null() && field != "timeout" => {}
        None if text(field).is_empty() => errors.push(FieldError::required(at(field), "")),
        Some(given)
            if !given.is_zero() && most.is_none_or(|most| given <= Duration::from_secs(most)) => {}
        _ => errors.push(FieldError::invalid(at(field), text(field), why)),
    };
    time("timeout", Some(30), "must be > 0s and <= 30s");
    time("authorizedTTL", None, "must be > 0s");
    time("unauthorizedTTL", None, "must be > 0s");
    let mut choice = |field: &str, known: &[&str], needed: bool| match text(field) {
        "" if needed => errors.push(FieldError::required(at(field), "")),
        "" => {}
        given if known.contains(&given) => {}
        given => errors.push(FieldError::not_supported(at(field), given, known)),
    };
    let conditional = conditions(hook).next().is_some();
    choice("subjectAccessReviewVersion", &["v1", "v1beta1"], true);
    choice(
        "matchConditionSubjectAccessReviewVersion",
        &["v1"],
        conditional,
    );
    choice("failurePolicy", &["NoOpinion", "Deny"], true);
    connection(&hook["connectionInfo"], &at("connectionInfo"), errors);
    let count = conditions(hook).count();
    if count > MOST_CONDITIONS {
        errors.push(FieldError::too_many(
            at("matchConditions"),
            count as i64,
            MOST_CONDITIONS as i64,
        ));
        return;
    }
    let mut known = Vec::new();
    for (number, text) in conditions(hook) {
        let at = format!("{path}.matchConditions[{number}].expression");
        if text.trim().is_empty() {
            errors.push(FieldError::required(at, ""));
        } else if known.contains(&text) {
            errors.push(FieldError::duplicate(at, text));
        } else if let Err(why) = condition(text) {
            errors.push(FieldError::invalid(at, text, why));
        }
        known.push(text);
    }
}

fn connection(info: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let file = info["kubeConfigFile"].as_str().unwrap_or("");
    let at = format!("{path}.kubeConfigFile");
    match info["type"].as_str().unwrap_or("") {
        "" => errors.push(FieldError::required(format!("{path}.type"), "")),
        "KubeConfigFile" if file.is_empty() => errors.push(FieldError::required(at, "")),
        "KubeConfigFile" if !Path::new(file).is_absolute() => {
            errors.push(FieldError::invalid(at, file, "must be an absolute path"))
        }
        "KubeConfigFile" if !Path::new(file).is_file() => {
            errors.push(FieldError::invalid(at, file, "must be a regular file"))
        }
        "KubeConfigFile" => {}
        // There is no cluster around this server that it could be a part of.
        other => errors.push(FieldError::not_supported(
            format!("{path}.type"),
            other,
            &["KubeConfigFile"],
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        of_file(text.as_bytes(), &[])
            .map(drop)
            .expect_err("refused")
    }

    #[test]
    fn a_file_is_judged_before_it_counts() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n";
        let fine = format!(
            "{head}authorizers:\n- {{type: Node, name: node}}\n- {{type: RBAC, name: rbac}}\n"
        );
        let read =
            of_file(fine.as_bytes(), &["RBAC".to_owned()]).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(
            read.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
            ["node", "rbac"]
        );
        assert_eq!(
            of_file(fine.as_bytes(), &["ABAC".to_owned()]).map(drop),
            Err("missing required types: [ABAC]".to_owned())
        );
        assert!(
            problems("kind: Other")
                .starts_with("failed to load AuthorizationConfiguration from file: no kind")
        );
        assert_eq!(
            problems(head),
            "authorizers: Required value: at least one authorization mode must be defined"
        );
        let twice = problems(&format!(
            "{head}authorizers:\n- {{type: RBAC, name: rbac}}\n- {{type: RBAC, name: other}}\n"
        ));
        assert_eq!(twice, "authorizers[1].type: Duplicate value: \"RBAC\"");
        let hook = "{type: Webhook, name: hook, webhook: {timeout: 60s, subjectAccessReviewVersion: v1, failurePolicy: Maybe, connectionInfo: {type: KubeConfigFile, kubeConfigFile: relative}, matchConditions: [{expression: 'request.nope == 1'}]}}";
        let why = problems(&format!("{head}authorizers:\n- {hook}\n"));
        for part in [
            "authorizers[0].timeout: Invalid value: \"60s\": must be > 0s and <= 30s",
            "authorizers[0].matchConditionSubjectAccessReviewVersion: Required value",
            "authorizers[0].failurePolicy: Unsupported value: \"Maybe\": supported values: \"NoOpinion\", \"Deny\"",
            "authorizers[0].connectionInfo.kubeConfigFile: Invalid value: \"relative\": must be an absolute path",
            "undefined field 'nope'",
        ] {
            assert!(why.contains(part), "{part} in {why}");
        }
    }
}
