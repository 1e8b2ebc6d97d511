//! A bucket of an object store: s3://BUCKET/PREFIX, gs:// and az:// alike. Credentials and endpoints come from the environment
//! variables that the clouds' own tools read (AWS_*, GOOGLE_*, AZURE_*). Calls block; a small runtime of its own does the work.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig, WriteMultipart};
use tokio::runtime::Runtime;

use super::{Destination, Item, Sink};
use crate::{Error, Result};

/// What is no larger goes up in one call, and what is larger in parts of this size.
const PART_BYTES: usize = 8 << 20;
/// Parts under way at a time; a writer waits for room.
const PARTS: usize = 3;
/// How long a failing call is tried again.
const RETRY_LIMIT: Duration = Duration::from_secs(30);
const RETRIES: usize = 6;

pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    url: String,
    prefix: Path,
}

impl Bucket {
    pub(super) fn open(dest: &str) -> Result<Self> {
        let refused = |e: &dyn std::fmt::Display| Error::Refused(format!("{dest}: {e}"));
        let url = url::Url::parse(dest).map_err(|e| refused(&e))?;
        let store = connect(&url).map_err(|e| refused(&e))?;
        let prefix = Path::from_url_path(url.path()).map_err(|e| refused(&e))?;
        Self::over(store, dest.trim_end_matches('/'), prefix)
    }

    fn over(store: Arc<dyn ObjectStore>, url: &str, prefix: Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| Error::io("cannot start a runtime", e))?;
        Ok(Self {
            store,
            runtime: Arc::new(runtime),
            url: url.to_owned(),
            prefix,
        })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn failed(&self, doing: &str, name: &str, error: &object_store::Error) -> Error {
        match error {
            object_store::Error::NotFound { .. } => {
                Error::Missing(format!("{} is missing", self.describe(name)))
            }
            other => Error::io(format!("cannot {doing} {}", self.describe(name)), other),
        }
    }
}

fn connect(url: &url::Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: RETRY_LIMIT,
        ..RetryConfig::default()
    };
    Ok(match url.scheme() {
        "s3" => {
            let builder = AmazonS3Builder::from_env().with_url(url.as_str());
            // Whoever names a plain endpoint wants it: there is none by default.
            let plain = builder
                .get_config_value(&AmazonS3ConfigKey::Endpoint)
                .is_some_and(|endpoint| endpoint.starts_with("http://"));
            let builder = if plain {
                builder.with_allow_http(true)
            } else {
                builder
            };
            Arc::new(builder.with_retry(retry).build()?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
            Arc::new(builder.with_retry(retry).build()?)
        }
        _ => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str());
            Arc::new(builder.with_retry(retry).build()?)
        }
    })
}

impl Destination for Bucket {
    fn list(&self, folder: &str) -> Result<Vec<Item>> {
        let path = self.path(folder);
        let prefix = (!path.as_ref().is_empty()).then_some(&path);
        let listed = self
            .runtime
            .block_on(self.store.list_with_delimiter(prefix));
        let listed = listed.map_err(|e| self.failed("list", folder, &e))?;
        let item = |object: object_store::ObjectMeta| Item {
            name: object.location.filename().unwrap_or_default().to_owned(),
            size: object.size,
        };
        Ok(listed.objects.into_iter().map(item).collect())
    }

    fn read(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.path(name);
        let got = self.runtime.block_on(self.store.get(&path));
        let got = got.map_err(|e| self.failed("read", name, &e))?;
        Ok(Box::new(Download {
            stream: got.into_stream(),
            runtime: self.runtime.clone(),
            piece: Bytes::new(),
        }))
    }

    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Upload {
            store: self.store.clone(),
            runtime: self.runtime.clone(),
            path: self.path(name),
            shown: self.describe(name),
            buffer: Vec::new(),
            parts: None,
        }))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match self.runtime.block_on(self.store.delete(&path)) {
            Err(e) if !matches!(e, object_store::Error::NotFound { .. }) => {
                Err(self.failed("remove", name, &e))
            }
            _ => Ok(()),
        }
    }

    fn describe(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }
}

struct Download {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    runtime: Arc<Runtime>,
    piece: Bytes,
}

impl Read for Download {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(piece) => self.piece = piece.map_err(std::io::Error::other)?,
            }
        }
        let length = out.len().min(self.piece.len());
        out[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Something going up: in one call when it is small, which is when nothing may be replaced, else in parts. What goes up in parts
/// is named by what it holds, so replacing it changes nothing.
struct Upload {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    path: Path,
    shown: String,
    buffer: Vec<u8>,
    parts: Option<WriteMultipart>,
}

impl Upload {
    fn send_part(&mut self) -> object_store::Result<()> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => {
                let begun = self
                    .runtime
                    .block_on(self.store.put_multipart(&self.path))?;
                WriteMultipart::new_with_chunk_size(begun, PART_BYTES)
            }
        };
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        let sent = self.runtime.block_on(async {
            parts.wait_for_capacity(PARTS).await?;
            parts.put(bytes);
            Ok(())
        });
        self.parts = Some(parts);
        sent
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(PART_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PART_BYTES {
            self.send_part().map_err(std::io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink for Upload {
    fn finish(mut self: Box<Self>) -> Result<bool> {
        let shown = self.shown.clone();
        let failed = |e: object_store::Error| Error::io(format!("cannot write {shown}"), e);
        let buffer = Bytes::from(std::mem::take(&mut self.buffer));
        if let Some(mut parts) = self.parts.take() {
            let done = self.runtime.block_on(async move {
                parts.put(buffer);
                parts.finish().await
            });
            return done.map(|_| true).map_err(failed);
        }
        let put = self.store.put_opts(
            &self.path,
            PutPayload::from_bytes(buffer),
            PutMode::Create.into(),
        );
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // What stays behind after this is the bucket's own rule for unfinished uploads to remove.
            let _ = self.runtime.block_on(parts.abort());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::put;

    fn bucket() -> Bucket {
        let store = Arc::new(object_store::memory::InMemory::new());
        Bucket::over(store, "mem://b/deep", Path::from("deep")).unwrap()
    }

    #[test]
    fn what_is_there_is_never_replaced() {
        let bucket = bucket();
        assert!(put(&bucket, "files/one", b"first").unwrap());
        assert!(!put(&bucket, "files/one", b"second").unwrap());
        assert_eq!(
            crate::destination::read_all(&bucket, "files/one").unwrap(),
            b"first"
        );
        assert!(bucket.list("").unwrap().is_empty());
        let listed = bucket.list("files/").unwrap();
        assert_eq!((listed[0].name.as_str(), listed[0].size), ("one", 5));
        bucket.remove("files/one").unwrap();
        bucket.remove("files/one").unwrap();
        let gone = bucket.read("files/one").err().unwrap();
        assert!(matches!(&gone, Error::Missing(what) if what.contains("mem://b/deep/files/one")));
    }

    #[test]
    fn what_is_large_goes_up_in_parts_and_comes_back_whole() {
        let bucket = bucket();
        let bytes: Vec<u8> = (0..PART_BYTES * 5 / 2).map(|n| (n % 251) as u8).collect();
        assert!(put(&bucket, "files/large", &bytes).unwrap());
        let back = crate::destination::read_all(&bucket, "files/large").unwrap();
        assert!(back == bytes);
        let mut unfinished = bucket.create("files/unfinished").unwrap();
        unfinished.write_all(&bytes).unwrap();
        drop(unfinished);
        assert_eq!(bucket.list("files/").unwrap().len(), 1);
    }
}
