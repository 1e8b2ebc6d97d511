//! Which requests a policy, a binding or a webhook is for: rules, selectors, and other versions of the same resource.

use super::Subject;
use crate::admission::Lookup;
use serde_json::Value;
use triad_machinery::meta;
use triad_machinery::pod::texts;
use triad_machinery::scheme::{Resource, scheme};
use triad_machinery::selector::LabelSelector;
use triad_machinery::status::Status;

pub(in crate::admission) struct Criteria {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    namespaces: Result<LabelSelector, String>,
    objects: Result<LabelSelector, String>,
    /// Other versions of the resource are converted for it.
    equivalent: bool,
    /// Without rules it is for everything.
    all: bool,
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
    names: Vec<String>,
}

fn selector(value: &Value) -> Result<LabelSelector, String> {
    if value.is_null() {
        return Ok(LabelSelector::everything());
    }
    LabelSelector::from_object(value).map_err(|error| error.to_string())
}

impl Criteria {
    /// Of a webhook.
    pub(in crate::admission) fn of_webhook(hook: &Value) -> Self {
        Self::read(hook, &hook["rules"], false)
    }

    /// Of a policy's matchConstraints, or of a binding's matchResources, which may leave out everything.
    pub(in crate::admission) fn of_policy(matched: &Value, binding: bool) -> Self {
        Self::read(matched, &matched["resourceRules"], binding)
    }

    fn read(from: &Value, rules: &Value, may_be_empty: bool) -> Self {
        let list = |rules: &Value| -> Vec<Rule> {
            let rules = rules.as_array().into_iter().flatten();
            rules.map(Rule::read).collect()
        };
        let rules = list(rules);
        Criteria {
            all: rules.is_empty() && may_be_empty,
            rules,
            excluded: list(&from["excludeResourceRules"]),
            namespaces: selector(&from["namespaceSelector"]),
            objects: selector(&from["objectSelector"]),
            equivalent: from["matchPolicy"] != "Exact",
        }
    }

    /// The version of the resource that it is for; none when it is not for this request.
    pub(in crate::admission) fn matched(
        &self,
        subject: Subject<'_>,
        lookup: &Lookup,
    ) -> Result<Option<&'static Resource>, Status> {
        let own = subject.at.resource;
        let in_namespace = self.in_namespace(subject, lookup);
        if let Ok(false) = in_namespace {
            return Ok(None);
        }
        if !self.has_labels(subject)? || self.any(&self.excluded, subject).is_some() {
            return Ok(None);
        }
        let found = if self.all {
            Some(own)
        } else {
            self.any(&self.rules, subject)
        };
        match (found, in_namespace) {
            (Some(_), Err(status)) => Err(status),
            (found, _) => Ok(found),
        }
    }

    fn any(&self, rules: &[Rule], subject: Subject<'_>) -> Option<&'static Resource> {
        let own = subject.at.resource;
        if rules.iter().any(|rule| rule.matches(subject, own)) {
            return Some(own);
        }
        if !self.equivalent || rules.is_empty() {
            return None;
        }
        let stored = scheme().stored(own)?;
        let mut others = scheme().resources().iter().filter(|other| {
            !std::ptr::eq(*other, own)
                && scheme()
                    .stored(other)
                    .is_some_and(|of| std::ptr::eq(of, stored))
        });
        others.find(|other| rules.iter().any(|rule| rule.matches(subject, other)))
    }

    /// Cluster-scoped objects are in no namespace that could be asked for; namespaces are judged by their own labels.
    fn in_namespace(&self, subject: Subject<'_>, lookup: &Lookup) -> Result<bool, Status> {
        let selector = self.namespaces.as_ref().map_err(Status::internal)?;
        if selector.is_empty() {
            return Ok(true);
        }
        if subject.at.is("", "namespaces") {
            let object = if subject.at.subresource.is_empty() {
                subject.either()
            } else {
                subject.old
            };
            return Ok(object.is_none_or(|object| selector.matches_object(object)));
        }
        Ok(subject
            .home(lookup)?
            .is_none_or(|home| selector.matches_object(&home)))
    }

    /// Either of the objects has the labels.
    fn has_labels(&self, subject: Subject<'_>) -> Result<bool, Status> {
        let selector = self.objects.as_ref().map_err(Status::internal)?;
        if selector.is_empty() {
            return Ok(true);
        }
        let mut objects = subject.object.into_iter().chain(subject.old);
        Ok(objects
            .any(|object| meta::metadata(object).is_some() && selector.matches_object(object)))
    }
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Rule {
            operations: texts(&rule["operations"]),
            groups: texts(&rule["apiGroups"]),
            versions: texts(&rule["apiVersions"]),
            resources: texts(&rule["resources"]),
            scope: rule["scope"].as_str().unwrap_or("*").to_owned(),
            names: texts(&rule["resourceNames"]),
        }
    }

    /// Whether it is for the request, were that for another version of its resource.
    fn matches(&self, subject: Subject<'_>, resource: &Resource) -> bool {
        let at = subject.at;
        let has =
            |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let in_scope = match self.scope.as_str() {
            "Namespaced" => !at.namespace.is_empty() && !at.is("", "namespaces"),
            "Cluster" => at.namespace.is_empty() || at.is("", "namespaces"),
            _ => true,
        };
        in_scope
            && has(&self.operations, at.operation.as_str())
            && has(&self.groups, &resource.group)
            && has(&self.versions, &resource.version)
            && self.covers(&resource.plural, &at.subresource)
            && (self.names.is_empty() || self.names.iter().any(|name| name == subject.name()))
    }

    /// `pods`, `pods/*`, `*/scale`, `*` (no subresources) or `*/*`.
    fn covers(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|item| {
            let (main, sub) = item.split_once('/').unwrap_or((item, ""));
            (main == "*" || main == resource) && (sub == "*" || sub == subresource)
        })
    }
}
