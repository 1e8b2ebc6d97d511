//! Where events go and how they get there: at once or in batches, whole or cut (apiserver pkg/server/options/audit.go,
//! plugin/pkg/audit/truncate).

use super::batch::Batcher;
use super::event::Written;
use super::log::LogFile;
use super::webhook::Hook;
use super::{Counts, Plugin};
use crate::options::{Delivery, Log, Mode, Truncate, Webhook};
use anyhow::Result;
use std::sync::Arc;

/// What keeps events in the end.
#[derive(Clone)]
pub(super) enum Sink {
    Log(Arc<LogFile>),
    Webhook(Arc<Hook>),
}

impl Sink {
    /// Whether all of them are kept; what is not is counted.
    pub(super) async fn keep(&self, events: &[Arc<Written>], counts: &Counts) -> bool {
        let (plugin, kept) = match self {
            Sink::Log(log) => (Plugin::Log, events.iter().try_for_each(|one| log.keep(one))),
            Sink::Webhook(hook) => (Plugin::Webhook, hook.keep(events).await),
        };
        match kept {
            Ok(()) => true,
            Err(why) => {
                counts.failed(plugin, events.len(), &why);
                false
            }
        }
    }
}

enum Way {
    Straight(Sink),
    Batched(Batcher),
}

pub(super) struct Backend {
    way: Way,
    /// A request whose event is lost must not go on.
    strict: bool,
    truncate: Option<Truncate>,
    counts: Arc<Counts>,
}

impl Backend {
    pub(super) fn log(options: &Log, counts: &Arc<Counts>) -> Result<Self> {
        let sink = Sink::Log(Arc::new(LogFile::open(options)?));
        Ok(Self::of(sink, &options.delivery, counts))
    }

    pub(super) fn webhook(options: &Webhook, counts: &Arc<Counts>) -> Result<Self> {
        let sink = Sink::Webhook(Arc::new(Hook::new(options)?));
        Ok(Self::of(sink, &options.delivery, counts))
    }

    fn of(sink: Sink, delivery: &Delivery, counts: &Arc<Counts>) -> Self {
        let most = delivery.truncate.as_ref().map(|cut| cut.max_batch);
        Backend {
            strict: delivery.mode == Mode::Strict,
            way: match &delivery.mode {
                Mode::Batch(batch) => {
                    Way::Batched(Batcher::start(sink, batch.clone(), most, counts))
                }
                Mode::Blocking | Mode::Strict => Way::Straight(sink),
            },
            truncate: delivery.truncate.clone(),
            counts: counts.clone(),
        }
    }

    pub(super) fn cuts(&self) -> bool {
        self.truncate.is_some()
    }

    /// False: it is not kept, and that must not be.
    pub(super) async fn keep(&self, event: &Arc<Written>) -> bool {
        let Some(event) = self.fitting(event) else {
            let why = "event is too large even after truncating";
            self.counts.failed(Plugin::Truncate, 1, why);
            return true;
        };
        let kept = match &self.way {
            Way::Straight(sink) => sink.keep(&[event], &self.counts).await,
            Way::Batched(batcher) => {
                batcher.take(event);
                true
            }
        };
        kept || !self.strict
    }

    /// The event, or without its objects where it is too large with them.
    fn fitting(&self, event: &Arc<Written>) -> Option<Arc<Written>> {
        let Some(Truncate { max_event, .. }) = &self.truncate else {
            return Some(event.clone());
        };
        if event.len() <= *max_event {
            return Some(event.clone());
        }
        let cut = event.cut().filter(|cut| cut.len() <= *max_event);
        cut.map(Arc::new)
    }

    pub(super) async fn shutdown(&self) {
        if let Way::Batched(batcher) = &self.way {
            batcher.shutdown().await;
        }
    }
}
