//! The flags about backups: where, when, how many, for whose eyes.

use super::{Exit, Flags};
use croner::Cron;
use std::path::PathBuf;
use std::str::FromStr;

/// k3s' schedule for its snapshots.
const USUAL: &str = "0 */12 * * *";

#[derive(Clone, Default)]
pub struct Backups {
    pub schedule: Option<Schedule>,
    /// The place that the log is copied to.
    pub archive: Option<String>,
    pub recipients: Vec<String>,
    pub passphrase_file: Option<PathBuf>,
}

#[derive(Clone)]
pub struct Schedule {
    pub dest: String,
    pub cron: Cron,
    pub keep: usize,
}

impl Backups {
    pub(super) fn new(flags: &Flags) -> Result<Self, Exit> {
        let backups = Self {
            schedule: schedule(flags)?,
            archive: flags.text("archive"),
            recipients: flags.list("backup-recipient"),
            passphrase_file: flags.file("backup-passphrase-file"),
        };
        let places = backups.schedule.iter().map(|plan| &plan.dest);
        if let Some(dest) = places.chain(&backups.archive).find(|d| d.ends_with(".tar")) {
            let text = format!("{dest:?}: a single file cannot hold more than one backup\n");
            return Err(refuse(text));
        }
        if !backups.recipients.is_empty() && backups.passphrase_file.is_some() {
            let text = "--backup-recipient and --backup-passphrase-file exclude each other\n";
            return Err(refuse(text.into()));
        }
        Ok(backups)
    }
}

fn schedule(flags: &Flags) -> Result<Option<Schedule>, Exit> {
    // What brings a backup forward is of no use without one, so an archive takes them too.
    let Some(dest) = flags.text("backup-dest").or_else(|| flags.text("archive")) else {
        if flags.is_set("backup-schedule") {
            let text =
                "--backup-schedule needs --backup-dest or --archive, where backups are put\n";
            return Err(refuse(text.into()));
        }
        return Ok(None);
    };
    let text = flags.text("backup-schedule");
    let text = text.as_deref().unwrap_or(USUAL);
    let cron = Cron::from_str(text).map_err(|why| {
        refuse(format!(
            "--backup-schedule {text:?} is no schedule in cron's form, as {USUAL:?} is: {why}\n"
        ))
    })?;
    let keep = usize::try_from(flags.integer("backup-keep")).unwrap_or(0);
    if keep == 0 {
        return Err(refuse("--backup-keep must be at least 1\n".into()));
    }
    Ok(Some(Schedule { dest, cron, keep }))
}

fn refuse(text: String) -> Exit {
    Exit { code: 1, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Backups, Exit> {
        let flags = Flags::parse("triad", args.iter().map(Into::into));
        Backups::new(&flags.unwrap_or_else(|exit| panic!("{}", exit.text)))
    }

    #[test]
    fn a_destination_makes_a_schedule() {
        assert!(of(&[]).is_ok_and(|b| b.schedule.is_none()));
        let usual = of(&["--backup-dest=/b"]).ok().and_then(|b| b.schedule);
        let usual = usual.expect("a schedule");
        assert_eq!((usual.cron.as_str(), usual.keep), (USUAL, 5));
        let archive = of(&["--archive=/a", "--backup-dest=/b"]).ok();
        let archive = archive.map(|b| (b.archive, b.schedule.map(|s| s.dest)));
        assert_eq!(archive, Some((Some("/a".into()), Some("/b".into()))));
        let alone = of(&["--archive=/a"]).ok().and_then(|b| b.schedule);
        assert_eq!(alone.map(|s| s.dest).as_deref(), Some("/a"));
        for wrong in [
            &["--backup-schedule=@daily"][..],
            &["--backup-dest=/b", "--backup-schedule=at noon"],
            &["--backup-dest=/b", "--backup-keep=0"],
            &["--backup-dest=/b.tar"],
            &["--archive=/b.tar", "--backup-dest=/b"],
            &["--backup-recipient=age1x", "--backup-passphrase-file=f"],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
