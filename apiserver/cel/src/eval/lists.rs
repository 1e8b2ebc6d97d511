//! Lists and sets: cel-go's ext/lists.go and ext/sets.go, k8s.io/apiserver pkg/cel/library/lists.go.

use super::equality::{compare, equal};
use super::value::{List, Value};
use super::{Error, operators};
use std::cmp::Ordering;

type Result<'a> = std::result::Result<Value<'a>, Error>;

/// The longest list that `lists.range` makes.
const LONGEST_RANGE: i64 = 1_000_000;

pub(super) fn call<'a>(function: &str, member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    match (function, args) {
        ("lists.range", [Value::Int(count)]) => Some(range(*count)),
        ("sets.contains", [Value::List(all), Value::List(some)]) => {
            Some(Ok(Value::Bool(contains(all, some))))
        }
        ("sets.equivalent", [Value::List(a), Value::List(b)]) => {
            Some(Ok(Value::Bool(contains(a, b) && contains(b, a))))
        }
        ("sets.intersects", [Value::List(a), Value::List(b)]) => {
            let common = a
                .iter()
                .any(|element| b.iter().any(|other| equal(&element, &other)));
            Some(Ok(Value::Bool(common)))
        }
        ("includes", [Value::List(list), value]) => Some(Ok(Value::Bool(
            list.iter().any(|element| equal(&element, value)),
        ))),
        ("includes", [one, value]) if member => Some(Ok(Value::Bool(equal(one, value)))),
        (_, [Value::List(list), rest @ ..]) if member => of_list(function, list, rest),
        _ => None,
    }
}

fn of_list<'a>(function: &str, list: &List<'a>, rest: &[Value<'a>]) -> Option<Result<'a>> {
    let at = |found: Option<usize>| Some(Ok(Value::Int(found.map_or(-1, |at| at as i64))));
    match (function, rest) {
        ("distinct", []) => Some(Ok(distinct(list))),
        ("first", []) => Some(Ok(list.get(0).map_or(Value::NONE, Value::some))),
        ("last", []) => Some(Ok(list
            .len()
            .checked_sub(1)
            .and_then(|at| list.get(at))
            .map_or(Value::NONE, Value::some))),
        ("flatten", []) => Some(Ok(Value::list(flattened(list, 1)))),
        ("flatten", [Value::Int(depth)]) if *depth < 0 => {
            Some(Err(Error::new("level must be non-negative")))
        }
        ("flatten", [Value::Int(depth)]) => Some(Ok(Value::list(flattened(list, *depth)))),
        ("reverse", []) => {
            let mut values = list.to_vec();
            values.reverse();
            Some(Ok(Value::list(values)))
        }
        ("slice", [Value::Int(from), Value::Int(to)]) => Some(slice(list, *from, *to)),
        ("sort", []) => Some(sorted(list, list)),
        ("@sortByAssociatedKeys", [Value::List(keys)]) => Some(sorted(list, keys)),
        ("isSorted", []) => Some(is_sorted(list)),
        ("sum", []) => Some(sum(list)),
        ("min", []) => Some(extreme(list, Ordering::Less, "min")),
        ("max", []) => Some(extreme(list, Ordering::Greater, "max")),
        ("indexOf", [value]) => at(list.iter().position(|element| equal(&element, value))),
        ("lastIndexOf", [value]) => {
            let matching = list
                .iter()
                .enumerate()
                .filter(|(_, element)| equal(element, value));
            at(matching.map(|(at, _)| at).last())
        }
        _ => None,
    }
}

fn range<'a>(count: i64) -> Result<'a> {
    if count < 0 {
        return Err(Error::new(format!(
            "lists.range: size must be non-negative, got {count}"
        )));
    }
    if count > LONGEST_RANGE {
        let why = format!("lists.range: size {count} exceeds maximum allowed ({LONGEST_RANGE})");
        return Err(Error::new(why));
    }
    Ok(Value::list((0..count).map(Value::Int).collect()))
}

fn contains(all: &List<'_>, some: &List<'_>) -> bool {
    some.iter()
        .all(|element| all.iter().any(|other| equal(&element, &other)))
}

fn distinct<'a>(list: &List<'a>) -> Value<'a> {
    let mut kept: Vec<Value<'a>> = Vec::new();
    for element in list.iter() {
        if !kept.iter().any(|known| equal(known, &element)) {
            kept.push(element);
        }
    }
    Value::list(kept)
}

fn flattened<'a>(list: &List<'a>, depth: i64) -> Vec<Value<'a>> {
    let mut out = Vec::new();
    for element in list.iter() {
        match element {
            Value::List(inner) if depth > 0 => out.extend(flattened(&inner, depth - 1)),
            other => out.push(other),
        }
    }
    out
}

fn slice<'a>(list: &List<'a>, from: i64, to: i64) -> Result<'a> {
    let refuse = |why: String| Err(Error::new(format!("cannot slice({from}, {to}), {why}")));
    let (Ok(start), Ok(end)) = (usize::try_from(from), usize::try_from(to)) else {
        return refuse("negative indexes not supported".to_owned());
    };
    if start > end {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    if end > list.len() {
        return refuse(format!("list is length {}", list.len()));
    }
    Ok(Value::list(
        list.iter().skip(start).take(end - start).collect(),
    ))
}

fn sorted<'a>(list: &List<'a>, keys: &List<'a>) -> Result<'a> {
    if list.len() != keys.len() {
        let why = format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} elements respectively",
            list.len(),
            keys.len()
        );
        return Err(Error::new(why));
    }
    let keys = keys.to_vec();
    if let Some(first) = keys.first() {
        if keys.iter().any(|key| key.type_name() != first.type_name()) {
            return Err(Error::new("list elements must have the same type"));
        }
        if compare(first, first).is_err() && !matches!(first, Value::Double(_)) {
            return Err(Error::new("list elements must be comparable"));
        }
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| compare(&keys[*a], &keys[*b]).unwrap_or(Ordering::Equal));
    Ok(Value::list(
        order.into_iter().filter_map(|at| list.get(at)).collect(),
    ))
}

fn is_sorted<'a>(list: &List<'a>) -> Result<'a> {
    let values = list.to_vec();
    for pair in values.windows(2) {
        if compare(&pair[0], &pair[1])? == Ordering::Greater {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

/// The sum of what a list holds; of nothing it is a whole zero.
fn sum<'a>(list: &List<'a>) -> Result<'a> {
    let mut values = list.iter();
    let Some(mut total) = values.next() else {
        return Ok(Value::Int(0));
    };
    for value in values {
        total = match operators::apply("_+_", &[total, value]) {
            Some(result) => result?,
            None => return Err(Error::new("no such overload")),
        };
    }
    Ok(total)
}

fn extreme<'a>(list: &List<'a>, wanted: Ordering, name: &str) -> Result<'a> {
    let mut values = list.iter();
    let Some(mut best) = values.next() else {
        return Err(Error::new(format!("{name} called on empty list")));
    };
    for value in values {
        if compare(&value, &best)? == wanted {
            best = value;
        }
    }
    Ok(best)
}
