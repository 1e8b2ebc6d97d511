//! What the log drives: the trait that its user implements, and how openraft is led to it.

mod driver;
mod source;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Position};

pub(crate) use driver::{Driver, membership};
pub(crate) use source::{StateSource, checksum, clear};

/// A deterministic machine. It is called from one thread, in log order, each entry once.
/// An error is final: the node is fenced, and the machine is opened anew.
pub trait StateMachine: Send + Sync + 'static {
    /// The last entry that the state has taken in, and the membership record kept with it.
    fn stand(&self) -> Stand;

    /// Carries out an entry's commands as one step and answers each of them.
    ///
    /// # Errors
    /// What keeps the state from being written; the node is fenced with it.
    fn apply(&mut self, at: Position, commands: &[Bytes]) -> Result<Vec<Bytes>, Error>;

    /// Takes in an entry that has no commands; a membership record is to be kept.
    ///
    /// # Errors
    /// As `apply`.
    fn skip(&mut self, at: Position, membership: Option<Vec<u8>>) -> Result<(), Error>;

    /// Replaces the state by the one in a directory, which was another member's checkpoint; the
    /// directory becomes the machine's own. After a crash the state is the old or the new one.
    ///
    /// # Errors
    /// As `apply`; `Corrupt` when the directory holds no whole state.
    fn install(&mut self, dir: &Path) -> Result<(), Error>;

    /// The part of the machine that looks after its files.
    fn files(&self) -> Arc<dyn StateFiles>;
}

/// Where a state stands in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    pub applied: Option<Position>,
    /// An opaque record of the log's own, as given to `skip`.
    pub membership: Option<Vec<u8>>,
}

/// Makes applied entries durable, and copies of the state; called from any thread, beside `apply`.
pub trait StateFiles: Send + Sync + 'static {
    /// Returns when at least everything applied before the call is durable, and what that was.
    ///
    /// # Errors
    /// What the file system refused; the node is fenced with it.
    fn flush(&self) -> Result<Stand, Error>;

    /// What is known to be durable.
    fn flushed(&self) -> Stand;

    /// Writes a copy of the state, as it is after some entry applied before the return, into a
    /// directory that does not exist yet, and says after which.
    ///
    /// # Errors
    /// What the file system refused.
    fn checkpoint(&self, to: &Path) -> Result<Stand, Error>;
}
