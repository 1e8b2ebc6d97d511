//! The writer's process: started on the faulty disk, read, killed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use triad_fault::Disk;

pub(crate) struct Victim {
    child: Child,
    output: JoinHandle<String>,
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
        let mut pipe = child.stdout.take().expect("it has an output");
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text)
                .expect("the writer's output is text");
            text
        });
        Self { child, output }
    }

    /// Kills it as it stands; what it said until then.
    pub(crate) fn kill(mut self) -> String {
        let ended = self.child.try_wait().expect("the writer is looked at");
        assert!(ended.is_none(), "the writer ended by itself: {ended:?}");
        self.child.kill().expect("the writer is killed");
        self.child.wait().expect("the writer is gone");
        self.output.join().expect("the output is read")
    }
}
