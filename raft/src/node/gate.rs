//! Opens the members' port once there is a reason to: a second member. Until then nothing listens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Error;

type Opening =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> + Send + Sync>;

#[derive(Default)]
pub(crate) struct Gate {
    opening: Mutex<Option<Opening>>,
    open: tokio::sync::Mutex<bool>,
}

impl Gate {
    /// How it is opened.
    pub(super) fn leads_to<F>(&self, opening: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        *self.opening.lock() = Some(Arc::new(move || Box::pin(opening())));
    }

    /// Lets go of what it would open.
    pub(super) fn forget(&self) {
        self.opening.lock().take();
    }

    /// Opens it unless it is open.
    ///
    /// # Errors
    /// `Io` when the port is not to be had; `Unavailable` where members cannot be served at all.
    pub(crate) async fn open(&self) -> Result<(), Error> {
        let mut open = self.open.lock().await;
        if *open {
            return Ok(());
        }
        let opening = self.opening.lock().clone().ok_or_else(|| {
            Error::Unavailable("this member was started without a way to others".into())
        })?;
        opening().await?;
        *open = true;
        Ok(())
    }
}
