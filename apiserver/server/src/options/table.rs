//! The flag table: reads `flags.tbl`, which is embedded, once. Owns the types of values and their checks.

use std::sync::OnceLock;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    On,
    Noted,
    Off,
    Hidden,
}

#[derive(Debug)]
pub(super) struct FlagSpec {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) default: &'static str,
    pub(super) state: State,
    pub(super) note: &'static str,
}

impl FlagSpec {
    pub(super) fn environment(&self) -> String {
        format!("TRIAD_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Whether a value is one of the flag's type; the error says what is expected.
    pub(super) fn check(&self, value: &str) -> Result<(), &'static str> {
        let (good, want) = match self.kind {
            "bool" => (parse_bool(value).is_some(), "must be true or false"),
            "int" => (value.parse::<i64>().is_ok(), "must be a whole number"),
            "float" => (value.parse::<f64>().is_ok(), "must be a number"),
            "duration" => (
                triad_machinery::duration::GoDuration::parse(value).is_some(),
                "must be a duration such as 30s or 1h",
            ),
            "ip" => (
                value.is_empty() || value.parse::<std::net::IpAddr>().is_ok(),
                "must be an IP address",
            ),
            _ => (true, ""),
        };
        good.then_some(()).ok_or(want)
    }
}

pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "t" | "T" | "1" => Some(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Some(false),
        _ => None,
    }
}

pub(super) fn table() -> &'static [FlagSpec] {
    static TABLE: OnceLock<Vec<FlagSpec>> = OnceLock::new();
    TABLE.get_or_init(|| parse(include_str!("flags.tbl")))
}

fn parse(text: &'static str) -> Vec<FlagSpec> {
    let mut group = "";
    let mut specs = Vec::with_capacity(200);
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            group = name.trim_end_matches(']');
            continue;
        }
        let mut words = line.split_whitespace();
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("flags.tbl: short line: {line}"))
        };
        let (name, kind, default, state) = (word(), word(), word(), word());
        let note = line
            .find(&format!(" {state} "))
            .map_or("", |at| line[at + state.len() + 2..].trim());
        let state = match state {
            "on" => State::On,
            "noted" => State::Noted,
            "off" => State::Off,
            "hidden" => State::Hidden,
            other => panic!("flags.tbl: unknown state {other}: {line}"),
        };
        specs.push(FlagSpec {
            group,
            name,
            kind,
            default: if default == "-" { "" } else { default },
            state,
            note,
        });
    }
    specs
}
