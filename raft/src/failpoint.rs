//! Named points in the code at which a test has a member die, or a step fail (docs/adr/0007). They exist only with the feature
//! `failpoints`, which no crate of the product asks for; without it nothing of them is compiled. `TRIAD_FAILPOINT` says what
//! happens where: `NAME:PASSAGE:die` or `NAME:PASSAGE:fail`, at the given passage of the point, the first being 1.

#[cfg(feature = "failpoints")]
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A point at which a member may die; with a second argument, which makes a return value of an error, it may also fail.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        let never = $crate::failpoint::pass($name);
        assert!(never.is_none(), "nothing can fail at {}", $name);
    };
    ($name:literal, $returned:expr) => {
        if let Some(error) = $crate::failpoint::pass($name) {
            return $returned(error);
        }
    };
}

/// A point of no effect.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($($any:tt)*) => {};
}

#[cfg(feature = "failpoints")]
struct Armed {
    name: String,
    passage: u64,
    dies: bool,
    passed: AtomicU64,
}

#[cfg(feature = "failpoints")]
impl Armed {
    fn read(order: &str) -> Option<Self> {
        let mut words = order.split(':');
        let (name, passage, what) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            name: name.to_owned(),
            passage: passage.parse().ok()?,
            dies: match what {
                "die" => true,
                "fail" => false,
                _ => return None,
            },
            passed: AtomicU64::new(0),
        })
    }
}

/// Passes a point: returns an error where the step is to fail, or not at all.
#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub fn pass(name: &str) -> Option<crate::Error> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let order = std::env::var("TRIAD_FAILPOINT").ok()?;
        Some(Armed::read(&order).expect("TRIAD_FAILPOINT is NAME:PASSAGE:die or fail"))
    });
    let armed = armed.as_ref().filter(|armed| armed.name == name)?;
    let passed = armed.passed.fetch_add(1, Ordering::Relaxed) + 1;
    if passed != armed.passage {
        return None;
    }
    say(name, passed);
    if armed.dies {
        // Nothing is closed, flushed or told.
        std::process::abort();
    }
    Some(crate::Error::io("passing a failpoint", name))
}

/// For whoever waits for it: the point was reached.
#[cfg(feature = "failpoints")]
fn say(name: &str, passed: u64) {
    use std::io::Write;
    // Nobody listening is no reason to go on differently.
    let _ = writeln!(std::io::stderr(), "failpoint {name} {passed}");
}
