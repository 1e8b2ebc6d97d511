//! Loads that read: single objects, and lists in the forms that clients ask for.

use bytes::Bytes;
use serde::Deserialize;

use super::link::{Call, Failure, Link};
use super::load::{Turn, Work};
use super::objects::{Kind, NAMESPACE, Wire, name_of, node_name};
use super::tally::Done;

/// Objects that a client of a GET load goes through.
pub(crate) const READ: usize = 64;
/// The page size that client-go's pager asks for.
const PAGE: usize = 500;

/// Gets objects of a population, one after another.
pub(crate) struct Get {
    kind: Kind,
    wire: Wire,
    population: usize,
    next: usize,
}

impl Get {
    pub(crate) fn new(kind: Kind, wire: Wire, population: usize, client: usize) -> Self {
        Self {
            kind,
            wire,
            population,
            next: client * 31,
        }
    }
}

impl Work for Get {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            self.next = (self.next + 1) % self.population.max(1);
            let name = name_of(self.kind, self.next);
            let path = format!("{}/{name}", self.kind.path(NAMESPACE));
            let received = link.drain(Call::get(path, self.wire.media_type())).await?;
            Ok(Done { sent: 0, received })
        })
    }
}

/// Which list, in what form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole(Wire),
    Gzip,
    Pages,
    Table,
    /// One pod in a hundred, by a label.
    Label,
    /// One pod in a hundred, by its node.
    Node,
}

/// Lists a population, over and over.
pub(crate) struct List {
    kind: Kind,
    form: Form,
}

impl List {
    pub(crate) fn new(kind: Kind, form: Form) -> Self {
        Self { kind, form }
    }

    fn call(&self) -> Call {
        let path = self.kind.path(NAMESPACE);
        let json = Wire::Json.media_type();
        match self.form {
            Form::Whole(wire) => Call::get(path, wire.media_type()),
            Form::Gzip => Call {
                gzip: true,
                ..Call::get(path, json)
            },
            Form::Pages => Call::get(format!("{path}?limit={PAGE}"), json),
            Form::Table => Call::get(
                path,
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            ),
            Form::Label => Call::get(format!("{path}?labelSelector=shard%3Ds7"), json),
            Form::Node => {
                let selector = format!("spec.nodeName%3D{}", node_name(7));
                Call::get(format!("/api/v1/pods?fieldSelector={selector}"), json)
            }
        }
    }

    /// All pages of one list.
    async fn pages(&self, link: &mut Link) -> Result<u64, Failure> {
        let mut received = 0;
        let mut token = String::new();
        loop {
            let mut call = self.call();
            if !token.is_empty() {
                call.path = format!("{}&continue={token}", call.path);
            }
            let page = link.fetch(call).await?;
            received += page.len() as u64;
            token = next_page(&page)?;
            if token.is_empty() {
                return Ok(received);
            }
        }
    }
}

impl Work for List {
    fn turn<'a>(&'a mut self, link: &'a mut Link) -> Turn<'a> {
        Box::pin(async move {
            let received = match self.form {
                Form::Pages => self.pages(link).await?,
                _ => link.drain(self.call()).await?,
            };
            Ok(Done { sent: 0, received })
        })
    }
}

/// The token of a page's successor; empty after the last. The list's metadata comes before its items.
fn next_page(page: &Bytes) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Meta,
    }
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default, rename = "continue")]
        token: String,
    }
    let head: Head = serde_json::from_slice(page).map_err(Failure::lost)?;
    Ok(head.metadata.token)
}

/// Reads a collection's items once and counts them, to know that a list is what the scenario says before it is measured.
pub(crate) async fn count(link: &mut Link, kind: Kind, form: Form) -> Result<usize, Failure> {
    #[derive(Deserialize)]
    struct Items {
        #[serde(default)]
        items: Vec<serde::de::IgnoredAny>,
    }
    let answer = link.fetch(List::new(kind, form).call()).await?;
    let list: Items = serde_json::from_slice(&answer).map_err(Failure::lost)?;
    Ok(list.items.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_until_the_last() {
        let page = |text: &'static str| Bytes::from_static(text.as_bytes());
        let more =
            page(r#"{"kind":"PodList","metadata":{"continue":"abc"},"items":[{"metadata":{}}]}"#);
        assert_eq!(next_page(&more).unwrap(), "abc");
        let last = page(r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#);
        assert_eq!(next_page(&last).unwrap(), "");
        assert!(next_page(&page("not found")).is_err());
    }
}
