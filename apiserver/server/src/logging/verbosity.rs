//! Which lines are written: by how important they are and where they come from. Errors, warnings and news are always; what is for
//! those who look for something from verbosity 2 on, each step from 5 on.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// From this verbosity on each request has a line (apiserver pkg/server/httplog).
const REQUESTS: i64 = 3;
const DETAILS: i64 = 2;
const STEPS: i64 = 5;
/// Libraries with the least verbosity that their details are worth; openraft repeats itself while a member is away, and
/// complains of being stopped.
const LIBRARIES: [&str; 4] = ["openraft", "hyper", "h2", "rustls"];
/// What upstream's files are called, with the module that does the same here, where the names differ.
const ALSO: [(&str, &str); 8] = [
    ("httplog", "requests"),
    ("authentication", "authenticate"),
    ("authorization", "authorize"),
    ("impersonation", "impersonate"),
    ("secure_serving", "listener"),
    ("get", "read"),
    ("dispatcher", "webhook"),
    ("genericapiserver", "server"),
];

/// --vmodule: verbosities by pattern of module or file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules(Vec<(String, i64)>);

impl Modules {
    /// `pattern=N,...`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let read = parts.map(|part| {
            let (pattern, number) = part
                .split_once('=')
                .filter(|(pattern, _)| !pattern.is_empty())
                .ok_or("syntax error: expect comma-separated list of filename=N")?;
            let number = number
                .trim()
                .parse::<i64>()
                .ok()
                .filter(|number| *number >= 0);
            let number = number.ok_or_else(|| format!("{part:?}: N must be a whole number"))?;
            Ok((pattern.trim().to_owned(), number))
        });
        read.collect::<Result<_, String>>().map(Modules)
    }

    /// The first that fits a module's path counts.
    fn of(&self, path: &str) -> Option<i64> {
        let last = path.rsplit("::").next().unwrap_or_default();
        let fits = |pattern: &str| {
            let also = ALSO.iter().find(|(upstream, _)| *upstream == pattern);
            matches(pattern, last)
                || matches(pattern, path)
                || also.is_some_and(|(_, own)| *own == last)
        };
        let mut all = self.0.iter();
        all.find(|(pattern, _)| fits(pattern))
            .map(|(_, number)| *number)
    }
}

/// `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let (mut rest, mut name) = (pattern.chars(), name);
    let Some(first) = rest.next() else {
        return name.is_empty();
    };
    let rest = rest.as_str();
    match first {
        '*' => {
            matches(rest, name)
                || name
                    .char_indices()
                    .any(|(at, c)| matches(rest, &name[at + c.len_utf8()..]))
        }
        first => {
            let mut chars = name.chars();
            let fits = chars.next().is_some_and(|c| first == '?' || c == first);
            name = chars.as_str();
            fits && matches(rest, name)
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Verbosity {
    number: i64,
    modules: Modules,
}

impl Verbosity {
    pub(super) fn new(number: i64, modules: Modules) -> Self {
        Verbosity { number, modules }
    }

    /// Whether each request has a line.
    pub(super) fn tells_requests(&self) -> bool {
        let own = self.modules.of(super::requests::MODULE);
        own.unwrap_or(self.number) >= REQUESTS
    }

    fn writes(&self, meta: &Metadata<'_>) -> bool {
        let path = meta.module_path().unwrap_or_else(|| meta.target());
        let number = self.modules.of(path).unwrap_or(self.number);
        let library = path.split("::").next().unwrap_or_default();
        if LIBRARIES.contains(&library) {
            return match (library, *meta.level()) {
                ("openraft", Level::ERROR | Level::WARN) => number >= DETAILS,
                ("openraft", Level::INFO) => number >= STEPS,
                (_, level) => level <= Level::INFO,
            };
        }
        number >= verbosity_of(meta.level())
    }
}

/// The verbosity that a line needs.
pub(super) fn verbosity_of(level: &Level) -> i64 {
    match *level {
        Level::ERROR | Level::WARN | Level::INFO => i64::MIN,
        Level::DEBUG => DETAILS,
        Level::TRACE => STEPS,
    }
}

impl<S> Filter<S> for Verbosity {
    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.writes(meta)
    }

    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        match self.writes(meta) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let modules = self.modules.0.iter().map(|(_, number)| *number);
        let most = modules.chain([self.number]).max().unwrap_or(0);
        Some(match most {
            most if most >= STEPS => LevelFilter::TRACE,
            most if most >= DETAILS => LevelFilter::DEBUG,
            _ => LevelFilter::INFO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_by_pattern() {
        let modules = Modules::parse("cach*=4, httplog=3,a?c=9").expect("patterns");
        assert_eq!(modules.of("triad_server::cacher"), Some(4));
        assert_eq!(modules.of("triad_server::cacher::frames"), None);
        assert_eq!(modules.of("triad_server::logging::requests"), Some(3));
        assert_eq!(modules.of("x::abc"), Some(9));
        assert_eq!(modules.of("x::ac"), None);
        let verbosity = Verbosity::new(0, modules);
        assert!(verbosity.tells_requests(), "as many as are needed");
        assert!(!Verbosity::new(2, Modules::default()).tells_requests());
        for wrong in ["x", "=3", "x=", "x=-1"] {
            assert!(Modules::parse(wrong).is_err(), "{wrong}");
        }
    }
}
