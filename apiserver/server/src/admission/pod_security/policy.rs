//! Levels and versions, and how a namespace's labels say them (k8s.io/pod-security-admission api/helpers.go).

use std::fmt;

use serde_json::Value;
use triad_machinery::status::FieldError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "privileged" => Ok(Self::Privileged),
            "baseline" => Ok(Self::Baseline),
            "restricted" => Ok(Self::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }
}

/// A minor version of the standards, or whichever is the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Minor(u32),
    Latest,
}

impl Version {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "must be \"latest\" or \"v1.x\"";
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let digits = text.strip_prefix("v1.").ok_or(WRONG)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || (digits.len() > 1 && digits.starts_with('0')) {
            return Err(WRONG);
        }
        digits.parse().map(Self::Minor).map_err(|_| WRONG)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standard {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// What a namespace asks of its pods: what is refused, what is noted for audits, and what is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: Standard,
    pub(super) audit: Standard,
    pub(super) warn: Standard,
}

impl Policy {
    /// The modes that a namespace's own labels make ask for more than nothing.
    pub(super) fn asked_by(&self, namespace: &Value) -> String {
        let given = &namespace["metadata"]["labels"];
        let modes = [
            ("enforce", self.enforce),
            ("audit", self.audit),
            ("warn", self.warn),
        ];
        let asked = modes.into_iter().filter(|(mode, standard)| {
            let labelled = labels(mode).iter().any(|label| given.get(label).is_some());
            labelled && standard.level != Level::Privileged
        });
        let asked: Vec<String> = asked
            .map(|(mode, standard)| format!("{mode}={standard}"))
            .collect();
        asked.join(", ")
    }

    pub(super) fn asks_nothing(&self) -> bool {
        let all = [self.enforce, self.audit, self.warn];
        all.iter()
            .all(|standard| standard.level == Level::Privileged)
    }
}

/// The labels that say it, by mode: the level's and the version's.
fn labels(mode: &str) -> [String; 2] {
    let level = format!("pod-security.kubernetes.io/{mode}");
    let version = format!("{level}-version");
    [level, version]
}

impl Policy {
    /// Reads a namespace's labels; what they do not say is as `defaults` say it. A policy comes of it even when they are wrong:
    /// the strictest for what is refused, none for what is warned of.
    pub(super) fn of(namespace: &Value, defaults: &Self) -> (Self, Vec<FieldError>) {
        let given = &namespace["metadata"]["labels"];
        let mut errors = Vec::new();
        let mut standard = |mode: &str, wrong: Level| {
            let [level, version] = labels(mode);
            let level = read(given, &level, Level::read, &mut errors);
            let version = read(given, &version, Version::read, &mut errors);
            (level.map(|read| read.unwrap_or(wrong)), level, version)
        };
        let (enforce_level, asked, enforce_version) = standard("enforce", Level::Restricted);
        let (audit_level, _, audit_version) = standard("audit", Level::Privileged);
        let (warn_level, _, warn_version) = standard("warn", Level::Privileged);
        let made = |level: Option<Level>, version: Option<Option<Version>>, default: Standard| {
            // One that cannot be read stands for the latest.
            let version = version.map(|read| read.unwrap_or(Version::Latest));
            Standard {
                level: level.unwrap_or(default.level),
                version: version.unwrap_or(default.version),
            }
        };
        let enforce = made(enforce_level, enforce_version, defaults.enforce);
        let audit = made(audit_level, audit_version, defaults.audit);
        let mut warn = made(warn_level, warn_version, defaults.warn);
        // What is refused in a pod is warned of in a template, unless something else was asked for.
        let follows = asked.flatten().is_some_and(|level| level > warn.level);
        if warn_level.is_none() && follows {
            warn.level = enforce.level;
            if warn_version.is_none() {
                warn.version = enforce.version;
            }
        }
        let policy = Self {
            enforce,
            audit,
            warn,
        };
        (policy, errors)
    }
}

/// A label's value: none where there is no such label, nothing inside where it is wrong.
fn read<T>(
    labels: &Value,
    label: &str,
    read: fn(&str) -> Result<T, &'static str>,
    errors: &mut Vec<FieldError>,
) -> Option<Option<T>> {
    let given = labels.get(label)?.as_str().unwrap_or_default();
    let value = read(given).map_err(|why| {
        errors.push(FieldError::invalid(
            format!("metadata.labels[{label}]"),
            given,
            why,
        ));
    });
    Some(value.ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(labels: Value) -> (String, String, Vec<String>) {
        let privileged = Standard {
            level: Level::Privileged,
            version: Version::Latest,
        };
        let none = Policy {
            enforce: privileged,
            audit: privileged,
            warn: privileged,
        };
        let (policy, errors) = Policy::of(&json!({"metadata": {"labels": labels}}), &none);
        let errors = errors.iter().map(|error| error.field.clone()).collect();
        (policy.enforce.to_string(), policy.warn.to_string(), errors)
    }

    #[test]
    fn labels_say_the_policy_and_warnings_follow_what_is_enforced() {
        let read = |labels: Value| {
            let (enforce, warn, errors) = of(labels);
            assert!(errors.is_empty(), "{errors:?}");
            (enforce, warn)
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let none = pair("privileged:latest", "privileged:latest");
        assert_eq!(read(json!({})), none);
        let enforced = json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.24"});
        assert_eq!(read(enforced), pair("baseline:v1.24", "baseline:v1.24"));
        let both = json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"});
        assert_eq!(read(both), pair("baseline:latest", "restricted:latest"));
        let quiet = json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "privileged"});
        assert_eq!(read(quiet), pair("baseline:latest", "privileged:latest"));
    }

    #[test]
    fn wrong_labels_are_named_and_the_strictest_is_enforced() {
        let (enforce, warn, errors) = of(json!({
            "pod-security.kubernetes.io/enforce": "nope",
            "pod-security.kubernetes.io/enforce-version": "v1.01",
            "pod-security.kubernetes.io/audit-version": "1.2",
            "pod-security.kubernetes.io/warn": "",
        }));
        assert_eq!(
            (enforce.as_str(), warn.as_str()),
            ("restricted:latest", "privileged:latest")
        );
        assert_eq!(
            errors,
            ["enforce", "enforce-version", "audit-version", "warn"]
                .map(|label| format!("metadata.labels[pod-security.kubernetes.io/{label}]"))
        );
    }
}
