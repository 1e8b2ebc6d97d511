//! The audit policy: which requests leave events, and how much of them stands in these (apiserver pkg/audit/policy). The first
//! rule that matches counts; without one nothing is kept.

use crate::filters::request_info::RequestInfo;
use crate::user::User;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use triad_machinery::codec::yaml;
use triad_machinery::status::{FieldError, Status};
use triad_machinery::{meta, names};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    None,
    Metadata,
    Request,
    RequestResponse,
}

const LEVELS: [(&str, Level); 4] = [
    ("None", Level::None),
    ("Metadata", Level::Metadata),
    ("Request", Level::Request),
    ("RequestResponse", Level::RequestResponse),
];

impl Level {
    pub(super) fn text(self) -> &'static str {
        LEVELS[self as usize].0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

const STAGES: [(&str, Stage); 4] = [
    ("RequestReceived", Stage::RequestReceived),
    ("ResponseStarted", Stage::ResponseStarted),
    ("ResponseComplete", Stage::ResponseComplete),
    ("Panic", Stage::Panic),
];

impl Stage {
    pub(super) fn text(self) -> &'static str {
        STAGES[self as usize].0
    }
}

/// What the policy says of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) omit_stages: Vec<Stage>,
    pub(super) omit_managed_fields: bool,
}

pub(super) struct Policy {
    rules: Vec<Rule>,
    otherwise: Arc<Verdict>,
}

struct Rule {
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<Resources>,
    namespaces: Vec<String>,
    urls: Vec<String>,
    verdict: Arc<Verdict>,
}

struct Resources {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
}

impl Policy {
    pub(super) fn load(file: &Path) -> Result<Self, String> {
        let text = std::fs::read(file)
            .map_err(|error| format!("failed to read file path {file:?}: {error}"))?;
        Self::read(&text).map_err(|why| format!("{why}: from file {}", file.display()))
    }

    fn read(text: &[u8]) -> Result<Self, String> {
        let given = yaml::to_value(text).map_err(|error| format!("failed decoding: {error}"))?;
        let (version, kind) = (meta::api_version(&given), meta::kind(&given));
        if version != "audit.k8s.io/v1" || kind != "Policy" {
            return Err(format!(
                "failed decoding: no kind {kind:?} is registered for version {version:?}"
            ));
        }
        for unknown in unknown_fields(&given) {
            tracing::warn!(
                field = unknown,
                "the audit policy has a field that nobody knows"
            );
        }
        let mut errors = Vec::new();
        let omitted = stages(&given["omitStages"], "omitStages", &mut errors)?;
        let managed = boolean(&given["omitManagedFields"])?.unwrap_or(false);
        let mut rules = Vec::new();
        for (at, rule) in list(&given["rules"], "rules")?.iter().enumerate() {
            let path = format!("rules[{at}]");
            rules.push(Rule::read(rule, &path, (&omitted, managed), &mut errors)?);
        }
        if !errors.is_empty() {
            return Err(Status::aggregate(&errors));
        }
        if rules.is_empty() {
            return Err("loaded illegal policy with 0 rules".to_owned());
        }
        Ok(Policy {
            rules,
            otherwise: Arc::new(Verdict {
                level: Level::None,
                omit_stages: omitted,
                omit_managed_fields: managed,
            }),
        })
    }

    /// Of a request; a user that did not prove to be anybody is none.
    pub(super) fn judge(&self, user: Option<&User>, info: &RequestInfo) -> &Arc<Verdict> {
        let mut rules = self.rules.iter();
        let found = rules.find(|rule| rule.matches(user, info));
        found.map_or(&self.otherwise, |rule| &rule.verdict)
    }
}

impl Rule {
    fn read(
        given: &Value,
        path: &str,
        (omitted, managed): (&[Stage], bool),
        errors: &mut Vec<FieldError>,
    ) -> Result<Self, String> {
        let texts = |field: &str| texts(&given[field], field);
        let level = level(&given["level"], path, errors)?;
        let resources = list(&given["resources"], "resources")?;
        let resources = resources.iter().map(Resources::read);
        let path_of = |field: &str| format!("{path}.{field}");
        let mut omit_stages = stages(&given["omitStages"], &path_of("omitStages"), errors)?;
        omit_stages.extend(omitted);
        let rule = Rule {
            users: texts("users")?,
            groups: texts("userGroups")?,
            verbs: texts("verbs")?,
            resources: resources.collect::<Result<_, _>>()?,
            namespaces: texts("namespaces")?,
            urls: texts("nonResourceURLs")?,
            verdict: Arc::new(Verdict {
                level,
                omit_stages,
                omit_managed_fields: boolean(&given["omitManagedFields"])?.unwrap_or(managed),
            }),
        };
        rule.check(given, path, errors);
        Ok(rule)
    }

    /// As ValidatePolicy does (apiserver pkg/apis/audit/validation).
    fn check(&self, given: &Value, path: &str, errors: &mut Vec<FieldError>) {
        for (at, url) in self.urls.iter().enumerate().filter(|(_, url)| *url != "*") {
            let at = format!("{path}.nonResourceURLs[{at}]");
            if !url.starts_with('/') {
                let why = "non-resource URL rules must begin with a '/' character";
                errors.push(FieldError::invalid(at.clone(), url.as_str(), why));
            }
            if url.find('*').is_some_and(|star| star + 1 < url.len()) {
                let why = "non-resource URL wildcards '*' must be the final character of the rule";
                errors.push(FieldError::invalid(at, url.as_str(), why));
            }
        }
        for resources in &self.resources {
            let at = |field: &str| format!("{path}.resources.{field}");
            let group = resources.group.as_str();
            let problems = names::dns1123_subdomain(group);
            if !group.is_empty() && group != "*" && !problems.is_empty() {
                errors.push(FieldError::invalid(at("group"), group, problems.join(",")));
            }
            if !resources.names.is_empty() && resources.resources.is_empty() {
                let why = "using resourceNames requires at least one resource";
                let names = Value::from(resources.names.clone());
                errors.push(FieldError::invalid(at("resourceNames"), names, why));
            }
        }
        let of_resources = !self.resources.is_empty() || !self.namespaces.is_empty();
        if of_resources && !self.urls.is_empty() {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            let at = format!("{path}.nonResourceURLs");
            errors.push(FieldError::invalid(
                at,
                given["nonResourceURLs"].clone(),
                why,
            ));
        }
    }

    fn matches(&self, user: Option<&User>, info: &RequestInfo) -> bool {
        let named = |list: &[String], name: &str| list.iter().any(|one| one == name);
        let user_fits =
            self.users.is_empty() || user.is_some_and(|user| named(&self.users, &user.name));
        let in_group = |user: &User| user.groups.iter().any(|group| named(&self.groups, group));
        let group_fits = self.groups.is_empty() || user.is_some_and(in_group);
        let verb_fits = self.verbs.is_empty() || named(&self.verbs, &info.verb);
        if !(user_fits && group_fits && verb_fits) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return info.is_resource
                && (self.namespaces.is_empty() || named(&self.namespaces, &info.namespace))
                && (self.resources.is_empty()
                    || self.resources.iter().any(|one| one.covers(info)));
        }
        self.urls.is_empty()
            || !info.is_resource && self.urls.iter().any(|url| path_fits(&info.path, url))
    }
}

fn path_fits(path: &str, url: &str) -> bool {
    url == "*" || url == path || url.ends_with('*') && path.starts_with(url.trim_end_matches('*'))
}

impl Resources {
    fn read(given: &Value) -> Result<Self, String> {
        let group = match &given["group"] {
            Value::Null => "",
            Value::String(group) => group.as_str(),
            _ => return Err("failed decoding: a group is no text".to_owned()),
        };
        Ok(Resources {
            group: group.to_owned(),
            resources: texts(&given["resources"], "resources")?,
            names: texts(&given["resourceNames"], "resourceNames")?,
        })
    }

    fn covers(&self, info: &RequestInfo) -> bool {
        if self.group != "*" && self.group != info.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        let named = self.names.is_empty() || self.names.contains(&info.name);
        named && self.resources.iter().any(|one| resource_fits(one, info))
    }
}

/// `*`, `RESOURCE`, `RESOURCE/SUBRESOURCE`, `*/SUBRESOURCE`, `RESOURCE/*`.
fn resource_fits(spec: &str, info: &RequestInfo) -> bool {
    let (resource, sub) = (info.resource.as_str(), info.subresource.as_str());
    match spec.split_once('/') {
        None => spec == "*" || spec == resource && sub.is_empty(),
        Some(("*", wanted)) if !sub.is_empty() && wanted == sub => true,
        Some((wanted, "*")) => wanted == resource,
        Some((wanted, wanted_sub)) => !sub.is_empty() && wanted == resource && wanted_sub == sub,
    }
}

fn level(given: &Value, path: &str, errors: &mut Vec<FieldError>) -> Result<Level, String> {
    let at = format!("{path}.level");
    let text = match given {
        Value::Null => "",
        Value::String(text) => text.as_str(),
        _ => return Err("failed decoding: a level is no text".to_owned()),
    };
    match LEVELS.iter().find(|(known, _)| *known == text) {
        Some((_, level)) => return Ok(*level),
        None if text.is_empty() => errors.push(FieldError::required(at, "")),
        None => errors.push(FieldError::not_supported(
            at,
            text,
            &LEVELS.map(|(known, _)| known),
        )),
    }
    Ok(Level::None)
}

fn stages(given: &Value, path: &str, errors: &mut Vec<FieldError>) -> Result<Vec<Stage>, String> {
    let mut found = Vec::new();
    for (at, text) in texts(given, path)?.into_iter().enumerate() {
        match STAGES.iter().find(|(known, _)| *known == text) {
            Some((_, stage)) => found.push(*stage),
            None => {
                let known = STAGES.map(|(known, _)| known).join(",");
                let why = format!("allowed stages are {known}");
                errors.push(FieldError::invalid(format!("{path}[{at}]"), text, why));
            }
        }
    }
    Ok(found)
}

fn boolean(given: &Value) -> Result<Option<bool>, String> {
    match given {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        _ => Err("failed decoding: omitManagedFields is neither true nor false".to_owned()),
    }
}

fn list<'a>(given: &'a Value, field: &str) -> Result<&'a [Value], String> {
    match given {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        _ => Err(format!("failed decoding: {field} is no list")),
    }
}

fn texts(given: &Value, field: &str) -> Result<Vec<String>, String> {
    let text = |one: &Value| {
        let text = one.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("failed decoding: {field} holds something that is no text"))
    };
    list(given, field)?.iter().map(text).collect()
}

/// Fields that mean nothing here: a rule that is misspelt would cover more than it says.
fn unknown_fields(policy: &Value) -> Vec<String> {
    const OF_POLICY: [&str; 6] = [
        "apiVersion",
        "kind",
        "metadata",
        "rules",
        "omitStages",
        "omitManagedFields",
    ];
    const OF_RULE: [&str; 9] = [
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    ];
    const OF_RESOURCES: [&str; 3] = ["group", "resources", "resourceNames"];
    let fields = |of: &Value, known: &[&str], path: &str| -> Vec<String> {
        let fields = of.as_object().into_iter().flat_map(|map| map.keys());
        let unknown = fields.filter(|field| !known.contains(&field.as_str()));
        unknown.map(|field| format!("{path}{field}")).collect()
    };
    let mut found = fields(policy, &OF_POLICY, "");
    for (at, rule) in policy["rules"].as_array().into_iter().flatten().enumerate() {
        found.extend(fields(rule, &OF_RULE, &format!("rules[{at}].")));
        for resources in rule["resources"].as_array().into_iter().flatten() {
            let path = format!("rules[{at}].resources.");
            found.extend(fields(resources, &OF_RESOURCES, &path));
        }
    }
    found
}

#[cfg(test)]
mod tests;
