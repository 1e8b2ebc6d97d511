//! Files that count from the moment that they change: configurations of authentication and authorization, certificates of CAs.

use std::path::Path;
use std::time::Duration;

/// How often a file is looked at.
pub(super) const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// Hands over each new text of a file for as long as it is polled. What is wrong with one is logged, and the one before stays in
/// force. `what` is the file's part in the log.
pub(super) async fn follow(
    file: &Path,
    what: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) {
    let mut known = tokio::fs::read(file).await.unwrap_or_default();
    let file_name = file.display();
    loop {
        tokio::time::sleep(LOOK_AT_FILE).await;
        let text = match tokio::fs::read(file).await {
            Ok(text) if text == known => continue,
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, file = %file_name, "cannot read the {what}; the one before stays");
                continue;
            }
        };
        match take(&text) {
            Ok(()) => tracing::info!(file = %file_name, "reloaded the {what}"),
            Err(error) => {
                tracing::error!(error, file = %file_name, "the new {what} is wrong; the one before stays");
            }
        }
        known = text;
    }
}
