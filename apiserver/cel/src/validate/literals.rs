//! Literals that a conversion or a match will refuse whenever it runs.

use super::{Report, string_literal};
use crate::ast::{Expr, ExprKind, Literal};
use crate::{pattern, time};

pub(super) fn check(expr: &Expr, report: &mut Report<'_>) {
    for (function, good) in [
        ("duration", is_duration as fn(&Expr) -> bool),
        ("timestamp", is_timestamp),
        ("matches", is_pattern),
    ] {
        expr.walk(&mut |expr| {
            let ExprKind::Call {
                function: called,
                args,
                ..
            } = &expr.kind
            else {
                return;
            };
            // The first argument is meant, also where it is not the pattern.
            if called == function
                && let Some(first) = args.first()
                && matches!(first.kind, ExprKind::Literal(_))
                && !good(first)
            {
                report(first.id, format!("invalid {function} argument"));
            }
        });
    }
}

fn is_duration(literal: &Expr) -> bool {
    string_literal(literal).is_some_and(|text| time::parse_duration(text).is_some())
}

fn is_timestamp(literal: &Expr) -> bool {
    match &literal.kind {
        ExprKind::Literal(Literal::Int(seconds)) => time::in_range(*seconds),
        _ => string_literal(literal).is_some_and(|text| time::parse_timestamp(text).is_some()),
    }
}

fn is_pattern(literal: &Expr) -> bool {
    string_literal(literal).is_none_or(|text| pattern::check(text).is_ok())
}
