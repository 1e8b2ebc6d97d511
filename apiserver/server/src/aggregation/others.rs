//! What other servers say that they serve, all of one moment.

use super::documents::Documents;
use super::{Aggregation, Swagger, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// The documents of other servers at one moment; the generation is another when they are.
#[derive(Default)]
pub(crate) struct Others {
    pub(crate) generation: u64,
    pub(crate) documents: Arc<Documents>,
    table: Arc<Table>,
}

impl Others {
    /// What they say in OpenAPI v2, groups of higher priority first, and then by the names of APIServices.
    pub(crate) fn swagger(&self) -> Vec<Arc<Swagger>> {
        let mut of_groups: HashMap<&str, i64> = HashMap::new();
        for (service, _) in self.table.remotes() {
            let priority = of_groups.entry(&service.group).or_insert(i64::MIN);
            *priority = service.group_priority.max(*priority);
        }
        let mut remotes: Vec<_> = self.table.remotes().map(|(service, _)| service).collect();
        remotes.sort_by_key(|service| (-of_groups[service.group.as_str()], &service.name));
        let shown = remotes
            .iter()
            .filter_map(|service| self.documents.get(&service.name));
        shown.filter_map(|shown| shown.swagger.clone()).collect()
    }
}

impl Aggregation {
    /// What other servers say with its generation, which is at most older.
    pub(crate) fn others(&self) -> Others {
        Others {
            generation: self.generation(),
            documents: self.documents(),
            table: self.table(),
        }
    }
}
