//! Declarative validation: what the `+k8s:` markers of the schema table demand of an object. Upstream generates code from the same
//! markers (apimachinery pkg/api/validate); here one interpreter reads them. Called by the registry after a kind's own rules.
//!
//! A marker under `alpha` is judged, since it may end the judging of its field, but what it finds is not told. Data that an update
//! leaves as they were are not judged again.

mod check;
mod format;
mod marker;
mod plan;

use serde_json::Value;

use self::plan::{Elements, FieldPlan, Form, Holder, TypePlan, plan};
use super::at::At;
use super::same;
use crate::schema::TypeId;
use crate::status::FieldError;

/// Judges one write.
#[derive(Clone, Copy, Debug)]
struct Judge {
    update: bool,
}

/// A place with what was there before. The old value is None where nothing there corresponds to it.
struct Spot<'a> {
    at: At<'a>,
    old: Option<&'a Value>,
    form: Form,
    elements: &'a Elements,
}

/// Everything that the markers of a type find in an object; `old` is what an update replaces.
pub fn declared(ty: TypeId, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let judge = Judge {
        update: old.is_some(),
    };
    let mut found = Vec::new();
    judge.visit(ty, &At::untold(object), old, &mut found);
    if !found.is_empty() {
        found.clear();
        judge.visit(ty, &At::root(object), old, &mut found);
    }
    found
}

/// A kind's own errors followed by the declared ones. What both find is told in the declared form.
pub fn merged(mut own: Vec<FieldError>, declared: Vec<FieldError>) -> Vec<FieldError> {
    use crate::status::FieldErrorKind::Invalid;
    let covers = |declared: &FieldError, own: &FieldError| {
        let alike = declared.kind == own.kind && declared.field == own.field;
        alike && (own.kind != Invalid || own.detail == declared.detail)
    };
    own.retain(|error| !declared.iter().any(|found| covers(found, error)));
    own.extend(declared);
    own
}

impl Judge {
    fn visit(&self, ty: TypeId, at: &At<'_>, old: Option<&Value>, found: &mut Vec<FieldError>) {
        let of_type = plan().of(ty);
        if !of_type.active {
            return;
        }
        self.whole(of_type, at, old, found);
        for field in &of_type.fields {
            let before = old.map(|old| old.get(&*field.name).unwrap_or(&Value::Null));
            let spot = Spot {
                at: at.get(&field.name),
                old: before,
                form: field.form,
                elements: &field.elements,
            };
            self.field(field, &spot, found);
        }
    }

    /// Rules over several fields of one struct.
    fn whole(&self, ty: &TypePlan, at: &At<'_>, old: Option<&Value>, found: &mut Vec<FieldError>) {
        for union in &ty.unions {
            let set = |value: &Value| union.fields_set(value);
            if union.shown {
                found.extend(self.union(union, at, &set, old));
            }
        }
        for mode in &ty.modes {
            found.extend(self.mode(mode, at, old));
        }
    }

    fn field(&self, field: &FieldPlan, spot: &Spot<'_>, found: &mut Vec<FieldError>) {
        if self.update && spot.old.is_some_and(|old| same(old, spot.at.value)) {
            return;
        }
        if !self.run(&field.checks, spot, found) {
            return;
        }
        if let Some(union) = field.items.as_ref().filter(|union| union.shown) {
            let set = |value: &Value| union.items_set(value);
            found.extend(self.union(union, &spot.at, &set, spot.old));
        }
        if field.unique == Some(true) {
            unique(&field.elements, &spot.at, found);
        }
        self.descend(field, spot, found);
    }

    fn descend(&self, field: &FieldPlan, spot: &Spot<'_>, found: &mut Vec<FieldError>) {
        match &field.holder {
            Holder::Struct(_) if spot.form == Form::Pointer && !spot.at.given() => {}
            Holder::Struct(ty) => self.visit(*ty, &spot.at, spot.old, found),
            Holder::List(ty) => {
                for item in spot.at.items() {
                    let before = field.elements.counterpart(item.value, spot.old);
                    if self.update && before.is_some_and(|old| same(old, item.value)) {
                        continue;
                    }
                    self.visit(*ty, &item, before, found);
                }
            }
            Holder::Map(ty) => {
                for (key, item) in spot.at.entries() {
                    let before = spot.old.and_then(|old| old.get(key));
                    if self.update && before.is_some_and(|old| same(old, item.value)) {
                        continue;
                    }
                    self.visit(*ty, &item, before, found);
                }
            }
            Holder::Plain => self.closed(field, spot, found),
        }
    }

    /// Values of a closed set, alone or in a list.
    fn closed(&self, field: &FieldPlan, spot: &Spot<'_>, found: &mut Vec<FieldError>) {
        let Some(values) = &field.values else {
            return;
        };
        let supported: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let mut judge = |at: &At<'_>| {
            if !supported.contains(&at.text()) {
                found.push(FieldError::not_supported(&at.path, at.text(), &supported));
            }
        };
        match spot.at.value {
            Value::Array(_) => {
                let kept = |item: &At<'_>| {
                    self.update && field.elements.counterpart(item.value, spot.old).is_some()
                };
                spot.at
                    .items()
                    .filter(|item| !kept(item))
                    .for_each(|item| judge(&item));
            }
            Value::Null if spot.form == Form::Pointer || field.list => {}
            _ => judge(&spot.at),
        }
    }
}

fn unique(elements: &Elements, at: &At<'_>, found: &mut Vec<FieldError>) {
    let items: Vec<At<'_>> = at.items().collect();
    for (place, item) in items.iter().enumerate() {
        let seen = |other: &At<'_>| elements.alike(other.value, item.value);
        if items[..place].iter().any(seen) {
            found.push(FieldError::duplicate(&item.path, item.value.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
