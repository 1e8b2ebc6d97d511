//! Files that count from the moment that they change: configurations of authentication and authorization, certificates and keys.

use std::path::Path;
use std::time::Duration;

/// How often a file is looked at.
pub(crate) const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// Hands over each new text of a file for as long as it is polled. What is wrong with one is logged, and the one before stays in
/// force. `what` is the file's part in the log.
pub(super) async fn follow(
    file: &Path,
    what: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) {
    let known = tokio::fs::read(file).await.unwrap_or_default();
    follow_all([file], [known], what, |[text]| take(text)).await;
}

/// The same of files that count together, from the texts on that are known already.
pub(crate) async fn follow_all<const N: usize>(
    files: [&Path; N],
    mut known: [Vec<u8>; N],
    what: &str,
    mut take: impl FnMut([&[u8]; N]) -> Result<(), String>,
) {
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let names = names.join(", ");
    loop {
        tokio::time::sleep(LOOK_AT_FILE).await;
        let texts = match read(&files).await {
            Ok(texts) if texts == known => continue,
            Ok(texts) => texts,
            Err(error) => {
                tracing::error!(%error, file = %names, "cannot read the {what}; the one before stays");
                continue;
            }
        };
        match take(texts.each_ref().map(Vec::as_slice)) {
            Ok(()) => tracing::info!(file = %names, "reloaded the {what}"),
            Err(error) => {
                tracing::error!(error, file = %names, "the new {what} is wrong; the one before stays");
            }
        }
        known = texts;
    }
}

async fn read<const N: usize>(files: &[&Path; N]) -> std::io::Result<[Vec<u8>; N]> {
    let mut texts = [const { Vec::new() }; N];
    for (text, file) in texts.iter_mut().zip(files) {
        *text = tokio::fs::read(file).await?;
    }
    Ok(texts)
}
