//! `triadctl bench`: a load generator for any server that speaks the Kubernetes API. It talks as clients do (TLS, the kubeconfig's
//! certificate, HTTP/2) and measures what they would see, and what the server's processes take of the machine meanwhile.

mod beside;
mod bulk;
mod cluster;
mod fanout;
mod figures;
mod link;
mod load;
mod metrics;
mod objects;
mod population;
mod process;
mod reads;
mod scenario;
mod tally;
mod watch;
mod writes;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};

use crate::api::Client;
use crate::table;
use figures::{Figures, Span};
use link::Http;
use load::{Plan, Work};
use objects::{Kind, Wire};
use process::Processes;
use scenario::{Does, Scenario};
use tally::Tally;
use writes::Change;

/// Idle watches on one connection, as many components' are that share a transport.
const IDLE_STREAMS: usize = 100;

#[derive(Subcommand)]
pub enum BenchCommand {
    /// Name the scenarios and say what they measure
    List,
    /// Run scenarios against a server, one after another, in the namespace `bench`, which stays
    Run(Box<Run>),
}

#[derive(Args)]
pub struct Run {
    /// Scenarios, as `bench list` names them
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Clients that work at the same time, instead of the scenario's number
    #[arg(long)]
    clients: Option<usize>,
    /// Objects that are there to be read, instead of the scenario's number
    #[arg(long)]
    objects: Option<usize>,
    /// How long to measure: 10s, 500ms, 2m; what was begun is waited for
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// How long to run before measuring
    #[arg(long, default_value = "2s", value_parser = duration)]
    warmup: Duration,
    /// Open loop: begin this many operations a second, however long they take; latencies count from when each was due. For
    /// watchers: changes a second; for a cluster: pods a second
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// Clients that share one HTTP/2 connection: 1, or 100 idle watches
    #[arg(long)]
    streams: Option<usize>,
    /// Nodes of a simulated cluster, instead of the scenario's number
    #[arg(long)]
    nodes: Option<usize>,
    /// Speak HTTP/1.1, a connection for each client
    #[arg(long)]
    http1: bool,
    /// Threads of the load itself; watchers share one
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Processes of the server on this machine, whose processor time and memory are measured: PID,PID
    #[arg(long, value_delimiter = ',', value_name = "PID")]
    pid: Vec<u32>,
    /// What to call the server in the figures
    #[arg(long, default_value = "")]
    label: String,
    /// How to print the figures: a table at the end, or a line of JSON after each scenario
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    #[default]
    Table,
    Json,
}

/// Runs the command. Failed operations make it fail after all figures are out.
pub fn run(client: impl Fn() -> Result<Client>, command: &BenchCommand) -> Result<String> {
    match command {
        BenchCommand::List => Ok(list()),
        BenchCommand::Run(options) => run_all(&client()?, options, &mut std::io::stdout()),
    }
}

fn list() -> String {
    let rows: Vec<Vec<String>> = scenario::ALL
        .iter()
        .map(|one| {
            let objects = match one.objects {
                0 => String::new(),
                count => count.to_string(),
            };
            let clients = one.clients.to_string();
            vec![one.name.to_owned(), clients, objects, one.about.to_owned()]
        })
        .collect();
    table::render(&["SCENARIO", "CLIENTS", "OBJECTS", "MEASURES"], &rows)
}

fn run_all(client: &Client, options: &Run, out: &mut dyn Write) -> Result<String> {
    let chosen: Result<Vec<&Scenario>> = options
        .scenarios
        .iter()
        .map(|name| {
            let found = scenario::find(name);
            found.ok_or_else(|| {
                anyhow!("there is no scenario {name:?}; `triadctl bench list` names them")
            })
        })
        .collect();
    let server = Processes::new(&options.pid);
    let mut all = Vec::new();
    for one in chosen? {
        let figures = measure(client, options, &server, one).with_context(|| one.name)?;
        if options.form == Form::Json {
            writeln!(out, "{}", figures.json()).context("standard output")?;
            out.flush().context("standard output")?;
        }
        all.push(figures);
    }
    let text = match options.form {
        Form::Json => String::new(),
        Form::Table => figures::table(&all),
    };
    let failed: u64 = all.iter().map(|figures| figures.tally.failed).sum();
    if failed == 0 {
        return Ok(text);
    }
    out.write_all(text.as_bytes()).context("standard output")?;
    let first = all.iter().flat_map(|one| one.tally.failures()).next();
    let (_, _, first) = first.unwrap_or_default();
    Err(anyhow!(
        "{failed} operations failed, the first with {first}"
    ))
}

fn measure(
    client: &Client,
    options: &Run,
    server: &Processes,
    scenario: &'static Scenario,
) -> Result<Figures> {
    let idle = scenario.does == Does::IdleWatches;
    let objects = options.objects.unwrap_or(scenario.objects);
    if options.rate.is_some() && !scenario.does.has_rate() {
        return Err(anyhow!(
            "it has an end and goes as fast as it can: no --rate"
        ));
    }
    let plan = Plan {
        clients: options.clients.unwrap_or(scenario.clients),
        threads: options.threads,
        streams: options
            .streams
            .unwrap_or(if idle { IDLE_STREAMS } else { 1 }),
        http: if options.http1 { Http::One } else { Http::Two },
        warmup: options.warmup,
        duration: options.duration,
        rate: options.rate,
        count: None,
    };
    population::block_on(prepare(client, scenario.does, objects))?;
    let (tally, span, more) = load(client, &plan, server, scenario.does, options, objects)?;
    Ok(Figures {
        scenario: scenario.name,
        label: options.label.clone(),
        clients: plan.clients,
        rate: plan.rate,
        tally,
        span,
        resident: server.known().then(|| server.resident()).transpose()?,
        more,
    })
}

/// Runs the load of a scenario, by the driver that it needs.
fn load(
    client: &Client,
    plan: &Plan,
    server: &Processes,
    does: Does,
    options: &Run,
    objects: usize,
) -> Result<(Tally, Span, Map<String, Value>)> {
    let run = run_name();
    let plain = |(tally, span)| (tally, span, Map::new());
    match does {
        Does::FanOut(mut shape) => {
            shape.watchers = plan.clients;
            population::block_on(fanout::run(client, plan, server, shape)).map(plain)
        }
        Does::IdleWatches => {
            let (tally, span, grown) = population::block_on(fanout::idle(client, plan, server))?;
            let each = grown.map(|grown| grown / tally.done.max(1));
            let more = each.map(|bytes| ("bytes_per_watch".to_owned(), bytes.into()));
            Ok((tally, span, more.into_iter().collect()))
        }
        Does::DeleteCollection(kind) => {
            population::block_on(bulk::delete_collection(client, kind, server)).map(plain)
        }
        Does::Cluster { nodes } => {
            let size = (options.nodes.unwrap_or(nodes), objects);
            cluster::run(client, plan, server, size, &run)
        }
        Does::BesideLists => {
            let make = |number: usize| work(does, objects, &run, number, &Arc::default());
            beside::run(client, plan, server, &make)
        }
        _ => {
            let counted = matches!(does, Does::Fill(_) | Does::Churn(_));
            let plan = Plan {
                count: counted.then_some(objects as u64),
                ..plan.clone()
            };
            let next = Arc::default();
            let make = |number: usize| work(does, objects, &run, number, &next);
            load::run(client, &plan, server, &make).map(plain)
        }
    }
}

async fn prepare(client: &Client, does: Does, objects: usize) -> Result<()> {
    population::namespace(client).await?;
    match does {
        Does::Get(kind, _) => population::fill(client, kind, objects).await,
        Does::List(kind, form) => {
            population::fill(client, kind, objects).await?;
            check_list(client, kind, form, objects).await
        }
        Does::WatchList(kind, _) | Does::DeleteCollection(kind) => {
            population::fill(client, kind, objects).await
        }
        Does::BesideLists => population::fill(client, Kind::Pod, objects).await,
        Does::FanOut(shape) if shape.single => {
            population::fill(client, Kind::ConfigMap, objects.max(1)).await
        }
        _ => Ok(()),
    }
}

/// A selector's list has the part of the objects that the scenario says; a whole one may have others' besides.
async fn check_list(client: &Client, kind: Kind, form: reads::Form, objects: usize) -> Result<()> {
    if !matches!(form, reads::Form::Label | reads::Form::Node) {
        return Ok(());
    }
    let found = reads::count(&mut population::link(client), kind, form).await?;
    let wanted = (0..objects)
        .filter(|number| number % objects::NODES == 7)
        .count();
    if found == wanted {
        return Ok(());
    }
    Err(anyhow!(
        "the list has {found} objects where {wanted} were made: the server has others', or selects wrongly"
    ))
}

/// The work of one client of the loads that `load::run` drives.
fn work(
    does: Does,
    objects: usize,
    run: &str,
    number: usize,
    next: &Arc<AtomicUsize>,
) -> Box<dyn Work> {
    match does {
        Does::Create(kind, wire) => Box::new(writes::Create::new(kind, wire, run, number)),
        Does::Update(kind, wire, change) => {
            Box::new(writes::Update::new(kind, wire, change, run, number))
        }
        Does::BesideLists => {
            let (lease, wire) = (Kind::Lease, Wire::Protobuf);
            Box::new(writes::Update::new(
                lease,
                wire,
                Change::Renewal,
                run,
                number,
            ))
        }
        Does::Patch(kind) => Box::new(writes::Patch::new(kind, run, number)),
        Does::Get(kind, wire) => Box::new(reads::Get::new(kind, wire, objects, number)),
        Does::List(kind, form) => Box::new(reads::List::new(kind, form)),
        Does::WatchList(kind, wire) => Box::new(watch::WatchList::new(kind, wire)),
        Does::Fill(kind) => Box::new(bulk::Fill::new(kind, next)),
        Does::Churn(kind) => Box::new(bulk::Churn::new(kind, run, number)),
        Does::FanOut(_) | Does::IdleWatches | Does::DeleteCollection(_) | Does::Cluster { .. } => {
            unreachable!("`load` drives these itself")
        }
    }
}

/// Tells the objects of one run from those of any other.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("{:x}", now.unwrap_or_default().as_millis())
}

fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3600e3,
        _ => return Err("a duration is a number and ms, s, m or h".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    Duration::try_from_secs_f64(number * unit_ms / 1e3).map_err(|e| e.to_string())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("a rate is a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "-1s", "1d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("inf").is_err() && rate("0.5").is_ok());
    }

    #[test]
    fn every_scenario_is_listed() {
        let text = list();
        assert_eq!(text.lines().count(), scenario::ALL.len() + 1);
        assert!(text.contains("update-pod-status"));
    }
}
