//! Query parameters of the verbs, validated as upstream validates ListOptions, CreateOptions and the like.

use crate::negotiate::Accepted;
use crate::query::Query;
use serde_json::{Value, json};
use triad_machinery::selector::field::FieldSelector;
use triad_machinery::selector::label::LabelSelector;
use triad_machinery::status::{FieldError, GroupKind, Status};

/// Which warnings and errors unknown and duplicate fields cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Options of create, update and patch.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) validation: FieldValidation,
    pub(crate) force: Option<bool>,
}

impl WriteOptions {
    /// `kind` is CreateOptions, UpdateOptions or PatchOptions. `apply`: fieldManager is required, force allowed.
    pub(crate) fn parse(query: &Query, kind: &str, apply: bool) -> Result<Self, Status> {
        let mut errors = Vec::new();
        let force = if kind == "PatchOptions" {
            query.boolean("force")
        } else {
            None
        };
        let field_manager = query.get("fieldManager").unwrap_or("").to_owned();
        if kind == "PatchOptions" {
            if apply && field_manager.is_empty() {
                errors.push(FieldError::required(
                    "fieldManager",
                    "is required for apply patch",
                ));
            }
            if !apply && force.is_some() {
                errors.push(FieldError::forbidden(
                    "force",
                    "may not be specified for non-apply patch",
                ));
            }
        }
        field_manager_errors(&field_manager, &mut errors);
        dry_run_errors(query, &mut errors);
        let validation = match query.get("fieldValidation").unwrap_or("") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                errors.push(FieldError::not_supported(
                    "fieldValidation",
                    other,
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        refuse(kind, errors)?;
        Ok(WriteOptions {
            dry_run: dry_run(query),
            field_manager,
            validation,
            force,
        })
    }
}

fn refuse(kind: &str, errors: Vec<FieldError>) -> Result<(), Status> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(
            GroupKind {
                group: "meta.k8s.io",
                kind,
            },
            "",
            &errors,
        ))
    }
}

fn field_manager_errors(manager: &str, errors: &mut Vec<FieldError>) {
    if manager.chars().count() > 128 {
        errors.push(FieldError::too_long("fieldManager", 128));
    }
    if let Some((at, c)) = manager.char_indices().find(|(_, c)| c.is_control()) {
        errors.push(FieldError::invalid(
            "fieldManager",
            manager,
            format!(
                "invalid character U+{:04X} (at position {at})",
                u32::from(c)
            ),
        ));
    }
}

pub(crate) fn dry_run(query: &Query) -> bool {
    query.get("dryRun").is_some()
}

fn dry_run_errors(query: &Query, errors: &mut Vec<FieldError>) {
    let values: Vec<&str> = query.all("dryRun").collect();
    if !values.iter().all(|value| *value == "All") {
        errors.push(FieldError::not_supported("dryRun", json!(values), &["All"]));
    }
}

/// How a list's resourceVersion binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Unset,
    Exact,
    NotOlderThan,
}

/// Options of list, watch and deletecollection.
#[derive(Clone, Debug)]
pub(crate) struct ListOptions {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) limit: i64,
    pub(crate) continue_token: String,
    pub(crate) resource_version: String,
    pub(crate) matching: Match,
    pub(crate) timeout_seconds: Option<i64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
}

impl ListOptions {
    pub(crate) fn parse(query: &Query, watch: bool) -> Result<Self, Status> {
        let integer = |name: &str| query.integer(name).map_err(Status::bad_request);
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or(""))
            .map_err(|e| Status::bad_request(e.0))?;
        let mut fields = FieldSelector::parse(query.get("fieldSelector").unwrap_or(""))
            .map_err(|e| Status::bad_request(e.0))?;
        // A bare "=" asks for nothing.
        fields
            .terms
            .retain(|term| !(term.field.is_empty() && term.value.is_empty()));
        let mut options = ListOptions {
            labels,
            fields,
            limit: integer("limit")?.unwrap_or(0),
            continue_token: query.get("continue").unwrap_or("").to_owned(),
            resource_version: query.get("resourceVersion").unwrap_or("").to_owned(),
            matching: match query.get("resourceVersionMatch").unwrap_or("") {
                "Exact" => Match::Exact,
                "NotOlderThan" => Match::NotOlderThan,
                _ => Match::Unset,
            },
            timeout_seconds: integer("timeoutSeconds")?,
            bookmarks: query.boolean("allowWatchBookmarks").unwrap_or(false),
            send_initial_events: query.boolean("sendInitialEvents"),
        };
        let mut matching = query.get("resourceVersionMatch").unwrap_or("");
        if watch && options.begins_with_a_list(matching) {
            options.send_initial_events = Some(true);
            options.matching = Match::NotOlderThan;
            matching = "NotOlderThan";
        }
        refuse("ListOptions", options.errors(matching, watch))?;
        Ok(options)
    }

    /// Whether a watch that says nothing of initial events begins with them all the same: from nowhere or from anywhere
    /// (apimachinery pkg/apis/meta/internalversion/defaults.go).
    fn begins_with_a_list(&self, matching: &str) -> bool {
        self.send_initial_events.is_none()
            && matching.is_empty()
            && matches!(self.resource_version.as_str(), "" | "0")
    }

    /// apimachinery pkg/apis/meta/internalversion/validation.
    fn errors(&self, given: &str, watch: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if watch {
            if self.send_initial_events.is_none() && !given.is_empty() {
                errors.push(FieldError::forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
            }
            if self.send_initial_events.is_some() {
                if given != "NotOlderThan" {
                    errors.push(FieldError::forbidden(
                        "resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                    ));
                }
                if !self.continue_token.is_empty() {
                    errors.push(FieldError::forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided",
                    ));
                }
            }
            if !given.is_empty() && given != "NotOlderThan" {
                errors.push(FieldError::not_supported(
                    "resourceVersionMatch",
                    given,
                    &["NotOlderThan"],
                ));
            }
            return errors;
        }
        if !given.is_empty() {
            if self.resource_version.is_empty() {
                errors.push(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if !self.continue_token.is_empty() {
                errors.push(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if given != "Exact" && given != "NotOlderThan" {
                errors.push(FieldError::not_supported(
                    "resourceVersionMatch",
                    given,
                    &["Exact", "NotOlderThan", ""],
                ));
            }
            if given == "Exact" && self.resource_version == "0" {
                errors.push(FieldError::forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if self.send_initial_events.is_some() {
            errors.push(FieldError::forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        errors
    }
}

/// Options of delete and deletecollection, from the body or, without one, from the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) propagation_policy: Option<String>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    pub(crate) fn from_query(query: &Query) -> Result<Self, Status> {
        let mut errors = Vec::new();
        dry_run_errors(query, &mut errors);
        let options = DeleteOptions {
            grace_period_seconds: query
                .integer("gracePeriodSeconds")
                .map_err(Status::bad_request)?,
            orphan_dependents: query.boolean("orphanDependents"),
            propagation_policy: query.get("propagationPolicy").map(str::to_owned),
            dry_run: dry_run(query),
            ..Default::default()
        };
        options.check(errors)
    }

    pub(crate) fn from_object(body: &Value) -> Result<Self, Status> {
        let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let values: Vec<&str> = body
            .get("dryRun")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |list| {
                list.iter().filter_map(Value::as_str).collect()
            });
        let mut errors = Vec::new();
        if !values.iter().all(|value| *value == "All") {
            errors.push(FieldError::not_supported("dryRun", json!(values), &["All"]));
        }
        let options = DeleteOptions {
            grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            orphan_dependents: body.get("orphanDependents").and_then(Value::as_bool),
            propagation_policy: text("/propagationPolicy"),
            dry_run: !values.is_empty(),
        };
        options.check(errors)
    }

    fn check(self, mut errors: Vec<FieldError>) -> Result<Self, Status> {
        if let Some(policy) = &self.propagation_policy {
            if self.orphan_dependents.is_some() {
                errors.push(FieldError::invalid(
                    "propagationPolicy",
                    policy.as_str(),
                    "orphanDependents and deletionPropagation cannot be both set",
                ));
            }
            if !["Foreground", "Background", "Orphan"].contains(&policy.as_str()) {
                errors.push(FieldError::not_supported(
                    "propagationPolicy",
                    policy.as_str(),
                    &["Foreground", "Background", "Orphan", "nil"],
                ));
            }
        }
        refuse("DeleteOptions", errors)?;
        Ok(self)
    }
}

/// Whether the answer carries whole objects in Table rows: None, Metadata (the default) or Object.
pub(crate) fn include_object(query: &Query, accepted: &Accepted) -> Result<String, Status> {
    match query.get("includeObject").unwrap_or("") {
        "" => Ok("Metadata".to_owned()),
        policy @ ("None" | "Metadata" | "Object") => Ok(policy.to_owned()),
        other if accepted.convert.as_ref().is_some_and(|c| c.kind == "Table") => Err(
            Status::bad_request(format!("unrecognized includeObject value: {other:?}")),
        ),
        _ => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_from_nowhere_begins_with_what_there_is() {
        let parsed = |query: &str| {
            let options = ListOptions::parse(&Query::parse(query), true);
            options.map(|options| options.send_initial_events)
        };
        assert_eq!(parsed("watch=1"), Ok(Some(true)));
        assert_eq!(parsed("watch=1&resourceVersion=0"), Ok(Some(true)));
        assert_eq!(parsed("watch=1&resourceVersion=5"), Ok(None));
        let refused = parsed("watch=1&continue=abc");
        assert_eq!(refused.map_err(|status| status.code), Err(422));
    }
}
