//! What the secure port speaks at this moment: its files are followed, and new connections get what they say now. A pair whose new
//! files are wrong stays as it was; what is wrong with it is logged.

use super::names::Chosen;
use super::{Lenient, certificates_of};
use crate::filters::following::follow_all;
use crate::options::{NamedPair, Transport};
use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct Serving {
    transport: Transport,
    /// The serving pair, and behind it the named ones.
    pairs: Vec<NamedPair>,
    client_cas: Vec<PathBuf>,
    read: Mutex<Read>,
    now: ArcSwap<Now>,
}

/// What was read last and was right.
struct Read {
    pairs: Vec<Text<2, Arc<CertifiedKey>>>,
    client_cas: Vec<Text<1, RootCertStore>>,
}

/// The texts of files, and what they mean.
struct Text<const N: usize, T> {
    files: [Vec<u8>; N],
    meaning: T,
}

struct Now {
    all: Arc<ServerConfig>,
    /// For connections to an address that has a certificate of its own.
    by_address: HashMap<IpAddr, Arc<ServerConfig>>,
}

impl Serving {
    /// Reads all files. `client_cas` may sign client certificates.
    pub(crate) fn open(
        transport: &Transport,
        serving: &(PathBuf, PathBuf),
        client_cas: Vec<PathBuf>,
    ) -> Result<Self> {
        let mut pairs = vec![NamedPair {
            certificate: serving.0.clone(),
            key: serving.1.clone(),
            names: Vec::new(),
        }];
        pairs.extend(transport.named.iter().cloned());
        let text = |file: &Path| {
            std::fs::read(file).map_err(|error| anyhow!("cannot read {}: {error}", file.display()))
        };
        let mut read = Read {
            pairs: Vec::with_capacity(pairs.len()),
            client_cas: Vec::with_capacity(client_cas.len()),
        };
        for pair in &pairs {
            let files = [text(&pair.certificate)?, text(&pair.key)?];
            read.pairs.push(Text {
                meaning: certified(transport, pair, &files[0], &files[1])?,
                files,
            });
        }
        for file in &client_cas {
            let files = [text(file)?];
            let meaning = roots(&files[0]).with_context(|| file.display().to_string())?;
            read.client_cas.push(Text { files, meaning });
        }
        let now = now(transport, &pairs, &read)?;
        Ok(Serving {
            transport: transport.clone(),
            pairs,
            client_cas,
            now: ArcSwap::from_pointee(now),
            read: Mutex::new(read),
        })
    }

    /// How to speak on a connection to one of this host's addresses.
    pub(crate) fn at(&self, local: Option<IpAddr>) -> Arc<ServerConfig> {
        let now = self.now.load();
        let of_address = local.and_then(|local| now.by_address.get(&local.to_canonical()));
        of_address.unwrap_or(&now.all).clone()
    }

    /// Takes what the files say from now on, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        let pairs = join_all((0..self.pairs.len()).map(|at| self.follow_pair(at)));
        let client_cas = join_all((0..self.client_cas.len()).map(|at| self.follow_ca(at)));
        tokio::join!(pairs, client_cas);
    }

    async fn follow_pair(&self, at: usize) {
        let pair = &self.pairs[at];
        let what = match at {
            0 => "serving certificate",
            _ => "serving certificate of names",
        };
        let known = self.read.lock().pairs[at].files.clone();
        follow_all(
            [&pair.certificate, &pair.key],
            known,
            what,
            |[cert, key]| {
                let meaning = certified(&self.transport, pair, cert, key).map_err(said)?;
                self.take(|read| read.pairs[at].meaning = meaning)
            },
        )
        .await;
    }

    async fn follow_ca(&self, at: usize) {
        let file = &self.client_cas[at];
        let known = self.read.lock().client_cas[at].files.clone();
        follow_all([file], known, "client CA named to clients", |[text]| {
            let meaning = roots(text).map_err(said)?;
            self.take(|read| read.client_cas[at].meaning = meaning)
        })
        .await;
    }

    fn take(&self, change: impl FnOnce(&mut Read)) -> Result<(), String> {
        let mut read = self.read.lock();
        change(&mut read);
        let now = now(&self.transport, &self.pairs, &read).map_err(said)?;
        self.now.store(Arc::new(now));
        Ok(())
    }
}

fn said(error: anyhow::Error) -> String {
    format!("{error:#}")
}

/// A certificate with the key that belongs to it.
fn certified(
    transport: &Transport,
    pair: &NamedPair,
    certificate: &[u8],
    key: &[u8],
) -> Result<Arc<CertifiedKey>> {
    let (certificate_file, key_file) = (pair.certificate.display(), pair.key.display());
    let chain = certificates_of(certificate).with_context(|| certificate_file.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| anyhow!("{key_file} holds no private key: {error}"))?;
    let certified = CertifiedKey::from_der(chain, key, &transport.provider);
    let certified = certified
        .with_context(|| format!("{certificate_file} and {key_file} do not make a pair"))?;
    Ok(Arc::new(certified))
}

fn roots(text: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(text)? {
        roots
            .add(certificate)
            .context("holds a certificate that cannot be a CA")?;
    }
    Ok(roots)
}

fn now(transport: &Transport, pairs: &[NamedPair], read: &Read) -> Result<Now> {
    let mut all = RootCertStore::empty();
    for ca in &read.client_cas {
        all.roots.extend(ca.meaning.roots.iter().cloned());
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(all), transport.provider.clone())
            .allow_unauthenticated()
            .build()
            .context("cannot use the client CA")?;
    let named: Vec<_> = pairs
        .iter()
        .zip(&read.pairs)
        .skip(1)
        .map(|(pair, read)| (pair, read.meaning.clone()))
        .collect();
    let Chosen { names, by_address } = Chosen::new(&read.pairs[0].meaning, &named);
    let config = |names| speaking(transport, verifier.clone(), names).map(Arc::new);
    let by_address: Result<_> = by_address
        .into_iter()
        .map(|(address, certificate)| Ok((address, config(names.at(certificate))?)))
        .collect();
    Ok(Now {
        by_address: by_address?,
        all: config(names)?,
    })
}

fn speaking(
    transport: &Transport,
    verifier: Arc<dyn ClientCertVerifier>,
    names: super::names::Names,
) -> Result<ServerConfig> {
    let config = ServerConfig::builder_with_provider(transport.provider.clone())
        .with_protocol_versions(transport.versions)
        .context("--tls-cipher-suites and --tls-curve-preferences leave nothing to speak")?
        .with_client_cert_verifier(Arc::new(Lenient(verifier)));
    let mut config = config.with_cert_resolver(Arc::new(names));
    config.alpn_protocols = match transport.http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Ok(config)
}

#[cfg(test)]
mod tests;
