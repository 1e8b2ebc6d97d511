//! Calls of `format` on a literal with a literal list: clauses and arguments must go together (ext/formatting.go).

use super::{Report, string_literal};
use crate::ast::{Expr, ExprId, ExprKind};
use crate::check::{Checked, Reference};
use crate::types::Type;

/// What is wrong, and at which argument; none stands for the call.
type Wrong = (Option<ExprId>, String);

pub(super) fn check(checked: &Checked, report: &mut Report<'_>) {
    checked.expr.walk(&mut |expr| {
        let Some((text, args)) = constant_format(checked, expr) else {
            return;
        };
        match clauses(checked, text, args) {
            Err((at, message)) => report(at.unwrap_or(expr.id), message),
            Ok(seen) if args.len() > seen => report(
                expr.id,
                format!(
                    "too many arguments supplied to string.format (expected {seen}, got {})",
                    args.len()
                ),
            ),
            Ok(_) => {}
        }
    });
}

fn constant_format<'a>(checked: &Checked, expr: &'a Expr) -> Option<(&'a str, &'a [Expr])> {
    let ExprKind::Call {
        function,
        target: Some(target),
        args,
    } = &expr.kind
    else {
        return None;
    };
    if function != "format" {
        return None;
    }
    if let Some(Reference::Overloads(ids)) = checked.references.get(&expr.id)
        && !ids.contains(&"string_format")
    {
        return None;
    }
    match args.as_slice() {
        [arg] => match &arg.kind {
            ExprKind::List { elements, .. } => Some((string_literal(target)?, elements)),
            _ => None,
        },
        _ => None,
    }
}

/// The number of arguments that the clauses take.
fn clauses(checked: &Checked, text: &str, args: &[Expr]) -> Result<usize, Wrong> {
    let bytes = text.as_bytes();
    let (mut at, mut taken) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'%' {
            at += 1;
            continue;
        }
        if bytes.get(at + 1) == Some(&b'%') {
            at += 2;
            continue;
        }
        if at + 1 >= bytes.len() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        let Some(arg) = args.get(taken) else {
            return Err((None, format!("index {taken} out of range")));
        };
        taken += 1;
        let (read, clause) = clause(&bytes[at + 1..]).map_err(|message| {
            (
                None,
                format!("could not parse formatting clause: {message}"),
            )
        })?;
        at += 1 + read;
        fits(checked, clause, arg)
            .map_err(|(at, message)| (Some(at), format!("error during formatting: {message}")))?;
    }
    Ok(taken)
}

/// The clause after a percent sign: how long it is, and its letter.
fn clause(rest: &[u8]) -> Result<(usize, u8), String> {
    let mut read = 0;
    if rest[0] == b'.' {
        let digits = rest[1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        read = 1 + digits;
        if read >= rest.len() {
            return Err(
                "error while parsing precision: could not find end of precision specifier"
                    .to_owned(),
            );
        }
        let written = String::from_utf8_lossy(&rest[1..read]);
        written.parse::<i64>().map_err(|_| {
            let reason = if digits == 0 { "invalid syntax" } else { "value out of range" };
            format!(
                "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \"{written}\": {reason}"
            )
        })?;
    }
    match rest[read] {
        letter @ (b's' | b'd' | b'f' | b'e' | b'b' | b'x' | b'X' | b'o') => Ok((read + 1, letter)),
        other => Err(format!(
            "unrecognized formatting clause \"{}\"",
            char::from(other)
        )),
    }
}

fn fits(checked: &Checked, clause: u8, arg: &Expr) -> Result<(), (ExprId, String)> {
    if clause == b's' {
        return as_string(checked, arg);
    }
    let of = unwrapped(checked.type_of(arg));
    let (good, what) = match clause {
        b'd' => (
            matches!(of, Type::Int | Type::Uint),
            "decimal clause can only be used on integers",
        ),
        b'f' => (
            matches!(of, Type::Double | Type::String),
            "fixed-point clause can only be used on doubles",
        ),
        b'e' => (
            matches!(of, Type::Double | Type::String),
            "scientific clause can only be used on doubles",
        ),
        b'b' => (
            matches!(of, Type::Int | Type::Uint | Type::Bool),
            "only integers and bools can be formatted as binary",
        ),
        b'o' => (
            matches!(of, Type::Int | Type::Uint),
            "octal clause can only be used on integers",
        ),
        _ => (
            matches!(of, Type::Int | Type::Uint | Type::String | Type::Bytes),
            "only integers, byte buffers, and strings can be formatted as hex",
        ),
    };
    if good || of == Type::Dyn {
        return Ok(());
    }
    Err((arg.id, format!("{what}, was given {}", of.name())))
}

/// What is in lists and maps is looked at too.
fn as_string(checked: &Checked, arg: &Expr) -> Result<(), (ExprId, String)> {
    let of = unwrapped(checked.type_of(arg));
    let good = matches!(
        of,
        Type::List(_)
            | Type::Map(_)
            | Type::Int
            | Type::Uint
            | Type::Double
            | Type::Bool
            | Type::String
            | Type::Timestamp
            | Type::Bytes
            | Type::Duration
            | Type::Type(_)
            | Type::Null
            | Type::Dyn
    );
    if !good {
        const WHAT: &str = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps";
        return Err((arg.id, format!("{WHAT}, was given {}", of.name())));
    }
    match &arg.kind {
        ExprKind::List { elements, .. } => {
            elements.iter().try_for_each(|one| as_string(checked, one))
        }
        ExprKind::Map(entries) => entries.iter().try_for_each(|entry| {
            as_string(checked, &entry.key)?;
            as_string(checked, &entry.value)
        }),
        _ => Ok(()),
    }
}

fn unwrapped(of: Type) -> Type {
    match of {
        Type::Wrapper(inner) => (*inner).clone(),
        other => other,
    }
}
