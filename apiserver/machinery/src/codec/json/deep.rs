//! Deeply nested input is legal up to 10,000 levels: it is decoded on a stack of its own, so that no thread's stack can be
//! overrun by a request.

use super::reader::Fail;

/// Nesting that any thread's stack is good for.
pub(super) const SHALLOW: usize = 200;

/// Address space, touched only as far as the nesting goes.
const LARGE_STACK_BYTES: usize = 64 << 20;

/// Runs a decode on a large stack.
pub(super) fn on_large_stack<T: Send>(
    work: impl FnOnce() -> Result<T, Fail> + Send,
) -> Result<T, Fail> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(LARGE_STACK_BYTES)
            .spawn_scoped(scope, work);
        match thread.map(|t| t.join()) {
            Ok(Ok(result)) => result,
            _ => Err(Fail::Fatal(
                "no stack for input nested this deep".to_owned(),
            )),
        }
    })
}
