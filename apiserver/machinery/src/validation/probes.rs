//! Probes, lifecycle hooks and what they do (pkg/apis/core/validation/validation.go, validateHandler).

use super::at::{At, Errors};
use super::formats;

const HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// All three probes of a container.
pub(crate) fn probes(container: &At<'_>, grace: Option<i64>, errors: &mut Errors) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let at = container.get(name);
        if !at.given() {
            continue;
        }
        probe(&at, grace, errors);
        let limit = at.get("terminationGracePeriodSeconds");
        if name == "readinessProbe" {
            if limit.given() {
                errors.invalid(&limit, "must not be set for readinessProbes");
            }
        } else if at.get("successThreshold").int() != 1 {
            errors.invalid_int(&at.get("successThreshold"), "must be 1");
        }
    }
}

fn probe(at: &At<'_>, grace: Option<i64>, errors: &mut Errors) {
    handler(at, &HANDLERS[..4], grace, errors);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        errors.not_negative(&at.get(field));
    }
    let limit = at.get("terminationGracePeriodSeconds");
    if limit.given() && limit.int() <= 0 {
        errors.invalid(&limit, "must be greater than 0");
    }
}

pub(crate) fn lifecycle(at: &At<'_>, grace: Option<i64>, os: &At<'_>, errors: &mut Errors) {
    for hook in ["postStart", "preStop"] {
        let hook = at.get(hook);
        if hook.given() {
            handler(
                &hook,
                &["exec", "httpGet", "tcpSocket", "sleep"],
                grace,
                errors,
            );
        }
    }
    if at.get("stopSignal").given() {
        stop_signal(&at.get("stopSignal"), os, errors);
    }
}

fn handler(at: &At<'_>, kinds: &[&str], grace: Option<i64>, errors: &mut Errors) {
    let mut found = 0;
    for kind in kinds {
        let action = at.get(kind);
        if !action.given() {
            continue;
        }
        found += 1;
        if found > 1 {
            errors.forbidden(&action, "may not specify more than 1 handler type");
            continue;
        }
        match *kind {
            "exec" => {
                errors.need(&action.get("command"));
            }
            "httpGet" => http_get(&action, errors),
            "tcpSocket" => formats::port_or_name(&action.get("port"), errors),
            "grpc" => {
                formats::port_or_name(&action.get("port"), errors);
                if action.get("mode").given() {
                    errors.one_of(&action.get("mode"), &["Plaintext", "TLS"]);
                }
            }
            _ => sleep(&action, grace, errors),
        }
    }
    if found == 0 {
        errors.required(at, "must specify a handler type");
    }
}

fn http_get(at: &At<'_>, errors: &mut Errors) {
    errors.need(&at.get("path"));
    formats::port_or_name(&at.get("port"), errors);
    errors.one_of(&at.get("scheme"), &["HTTP", "HTTPS"]);
    for header in at.get("httpHeaders").items() {
        let name = header.get("name").text();
        for problem in formats::header_name(name) {
            errors.invalid_value(&at.get("httpHeaders"), name, problem);
        }
    }
    let protocol = at.get("protocol");
    if protocol.given()
        && errors.one_of(&protocol, &["HTTP1", "HTTP2"])
        && protocol.text() == "HTTP2"
    {
        if at.get("scheme").text() != "HTTP" {
            errors.invalid(&protocol, "is only supported with HTTP (H2C)");
        } else if !at.get("host").empty() {
            errors.invalid(
                &at.get("host"),
                "must be empty when `protocol` is \"HTTP2\"",
            );
        }
    }
}

fn sleep(at: &At<'_>, grace: Option<i64>, errors: &mut Errors) {
    let seconds = at.get("seconds").int();
    if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
        let range =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid_value(at, seconds, range);
    }
}

/// The signals that a Linux container may be stopped with, besides the real-time ones.
const SIGNALS: &[&str] = &[
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

fn stop_signal(at: &At<'_>, os: &At<'_>, errors: &mut Errors) {
    if !os.given() {
        errors.forbidden(
            at,
            "may not be set for containers with empty `spec.os.name`",
        );
        return;
    }
    match os.get("name").text() {
        "windows" => {
            errors.one_of(at, &["SIGKILL", "SIGTERM"]);
        }
        "linux" => {
            let mut all: Vec<String> = SIGNALS.iter().map(|s| (*s).to_owned()).collect();
            all.extend(["SIGRTMIN".to_owned(), "SIGRTMAX".to_owned()]);
            all.extend((1..=15).map(|i| format!("SIGRTMIN+{i}")));
            all.extend((1..=14).map(|i| format!("SIGRTMAX-{i}")));
            all.sort();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            errors.one_of(at, &all);
        }
        _ => {}
    }
}
