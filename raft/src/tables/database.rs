//! An open database, and that no process ends in the middle of closing one.
//!
//! Where main returns, `exit` destroys RocksDB's static variables; a thread that closes a database just then takes a lock that is gone
//! and aborts the process, whatever its exit code was to be. So `exit` waits for them first.

use std::ops::Deref;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rocksdb::DB;

/// How long the end of the process waits. Nobody closes what is open longer than that.
const LIMIT: Duration = Duration::from_secs(10);

static OPEN: AtomicUsize = AtomicUsize::new(0);

pub struct Database {
    db: DB,
    /// Dropped last.
    _open: Open,
}

impl Database {
    pub(super) fn new(db: DB) -> Self {
        let _open = Open::new();
        Self { db, _open }
    }
}

impl Deref for Database {
    type Target = DB;

    fn deref(&self) -> &DB {
        &self.db
    }
}

struct Open;

impl Open {
    fn new() -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            #[expect(unsafe_code, reason = "the standard library has no such hook")]
            // SAFETY: `wait` may be called at any time, and does not panic. When it cannot be registered, nothing is lost but the wait.
            let _ = unsafe { libc::atexit(wait) };
        });
        OPEN.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

extern "C" fn wait() {
    let started = Instant::now();
    while OPEN.load(Ordering::Acquire) > 0 && started.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(2));
    }
}
