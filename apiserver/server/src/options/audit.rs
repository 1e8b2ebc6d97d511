//! The flags about audit: the policy, the log, the webhook, how events are batched and cut (apiserver pkg/server/options/audit.go).

use super::{Exit, Flags, amount, refuse};
use crate::rotating::Rotation;
use std::path::PathBuf;
use std::time::Duration;

const FORMATS: [&str; 2] = ["legacy", "json"];
const MODES: [&str; 3] = ["batch", "blocking", "blocking-strict"];
const VERSION: &str = "audit.k8s.io/v1";

#[derive(Clone, Default)]
pub struct Audit {
    pub policy_file: Option<PathBuf>,
    pub log: Option<Log>,
    pub webhook: Option<Webhook>,
}

#[derive(Clone)]
pub struct Log {
    /// `-` is standard output.
    pub path: String,
    pub legacy: bool,
    pub rotation: Rotation,
    pub delivery: Delivery,
}

#[derive(Clone)]
pub struct Webhook {
    pub config_file: PathBuf,
    pub initial_backoff: Duration,
    pub delivery: Delivery,
}

/// How events get to where they are kept.
#[derive(Clone)]
pub struct Delivery {
    pub mode: Mode,
    pub truncate: Option<Truncate>,
}

#[derive(Clone, PartialEq)]
pub enum Mode {
    /// A request is answered when its events are kept, or have failed to be.
    Blocking,
    /// A request whose first event cannot be kept is refused.
    Strict,
    Batch(Batch),
}

#[derive(Clone, PartialEq)]
pub struct Batch {
    pub buffer: usize,
    pub max_size: usize,
    pub max_wait: Duration,
    /// Batches a second, and how many at once after a pause.
    pub throttle: Option<(f64, usize)>,
}

/// Sizes in bytes.
#[derive(Clone)]
pub struct Truncate {
    pub max_event: usize,
    pub max_batch: usize,
}

impl Audit {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        Ok(Audit {
            policy_file: flags.file("audit-policy-file"),
            log: log(flags)?,
            webhook: webhook(flags)?,
        })
    }
}

fn log(flags: &Flags) -> Result<Option<Log>, Exit> {
    let Some(path) = flags.text("audit-log-path") else {
        return Ok(None);
    };
    let delivery = delivery(flags, "log")?;
    let format = flags.text("audit-log-format").unwrap_or_default();
    if !FORMATS.contains(&format.as_str()) {
        return Err(refuse(format!(
            "invalid audit log format {format}, allowed formats are {:?}",
            FORMATS.join(",")
        )));
    }
    Ok(Some(Log {
        path,
        legacy: format == "legacy",
        rotation: Rotation {
            max_mebibytes: amount(flags, "audit-log-maxsize")?,
            max_age_days: amount(flags, "audit-log-maxage")?,
            max_backups: amount(flags, "audit-log-maxbackup")? as usize,
            compress: flags.flag("audit-log-compress"),
        },
        delivery,
    }))
}

fn webhook(flags: &Flags) -> Result<Option<Webhook>, Exit> {
    let Some(config_file) = flags.text("audit-webhook-config-file") else {
        return Ok(None);
    };
    // The older name of the same flag.
    let old = "audit-webhook-batch-initial-backoff";
    let backoff = if flags.is_set(old) {
        flags.duration(old)
    } else {
        flags.duration("audit-webhook-initial-backoff")
    };
    Ok(Some(Webhook {
        config_file: config_file.into(),
        initial_backoff: backoff,
        delivery: delivery(flags, "webhook")?,
    }))
}

fn delivery(flags: &Flags, plugin: &str) -> Result<Delivery, Exit> {
    let name = |rest: &str| format!("audit-{plugin}-{rest}");
    let mode = flags.text(&name("mode")).unwrap_or_default();
    let mode = match mode.as_str() {
        "blocking" => Mode::Blocking,
        "blocking-strict" => Mode::Strict,
        "batch" => Mode::Batch(batch(flags, plugin)?),
        _ => {
            return Err(refuse(format!(
                "invalid audit {plugin} mode {mode}, allowed modes are {:?}",
                MODES.join(",")
            )));
        }
    };
    let version = flags.text(&name("version")).unwrap_or_default();
    if version != VERSION {
        return Err(refuse(format!(
            "invalid group version {version:?} of --audit-{plugin}-version, allowed is {VERSION:?}"
        )));
    }
    let (event, batch) = (
        flags.integer(&name("truncate-max-event-size")),
        flags.integer(&name("truncate-max-batch-size")),
    );
    if event <= 0 {
        return Err(refuse(format!(
            "invalid audit truncate {plugin} max event size {event}, must be a positive number"
        )));
    }
    if batch < event {
        return Err(refuse(format!(
            "invalid audit truncate {plugin} max batch size {batch}, must be greater than max event size ({event})"
        )));
    }
    let truncate = Truncate {
        max_event: event as usize,
        max_batch: batch as usize,
    };
    let cut = flags.flag(&name("truncate-enabled"));
    Ok(Delivery {
        mode,
        truncate: cut.then_some(truncate),
    })
}

fn batch(flags: &Flags, plugin: &str) -> Result<Batch, Exit> {
    let name = |rest: &str| format!("audit-{plugin}-batch-{rest}");
    let positive = |rest: &str, what: &str| {
        let given = flags.integer(&name(rest));
        let count = usize::try_from(given).ok().filter(|count| *count > 0);
        count.ok_or_else(|| {
            refuse(format!(
                "invalid audit batch {plugin} {what} {given}, must be a positive number"
            ))
        })
    };
    let throttle = match flags.flag(&name("throttle-enable")) {
        false => None,
        true => {
            let rate = flags.float(&name("throttle-qps"));
            if rate <= 0.0 {
                return Err(refuse(format!(
                    "invalid audit batch {plugin} throttle QPS {rate}, must be a positive number"
                )));
            }
            Some((rate, positive("throttle-burst", "throttle burst")?))
        }
    };
    Ok(Batch {
        buffer: positive("buffer-size", "buffer size")?,
        max_size: positive("max-size", "max batch size")?,
        max_wait: flags.duration(&name("max-wait")),
        throttle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(args: &[&str]) -> Result<Audit, String> {
        let flags = Flags::parse("test", args.iter().map(OsString::from));
        let flags = flags.map_err(|exit| exit.text)?;
        Audit::new(&flags).map_err(|exit| exit.text)
    }

    #[test]
    fn what_is_given_is_meant() {
        let none = read(&["--audit-log-maxsize=-1"]).expect("of no log");
        assert!(none.log.is_none() && none.webhook.is_none());
        let log = read(&["--audit-log-path=/x", "--audit-log-maxbackup=3"]).expect("a log");
        let log = log.log.expect("a log");
        assert!(log.delivery.mode == Mode::Blocking && log.delivery.truncate.is_none());
        let rotation = log.rotation;
        assert_eq!((rotation.max_mebibytes, rotation.max_age_days), (100, 366));
        assert_eq!(rotation.max_backups, 3);
        let hook = read(&[
            "--audit-webhook-config-file=/x",
            "--audit-webhook-truncate-enabled",
        ]);
        let hook = hook.expect("a webhook").webhook.expect("a webhook");
        assert!(matches!(&hook.delivery.mode, Mode::Batch(batch)
            if batch.max_size == 400 && batch.throttle == Some((10.0, 15)) && batch.max_wait.as_secs() == 30));
        assert_eq!(hook.initial_backoff.as_secs(), 10);
        assert_eq!(
            hook.delivery.truncate.map(|cut| cut.max_event),
            Some(102_400)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let cases = [
            ("--audit-log-format=xml", "invalid audit log format xml"),
            ("--audit-log-mode=later", "invalid audit log mode later"),
            (
                "--audit-log-maxage=-2",
                "--audit-log-maxage -2 can't be a negative number",
            ),
            ("--audit-log-version=audit.k8s.io/v9", "--audit-log-version"),
            (
                "--audit-log-truncate-max-event-size=0",
                "truncate log max event size 0",
            ),
        ];
        for (flag, why) in cases {
            let refused = read(&["--audit-log-path=/x", flag]);
            let refused = refused.err().unwrap_or_else(|| panic!("{flag} is taken"));
            assert!(refused.contains(why), "{refused}");
        }
        let batch = read(&[
            "--audit-log-path=/x",
            "--audit-log-mode=batch",
            "--audit-log-batch-buffer-size=0",
        ]);
        let why = batch.err().expect("refused");
        assert!(
            why.contains("batch log buffer size 0, must be a positive number"),
            "{why}"
        );
    }
}
