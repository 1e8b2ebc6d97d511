//! The stores that are measured: one, or several that form a cluster over loopback.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use triad_kv::{Identity, Member, PeerOptions, Store, StoreOptions, peer_name};

use crate::tls::{Authority, Tls, authority};

pub(crate) struct Bed {
    pub(crate) stores: Vec<Store>,
    options: Vec<StoreOptions>,
}

impl Bed {
    /// Members in `DIR/n0`, `DIR/n1`...; what lies there is gone on with.
    pub(crate) async fn form(dir: &Path, nodes: usize) -> crate::Outcome<Self> {
        let authority = authority();
        let mut stores: Vec<Store> = Vec::new();
        let mut all = Vec::new();
        for n in 0..nodes {
            let options = options(dir, n, stores.first(), &authority)?;
            let peers = options.peers.clone();
            all.push(options.clone());
            let store = Store::open(options).await?;
            if let (Some(first), Some(peers)) = (stores.first(), peers) {
                let member = Member {
                    name: format!("n{n}"),
                    address: peers.advertise,
                };
                first.add_member(store.identity()?.node, &member).await?;
            }
            stores.push(store);
        }
        Ok(Self {
            stores,
            options: all,
        })
    }

    /// Starts a member again that was shut down.
    pub(crate) async fn reopen(&mut self, node: usize) -> crate::Outcome<()> {
        self.stores[node] = Store::open(self.options[node].clone()).await?;
        Ok(())
    }

    pub(crate) fn leader(&self) -> usize {
        let leads = |store: &Store| store.health().leader;
        self.stores.iter().position(leads).unwrap_or(0)
    }

    pub(crate) async fn end(self) {
        for store in self.stores.into_iter().rev() {
            store.shutdown().await;
        }
    }
}

fn options(
    dir: &Path,
    n: usize,
    first: Option<&Store>,
    authority: &Authority,
) -> crate::Outcome<StoreOptions> {
    let mut options = StoreOptions::new(dir.join(format!("n{n}")), format!("n{n}"));
    // The port is free again once the listener is dropped.
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let joining = match first {
        Some(first) => {
            let Identity { cluster, epoch, .. } = first.identity()?;
            Some((cluster, epoch))
        }
        None => None,
    };
    options.peers = Some(PeerOptions {
        listen,
        advertise: listen.to_string(),
        joining,
        tls: Arc::new(Tls::new(authority, authority, peer_name)),
        answer: Arc::new(()),
    });
    Ok(options)
}
