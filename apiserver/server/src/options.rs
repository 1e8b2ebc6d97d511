//! The command line of `triad serve`: kube-apiserver's flag names and this program's own, from one table.
//!
//! `Flags` holds what was given (command line over environment over file over defaults), nothing else; `Config`
//! (options/config.rs) is what the server is built from. Binds nothing, opens nothing but the --config file.

mod aggregation;
mod audit;
mod authentication;
mod authorization;
mod backups;
pub mod browsers;
mod config;
mod controllers;
mod etcd;
mod in_flight;
mod kubelet;
mod logs;
mod service_accounts;
mod table;
mod transport;

pub use aggregation::Aggregation;
pub use audit::{Audit, Batch, Delivery, Log, Mode, Truncate, Webhook};
pub use backups::{Backups, Schedule};
pub use config::{Config, RequestHeader};
pub use etcd::Etcd;
pub use in_flight::InFlight;
pub use kubelet::Kubelet;
pub use service_accounts::{EXTENDABLE_SECONDS, ServiceAccounts};
pub use transport::{NamedPair, Transport};

use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use table::{FlagSpec, State, table};

/// Why the program ends before it serves: the text to print and the exit code.
#[derive(Debug)]
pub struct Exit {
    pub code: i32,
    pub text: String,
}

impl Exit {
    fn usage(text: impl Into<String>) -> Self {
        Exit {
            code: 1,
            text: text.into(),
        }
    }
}

/// A refusal of what the flags say together.
fn refuse(text: String) -> Exit {
    Exit::usage(format!("{text}\n"))
}

/// What is counted from 0 on.
fn amount(flags: &Flags, name: &str) -> Result<u64, Exit> {
    let given = flags.integer(name);
    let refused = || refuse(format!("--{name} {given} can't be a negative number"));
    u64::try_from(given).map_err(|_| refused())
}

/// The values of all flags, each from the strongest source that set it.
pub struct Flags {
    values: BTreeMap<&'static str, Value>,
    /// Which flags were asked for: what is said to be on has to be.
    #[cfg(test)]
    read: parking_lot::Mutex<std::collections::BTreeSet<String>>,
}

struct Value {
    spec: &'static FlagSpec,
    given: Option<Vec<String>>,
}

impl Flags {
    /// Parses a command line without its program name. `prefix_env` reads TRIAD_* variables too.
    pub fn parse(
        program: &'static str,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Exit> {
        let args = args.into_iter().map(normalise);
        let matches = command(program)
            .try_get_matches_from(std::iter::once(OsString::from(program)).chain(args))
            .map_err(|error| Exit {
                code: if error.use_stderr() { 1 } else { 0 },
                text: error.render().to_string(),
            })?;
        let file = match matches.get_one::<String>("config") {
            Some(path) => read_file(path)?,
            None => BTreeMap::new(),
        };
        let mut values = BTreeMap::new();
        for spec in table() {
            let given = from_matches(&matches, spec)
                .or_else(|| std::env::var(spec.environment()).ok().map(|v| vec![v]))
                .or_else(|| file.get(spec.name).cloned());
            if let Some(given) = &given {
                for value in given {
                    spec.check(value).map_err(|why| {
                        Exit::usage(format!(
                            "invalid argument {value:?} for \"--{}\" flag: {why}\n",
                            spec.name
                        ))
                    })?;
                }
            }
            values.insert(spec.name, Value { spec, given });
        }
        if let Some(unknown) = file.keys().find(|name| !values.contains_key(name.as_str())) {
            return Err(Exit::usage(format!(
                "unknown flag in the configuration file: {unknown}\n"
            )));
        }
        Ok(Flags {
            values,
            #[cfg(test)]
            read: Default::default(),
        })
    }

    /// One line for each given flag that does not do what its name says here.
    pub fn warnings(&self) -> Vec<String> {
        let given = self.values.values().filter(|v| v.given.is_some());
        given
            .filter_map(|v| match v.spec.state {
                State::Noted => Some(format!("--{} has no effect: {}", v.spec.name, v.spec.note)),
                State::Off => Some(format!(
                    "--{} has no effect: what it configures is not part of this version",
                    v.spec.name
                )),
                State::On | State::Hidden => None,
            })
            .chain(transport::warning(self))
            .collect()
    }

    fn value(&self, name: &str) -> &Value {
        #[cfg(test)]
        self.read.lock().insert(name.to_owned());
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("flag {name} is not in the table"))
    }

    /// Whether the flag was set by anyone.
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).given.is_some()
    }

    /// The last value given, or the default; None where that is empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.value(name);
        let text = value
            .given
            .as_ref()
            .and_then(|v| v.last().cloned())
            .unwrap_or_else(|| value.spec.default.to_owned());
        (!text.is_empty()).then_some(text)
    }

    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The files of a certificate and of its key, which go together.
    pub fn pair(&self, certificate: &str, key: &str) -> Result<Option<(PathBuf, PathBuf)>, Exit> {
        match (self.file(certificate), self.file(key)) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            _ => Err(refuse(format!("--{certificate} and --{key} go together"))),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| table::parse_bool(&text) == Some(true))
    }

    pub fn integer(&self, name: &str) -> i64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    pub fn float(&self, name: &str) -> f64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    }

    pub fn duration(&self, name: &str) -> std::time::Duration {
        self.text(name)
            .and_then(|text| triad_machinery::duration::GoDuration::parse(&text))
            .map_or(std::time::Duration::ZERO, |d| {
                std::time::Duration::from_nanos(d.0.max(0) as u64)
            })
    }

    /// The values of a flag whose commas are part of them, one for each time that it was given.
    pub fn each(&self, name: &str) -> Vec<String> {
        self.value(name).given.clone().unwrap_or_default()
    }

    /// All values of a list flag: repeated flags and commas add up.
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.value(name);
        let given = value
            .given
            .clone()
            .unwrap_or_else(|| vec![value.spec.default.to_owned()]);
        given
            .iter()
            .flat_map(|v| v.split(','))
            .map(str::trim)
            .filter(|v| !v.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// pflag takes `_` for `-` in names; clap does not.
fn normalise(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text.starts_with("--") => {
            let (name, value) = text
                .split_once('=')
                .map_or((text, None), |(n, v)| (n, Some(v)));
            let name = name.replace('_', "-");
            value.map_or(name.clone(), |v| format!("{name}={v}")).into()
        }
        _ => arg,
    }
}

fn command(program: &'static str) -> Command {
    let mut command = Command::new(program)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves the Kubernetes API from its own replicated store.")
        .disable_version_flag(true)
        .max_term_width(120);
    for spec in table().iter().filter(|spec| spec.name != "help") {
        let mut arg = Arg::new(spec.name)
            .long(spec.name)
            .value_name(spec.kind)
            .action(ArgAction::Append)
            .help_heading(spec.group)
            .hide(spec.state == State::Hidden);
        if spec.kind == "bool" {
            arg = arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true");
        }
        if spec.name == "v" {
            arg = arg.short('v');
        }
        let mut help = spec.note.to_owned();
        if !spec.default.is_empty() {
            help = format!(
                "{help}{}(default {})",
                if help.is_empty() { "" } else { " " },
                spec.default
            );
        }
        command = command.arg(arg.help(help).allow_hyphen_values(spec.kind == "int"));
    }
    command
}

fn from_matches(matches: &ArgMatches, spec: &FlagSpec) -> Option<Vec<String>> {
    if spec.name == "help" {
        return None;
    }
    matches
        .get_many::<String>(spec.name)
        .map(|values| values.cloned().collect())
}

fn read_file(path: &str) -> Result<BTreeMap<String, Vec<String>>, Exit> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Exit::usage(format!("cannot read --config {path}: {e}\n")))?;
    let tree = triad_machinery::codec::yaml::to_value(text.as_bytes())
        .map_err(|e| Exit::usage(format!("--config {path} is not YAML: {e}\n")))?;
    let Some(map) = tree.as_object() else {
        return Err(Exit::usage(format!(
            "--config {path} must be a map of flag names to values\n"
        )));
    };
    let scalar = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let entries = map.iter().map(|(name, value)| {
        let values = value.as_array().map_or_else(
            || vec![scalar(value)],
            |list| list.iter().map(scalar).collect(),
        );
        (name.trim_start_matches('-').replace('_', "-"), values)
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests;
