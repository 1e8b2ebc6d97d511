//! Flow control: how many requests run at once, and who waits or is turned away (KEP-1040, docs/adr/0021). By the schemas and levels
//! in the store, or, without priority and fairness, by two plain limits.

mod in_flight;
mod level;
mod retry_after;
mod room;
mod schema;
mod seats;
#[cfg(test)]
mod tests;

use crate::audit::is_long_running;
use crate::cacher::{Cacher, ResourceCache};
use crate::filters::request_info::RequestInfo;
use crate::options::InFlight as Limits;
use crate::reply::{self, Reply};
use crate::user::User;
use arc_swap::ArcSwap;
use http::header::{RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use in_flight::InFlight;
use level::Level;
use parking_lot::Mutex;
use room::{Room, Seat};
use schema::Schema;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use triad_kv::Revision;
use triad_machinery::meta;

pub(crate) struct FlowControl {
    schemas: Arc<ResourceCache>,
    levels: Arc<ResourceCache>,
    compiled: ArcSwap<(Revision, Vec<Arc<Schema>>)>,
    /// Held by who compiles, so that levels are never set back.
    compiling: Mutex<()>,
    by: By,
}

enum By {
    Fairness(Arc<Room>),
    InFlight(InFlight),
}

/// What a request holds while it runs.
pub(crate) enum Held {
    Nothing,
    Seat(#[expect(dead_code, reason = "held")] Seat),
    Permit(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
}

impl FlowControl {
    pub(crate) fn new(cacher: &Cacher, limits: Limits, request_timeout: Duration) -> Option<Self> {
        let cache = |plural: &str| cacher.by_prefix(&format!("/registry/{plural}/")).cloned();
        Some(FlowControl {
            schemas: cache("flowschemas")?,
            levels: cache("prioritylevelconfigurations")?,
            compiled: ArcSwap::from_pointee((Revision(0), Vec::new())),
            compiling: Mutex::new(()),
            by: match limits.fairness {
                true => By::Fairness(Arc::new(Room::new(limits.total(), request_timeout))),
                false => By::InFlight(InFlight::new(limits.reading, limits.mutating)),
            },
        })
    }

    /// Waits until the request may run. `headers` get the names of its flow schema and priority level; what is refused is so with
    /// 429. Requests that run for long do not count, and watches only until they have begun.
    pub(crate) async fn enter(
        &self,
        user: &User,
        info: &RequestInfo,
        headers: &mut HeaderMap,
    ) -> Result<Held, Reply> {
        let long = is_long_running(info);
        let room = match &self.by {
            By::InFlight(_) if long => return Ok(Held::Nothing),
            By::InFlight(all) => {
                let permit = all.enter(user, &info.verb).map_err(|()| too_many(1))?;
                return Ok(permit.map_or(Held::Nothing, Held::Permit));
            }
            By::Fairness(_) if long && info.verb != "watch" => return Ok(Held::Nothing),
            By::Fairness(room) => room,
        };
        let schema = {
            let compiled = self.compiled(room);
            let matching = compiled.1.iter().find(|schema| schema.matches(user, info));
            matching.cloned()
        };
        // Before the first start has made its objects there is nothing to go by.
        let Some(schema) = schema else {
            return Ok(Held::Nothing);
        };
        headers.insert("x-kubernetes-pf-flowschema-uid", schema.uid.clone());
        headers.insert(
            "x-kubernetes-pf-prioritylevel-uid",
            schema.level_uid.clone(),
        );
        let seat = room.enter(&schema, schema.flow(user, info)).await;
        seat.map(Held::Seat).map_err(too_many)
    }

    pub(crate) fn render(&self, out: &mut String) {
        if let By::Fairness(room) = &self.by {
            room.render(out);
        }
    }

    fn compiled(&self, room: &Room) -> Arc<(Revision, Vec<Arc<Schema>>)> {
        let newest = || {
            let revisions = [self.schemas.snapshot(), self.levels.snapshot()];
            revisions
                .map(|snapshot| snapshot.revision)
                .into_iter()
                .max()
        };
        let compiled = self.compiled.load_full();
        if Some(compiled.0) == newest() {
            return compiled;
        }
        let _one_at_a_time = self.compiling.lock();
        let compiled = self.compiled.load_full();
        let (schemas, levels) = (self.schemas.snapshot(), self.levels.snapshot());
        let newest = schemas.revision.max(levels.revision);
        if compiled.0 >= newest {
            return compiled;
        }
        let levels = levels.all();
        let levels = levels.filter_map(|level| level.object(&self.levels.layout).ok());
        let levels: Vec<_> = levels.collect();
        let level_uid = |name: &str| {
            let level = levels.iter().find(|level| meta::name(level) == name)?;
            HeaderValue::from_str(meta::uid(level)).ok()
        };
        let objects = schemas.all();
        let objects = objects.filter_map(|schema| schema.object(&self.schemas.layout).ok());
        let mut list: Vec<_> = objects
            .filter_map(|object| Schema::new(&object, level_uid).map(Arc::new))
            .collect();
        list.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        room.configure(levels.iter().map(Level::new).collect());
        let compiled = Arc::new((newest, list));
        self.compiled.store(compiled.clone());
        compiled
    }
}

fn too_many(seconds: u64) -> Reply {
    let mut reply = reply::text(
        429,
        "Too many requests, please try again later.\n".to_owned(),
    );
    let headers = reply.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
