//! A program on the faulty disk: started, listened to, told what to do, killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use triad_fault::Disk;

/// A process that does not outlive the test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

pub(crate) struct Victim {
    child: Ended,
    orders: Option<ChildStdin>,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Victim {
    /// The writer that is alone.
    pub(crate) fn start(disk: &Disk, dir: &Path, seed: u64, sync: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fault-writer"));
        command.arg(dir).arg(seed.to_string());
        if !sync {
            command.arg("no-sync");
        }
        Self::run(disk, command)
    }

    pub(crate) fn run(disk: &Disk, mut command: Command) -> Self {
        disk.put_under(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let orders = child.stdin.take();
        let pipe = BufReader::new(child.stdout.take().expect("it has an output"));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        let listener = std::thread::spawn(move || {
            for line in pipe.lines() {
                let line = line.expect("the program's output is text");
                let mut heard = heard.lock().expect("nobody panics with it");
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        Self {
            child: Ended(child),
            orders,
            said,
            listener,
        }
    }

    /// Gives an order; one that is dead already does not hear it.
    pub(crate) fn tell(&mut self, order: &str) {
        if let Some(orders) = &mut self.orders {
            let _ = writeln!(orders, "{order}");
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().expect("the program is looked at")
    }

    /// The last word of the first line of a kind, if it has said one.
    pub(crate) fn word(&self, kind: &str) -> Option<String> {
        let said = self.said.lock().expect("nobody panics with it");
        let line = said.lines().find(|line| line.starts_with(kind))?;
        line.split(' ').next_back().map(str::to_owned)
    }

    /// How many lines of a kind it has said so far.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let said = self.said.lock().expect("nobody panics with it");
        said.lines()
            .filter(|line| line.split(' ').next() == Some(kind))
            .count()
    }

    /// Waits until it has said more than `before` lines of a kind.
    pub(crate) fn wait_for_more(&self, kind: &str, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while self.count(kind) <= before {
            assert!(
                Instant::now() < deadline,
                "no more `{kind}` in time:\n{}",
                self.last_words()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn last_words(&self) -> String {
        let said = self.said.lock().expect("nobody panics with it");
        said.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// Kills it as it stands, which it must not have forestalled; what it said until then.
    pub(crate) fn kill(mut self) -> String {
        let ended = self.ended();
        assert!(ended.is_none(), "the program ended by itself: {ended:?}");
        self.bury()
    }

    /// Sees to it that it is gone; what it said until then.
    pub(crate) fn bury(mut self) -> String {
        // It may have ended by itself.
        let _ = self.child.0.kill();
        self.child.0.wait().expect("the program is gone");
        self.listener.join().expect("the output is read");
        let said = self.said.lock().expect("nobody panics with it");
        said.clone()
    }
}
