//! `triadctl`: the one client for people and programs. Parses the command line, runs the command, maps its outcome to an exit code.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use triad_tools::api::Client;
use triad_tools::backup::{self, BackupCommand, Restore};
use triad_tools::bench::{self, BenchCommand};
use triad_tools::cluster::{self, Compact, Form, MemberCommand, TokenCommand};
use triad_tools::history::{self, History};
use triad_tools::import::{self, ImportCommand};
use triad_tools::recover::{self, Recover};
use triad_tools::verify::{self, Verify};
use triad_tools::{convert, exit};

#[derive(Parser)]
#[command(name = "triadctl", version, about = "Client for Triad", after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: Server,
}

/// Which server, and in what form it answers.
#[derive(clap::Args)]
struct Server {
    /// The kubeconfig that names the server (KUBECONFIG when not given)
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Shown {
    /// How to print it
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    form: Form,
}

#[derive(Subcommand)]
enum Command {
    /// Convert an object between JSON, YAML and protobuf, and between versions of its group
    Convert(convert::Options),
    /// Show the members of the cluster: who leads, how far each has come, what troubles it
    Status(Shown),
    /// Tokens that let new members in
    Token {
        #[command(subcommand)]
        command: TokenCommand,
        #[command(flatten)]
        shown: Shown,
    },
    /// List, remove and hand over to members
    Member {
        #[command(subcommand)]
        command: MemberCommand,
        #[command(flatten)]
        shown: Shown,
    },
    /// Give up history before a revision
    Compact(Compact),
    /// Back a cluster up while it serves; list, check, prune and look into backups
    Backup {
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Make a new cluster of a backup, in an empty data directory, or put single objects of it into a running one
    Restore(Restore),
    /// Make a data directory of another store's contents
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// What became of an object: its retained versions, when, by whom, and what changed
    History(History),
    /// Check a data directory or a backup to the last record, and change nothing
    Verify(Verify),
    /// Measure a server: operations a second, latencies, processor time and memory
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Make a cluster of one of what a member has, when the majority is gone for good
    Recover(Recover),
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the input cannot be decoded or converted, or the server refused; 2 wrong usage; 3 a file, stream or destination cannot be read or written; 4 a backup or store is damaged; 5 a backup is encrypted and the keys given do not open it";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (error, code) = match run(&cli) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    // A closed stderr leaves the exit code to speak.
    let _ = writeln!(std::io::stderr(), "triadctl: {error}");
    ExitCode::from(code)
}

/// What went wrong, and the exit code for it.
type Failure = (String, u8);

fn run(cli: &Cli) -> Result<(), Failure> {
    let client = || Client::new(cli.server.kubeconfig.as_deref());
    let text = match &cli.command {
        Command::Convert(options) => {
            return convert::run(options).map_err(|e| (e.to_string(), e.exit_code()));
        }
        Command::Verify(options) => return examine(options),
        Command::History(options) => client().and_then(|c| history::run(&c, options)),
        Command::Import { command } => import::run(command),
        Command::Recover(options) => recover::run(options),
        Command::Status(shown) => client().and_then(|c| cluster::status(&c, shown.form)),
        Command::Token { command, shown } => {
            client().and_then(|c| cluster::token(&c, command, shown.form))
        }
        Command::Member { command, shown } => {
            client().and_then(|c| cluster::member(&c, command, shown.form))
        }
        Command::Backup { command } => backup::run(client, command),
        Command::Bench { command } => bench::run(client, command),
        Command::Restore(options) => backup::restore(client, options),
        Command::Compact(options) => client().and_then(|c| cluster::compact(&c, options)),
    };
    print(&text.map_err(|e| (format!("{e:#}"), exit::code(&e)))?)
}

fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| (format!("standard output: {e}"), 3))
}

fn examine(options: &Verify) -> Result<(), Failure> {
    let verdict = verify::run(options).map_err(|why| (why, verify::CANNOT_SAY))?;
    print(&verdict.text)?;
    match verdict.code {
        0 => Ok(()),
        code => Err((format!("{} is damaged", options.from.dest), code)),
    }
}
