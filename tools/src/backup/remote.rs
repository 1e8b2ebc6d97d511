//! A backup that a running server holds ready: what it is of, and its files, read piece by piece.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use triad_backup::{About, File};

use crate::api::{Client, Session};

const PATH: &str = "/triad/v1/backups";
/// How long the server may take: it reads every table that it has not read for a backup before.
const LISTING_LIMIT: Duration = Duration::from_secs(3600);

pub(super) struct Begun {
    session: Arc<Mutex<Session>>,
    id: String,
    pub(super) about: About,
    pub(super) files: Vec<File>,
}

impl Begun {
    pub(super) fn begin(client: &Client) -> Result<Self> {
        let mut session = Session::patient(client, LISTING_LIMIT)?;
        let answer = session.bytes(Method::POST, PATH, None)?;
        let answer: Value =
            serde_json::from_slice(&answer).context("the server's answer is no JSON")?;
        let lacks = "the server's answer lacks what a backup is of";
        Ok(Self {
            session: Arc::new(Mutex::new(session)),
            id: answer["id"].as_str().context(lacks)?.to_owned(),
            about: serde_json::from_value(answer["about"].clone()).context(lacks)?,
            files: serde_json::from_value(answer["files"].clone()).context(lacks)?,
        })
    }

    pub(super) fn read(&mut self, file: &File) -> Box<dyn Read + Send> {
        Box::new(Pieces {
            session: self.session.clone(),
            path: format!("{PATH}/{}/{}", self.id, file.name),
            offset: 0,
            size: file.size,
            piece: Bytes::new(),
        })
    }

    /// Has the server give it up.
    pub(super) fn end(self) -> Result<()> {
        let mut session = self.session.lock().unwrap_or_else(|e| e.into_inner());
        let path = format!("{PATH}/{}", self.id);
        session.bytes(Method::DELETE, &path, None).map(|_| ())
    }
}

/// A file that comes in pieces; one is in memory at a time.
struct Pieces {
    session: Arc<Mutex<Session>>,
    path: String,
    offset: u64,
    size: u64,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.offset < self.size {
            let path = format!("{}?offset={}", self.path, self.offset);
            let mut session = self.session.lock().unwrap_or_else(|e| e.into_inner());
            let piece = session.bytes(Method::GET, &path, None);
            self.piece = piece.map_err(|e| io::Error::other(format!("{e:#}")))?;
            self.offset += self.piece.len() as u64;
        }
        let length = out.len().min(self.piece.len());
        out[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
