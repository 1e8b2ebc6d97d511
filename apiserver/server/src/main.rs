//! The `triad` program: parse without binding anything, build, serve, drain, exit code.
//!
//! Started under the name `kube-apiserver` it is `triad serve`; under the name `etcd` it answers /health and says that the
//! store is built in.

mod etcd_name;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use triad_server::options::{Config, Exit, Flags};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Handlers decode deeply nested bodies on these stacks; only what is touched takes memory.
const STACK_BYTES: usize = 16 << 20;

const USAGE: &str = "usage: triad serve [flags]\n       triad serve --help\n       triad version\n";

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("triad")
        .to_owned();
    let result = match name.as_str() {
        "kube-apiserver" => serve("kube-apiserver", args.collect(), true),
        "etcd" => etcd_name::run(args.filter_map(|arg| arg.into_string().ok())),
        _ => match args.next().as_deref().and_then(|arg| arg.to_str()) {
            Some("serve") => serve("triad serve", args.collect(), false),
            Some("version" | "--version") => Err(Exit {
                code: 0,
                text: format!("triad {}\n", env!("CARGO_PKG_VERSION")),
            }),
            Some("help" | "--help" | "-h") => Err(Exit {
                code: 0,
                text: USAGE.to_owned(),
            }),
            Some(other) => Err(Exit {
                code: 1,
                text: format!("unknown command {other:?}\n{USAGE}"),
            }),
            None => Err(Exit {
                code: 1,
                text: USAGE.to_owned(),
            }),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => report(&exit),
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a program says before or instead of serving"
)]
fn report(exit: &Exit) -> ExitCode {
    if exit.code == 0 {
        print!("{}", exit.text);
        return ExitCode::SUCCESS;
    }
    eprint!("{}", exit.text);
    ExitCode::from(u8::try_from(exit.code).unwrap_or(1))
}

fn serve(program: &'static str, args: Vec<OsString>, drop_in: bool) -> Result<(), Exit> {
    let flags = Flags::parse(program, args)?;
    if flags.flag("version") {
        return Err(Exit {
            code: 0,
            text: "Kubernetes v1.37.0\n".to_owned(),
        });
    }
    let mut config = Config::new(&flags, drop_in)?;
    triad_server::logging::init(&config.logs).map_err(failed)?;
    for warning in flags.warnings() {
        tracing::warn!("{warning}");
    }
    let scratch = if config.ephemeral {
        Some(scratch_dir(&mut config)?)
    } else {
        None
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let runtime = runtime.map_err(|error| Exit {
        code: 1,
        text: format!("cannot start the runtime: {error}\n"),
    })?;
    let result = runtime.block_on(triad_server::server::run(config, stop_signal()));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    drop(scratch);
    result.map_err(failed)
}

fn failed(error: anyhow::Error) -> Exit {
    Exit {
        code: 1,
        text: format!("triad: {error:#}\n"),
    }
}

/// A data directory that goes with the process.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn scratch_dir(config: &mut Config) -> Result<Scratch, Exit> {
    let dir = std::env::temp_dir().join(format!("triad-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|error| Exit {
        code: 1,
        text: format!("cannot make {}: {error}\n", dir.display()),
    })?;
    config.data_dir = dir.clone();
    Ok(Scratch(dir))
}

/// Completes on SIGTERM or SIGINT.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("cannot listen for signals; only SIGKILL will end this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}
