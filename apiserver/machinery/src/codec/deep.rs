//! Deeply nested objects are legal up to 10,000 levels. Recursion over them goes on, every so many levels, on a stack of its own, so
//! that no thread's stack can be overrun by a request.

/// Nesting that the rest of any thread's stack is good for.
const SHALLOW: usize = 200;

/// Address space of a further stack, touched only as far as it is used.
const STACK_BYTES: usize = 4 << 20;

/// Runs `work`, which recurses at this depth, on this stack or, at every `SHALLOW` levels, on a new one.
#[inline]
pub(crate) fn at_depth<T: Send>(depth: usize, work: impl FnOnce() -> T + Send) -> T {
    if depth == 0 || !depth.is_multiple_of(SHALLOW) {
        return work();
    }
    on_new_stack(work)
}

#[cold]
fn on_new_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work);
        let joined = thread.map(std::thread::ScopedJoinHandle::join);
        match joined {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // Without a thread there is no going on, and nothing half done may be returned.
            Err(error) => panic!("no stack for an object nested this deep: {error}"),
        }
    })
}
