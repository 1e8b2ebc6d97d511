//! Deeply nested objects are legal; recursion over them must not overrun the stack of the thread that serves a request.
//! Work on such an object runs on a stack of its own. Called at the doors of patches and managed fields.

use serde_json::Value;

/// Nesting that is never exceeded: what bodies may have, and what a patch may make.
pub(crate) const MAX_NESTING: usize = 10_000;
/// Nesting that any thread's stack is good for.
pub(crate) const SHALLOW: usize = 200;
/// Address space, touched only as far as the nesting goes.
const LARGE_STACK_BYTES: usize = 256 << 20;

/// How deeply maps and lists are nested, at most `limit`. Looks level by level, without recursion.
pub(crate) fn nesting(value: &Value, limit: usize) -> usize {
    let mut level = vec![value];
    for depth in 0..limit {
        level.retain(|value| value.is_object() || value.is_array());
        if level.is_empty() {
            return depth;
        }
        let mut next = Vec::with_capacity(level.len());
        for value in level {
            match value {
                Value::Object(map) => next.extend(map.values()),
                Value::Array(items) => next.extend(items),
                _ => {}
            }
        }
        level = next;
    }
    limit
}

/// Whether one of the values is nested too deeply for any thread's stack.
pub(crate) fn is_deep(values: &[&Value]) -> bool {
    values.iter().any(|value| is_deeper(value, SHALLOW))
}

/// Whether values are nested more than `levels` deep. Recurses that far at most.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let below = |inner: &Value| is_deeper(inner, levels - 1);
    match value {
        Value::Object(map) => levels == 0 || map.values().any(below),
        Value::Array(items) => levels == 0 || items.iter().any(below),
        _ => false,
    }
}

/// Runs the work here, or on a large stack when it is for something deep.
pub(crate) fn guarded<T: Send>(deep: bool, work: impl FnOnce() -> T + Send) -> T {
    if !deep {
        return work();
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(LARGE_STACK_BYTES);
        match builder
            .spawn_scoped(scope, work)
            .map(std::thread::ScopedJoinHandle::join)
        {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // One request's panic is that request's 500.
            Err(error) => panic!("no stack for an object nested this deep: {error}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_values_get_a_stack_of_their_own() {
        let nested =
            |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert_eq!(nesting(&nested(3), 100), 3);
        assert_eq!(nesting(&nested(300), 100), 100);
        assert!(!is_deep(&[&nested(SHALLOW)]));
        assert!(is_deep(&[&nested(1), &nested(SHALLOW + 1)]));
        let here = std::thread::current().id();
        assert_eq!(guarded(false, || std::thread::current().id()), here);
        assert_ne!(guarded(true, || std::thread::current().id()), here);
    }
}
