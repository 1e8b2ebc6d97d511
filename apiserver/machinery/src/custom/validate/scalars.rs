//! Texts and numbers: lengths, patterns, formats, bounds.

use serde_json::Value;

use super::super::checks::Checks;
use super::super::schema::{Kind, Schema};
use super::super::{formats, shown};
use super::{Found, Walk};
use crate::goformat::{plain, quote};
use crate::status::FieldError;

impl Walk<'_> {
    pub(super) fn text(&self, checks: Option<&Checks>, text: &str, path: &str, found: &mut Found) {
        found.met += 1;
        let Some(checks) = checks else { return };
        let length = text.chars().count() as i64;
        let invalid = |why: String| FieldError::invalid(self.place(path), text, why);
        if let Some(most) = checks.max_length.filter(|most| length > *most) {
            found
                .errors
                .push(FieldError::too_long(self.place(path), most));
        } else if let Some(least) = checks.min_length.filter(|least| length < *least) {
            found.errors.push(invalid(format!(
                "{path} in body should be at least {least} chars long"
            )));
        } else if let Some(pattern) = &checks.pattern {
            let shown = &pattern.text;
            match pattern.matches(text) {
                Ok(true) => {}
                Ok(false) => found
                    .errors
                    .push(invalid(format!("{path} in body should match '{shown}'"))),
                Err(why) => found.errors.push(invalid(format!(
                    "{path} in body should match '{shown}, but pattern is invalid: {why}'"
                ))),
            }
        }
        if formats::fits(&checks.format, text) == Some(false) {
            let why = format!(
                "{path} in body must be of type {}: {}",
                checks.format,
                quote(text)
            );
            found
                .errors
                .push(FieldError::type_invalid(self.place(path), text, why));
        }
    }

    pub(super) fn number(
        &self,
        schema: &Schema,
        checks: Option<&Checks>,
        value: &Value,
        path: &str,
        found: &mut Found,
    ) {
        found.met += 1;
        let format = checks.map_or("", |checks| &checks.format);
        if let Some(why) = out_of_range(schema, format, value) {
            let why = format!("Checked value must be of type {why} in {path}");
            found
                .errors
                .push(FieldError::invalid(shown(self.front), "", why));
        }
        let Some(checks) = checks else { return };
        let mut told = |why: String| {
            let why = format!("{path} in body should be {why}");
            found
                .errors
                .push(FieldError::invalid(self.place(path), value.clone(), why));
        };
        let number = value.as_f64().unwrap_or(f64::NAN);
        if let Some(factor) = checks
            .multiple_of
            .filter(|factor| !is_multiple(value, *factor))
        {
            told(format!("a multiple of {}", bound(value, factor)));
        }
        if let Some(least) = checks.minimum {
            let below = if checks.exclusive_minimum {
                number <= least
            } else {
                number < least
            };
            let than = if checks.exclusive_minimum {
                "greater than"
            } else {
                "greater than or equal to"
            };
            if below {
                told(format!("{than} {}", bound(value, least)));
            }
        }
        if let Some(most) = checks.maximum {
            let above = if checks.exclusive_maximum {
                number >= most
            } else {
                number > most
            };
            let than = if checks.exclusive_maximum {
                "less than"
            } else {
                "less than or equal to"
            };
            if above {
                told(format!("{than} {}", bound(value, most)));
            }
        }
    }
}

/// The type that a number is no value of.
fn out_of_range(schema: &Schema, format: &str, value: &Value) -> Option<String> {
    let named = |kind: &str| match format {
        "" => format!("{kind} (default format)"),
        format => format!("{kind} with format {format}"),
    };
    // Texts of both types say nothing of a range.
    if schema.int_or_string {
        return None;
    }
    match schema.kind {
        Kind::Integer => {
            let whole = match value.as_i64() {
                Some(whole) => Some(whole),
                // As text it would have no point; what is too large for that is written with an exponent.
                None => value
                    .as_f64()
                    .filter(|float| float.fract() == 0.0 && float.abs() < 9.2e18)
                    .map(|float| float as i64),
            };
            let fits = whole.is_some_and(|whole| format != "int32" || i32::try_from(whole).is_ok());
            (!fits).then(|| named("integer"))
        }
        Kind::Number if format == "float" => {
            let fits = value
                .as_f64()
                .is_some_and(|float| float.abs() <= f64::from(f32::MAX));
            (!fits).then(|| named("number"))
        }
        _ => None,
    }
}

fn is_multiple(value: &Value, factor: f64) -> bool {
    if let Some(whole) = value.as_i64() {
        let factor = factor as i64;
        return factor > 0 && whole % factor == 0;
    }
    let number = value.as_f64().unwrap_or(f64::NAN);
    let times = if factor < 1.0 {
        1.0 / factor * number
    } else {
        number / factor
    };
    (times - times.round()).abs() < 1e-9
}

/// A bound as an error shows it: as the value's own type.
fn bound(value: &Value, bound: f64) -> String {
    if value.is_i64() {
        (bound as i64).to_string()
    } else {
        plain(&bound.into())
    }
}
