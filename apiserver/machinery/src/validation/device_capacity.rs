//! How much of a device may be asked for (pkg/apis/resource/validation/validation.go).

use super::at::{At, Errors};
use super::formats;
use crate::quantity::Quantity;

const OPTIONS_MAX: usize = 10;

/// The amount that a device has; only one that is shared says how it may be divided.
pub(crate) fn capacity(at: &At<'_>, shared: bool, errors: &mut Errors) {
    let policy = at.get("requestPolicy");
    if !policy.given() {
        return;
    }
    if !shared {
        return errors.forbidden(&policy, "allowMultipleAllocations must be true");
    }
    let (values, range) = (policy.get("validValues"), policy.get("validRange"));
    let default = policy.get("default");
    let most = at.get("value");
    match (!values.empty(), range.given()) {
        (true, true) => errors.forbidden(
            &policy,
            "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
        ),
        (true, false) if !default.given() => {
            errors.required(&default, "required when validValues is defined")
        }
        (true, false) => self::values(&values, &default, &most, errors),
        (false, true) if !default.given() => {
            errors.required(&default, "required when validRange is defined")
        }
        (false, true) => self::range(&range, &default, &most, errors),
        (false, false) => {}
    }
}

fn values(at: &At<'_>, default: &At<'_>, most: &At<'_>, errors: &mut Errors) {
    let options: Vec<At<'_>> = at.items().collect();
    for pair in options.windows(2) {
        if pair[0].quantity() > pair[1].quantity() {
            errors.invalid(&pair[1], "values must be sorted in ascending order");
        }
    }
    if options.len() > OPTIONS_MAX {
        errors.too_many(at, options.len(), OPTIONS_MAX);
        errors.invalid_value(at, default.text(), UNFIT);
        return;
    }
    for option in &options {
        if option.quantity() > most.quantity() {
            let detail = format!("option is larger than capacity value: {}", most.text());
            errors.invalid(option, detail);
        }
    }
    for (place, option) in options.iter().enumerate() {
        let same = |other: &At<'_>| other.quantity() == option.quantity();
        if options[..place].iter().any(same) {
            errors.duplicate_value(option, option.text());
        }
    }
    if !options
        .iter()
        .any(|option| option.quantity() == default.quantity())
    {
        errors.invalid_value(at, default.text(), UNFIT);
    }
}

const UNFIT: &str = "default value is not valid according to the requestPolicy";

fn range(at: &At<'_>, default: &At<'_>, most: &At<'_>, errors: &mut Errors) {
    let (least, top, step) = (at.get("min"), at.get("max"), at.get("step"));
    if !least.given() {
        return errors.required(&least, "required when validRange is defined");
    }
    let shown = at.get("default");
    if least.quantity() > most.quantity() {
        errors.invalid(
            &least,
            format!("min is larger than capacity value: {}", most.text()),
        );
    }
    if default.quantity() < least.quantity() {
        let detail = format!("default is less than min: {}", least.text());
        errors.invalid_value(&shown, default.text(), detail);
    }
    if top.given() {
        if least.quantity() > top.quantity() {
            let detail = format!("min is larger than max: {}", top.text());
            errors.invalid_value(&top, least.text(), detail);
        }
        if top.quantity() > most.quantity() {
            errors.invalid(
                &top,
                format!("max is larger than capacity value: {}", most.text()),
            );
        }
        if default.quantity() > top.quantity() {
            let detail = format!("default is more than max: {}", top.text());
            errors.invalid_value(&shown, default.text(), detail);
        }
    }
    if step.given() {
        steps(at, default, most, errors);
    }
}

fn steps(at: &At<'_>, default: &At<'_>, most: &At<'_>, errors: &mut Errors) {
    let (least, top, step) = (at.get("min"), at.get("max"), at.get("step"));
    if step.quantity() <= Quantity::zero() {
        return errors.invalid(&step, "must be greater than zero");
    }
    let mut added = least.quantity();
    added.add(&step.quantity());
    if added > most.quantity() {
        let detail = format!(
            "one step {added} is larger than capacity value: {}",
            most.text()
        );
        errors.invalid(&step, detail);
    }
    let mut safe = true;
    for (name, value) in [
        ("default", default),
        ("min", &least),
        ("max", &top),
        ("step", &step),
    ] {
        if value.given() && value.quantity() < Quantity::zero() {
            errors.invalid_value(&at.get(name), value.text(), formats::NEGATIVE);
            safe = false;
        }
    }
    for value in [default, &top] {
        if safe && value.given() && !whole_steps(value, &least, &step) {
            let detail = format!(
                "value is not a multiple of a given step ({}) from ({})",
                step.text(),
                least.text()
            );
            errors.invalid_value(&step, value.text(), detail);
        }
    }
}

/// Whether a value lies a whole number of steps above another. Amounts count in thousandths.
fn whole_steps(value: &At<'_>, least: &At<'_>, step: &At<'_>) -> bool {
    let milli = |at: &At<'_>| i128::from(at.quantity().milli_value());
    let step = milli(step);
    step != 0 && (milli(value) - milli(least)) % step == 0
}
