//! `triadctl`: the one client for people and programs. Parses the command line, runs the command, maps its outcome to an exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use triad_tools::convert;

/// Exit codes: 0 done; 1 the input cannot be decoded or converted; 2 wrong usage; 3 a file or stream cannot be read or written.
#[derive(Parser)]
#[command(name = "triadctl", version, about = "Client for Triad", after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Convert an object between JSON, YAML and protobuf, and between versions of its group
    Convert(convert::Options),
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the input cannot be decoded or converted; 2 wrong usage; 3 a file or stream cannot be read or written";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Convert(options) => convert::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // A closed stderr leaves the exit code to speak.
            let _ = writeln!(std::io::stderr(), "triadctl: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
