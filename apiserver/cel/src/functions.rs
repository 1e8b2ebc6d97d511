//! The table of functions (`functions.decl`), read once: what the checker resolves calls with and the estimate of cost goes by.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::types::Type;

const TABLE: &str = include_str!("functions.decl");

/// One way to call a function.
#[derive(Debug)]
pub struct Overload {
    pub id: &'static str,
    /// A call on a target, which is then the first argument.
    pub member: bool,
    pub args: Vec<Type>,
    pub result: Type,
    pub params: Vec<Arc<str>>,
    pub since: Since,
}

/// Where an overload is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Always,
    /// Not in new expressions while the version before may have to read them.
    This,
    /// In mutations of admission policies.
    Patch,
}

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    let rows = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for row in rows {
        let (name, overload) = read(row);
        functions.entry(name).or_default().push(overload);
    }
    functions
});

/// All ways to call a function, in the order in which they are tried.
pub fn overloads(name: &str) -> &'static [Overload] {
    FUNCTIONS.get(name).map_or(&[], Vec::as_slice)
}

fn read(row: &'static str) -> (&'static str, Overload) {
    let mut columns = row.split('\t');
    let mut column = || {
        columns
            .next()
            .unwrap_or_else(|| panic!("{row}: three columns"))
    };
    let (name, id, signature) = (column(), column(), column());
    let (signature, since) = match signature.split_once(" @") {
        None => (signature, Since::Always),
        Some((signature, "1.37")) => (signature, Since::This),
        Some((signature, "patch")) => (signature, Since::Patch),
        Some((_, mark)) => panic!("{row}: no mark is called {mark}"),
    };
    let (call, result) = signature.split_once(") -> ").expect("a result");
    let mut params = Vec::new();
    let mut args = Vec::new();
    let (target, listed) = match call.split_once(".(") {
        Some((target, listed)) => (Some(target), listed),
        None => (None, call.trim_start_matches('(')),
    };
    args.extend(target.map(|target| parse(target, &mut params)));
    args.extend(split(listed).into_iter().map(|arg| parse(arg, &mut params)));
    let overload = Overload {
        id,
        member: target.is_some(),
        args,
        result: parse(result, &mut params),
        params,
        since,
    };
    (name, overload)
}

/// Parts between commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// A type as the table writes it; type parameters are added to `params`.
fn parse(text: &str, params: &mut Vec<Arc<str>>) -> Type {
    let (name, inner) = match text.split_once('(') {
        Some((name, rest)) => (name, split(rest.strip_suffix(')').expect("a parenthesis"))),
        None => (text, Vec::new()),
    };
    let inner: Vec<Type> = inner.into_iter().map(|one| parse(one, params)).collect();
    match (name, inner.as_slice()) {
        ("dyn", []) => Type::Dyn,
        ("bool", []) => Type::Bool,
        ("int", []) => Type::Int,
        ("uint", []) => Type::Uint,
        ("double", []) => Type::Double,
        ("string", []) => Type::String,
        ("bytes", []) => Type::Bytes,
        ("timestamp", []) => Type::Timestamp,
        ("duration", []) => Type::Duration,
        ("list", [element]) => Type::list(element.clone()),
        ("map", [key, value]) => Type::map(key.clone(), value.clone()),
        ("type", [inner]) => Type::type_of(inner.clone()),
        (name, []) if name.len() == 1 => {
            let name: Arc<str> = name.into();
            if !params.contains(&name) {
                params.push(Arc::clone(&name));
            }
            Type::Param(name)
        }
        // Types that requests are authorized with have fields nowhere, but are declared as if.
        (name, []) if is_object(name) => Type::object(name),
        (name, inner) => Type::Opaque(name.into(), inner.into()),
    }
}

fn is_object(name: &str) -> bool {
    name.starts_with("kubernetes.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert_eq!(FUNCTIONS.values().map(Vec::len).sum::<usize>(), 346);
        let plus = overloads("_+_");
        assert_eq!(plus.len(), 9);
        assert_eq!(plus[6].id, "add_list");
        assert_eq!(plus[6].args[0].shown(), "list(A)");
    }

    #[test]
    fn a_target_is_the_first_argument() {
        let found = &overloads("orValue")[0];
        assert!(found.member);
        assert_eq!(found.args[0], Type::optional(Type::Param("V".into())));
        assert_eq!(found.params, ["V".into()]);
    }
}
