//! The controllers that run inside the server; they act through the registry, like any client. Each is switched off by
//! its name in --controllers.

mod namespace;

use crate::api::Api;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The running controllers; dropping or aborting ends them.
pub(crate) struct Running(JoinSet<()>);

impl Running {
    pub(crate) fn abort(mut self) {
        self.0.abort_all();
    }
}

pub(crate) fn start(api: &Arc<Api>) -> Running {
    let mut tasks = JoinSet::new();
    // Part of the API server itself, with no name to switch it off by.
    tasks.spawn(crate::bootstrap::keep(api.clone()));
    if api.config.controller_enabled("namespace") {
        tasks.spawn(namespace::run(api.clone()));
    }
    Running(tasks)
}
