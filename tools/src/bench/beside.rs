//! Small writes beside huge lists: whether one client's LIST of everything delays what all others do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};

use super::figures::Span;
use super::load::{self, Make, Plan, Work};
use super::objects::{Kind, Wire};
use super::population;
use super::process::Processes;
use super::reads::{Form, List};
use super::tally::Tally;
use crate::api::Client;

/// Writes a second when no rate is given: few enough that only the lists can delay them.
const WRITES_PER_SECOND: f64 = 200.0;

/// Runs a load at its rate while one client, on a thread of its own, lists all pods without a pause; only the load is measured.
pub(crate) fn run(
    client: &Client,
    plan: &Plan,
    server: &Processes,
    make: Make<'_>,
) -> Result<(Tally, Span, Map<String, Value>)> {
    let plan = Plan {
        rate: Some(plan.rate.unwrap_or(WRITES_PER_SECOND)),
        ..plan.clone()
    };
    let (stop, lists) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let lister = scope.spawn(|| list(client, &stop, &lists));
        let measured = load::run(client, &plan, server, make);
        stop.store(true, Ordering::Relaxed);
        let listed = lister.join().map_err(|_| anyhow!("the lister panicked"))?;
        let (tally, span) = measured?;
        listed?;
        let count = ("lists".to_owned(), lists.load(Ordering::Relaxed).into());
        Ok((tally, span, Map::from_iter([count])))
    })
}

fn list(client: &Client, stop: &AtomicBool, lists: &AtomicU64) -> Result<()> {
    population::block_on(async {
        let mut link = population::link(client);
        let mut work = List::new(Kind::Pod, Form::Whole(Wire::Json));
        while !stop.load(Ordering::Relaxed) {
            work.turn(&mut link).await?;
            lists.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}
