//! One rule of a field and what it finds (apimachinery pkg/api/validate).

use serde_json::Value;

use super::super::at::At;
use super::super::formats::{self, IMMUTABLE};
use super::format::{self, Format};
use super::marker::Marker;
use super::plan::{Elements, Form, Mode, Union};
use super::{Judge, Spot};
use crate::features;
use crate::status::FieldError;

#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) rule: Rule,
    pub(super) shown: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Nothing more is asked of an absent field.
    Optional,
    Required,
    Forbidden,
    Immutable,
    Update(Vec<Change>),
    MaxItems(usize),
    MaxLength(usize),
    MaxBytes(usize),
    Minimum(i64),
    Maximum(i64),
    Monotonic,
    Format(Format),
    EachValue(Box<Rule>),
    EachKey(Box<Rule>),
    /// Holds while a gate is on, or off.
    Gated(String, bool, Box<Rule>),
    /// Rules of a field of the field's own struct.
    Inside(String, Vec<Rule>),
}

/// What an update must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Set,
    Unset,
    Modify,
    AddItem,
    RemoveItem,
}

impl Check {
    /// Whether anybody hears what it finds.
    pub(super) fn tells(&self) -> bool {
        self.shown && !matches!(self.rule, Rule::Optional)
    }
}

impl Rule {
    /// None for markers that say nothing of one field alone.
    pub(super) fn of(marker: &Marker<'_>) -> Option<Rule> {
        let inner = || marker.nested().and_then(|inner| Rule::of(&inner));
        Some(match marker.name {
            "optional" => Rule::Optional,
            "required" => Rule::Required,
            "forbidden" => Rule::Forbidden,
            "immutable" => Rule::Immutable,
            "monotonic" => Rule::Monotonic,
            "update" => Rule::Update(vec![Change::named(marker.payload)?]),
            "maxItems" => Rule::MaxItems(marker.number()?),
            "maxLength" => Rule::MaxLength(marker.number()?),
            "maxBytes" => Rule::MaxBytes(marker.number()?),
            "minimum" => Rule::Minimum(marker.number()?),
            "maximum" => Rule::Maximum(marker.number()?),
            "format" => Rule::Format(format::named(marker.payload)?),
            "eachVal" => Rule::EachValue(Box::new(inner()?)),
            "eachKey" => Rule::EachKey(Box::new(inner()?)),
            "ifEnabled" => Rule::Gated(marker.args.to_owned(), true, Box::new(inner()?)),
            "ifDisabled" => Rule::Gated(marker.args.to_owned(), false, Box::new(inner()?)),
            "subfield" => Rule::Inside(marker.args.to_owned(), vec![inner()?]),
            _ => return None,
        })
    }

    /// Whether the field's other rules are left out once this one found something.
    pub(super) fn ends(&self) -> bool {
        match self {
            Rule::Gated(_, _, rule) => rule.ends(),
            Rule::Optional | Rule::Required | Rule::Forbidden => true,
            Rule::Immutable | Rule::Update(_) | Rule::MaxItems(_) => true,
            _ => false,
        }
    }

    /// Takes in a rule that upstream judges together with this one.
    pub(super) fn absorb(&mut self, next: &mut Rule) -> bool {
        match (self, next) {
            (Rule::Update(all), Rule::Update(more)) => {
                all.append(more);
                all.sort();
                true
            }
            (Rule::Inside(field, all), Rule::Inside(other, more)) if field == other => {
                all.append(more);
                true
            }
            _ => false,
        }
    }
}

impl Change {
    fn named(name: &str) -> Option<Change> {
        Some(match name {
            "NoSet" => Change::Set,
            "NoUnset" => Change::Unset,
            "NoModify" => Change::Modify,
            "NoAddItem" => Change::AddItem,
            "NoRemoveItem" => Change::RemoveItem,
            _ => return None,
        })
    }
}

/// Whether Go would say that a value is there: not nil, not empty, not zero.
pub(super) fn set(value: &Value, form: Form) -> bool {
    match (form, value) {
        (_, Value::Null) => false,
        (Form::Pointer, _) => true,
        (_, Value::Bool(yes)) => *yes,
        (_, Value::Number(number)) => number.as_f64() != Some(0.0),
        (_, Value::String(text)) => !text.is_empty(),
        (_, Value::Array(list)) => !list.is_empty(),
        (Form::Struct, Value::Object(map)) => map.values().any(|value| set(value, form)),
        (Form::Plain, Value::Object(map)) => !map.is_empty(),
    }
}

impl Judge {
    /// Runs a field's rules; says whether its judging goes on.
    pub(super) fn run(
        &self,
        checks: &[Check],
        spot: &Spot<'_>,
        found: &mut Vec<FieldError>,
    ) -> bool {
        let mut goes_on = true;
        for check in checks {
            if !goes_on && !check.rule.ends() {
                break;
            }
            let (errors, ends) = self.judge(&check.rule, spot);
            goes_on &= !ends;
            if check.shown {
                found.extend(errors);
            }
        }
        goes_on
    }

    /// What a rule finds, and whether it ends the judging of the field.
    fn judge(&self, rule: &Rule, spot: &Spot<'_>) -> (Vec<FieldError>, bool) {
        match rule {
            Rule::Optional => (Vec::new(), !spot.set()),
            Rule::Forbidden if !spot.set() => (Vec::new(), true),
            Rule::Gated(gate, wanted, rule) => match features::enabled(gate) == *wanted {
                true => self.judge(rule, spot),
                false => (Vec::new(), false),
            },
            _ => {
                let errors = self.errors(rule, spot);
                let ends = rule.ends() && !errors.is_empty();
                (errors, ends)
            }
        }
    }

    fn errors(&self, rule: &Rule, spot: &Spot<'_>) -> Vec<FieldError> {
        let at = &spot.at;
        let one = |wrong: bool, error: FieldError| if wrong { vec![error] } else { Vec::new() };
        match rule {
            Rule::Required => one(!spot.set(), FieldError::required(&at.path, "")),
            Rule::Forbidden => vec![FieldError::forbidden(&at.path, "")],
            Rule::Immutable => one(
                self.update,
                FieldError::invalid(&at.path, Value::Null, IMMUTABLE),
            ),
            Rule::Update(changes) if self.update => {
                changes.iter().flat_map(|c| changed(*c, spot)).collect()
            }
            Rule::MaxItems(max) => one(
                at.count() > *max,
                FieldError::too_many(&at.path, at.count() as i64, *max as i64),
            ),
            Rule::MaxLength(max) => one(
                at.text().chars().count() > *max,
                FieldError::too_long_characters(&at.path, *max as i64),
            ),
            Rule::MaxBytes(max) => one(
                at.text().len() > *max,
                FieldError::too_long(&at.path, *max as i64),
            ),
            Rule::Minimum(least) => one(
                spot.there() && at.int() < *least,
                FieldError::invalid(&at.path, at.int(), formats::at_least(*least)),
            ),
            Rule::Maximum(most) => one(
                spot.there() && at.int() > *most,
                FieldError::invalid(&at.path, at.int(), formats::at_most(*most)),
            ),
            Rule::Monotonic => monotonic(spot),
            Rule::Format(format) if spot.there() => format(at),
            Rule::EachValue(rule) => at
                .items()
                .flat_map(|item| self.errors(rule, &Spot::plain(item)))
                .collect(),
            Rule::EachKey(rule) => self.keys(rule, spot),
            Rule::Inside(name, rules) => self.inside(name, rules, spot),
            _ => Vec::new(),
        }
    }

    fn keys(&self, rule: &Rule, spot: &Spot<'_>) -> Vec<FieldError> {
        let mut found = Vec::new();
        for (key, _) in spot.at.entries() {
            let kept = spot.old.is_some_and(|old| old.get(key).is_some());
            if !(self.update && kept) {
                let key = Value::from(key);
                let at = spot.at.standing_in(&key);
                found.extend(self.errors(rule, &Spot::plain(at)));
            }
        }
        found
    }

    fn inside(&self, name: &str, rules: &[Rule], spot: &Spot<'_>) -> Vec<FieldError> {
        let inner = Spot {
            at: spot.at.get(name),
            old: spot.old.map(|old| old.get(name).unwrap_or(&Value::Null)),
            form: Form::Plain,
            elements: &Elements::Unrelated,
        };
        if self.update
            && inner
                .old
                .is_some_and(|old| super::same(old, inner.at.value))
        {
            return Vec::new();
        }
        let mut found = Vec::new();
        for rule in rules {
            let (errors, ends) = self.judge(rule, &inner);
            found.extend(errors);
            if ends {
                break;
            }
        }
        found
    }

    /// One of the members, or at most one. Unchanged membership is left alone.
    pub(super) fn union(
        &self,
        union: &Union,
        at: &At<'_>,
        set: &dyn Fn(&Value) -> Vec<bool>,
        old: Option<&Value>,
    ) -> Option<FieldError> {
        let now = set(at.value);
        if self.update && old.is_some_and(|old| !old.is_null() && set(old) == now) {
            return None;
        }
        let all: Vec<String> = union
            .members
            .iter()
            .map(|m| format!("`{}`", m.name))
            .collect();
        let all = all.join(", ");
        let given: Vec<&str> = union
            .members
            .iter()
            .zip(&now)
            .filter_map(|(member, set)| set.then_some(member.name.as_str()))
            .collect();
        match (given.len(), union.may_be_empty) {
            (0, false) => Some((String::new(), format!("must specify one of: {all}"))),
            (0 | 1, _) => None,
            (_, false) => Some((shown(&given), format!("must specify exactly one of: {all}"))),
            (_, true) => Some((shown(&given), format!("must specify at most one of: {all}"))),
        }
        .map(|(value, detail)| FieldError::invalid(&at.path, value, detail))
    }

    /// Rules of a field in the mode that another field says.
    pub(super) fn mode(&self, mode: &Mode, at: &At<'_>, old: Option<&Value>) -> Vec<FieldError> {
        let null = &Value::Null;
        let spot = Spot {
            at: at.get(&mode.field),
            old: old.map(|old| old.get(&*mode.field).unwrap_or(null)),
            form: mode.form,
            elements: &Elements::Unrelated,
        };
        let by = at.get(&mode.by);
        let mode_before = old.map(|old| old.get(&*mode.by).unwrap_or(null));
        let unchanged = mode_before.is_some_and(|old| super::same(old, by.value))
            && spot.old.is_some_and(|old| super::same(old, spot.at.value));
        if self.update && unchanged {
            return Vec::new();
        }
        let mut found = Vec::new();
        match mode.rules.iter().find(|(value, _)| value == by.text()) {
            Some((_, checks)) => {
                self.run(checks, &spot, &mut found);
            }
            None if spot.set() => found.push(FieldError::forbidden(&spot.at.path, "")),
            None => {}
        }
        found
    }
}

impl<'a> Spot<'a> {
    fn plain(at: At<'a>) -> Self {
        Spot {
            at,
            old: None,
            form: Form::Plain,
            elements: &Elements::Unrelated,
        }
    }

    fn set(&self) -> bool {
        set(self.at.value, self.form)
    }

    /// Go has a value to look at, be it a zero one.
    fn there(&self) -> bool {
        self.form != Form::Pointer || self.at.given()
    }
}

fn shown(given: &[&str]) -> String {
    format!("{{{}}}", given.join(", "))
}

fn changed(change: Change, spot: &Spot<'_>) -> Vec<FieldError> {
    let Some(old) = spot.old else {
        return Vec::new();
    };
    let (was, is) = (set(old, spot.form), spot.set());
    let told = |wrong: bool, detail: &str| {
        let error = FieldError::invalid(&spot.at.path, Value::Null, detail);
        wrong.then_some(error).into_iter().collect()
    };
    match change {
        Change::Set => told(!was && is, "field cannot be set once created"),
        Change::Unset => told(was && !is, "field cannot be cleared once set"),
        Change::Modify => told(was && is, "field cannot be modified once set"),
        Change::AddItem => {
            let added = |item: &At<'_>| spot.elements.counterpart(item.value, Some(old)).is_none();
            let added = spot.at.items().filter(added);
            added
                .map(|item| FieldError::forbidden(&item.path, "item may not be added"))
                .collect()
        }
        Change::RemoveItem => {
            let lost = |item: &&Value| {
                let now = Some(spot.at.value);
                spot.elements.counterpart(item, now).is_none()
            };
            let gone = old.as_array().into_iter().flatten().filter(lost);
            gone.map(|_| FieldError::forbidden(&spot.at.path, "item may not be removed"))
                .collect()
        }
    }
}

fn monotonic(spot: &Spot<'_>) -> Vec<FieldError> {
    let old = spot.old.and_then(Value::as_i64);
    match old.filter(|old| spot.at.given() && spot.at.int() < *old) {
        Some(old) => {
            let detail = format!("may not be decreased from {old}");
            vec![FieldError::invalid(&spot.at.path, spot.at.int(), detail)]
        }
        None => Vec::new(),
    }
}
