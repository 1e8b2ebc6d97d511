//! What the server's processes take of the machine, as the kernel counts it in /proc: processor time and resident memory.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};

/// A tick of /proc/PID/stat: the kernel shows user space 100 a second whatever its own clock does (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The processes of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    pids: Vec<u32>,
}

impl Processes {
    pub(crate) fn new(pids: &[u32]) -> Self {
        Self {
            pids: pids.to_vec(),
        }
    }

    pub(crate) fn own() -> Self {
        Self::new(&[std::process::id()])
    }

    pub(crate) fn known(&self) -> bool {
        !self.pids.is_empty()
    }

    /// User and system time of all of them since they began.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let each = self.pids.iter().map(|pid| {
            let stat = read(*pid, "stat")?;
            ticks(&stat).ok_or_else(|| anyhow!("/proc/{pid}/stat is not as expected: {stat}"))
        });
        let ticks: u32 = each.sum::<Result<u32>>()?;
        Ok(TICK * ticks)
    }

    /// Bytes of memory that all of them hold.
    pub(crate) fn resident(&self) -> Result<u64> {
        let each = self.pids.iter().map(|pid| {
            let status = read(*pid, "status")?;
            resident_kib(&status).ok_or_else(|| anyhow!("/proc/{pid}/status has no VmRSS"))
        });
        Ok(each.sum::<Result<u64>>()? << 10)
    }
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: is {pid} running?"))
}

/// utime and stime of proc_pid_stat(5); the name before them is in parentheses and may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a b) (c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn work_done_is_seen() {
        let own = Processes::own();
        let before = own.cpu().unwrap();
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        assert!(own.cpu().unwrap() - before >= Duration::from_millis(20));
        assert!(own.resident().unwrap() > 1 << 20);
        let gone = Processes::new(&[u32::MAX]).cpu().unwrap_err();
        assert!(gone.to_string().contains("is 4294967295 running?"));
    }
}
