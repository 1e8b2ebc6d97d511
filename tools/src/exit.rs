//! Which exit code a failure has, so that a script can tell a damaged backup from a full disk or a wrong key.

const REFUSED: u8 = 1;
const IO: u8 = 3;
const DAMAGED: u8 = 4;
const KEY: u8 = 5;

/// The code of the innermost cause that has one.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    let found = error.chain().find_map(|cause| {
        if let Some(cause) = cause.downcast_ref::<triad_backup::Error>() {
            return Some(match cause {
                triad_backup::Error::Damaged { .. } => DAMAGED,
                triad_backup::Error::Key { .. } => KEY,
                triad_backup::Error::Io { .. } => IO,
                triad_backup::Error::Missing(_) | triad_backup::Error::Refused(_) => REFUSED,
            });
        }
        if let Some(cause) = cause.downcast_ref::<triad_kv::Error>() {
            return Some(match cause {
                triad_kv::Error::Corrupt { .. } => DAMAGED,
                triad_kv::Error::Io { .. } => IO,
                _ => REFUSED,
            });
        }
        cause.downcast_ref::<std::io::Error>().map(|_| IO)
    });
    found.unwrap_or(REFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_keeps_its_code_under_what_is_said_about_it() {
        let damaged = triad_backup::Error::Damaged {
            file: "f".into(),
            what: "w".into(),
        };
        let error = Err::<(), _>(damaged).context("backup one").unwrap_err();
        assert_eq!(code(&error), DAMAGED);
        let io = Err::<(), _>(std::io::Error::other("full")).context("writing");
        assert_eq!(code(&io.unwrap_err()), IO);
        assert_eq!(code(&anyhow::anyhow!("no")), REFUSED);
    }
}
