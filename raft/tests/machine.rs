//! A machine of a few lines that the tests drive: a list of all commands.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use triad_raft::{Error, Position, Stand, StateFiles, StateMachine};

/// A list of all commands; the reply to each is how many there were before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) commands: Vec<Bytes>,
    pub(crate) stand: Stand,
}

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) current: Mutex<List>,
    pub(crate) flushed: Mutex<List>,
    /// States that came from other members.
    pub(crate) installed: Mutex<usize>,
}

pub(crate) struct Machine(pub(crate) Arc<Disk>);

impl StateMachine for Machine {
    fn stand(&self) -> Stand {
        self.0.current.lock().stand.clone()
    }

    fn apply(&mut self, at: Position, commands: &[Bytes]) -> Result<Vec<Bytes>, Error> {
        let mut list = self.0.current.lock();
        assert!(list.stand.applied < Some(at), "{at} is applied twice");
        list.stand.applied = Some(at);
        let first = list.commands.len();
        list.commands.extend_from_slice(commands);
        Ok((first..list.commands.len())
            .map(|n| Bytes::from(n.to_string()))
            .collect())
    }

    fn skip(&mut self, at: Position, membership: Option<Vec<u8>>) -> Result<(), Error> {
        let mut list = self.0.current.lock();
        list.stand.applied = Some(at);
        if membership.is_some() {
            list.stand.membership = membership;
        }
        Ok(())
    }

    fn install(&mut self, dir: &Path) -> Result<(), Error> {
        let read = |name| std::fs::read(dir.join(name)).map_err(|e| Error::io("installing", e));
        let commands = String::from_utf8(read("commands")?).unwrap();
        let position = String::from_utf8(read("applied")?).unwrap();
        let numbers: Vec<u64> = position.split(' ').map(|n| n.parse().unwrap()).collect();
        let list = List {
            commands: commands
                .lines()
                .map(|c| Bytes::from(c.to_owned()))
                .collect(),
            stand: Stand {
                applied: Some(Position {
                    term: numbers[0],
                    node: numbers[1],
                    index: numbers[2],
                }),
                membership: Some(read("membership")?),
            },
        };
        *self.0.current.lock() = list.clone();
        *self.0.flushed.lock() = list;
        *self.0.installed.lock() += 1;
        std::fs::remove_dir_all(dir).map_err(|e| Error::io("installing", e))
    }

    fn files(&self) -> Arc<dyn StateFiles> {
        self.0.clone()
    }
}

impl StateFiles for Disk {
    fn flush(&self) -> Result<Stand, Error> {
        let list = self.current.lock().clone();
        *self.flushed.lock() = list.clone();
        Ok(list.stand)
    }

    fn flushed(&self) -> Stand {
        self.flushed.lock().stand.clone()
    }

    fn checkpoint(&self, to: &Path) -> Result<Stand, Error> {
        let list = self.current.lock().clone();
        let (Some(at), Some(membership)) = (list.stand.applied, &list.stand.membership) else {
            return Ok(Stand::default());
        };
        let failed = |e| Error::io("copying", e);
        std::fs::create_dir(to).map_err(failed)?;
        let write = |name, bytes: &[u8]| std::fs::write(to.join(name), bytes).map_err(failed);
        let mut commands = Vec::new();
        for command in &list.commands {
            commands.extend_from_slice(command);
            commands.push(b'\n');
        }
        write("commands", &commands)?;
        write(
            "applied",
            format!("{} {} {}", at.term, at.node, at.index).as_bytes(),
        )?;
        write("membership", membership)?;
        Ok(list.stand)
    }
}
