//! The writer's process: started on the faulty disk, listened to, killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Victim {
    pub(crate) fn start(disk: &Disk, dir: &Path, seed: u64, sync: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fault-writer"));
        command
            .arg(dir)
            .arg(seed.to_string())
            .stdout(Stdio::piped());
        if !sync {
            command.arg("no-sync");
        }
        disk.put_under(&mut command);
        let mut child = command.spawn().expect("the writer starts");
        let pipe = BufReader::new(child.stdout.take().expect("it has an output"));
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        let listener = std::thread::spawn(move || {
            for line in pipe.lines() {
                let line = line.expect("the writer's output is text");
                let mut heard = heard.lock().expect("nobody panics with it");
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        Self {
            child: Ended(child),
            said,
            listener,
        }
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
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.count(kind) <= before {
            assert!(
                Instant::now() < deadline,
                "no more `{kind}` in time:\n{}",
                self.last_words()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn last_words(&self) -> String {
        let said = self.said.lock().expect("nobody panics with it");
        said.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    }

    /// Kills it as it stands; what it said until then.
    pub(crate) fn kill(mut self) -> String {
        let ended = self.child.0.try_wait().expect("the writer is looked at");
        assert!(ended.is_none(), "the writer ended by itself: {ended:?}");
        self.child.0.kill().expect("the writer is killed");
        self.child.0.wait().expect("the writer is gone");
        self.listener.join().expect("the output is read");
        let said = self.said.lock().expect("nobody panics with it");
        said.clone()
    }
}
