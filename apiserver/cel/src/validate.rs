//! What a checked expression is refused for nevertheless: cel-go's cel/validator.go and ext/formatting.go, in the order in which
//! the environments of the reference have them.

mod format;
mod literals;

use crate::ast::{Expr, ExprId, ExprKind, Literal};
use crate::check::Checked;
use crate::issue::Issues;
use crate::source::Source;
use crate::types::Type;

/// Reports what is wrong with literals and with lists and maps of several types.
pub(crate) fn validate(checked: &Checked, source: &Source, issues: &mut Issues) {
    let mut report = |id: ExprId, message: String| {
        issues.report(checked.positions.location(id, source), message);
    };
    homogeneous(checked, &checked.expr, false, &mut report);
    literals::check(&checked.expr, &mut report);
    format::check(checked, &mut report);
}

type Report<'a> = dyn FnMut(ExprId, String) + 'a;

/// Elements of one list, keys and values of one map have one type, but for the arguments of `format`.
fn homogeneous(checked: &Checked, expr: &Expr, exempt: bool, report: &mut Report<'_>) {
    let mut exempt = exempt;
    match &expr.kind {
        ExprKind::Call { function, .. } if function == "format" => exempt = true,
        ExprKind::List { elements, optional } if !exempt => {
            list_of_one_type(checked, elements, optional, report);
        }
        ExprKind::Map(entries) if !exempt => {
            let mut first: Option<(Type, Type)> = None;
            for entry in entries {
                let key = checked.type_of(&entry.key);
                let mut value = checked.type_of(&entry.value);
                if entry.optional {
                    value = value.inside_optional().cloned().unwrap_or(value);
                }
                let Some((keys, values)) = &first else {
                    first = Some((key, value));
                    continue;
                };
                if !keys.same(&key) {
                    report(entry.key.id, mismatch(keys, &key));
                }
                if !values.same(&value) {
                    report(entry.value.id, mismatch(values, &value));
                }
            }
        }
        _ => {}
    }
    for child in expr.children() {
        homogeneous(checked, child, exempt, report);
    }
}

fn list_of_one_type(
    checked: &Checked,
    elements: &[Expr],
    optional: &[usize],
    report: &mut Report<'_>,
) {
    let mut first: Option<Type> = None;
    for (index, element) in elements.iter().enumerate() {
        let mut of = checked.type_of(element);
        if optional.contains(&index) {
            of = of.inside_optional().cloned().unwrap_or(of);
        }
        match &first {
            None => first = Some(of),
            Some(first) if !first.same(&of) => {
                report(element.id, mismatch(first, &of));
                return;
            }
            Some(_) => {}
        }
    }
}

fn mismatch(expected: &Type, found: &Type) -> String {
    format!(
        "expected type '{}' but found '{}'",
        expected.shown(),
        found.shown()
    )
}

fn string_literal(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text),
        _ => None,
    }
}
