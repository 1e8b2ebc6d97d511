//! What the reference notices only when it makes a checked expression runnable: cel-go's interpreter/planner.go.

use crate::ast::{Expr, ExprKind};
use crate::check::{Checked, Reference};
use crate::env::Env;
use crate::types::Type;

/// Types that are values too.
const TYPE_VALUES: [&str; 18] = [
    "bool",
    "bytes",
    "double",
    "google.protobuf.Duration",
    "google.protobuf.Empty",
    "google.protobuf.NullValue.NULL_VALUE",
    "google.protobuf.Struct.FieldsEntry",
    "google.protobuf.Timestamp",
    "int",
    "list",
    "map",
    "net.CIDR",
    "net.IP",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// Why a checked expression cannot run, if that is so.
pub(crate) fn obstacle(env: &Env, checked: &Checked) -> Option<String> {
    let mut found = None;
    checked.expr.walk(&mut |expr| {
        if found.is_none() {
            found = of_node(env, checked, expr);
        }
    });
    found
}

fn of_node(env: &Env, checked: &Checked, expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(_) => {
            let Some(Reference::Variable(name)) = checked.references.get(&expr.id) else {
                return None;
            };
            let unknown = matches!(checked.type_of(expr), Type::Type(_))
                && !TYPE_VALUES.contains(&name.as_str());
            unknown.then(|| format!("reference to undefined type: {name}"))
        }
        ExprKind::Struct { name, .. } if !env.makes(name) => Some(format!("unknown type: {name}")),
        _ => None,
    }
}
