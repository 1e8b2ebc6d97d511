//! Joining: a new member shows its token, gets the cluster's PKI over a connection pinned to the CA, and asks to be taken in
//! until it votes. And the other side of it, which answers before anybody can be authenticated: the token is the proof.

use super::pinned::{PROOF, Pinned};
use super::tokens::{self, Token};
use crate::api::Api;
use crate::options::Config;
use crate::pki::write_private;
use crate::reply::{self, Reply};
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use triad_kv::{Error, Identity, Member, Revision, Store, durable};

pub(crate) const PATHS: &str = "/triad/v1/join";
pub(super) const CA_PATH: &str = "/triad/v1/join/ca";
const MEMBER_PATH: &str = "/triad/v1/join/member";
pub(super) const ROLE: &str = "server";

/// What the members of a cluster have in common, under DATA/pki.
const SHARED: [&str; 6] = [
    "ca.crt",
    "ca.key",
    "peer-ca.crt",
    "peer-ca.key",
    "sa.key",
    "sa.pub",
];
/// Between two attempts to be taken in.
const PAUSE: Duration = Duration::from_millis(500);

/// The cluster and epoch to join. The first time this fetches the PKI; after that the data directory knows.
pub(crate) async fn prepare(config: &Config) -> Result<Option<(u64, u64)>> {
    let Some(text) = &config.join else {
        return Ok(None);
    };
    let store = config.data_dir.join("store");
    if store.join("identity").exists() {
        let identity =
            Identity::load_or_create(&store).context("cannot read who this member is")?;
        return Ok(Some((identity.cluster, identity.epoch)));
    }
    let token = Token::parse(text)?;
    let (_, answer) = ask(&token, Method::POST, PATHS, Bytes::new()).await?;
    let answer: Value =
        serde_json::from_slice(&answer).context("the cluster's answer is no JSON")?;
    let pki = config.data_dir.join("pki");
    durable::make_dirs(&pki)
        .with_context(|| format!("cannot make the PKI directory {}", pki.display()))?;
    for name in SHARED {
        let text = answer["files"][name]
            .as_str()
            .ok_or_else(|| anyhow!("the cluster's answer lacks {name}"))?;
        write_private(&pki.join(name), text)?;
    }
    let number = |name: &str| {
        answer[name]
            .as_u64()
            .ok_or_else(|| anyhow!("the cluster's answer lacks its {name}"))
    };
    tracing::info!("the cluster let this member in: its PKI is here");
    Ok(Some((number("cluster")?, number("epoch")?)))
}

/// Asks to be taken in until this member votes.
pub(crate) async fn become_member(config: &Config, store: &Store) -> Result<()> {
    let Some(text) = &config.join else {
        return Ok(());
    };
    let own = store.identity().context("the store is down")?.node;
    let votes = || store.members().iter().any(|peer| peer.own && peer.voter);
    if votes() {
        tracing::info!("this member belongs to a cluster already: --join is ignored");
        return Ok(());
    }
    let token = Token::parse(text)?;
    let member = json!({"id": own, "name": config.node_name, "address": config.peer_advertise});
    let body = Bytes::from(member.to_string());
    tracing::info!(name = %config.node_name, address = %config.peer_advertise, "joining: catching up with the cluster");
    loop {
        match ask(&token, Method::POST, MEMBER_PATH, body.clone()).await {
            Ok(_) if votes() => break,
            Ok(_) => {}
            Err(error) => tracing::info!("not a voter yet: {error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    catch_up(|| store.read_barrier()).await?;
    tracing::info!("joined: this member votes");
    Ok(())
}

/// Whoever led may have gone meanwhile: the next leader is waited for, however long it takes.
async fn catch_up<B>(barrier: impl Fn() -> B) -> Result<()>
where
    B: Future<Output = Result<Revision, Error>>,
{
    while let Err(error) = barrier().await {
        if !matches!(error, Error::Unavailable { .. } | Error::NotLeader { .. }) {
            return Err(error).context("this member has joined, and its store is down");
        }
        tracing::warn!("this member votes, but hears nothing from a leader yet: {error}");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Asks the token's addresses in turn; the first good answer and where it came from.
async fn ask(token: &Token, method: Method, path: &str, body: Bytes) -> Result<(String, Bytes)> {
    let mut failures = Vec::new();
    for endpoint in &token.endpoints {
        let asked = async {
            let pinned = Pinned::connect(endpoint, &token.ca).await?;
            pinned
                .call(method.clone(), path, Some(&token.proof()), body.clone())
                .await
        };
        match asked.await {
            Ok(answer) => return Ok((endpoint.clone(), answer)),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bail!(
        "no address of the token lets this member in: {}",
        failures.join("; ")
    )
}

/// Answers the calls of a joining member.
pub(crate) async fn answer(api: &Api, head: &Parts, body: hyper::body::Incoming) -> Reply {
    let path = head.uri.path();
    if path == CA_PATH {
        return match &api.serving_ca_file {
            Some(ca) => match std::fs::read(ca) {
                Ok(pem) => reply::bytes(200, "application/x-pem-file", pem),
                Err(error) => reply::text(500, format!("the CA cannot be read: {error}\n")),
            },
            None => reply::text(
                409,
                "this member serves with a certificate of its own making: give the joining member the PKI by its flags\n",
            ),
        };
    }
    let proof = head
        .headers
        .get(PROOF)
        .and_then(|proof| proof.to_str().ok());
    match tokens::admits(&api.store, ROLE, proof.unwrap_or_default()).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!("a join token was refused: unknown, revoked or past its time");
            return reply::text(401, "the join token is unknown, revoked or past its time\n");
        }
        Err(error) => return reply::text(503, format!("the token cannot be checked: {error}\n")),
    }
    let done = match path {
        PATHS if head.method == Method::POST => hand_out(api),
        MEMBER_PATH if head.method == Method::POST => take_in(api, body).await,
        _ => return reply::page_not_found(),
    };
    match done {
        Ok(answer) => reply::bytes(200, "application/json", answer.to_string()),
        Err(error) => reply::text(503, format!("{error:#}\n")),
    }
}

fn hand_out(api: &Api) -> Result<Value> {
    let pki = api.config.data_dir.join("pki");
    let read = |name: &str| {
        let path: &Path = &pki.join(name);
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut files = serde_json::Map::new();
    for name in SHARED {
        files.insert(name.to_owned(), read(name)?.into());
    }
    let identity = api.store.identity()?;
    Ok(json!({"cluster": identity.cluster, "epoch": identity.epoch, "files": files}))
}

async fn take_in(api: &Api, body: hyper::body::Incoming) -> Result<Value> {
    let body = crate::body_limit::read(body)
        .await
        .map_err(|status| anyhow!("{status}"))?;
    let asked: Value = serde_json::from_slice(&body).context("the body is no JSON")?;
    let word = |name: &str| {
        asked[name]
            .as_str()
            .filter(|word| !word.is_empty())
            .ok_or_else(|| anyhow!("the body lacks {name}"))
    };
    let id = asked["id"]
        .as_u64()
        .ok_or_else(|| anyhow!("the body lacks id"))?;
    let member = Member {
        name: word("name")?.to_owned(),
        address: word("address")?.to_owned(),
    };
    tracing::info!(name = %member.name, address = %member.address, "a member asks to be taken in");
    api.store.add_member(id, &member).await?;
    Ok(json!({"voter": true}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// What `catch_up` comes to when its barriers end like this, one after another, and how many it has asked for.
    async fn after(barriers: Vec<Result<Revision, Error>>) -> (Result<()>, usize) {
        let (all, left) = (barriers.len(), RefCell::new(barriers.into_iter()));
        let next = || left.borrow_mut().next().expect("no more than these");
        let barrier = || std::future::ready(next());
        let outcome = catch_up(barrier).await;
        (outcome, all - left.into_inner().len())
    }

    fn unavailable() -> Result<Revision, Error> {
        let why = "no majority".into();
        Err(Error::Unavailable { why })
    }

    fn not_leader() -> Result<Revision, Error> {
        let leader = Some("gone".into());
        Err(Error::NotLeader { leader })
    }

    #[tokio::test]
    async fn the_next_leader_is_waited_for() {
        let (outcome, asked) = after(vec![not_leader(), unavailable(), Ok(Revision(7))]).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_not_waited_for() {
        let (outcome, asked) = after(vec![unavailable(), Err(Error::Closed), unavailable()]).await;
        let why = format!("{:#}", outcome.unwrap_err());
        assert!(why.contains("its store is down"), "{why}");
        assert_eq!(asked, 2);
    }
}
