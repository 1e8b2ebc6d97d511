//! EventRateLimit: so many events a second, of the server, of a namespace, of a user or about an object (kubernetes
//! plugin/pkg/admission/eventratelimit). Off unless it is asked for; what it allows is in its configuration.

use super::configuration::Configuration;
use super::{Attributes, Operation, Plugin, Seen, Verdict};
use crate::configuration::Form;
use crate::throttle::Throttle;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use triad_machinery::pod::{items, text};
use triad_machinery::status::{FieldError, Status};

const NAME: &str = "EventRateLimit";
const FORM: Form = Form {
    kind: "Configuration",
    versions: &["eventratelimit.admission.k8s.io/v1alpha1"],
    fields: &[
        ("", &["limits"]),
        ("/limits", &["type", "qps", "burst", "cacheSize"]),
    ],
};
const TYPES: [&str; 4] = ["Server", "Namespace", "User", "SourceAndObject"];
/// Throttles that one limit keeps, where its configuration does not say.
const KEPT: usize = 4096;

pub(super) struct EventRateLimit(Vec<Limit>);

impl EventRateLimit {
    pub(super) fn new(configuration: &Configuration) -> Result<Self, String> {
        let own = configuration.of_form(NAME, &FORM)?;
        let limits = own.map_or(&Value::Null, |own| &own["limits"]);
        let errors = wrong(limits);
        if !errors.is_empty() {
            return Err(Status::aggregate(&errors));
        }
        Ok(EventRateLimit(items(limits).map(Limit::read).collect()))
    }
}

fn number(limit: &Value, field: &str) -> i64 {
    limit[field].as_i64().unwrap_or(0)
}

fn wrong(limits: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if items(limits).next().is_none() {
        errors.push(FieldError::invalid(
            "limits",
            limits.clone(),
            "must not be empty",
        ));
    }
    for (at, limit) in items(limits).enumerate() {
        let path = |field: &str| format!("limits[{at}].{field}");
        let kind = text(&limit["type"]);
        if !TYPES.contains(&kind) {
            errors.push(FieldError::not_supported(path("type"), kind, &TYPES));
        }
        for field in ["burst", "qps"] {
            if number(limit, field) <= 0 {
                let why = "must be positive";
                errors.push(FieldError::invalid(path(field), limit[field].clone(), why));
            }
        }
        if kind != "Server" && number(limit, "cacheSize") < 0 {
            let given = limit["cacheSize"].clone();
            let why = "must not be negative";
            errors.push(FieldError::invalid(path("cacheSize"), given, why));
        }
    }
    errors
}

impl Plugin for EventRateLimit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn validate(&self, attributes: &Attributes, object: Seen<'_>, _old: Seen<'_>) -> Verdict {
        // Events are one kind under two groups.
        let event =
            attributes.is_whole("", "events") || attributes.is_whole("events.k8s.io", "events");
        if !event || attributes.operation == Operation::Delete || attributes.asked.dry_run {
            return Ok(());
        }
        // Each counts, whatever the others say.
        let reached = self
            .0
            .iter()
            .filter_map(|limit| limit.reached(attributes, object));
        let reached: Vec<String> = reached.collect();
        let why = match reached.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        Err(Status::rate_limited(why))
    }
}

struct Limit {
    kind: String,
    rate: (f64, usize),
    most: usize,
    throttles: Mutex<Throttles>,
}

/// By key, with the turn in which each was used last: the one that was not used for longest makes room.
#[derive(Default)]
struct Throttles {
    turn: u64,
    by_key: HashMap<String, (u64, Throttle)>,
    by_turn: BTreeMap<u64, String>,
}

impl Limit {
    fn read(limit: &Value) -> Self {
        let whole = |field: &str| usize::try_from(number(limit, field)).unwrap_or(0);
        Limit {
            kind: text(&limit["type"]).to_owned(),
            rate: (number(limit, "qps") as f64, whole("burst")),
            most: Some(whole("cacheSize"))
                .filter(|most| *most > 0)
                .unwrap_or(KEPT),
            throttles: Mutex::default(),
        }
    }

    /// Why an event may not pass.
    fn reached(&self, attributes: &Attributes, object: Seen<'_>) -> Option<String> {
        let key = match self.kind.as_str() {
            "Namespace" => attributes.namespace.clone(),
            "User" => attributes.user.name.clone(),
            "SourceAndObject" => object.map(source_and_object).unwrap_or_default(),
            _ => String::new(),
        };
        let passes = self.throttles.lock().pass(&key, self.rate, self.most);
        (!passes).then(|| format!("limit reached on type {} for key {key}", self.kind))
    }
}

impl Throttles {
    fn pass(&mut self, key: &str, rate: (f64, usize), most: usize) -> bool {
        self.turn += 1;
        let known = self.by_key.remove(key);
        match &known {
            Some((turn, _)) => _ = self.by_turn.remove(turn),
            None if self.by_key.len() >= most => {
                if let Some((_, oldest)) = self.by_turn.pop_first() {
                    self.by_key.remove(&oldest);
                }
            }
            None => {}
        }
        let mut throttle = known.map_or_else(|| Throttle::new(rate), |(_, throttle)| throttle);
        let passes = throttle.lets_pass();
        self.by_turn.insert(self.turn, key.to_owned());
        self.by_key.insert(key.to_owned(), (self.turn, throttle));
        passes
    }
}

fn source_and_object(event: &Value) -> String {
    let (source, about) = (&event["source"], &event["involvedObject"]);
    let from = ["component", "host"].map(|field| text(&source[field]));
    let fields = ["kind", "namespace", "name", "uid", "apiVersion"];
    let about = fields.map(|field| text(&about[field]));
    [from.concat(), about.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_not_used_for_longest_makes_room() {
        let mut throttles = Throttles::default();
        let mut pass = |key: &str| throttles.pass(key, (0.001, 1), 2);
        assert!(pass("a") && pass("b") && !pass("a"));
        assert!(pass("c"), "in the place of b");
        assert!(!pass("a") && pass("b"));
    }
}
