//! Storage version migration (kubernetes pkg/controller/storageversionmigrator): all objects of a resource that were there when it began
//! are stored in the version that is stored now. One migration of a resource at a time, the oldest first.

use super::run::{Controller, Trouble};
use super::sources::Change;
use super::status::Resource;
use super::work::Work;
use crate::api::Api;
use crate::registry::Registry;
use crate::registry::conditions::{self, Condition};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use triad_kv::Revision;
use triad_machinery::duration::parse_time;
use triad_machinery::meta;
use triad_machinery::status::{GroupResource, Status};

const MANAGER: &str = "storage-version-migrator-controller";
const RUNNING: &str = "MigrationRunning";
/// How long a resource may take to be served before its migration fails.
const PATIENCE_SECONDS: i64 = 60;

pub(super) struct Migrations {
    api: Arc<Api>,
    migrations: [Arc<Registry>; 1],
    own: Resource,
    definitions: Resource,
    /// The generation of the definition of each migration's kind when it began here.
    generations: Mutex<HashMap<String, i64>>,
}

/// The objects that a migration found.
#[derive(Clone, Copy)]
struct Count {
    left: usize,
    all: usize,
}

impl Migrations {
    pub(super) fn new(api: &Arc<Api>) -> Option<Self> {
        let group = "storagemigration.k8s.io";
        let migrations = api.endpoints.registry(group, "storageversionmigrations")?;
        let definitions = ("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        Some(Migrations {
            own: Resource::new(api, (group, "v1", "storageversionmigrations"), MANAGER)?,
            definitions: Resource::new(api, definitions, MANAGER)?,
            migrations: [migrations.clone()],
            generations: Mutex::default(),
            api: api.clone(),
        })
    }

    /// The migration of a resource that is to be worked on: the one that runs, else the oldest.
    fn turn(&self, resource: &Value) -> Option<Value> {
        let (_, all) = self.own.list();
        let mut open: Vec<Value> = all
            .into_iter()
            .filter(|one| one["spec"]["resource"] == *resource && !is_over(one))
            .collect();
        open.sort_by_key(|one| {
            let began = one["metadata"]["creationTimestamp"].as_str().unwrap_or("");
            let running = conditions::is_true(one, "Running");
            (!running, began.to_owned(), meta::name(one).to_owned())
        });
        open.into_iter().next()
    }

    async fn migrate(&self, migration: &Value) -> Result<(), Trouble> {
        let name = meta::name(migration);
        let resource = &migration["spec"]["resource"];
        let text = |field: &str| resource[field].as_str().unwrap_or("");
        let (group, plural) = (text("group"), text("resource"));
        let Some(registry) = self.stored(group, plural) else {
            let made = parse_time(
                migration["metadata"]["creationTimestamp"]
                    .as_str()
                    .unwrap_or(""),
            );
            let now = crate::clock::Clock.unix_seconds();
            let late = made.is_none_or(|(made, _)| now - made > PATIENCE_SECONDS);
            if !late {
                return Err(Trouble::Later(format!("{plural}.{group} is not served")));
            }
            let why = "unable to obtain GVR from discovery".to_owned();
            return self.fail(name, None, why).await;
        };
        let began = self.begin(migration, &registry, (group, plural)).await?;
        match self.rewrite(&registry, began).await {
            Ok(count) => {
                self.succeed(name, count).await?;
                self.settle(migration, (group, plural), true).await?;
                Ok(())
            }
            Err((count, status)) if status.code >= 500 || status.code == 429 => {
                self.say(name, |object| running(count, Some(&status)).set(object))
                    .await?;
                Err(Trouble::Failed(status))
            }
            Err((count, status)) => {
                self.settle(migration, (group, plural), false).await?;
                self.fail(name, Some(count), status.message).await
            }
        }
    }

    /// What stores a resource.
    fn stored(&self, group: &str, plural: &str) -> Option<Arc<Registry>> {
        let wanted = GroupResource {
            group,
            resource: plural,
        };
        let mut all = self.api.endpoints.registries().into_iter();
        all.find(|registry| registry.group_resource() == wanted)
    }

    /// Says that it runs; the revision up to which objects are migrated.
    async fn begin(
        &self,
        migration: &Value,
        registry: &Registry,
        resource: (&str, &str),
    ) -> Result<Revision, Status> {
        let known = migration["status"]["resourceVersion"].as_str();
        if let Some(known) = known.and_then(|known| known.parse().ok()) {
            return Ok(Revision(known));
        }
        let name = meta::name(migration);
        let begins = Condition::new(
            "StorageMigrating",
            true,
            RUNNING,
            format!("Migration {name} is running"),
        );
        self.on_definition(resource, |object| {
            let generation = meta::generation(object);
            self.generations.lock().insert(name.to_owned(), generation);
            begins.set(object)
        })
        .await?;
        let (revision, _) = self.api.cacher.view(&registry.cache);
        self.say(name, |object| {
            object["status"]["resourceVersion"] = revision.0.to_string().into();
            Condition::new("Running", true, RUNNING, "The migration is running").set(object);
            true
        })
        .await?;
        Ok(revision)
    }

    /// Stores anew what is stored in another form than it would be now. What changed meanwhile needs it no more.
    async fn rewrite(
        &self,
        registry: &Registry,
        began: Revision,
    ) -> Result<Count, (Count, Status)> {
        let (_, snapshot) = self.api.cacher.view(&registry.cache);
        let all = snapshot.objects.len();
        let old: Vec<_> = snapshot
            .all()
            .filter(|cached| cached.revision <= began)
            .collect();
        for (done, cached) in old.iter().enumerate() {
            let left = old.len() - done;
            let written = async {
                let Some(stored) = registry.get_local(cached.namespace(), cached.name())? else {
                    return Ok(());
                };
                let object = stored.object.clone();
                registry
                    .replace(&stored, object, Default::default(), false)
                    .await
                    .map(|_| ())
            };
            let written: Result<(), Status> = written.await;
            written.map_err(|status| (Count { left, all }, status))?;
        }
        Ok(Count { left: 0, all })
    }

    async fn succeed(&self, name: &str, count: Count) -> Result<(), Status> {
        let reason = "StorageVersionMigrationSucceeded";
        let over = Condition::new("Succeeded", true, reason, "Migration completed");
        self.say(name, |object| {
            let now = running(count, None).set(object);
            over.set(object) || now
        })
        .await
    }

    async fn fail(&self, name: &str, count: Option<Count>, why: String) -> Result<(), Trouble> {
        let message = match count {
            None => format!("migration encountered unhandled error: {why}"),
            Some(Count { left, all }) => {
                format!(
                    "{left}/{all} not yet migrated. migration encountered unhandled error: {why}"
                )
            }
        };
        let reason = "StorageVersionMigrationFailed";
        let failed = Condition::new("Failed", true, reason, message);
        Ok(self.say(name, |object| failed.set(object)).await?)
    }

    async fn say(&self, name: &str, change: impl Fn(&mut Value) -> bool) -> Result<(), Status> {
        self.own.update_status("", name, change).await
    }

    /// Of a custom kind: its definition says that the migration is over, and which version alone is stored since, unless it
    /// has changed or it is not known whether it has.
    async fn settle(
        &self,
        migration: &Value,
        resource: (&str, &str),
        good: bool,
    ) -> Result<(), Status> {
        let name = meta::name(migration);
        let known = self.generations.lock().remove(name);
        self.on_definition(resource, |object| {
            let said = format!("Migration {name} is running");
            let ours = conditions::find(object, "StorageMigrating").is_some_and(|c| c["message"] == said);
            if !ours {
                return false;
            }
            let same = known == Some(meta::generation(object));
            let (reason, message) = match (good, same) {
                (true, true) => ("MigrationSucceeded", "The migration has succeeded and the stored versions have been updated"),
                (true, false) => ("MigrationSucceeded", "The migration has succeeded but the stored versions have not been updated due to a generation mismatch"),
                (false, _) => ("MigrationFailed", "The migration has failed"),
            };
            if good && same {
                let versions = object["spec"]["versions"].as_array().into_iter().flatten();
                let stored = versions.filter(|version| version["storage"] == true);
                let stored: Vec<Value> = stored.map(|version| version["name"].clone()).collect();
                object["status"]["storedVersions"] = json!(stored);
            }
            Condition::new("StorageMigrating", false, reason, message).set(object)
        })
        .await
    }

    async fn on_definition(
        &self,
        (group, plural): (&str, &str),
        change: impl Fn(&mut Value) -> bool,
    ) -> Result<(), Status> {
        let name = format!("{plural}.{group}");
        self.definitions.update_status("", &name, change).await
    }
}

fn is_over(migration: &Value) -> bool {
    ["Succeeded", "Failed"]
        .iter()
        .any(|condition| conditions::is_true(migration, condition))
}

fn running(count: Count, trouble: Option<&Status>) -> Condition {
    let Count { left, all } = count;
    let mut message = "The migration is running".to_owned();
    if all > 0 && left > 0 {
        message.push_str(&format!(", {left}/{all} objects not yet migrated"));
    } else if all > 0 {
        message.push_str(&format!(", {all} objects verified migrated"));
    }
    if let Some(trouble) = trouble {
        message.push_str(&format!("; transient error: {}", trouble.message));
    }
    Condition::new("Running", true, RUNNING, message)
}

impl Controller for Migrations {
    /// A migration's name.
    type Key = Box<str>;

    fn name(&self) -> &'static str {
        "svm"
    }

    fn sources(&self) -> &[Arc<Registry>] {
        &self.migrations
    }

    fn observe(&self, change: &Change<'_>, work: &mut Work<Box<str>>) {
        if let Some(object) = change.object() {
            work.add(object.name().into());
        }
    }

    async fn sync(&self, name: &Box<str>) -> Result<Vec<Box<str>>, Trouble> {
        let [migrations] = &self.migrations;
        let Some(found) = migrations.get_local("", name)? else {
            return Ok(Vec::new());
        };
        let resource = &found.object["spec"]["resource"];
        let next = self.turn(resource);
        match next {
            Some(next) if *meta::name(&next) == **name => self.migrate(&next).await?,
            _ => return Ok(Vec::new()),
        }
        // Another may have waited for this one.
        let next = self.turn(resource);
        Ok(next.iter().map(|next| meta::name(next).into()).collect())
    }
}
