//! The flags about logs (component-base logs/api/v1).

use super::{Exit, Flags, amount, refuse};
use crate::logging::{Format, LogFile, Modules, Options};
use crate::rotating::Rotation;

pub(super) fn options(flags: &Flags) -> Result<Options, Exit> {
    let format = match flags.text("logging-format").as_deref() {
        None | Some("text") => Format::Text,
        Some("json") => Format::Json,
        Some(other) => {
            return Err(refuse(format!(
                "format: Invalid value: {other:?}: Unsupported log format; --logging-format is text or json"
            )));
        }
    };
    let modules = flags.list("vmodule").join(",");
    let modules = Modules::parse(&modules).map_err(|why| refuse(format!("--vmodule: {why}")))?;
    if format == Format::Json && modules != Modules::default() {
        return Err(refuse(
            "vmodule: Forbidden: Only supported for text log format".to_owned(),
        ));
    }
    Ok(Options {
        format,
        verbosity: flags.integer("v"),
        modules,
        file: file(flags)?,
    })
}

fn file(flags: &Flags) -> Result<Option<LogFile>, Exit> {
    let Some(path) = flags.file("log-file") else {
        return Ok(None);
    };
    Ok(Some(LogFile {
        path,
        also_stderr: flags.flag("alsologtostderr"),
        rotation: Rotation {
            max_mebibytes: amount(flags, "log-file-max-size")?,
            max_age_days: amount(flags, "log-file-max-age")?,
            max_backups: amount(flags, "log-file-max-backups")? as usize,
            compress: flags.flag("log-file-compress"),
        },
    }))
}
