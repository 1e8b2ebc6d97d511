//! Schemas that say more of the same value: all, any, one or none of them.

use serde_json::Value;

use super::super::checks::Checks;
use super::super::schema::Schema;
use super::super::shown;
use super::{Found, Old, Walk};
use crate::goformat::quote;
use crate::status::FieldError;

impl Walk<'_> {
    pub(super) fn junctors(
        &self,
        checks: &Checks,
        value: &Value,
        path: &str,
        old: Old<'_>,
    ) -> Found {
        let mut found = Found::default();
        let told = |why: String| {
            FieldError::invalid(shown(self.front), "", format!("{} {why}", quote(path)))
        };
        let alternatives = |schemas: &[Schema]| -> Vec<Found> {
            let each = schemas.iter();
            each.map(|schema| self.node(schema, value, path, old, false))
                .collect()
        };
        if !checks.any_of.is_empty() {
            let mut all = alternatives(&checks.any_of);
            match all.iter().position(Found::fits) {
                Some(at) => found.merge(all.swap_remove(at)),
                None => {
                    found
                        .errors
                        .push(told("must validate at least one schema (anyOf)".into()));
                    found.merge(best(all));
                }
            }
        }
        if !checks.one_of.is_empty() {
            let all = alternatives(&checks.one_of);
            match all.iter().filter(|one| one.fits()).count() {
                1 => {}
                0 => {
                    let why = "must validate one and only one schema (oneOf). Found none valid";
                    found.errors.push(told(why.into()));
                    found.merge(best(all));
                }
                count => found.errors.push(told(format!(
                    "must validate one and only one schema (oneOf). Found {count} valid alternatives"
                ))),
            }
        }
        if !checks.all_of.is_empty() {
            let all = alternatives(&checks.all_of);
            let met = all.iter().filter(|one| one.fits()).count();
            let every = met == all.len();
            all.into_iter().for_each(|one| found.merge(one));
            if !every {
                let none = if met == 0 { ". None validated" } else { "" };
                found
                    .errors
                    .push(told(format!("must validate all the schemas (allOf){none}")));
            }
        }
        if let Some(not) = &checks.not
            && self.node(not, value, path, old, false).fits()
        {
            found
                .errors
                .push(told("must not validate the schema (not)".into()));
        }
        found.met += 1;
        found
    }
}

/// The first of those that met most.
fn best(all: Vec<Found>) -> Found {
    let mut best: Option<Found> = None;
    for one in all {
        if best.as_ref().is_none_or(|best| one.met > best.met) {
            best = Some(one);
        }
    }
    best.unwrap_or_default()
}
