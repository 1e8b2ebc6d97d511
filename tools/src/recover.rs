//! `triadctl recover --force-new-cluster`: a member whose majority is gone for good becomes a cluster of one. What is kept and why
//! is said in docs/operations/recover.md.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use triad_kv::{Survey, recover, survey};

#[derive(Args)]
pub struct Recover {
    /// The data directory of the member that is left; its server is stopped
    #[arg(long)]
    pub data_dir: PathBuf,
    /// Make it a cluster of one: the other members are lost and never let in again
    #[arg(long, required = true)]
    pub force_new_cluster: bool,
    /// Say what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it; without this only what would be done is said
    #[arg(long)]
    pub yes: bool,
}

pub fn run(options: &Recover) -> Result<String> {
    let dir = store(&options.data_dir)?;
    if options.dry_run || !options.yes {
        let found = survey(&dir)?;
        let again = "say --yes to do it, on one member only";
        return Ok(format!("{}{again}\n", rehearsal(&found)));
    }
    let made = recover(&dir).context("nothing was begun that a second run does not finish")?;
    Ok(format!(
        "{}it is done: cluster {:016x} of one member, {}, epoch {}; it goes on at revision {}\nstart it, then let new members join with empty data directories\n",
        told(&made.before),
        made.identity.cluster,
        made.before.name,
        made.identity.epoch,
        made.revision
    ))
}

/// The store in a server's data directory.
fn store(data: &Path) -> Result<PathBuf> {
    let dir = data.join("store");
    ensure!(
        dir.is_dir(),
        "{} is no data directory: there is no store in it",
        data.display()
    );
    Ok(dir)
}

fn told(found: &Survey) -> String {
    let tail = found.last.index.saturating_sub(found.applied.index);
    let mut out = format!(
        "member {} of cluster {:016x}, epoch {}: revision {}\nits log ends at entry {}; all up to {} is known to be committed\n",
        found.name,
        found.identity.cluster,
        found.identity.epoch,
        found.revision,
        found.last,
        found.applied.index,
    );
    if tail > 0 {
        out.push_str(&format!(
            "{tail} entries behind that are kept: they may have been acknowledged, or not\n"
        ));
    }
    out.push_str(
        "what the others acknowledged without this member is lost: nothing here can say how much\n",
    );
    for seat in &found.seats {
        if seat.id != found.identity.node {
            let role = if seat.voter { "voter" } else { "learner" };
            out.push_str(&format!(
                "dropped: {} ({role}, {})\n",
                seat.member.name, seat.member.address
            ));
        }
    }
    out
}

fn rehearsal(found: &Survey) -> String {
    let mut out = told(found);
    if found.begun {
        out.push_str("an earlier recovery was interrupted: the next run finishes it\n");
    }
    out.push_str("would become a cluster of one with a new id and the next epoch; its revision would jump by ten million, history before it given up (dry run)\n");
    out
}
