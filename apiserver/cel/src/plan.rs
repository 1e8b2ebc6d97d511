//! What the reference notices only when it makes a checked expression runnable: cel-go's interpreter/planner.go, and what its
//! decorators work out beforehand: conversions of constants, and constant patterns.

mod constant;

use crate::ast::{Expr, ExprKind};
use crate::check::{Checked, Reference};
use crate::env::Env;
use crate::pattern;
use crate::types::Type;
use constant::Constant;
pub(crate) use constant::{parse_double, shortest};

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
    plan(env, checked, &checked.expr).err()
}

/// The value of a part that is constant; the first obstacle, parts before the whole.
fn plan(env: &Env, checked: &Checked, expr: &Expr) -> Result<Option<Constant>, String> {
    let mut parts = Vec::new();
    for child in expr.children() {
        parts.push(plan(env, checked, child)?);
    }
    match &expr.kind {
        ExprKind::Literal(value) => Ok(Some(Constant::Literal(value.clone()))),
        ExprKind::Ident(_) => ident(checked, expr),
        ExprKind::Struct { name, .. } if !env.makes(name) => Err(format!("unknown type: {name}")),
        ExprKind::Call { function, .. } => call(function, &mut parts),
        ExprKind::List { .. } if parts.iter().all(Option::is_some) => {
            Ok(Some(Constant::Other("list")))
        }
        ExprKind::Map(_) if parts.iter().all(Option::is_some) => Ok(Some(Constant::Other("map"))),
        _ => Ok(None),
    }
}

fn ident(checked: &Checked, expr: &Expr) -> Result<Option<Constant>, String> {
    let Some(Reference::Variable(name)) = checked.references.get(&expr.id) else {
        return Ok(None);
    };
    if !matches!(checked.type_of(expr), Type::Type(_)) {
        return Ok(None);
    }
    match TYPE_VALUES.contains(&name.as_str()) {
        true => Ok(Some(Constant::Other("type"))),
        false => Err(format!("reference to undefined type: {name}")),
    }
}

fn call(function: &str, parts: &mut [Option<Constant>]) -> Result<Option<Constant>, String> {
    match (function, parts) {
        ("matches" | "find" | "findAll", [_, Some(found), ..]) => {
            if let Some(text) = found.text() {
                pattern::check(text)?;
            }
            Ok(None)
        }
        (conversion, [Some(value)]) => constant::converted(conversion, value),
        _ => Ok(None),
    }
}
