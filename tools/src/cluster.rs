//! `triadctl status`, `token`, `member` and `compact`: what an operator asks of the members of a cluster.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use triad_machinery::codec::yaml;

use crate::api::Client;
use crate::table;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    #[default]
    Table,
    Json,
    Yaml,
}

#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a token that lets a new member in, and print it as the last line
    Create {
        /// What it lets in
        #[arg(long, default_value = "server")]
        role: String,
        /// How long it is good: 30m, 24h, 7d
        #[arg(long, default_value = "24h")]
        ttl: String,
    },
    /// List tokens, without their secrets
    Ls,
    /// Make a token useless
    Revoke { id: String },
}

#[derive(Subcommand)]
pub enum MemberCommand {
    /// List the members
    Ls,
    /// Remove a member for good; its data directory is of no use afterwards
    Remove {
        name: String,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Hand the leadership to a member
    Transfer { name: String },
}

#[derive(Args)]
pub struct Compact {
    /// The oldest revision that stays readable
    pub revision: u64,
}

/// The text to print.
pub fn status(client: &Client, form: Form) -> Result<String> {
    let status = client.call(Method::GET, "/triad/v1/status", None)?;
    Ok(match form {
        Form::Table => format!(
            "{}{}{}",
            members(&status["members"]),
            backups(&status["backups"]),
            archive(&status["archive"])
        ),
        other => document(&status, other),
    })
}

pub fn token(client: &Client, command: &TokenCommand, form: Form) -> Result<String> {
    match command {
        TokenCommand::Create { role, ttl } => {
            let body = json!({"role": role, "ttl": ttl});
            let made = client.call(Method::POST, "/triad/v1/tokens", Some(&body))?;
            Ok(match form {
                // Alone on its line, so that a shell can take it.
                Form::Table => format!("{}\n", made["token"].as_str().unwrap_or_default()),
                other => document(&made, other),
            })
        }
        TokenCommand::Ls => {
            let listed = client.call(Method::GET, "/triad/v1/tokens", None)?;
            if form != Form::Table {
                return Ok(document(&listed, form));
            }
            let rows: Vec<Vec<String>> = array(&listed["tokens"])
                .iter()
                .map(|token| {
                    vec![
                        cell(&token["id"]),
                        cell(&token["role"]),
                        cell(&token["expires"]),
                    ]
                })
                .collect();
            Ok(table::render(&["ID", "ROLE", "EXPIRES (UNIX)"], &rows))
        }
        TokenCommand::Revoke { id } => {
            client.call(Method::DELETE, &format!("/triad/v1/tokens/{id}"), None)?;
            Ok(format!("token {id} revoked\n"))
        }
    }
}

pub fn member(client: &Client, command: &MemberCommand, form: Form) -> Result<String> {
    match command {
        MemberCommand::Ls => status(client, form),
        MemberCommand::Remove {
            name,
            dry_run: true,
        } => {
            let status = client.call(Method::GET, "/triad/v1/status", None)?;
            let all = array(&status["members"]);
            anyhow::ensure!(
                all.iter().any(|member| member["name"] == **name),
                "there is no member {name:?}"
            );
            let left = all.len() - 1;
            Ok(format!(
                "member {name} would be removed; {left} would be left (dry run)\n"
            ))
        }
        MemberCommand::Remove { name, .. } => {
            client.call(Method::DELETE, &format!("/triad/v1/members/{name}"), None)?;
            Ok(format!("member {name} removed\n"))
        }
        MemberCommand::Transfer { name } => {
            let path = format!("/triad/v1/members/{name}/transfer");
            client.call(Method::POST, &path, None)?;
            Ok(format!("member {name} leads\n"))
        }
    }
}

pub fn compact(client: &Client, options: &Compact) -> Result<String> {
    let body = json!({"revision": options.revision});
    client.call(Method::POST, "/triad/v1/compact", Some(&body))?;
    Ok(format!(
        "history before revision {} is given up\n",
        options.revision
    ))
}

fn members(all: &Value) -> String {
    let rows: Vec<Vec<String>> = array(all)
        .iter()
        .map(|member| {
            let role = cell(&member["role"]);
            let role = if member["leader"] == true {
                "leader".to_owned()
            } else {
                role
            };
            let trouble = if member["reachable"] == true {
                member["trouble"].as_str().unwrap_or_default().to_owned()
            } else {
                "does not answer".to_owned()
            };
            vec![
                cell(&member["name"]),
                role,
                cell(&member["address"]),
                cell(&member["version"]),
                cell(&member["term"]),
                cell(&member["index"]),
                cell(&member["lag"]),
                member["fsyncP99Ms"]
                    .as_f64()
                    .map_or("-".into(), |ms| format!("{ms:.1}ms")),
                member["sizeBytes"]
                    .as_u64()
                    .map_or("-".into(), |b| format!("{:.1}MiB", b as f64 / 1048576.0)),
                cell(&member["certificateExpires"]),
                trouble,
            ]
        })
        .collect();
    let head = [
        "NAME",
        "ROLE",
        "ADDRESS",
        "VERSION",
        "TERM",
        "INDEX",
        "LAG",
        "FSYNC-P99",
        "SIZE",
        "CERTIFICATE-EXPIRES",
        "TROUBLE",
    ];
    table::render(&head, &rows)
}

/// What is planned and what became of it; nothing where nothing is planned.
fn backups(backups: &Value) -> String {
    if backups.is_null() {
        return String::new();
    }
    let mut out = format!(
        "\nbackups: {} to {}, next {}\n",
        cell(&backups["schedule"]),
        cell(&backups["dest"]),
        cell(&backups["next"])
    );
    let (success, failure) = (&backups["lastSuccess"], &backups["lastFailure"]);
    match success.is_null() {
        true => out.push_str("  none has been made yet\n"),
        false => out.push_str(&format!(
            "  last made {}: {} of revision {}\n",
            cell(&success["time"]),
            cell(&success["name"]),
            cell(&success["revision"])
        )),
    }
    if !failure.is_null() {
        let (time, why) = (cell(&failure["time"]), cell(&failure["why"]));
        out.push_str(&format!("  last failed {time}: {why}\n"));
    }
    out
}

/// How far the log has been copied, and what keeps it from going on.
fn archive(archive: &Value) -> String {
    if archive.is_null() {
        return String::new();
    }
    let mut out = format!(
        "\narchive: to {}, up to entry {} of {}, last copied {}\n",
        cell(&archive["dest"]),
        cell(&archive["index"]),
        cell(&archive["time"]),
        cell(&archive["shipped"])
    );
    let gap = &archive["gap"];
    if !gap.is_null() {
        out.push_str(&format!(
            "  entries {} to {} are lost to it (noticed {}): it began anew with a backup\n",
            cell(&gap["first"]),
            cell(&gap["last"]),
            cell(&gap["noticed"])
        ));
    }
    if let Some(why) = archive["trouble"].as_str() {
        out.push_str(&format!("  does not go on: {why}\n"));
    }
    out
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn document(value: &Value, form: Form) -> String {
    match form {
        Form::Yaml => {
            let text = yaml::from_json(value.to_string().as_bytes());
            String::from_utf8_lossy(&text).into_owned()
        }
        _ => format!("{value:#}\n"),
    }
}
