//! The form of everything that is written: zstd, and age around it when it is encrypted. Both ways stream; what is read is told
//! apart by what went wrong: the disk, the key, or the bytes.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex};

use age::stream::{StreamReader, StreamWriter};
use sha2::{Digest, Sha256};

use crate::destination::{Destination, Sink};
use crate::{Error, Keys, Meter, Result, hex};

/// Tables are compressed already: more effort gains little.
const LEVEL: i32 = 1;
const BUFFER_BYTES: usize = 256 << 10;
/// How the names of encrypted things end.
const ENCRYPTED: &str = ".age";

/// The ending of what is sealed with these keys.
pub(crate) fn ending(keys: &Keys) -> String {
    match keys.fingerprint() {
        Some(recipients) => format!(".{recipients}.zst{ENCRYPTED}"),
        None => ".zst".into(),
    }
}

pub(crate) fn is_encrypted(name: &str) -> bool {
    name.ends_with(ENCRYPTED)
}

/// Writes what `from` holds, sealed; what it was, or None when something had the name.
pub(crate) fn write(
    place: &dyn Destination,
    name: &str,
    keys: &Keys,
    from: &mut dyn Read,
    meter: &Meter<'_>,
) -> Result<Option<Sum>> {
    let shown = place.describe(name);
    let failed = |e: io::Error| Error::io(format!("cannot write {shown}"), e);
    let sink = place.create(name)?;
    let mut sum = Summing::default();
    let finished = if is_encrypted(name) {
        let recipients = keys.recipients().iter().map(|r| r as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients)
            .map_err(|e| Error::io(format!("cannot encrypt {shown}"), e))?;
        let out: StreamWriter<Box<dyn Sink>> = encryptor.wrap_output(sink).map_err(failed)?;
        let out = compress(out, from, &mut sum, meter, &shown)?;
        out.finish().map_err(failed)?.finish()?
    } else {
        compress(sink, from, &mut sum, meter, &shown)?.finish()?
    };
    Ok(finished.then(|| sum.end()))
}

fn compress<W: Write>(
    out: W,
    from: &mut dyn Read,
    sum: &mut Summing,
    meter: &Meter<'_>,
    shown: &str,
) -> Result<W> {
    let failed = |e: io::Error| Error::io(format!("cannot write {shown}"), e);
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer);
        let read = read.map_err(|e| Error::io(format!("reading what is to be {shown}"), e))?;
        if read == 0 {
            return encoder.finish().map_err(failed);
        }
        sum.add(&buffer[..read]);
        meter.add(read as u64);
        encoder.write_all(&buffer[..read]).map_err(failed)?;
    }
}

/// Opens something sealed and writes what it holds to `to`; what that was.
pub(crate) fn read(
    place: &dyn Destination,
    name: &str,
    keys: &Keys,
    to: &mut dyn Write,
    meter: &Meter<'_>,
) -> Result<Sum> {
    let shown = place.describe(name);
    let trouble = Trouble::default();
    let raw = BufReader::with_capacity(
        BUFFER_BYTES,
        Watched {
            from: place.read(name)?,
            trouble: trouble.clone(),
        },
    );
    let judge = |e: io::Error| trouble.judge(&shown, &e);
    let opened: Box<dyn Read> = if is_encrypted(name) {
        Box::new(decrypt(raw, keys, &shown, &trouble)?)
    } else {
        Box::new(raw)
    };
    let mut decoder = zstd::Decoder::new(opened).map_err(judge)?;
    let mut sum = Summing::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = decoder.read(&mut buffer).map_err(judge)?;
        if read == 0 {
            return Ok(sum.end());
        }
        sum.add(&buffer[..read]);
        meter.add(read as u64);
        let written = to.write_all(&buffer[..read]);
        written.map_err(|e| Error::io(format!("cannot write what {shown} holds"), e))?;
    }
}

fn decrypt<R: io::BufRead>(
    raw: R,
    keys: &Keys,
    shown: &str,
    trouble: &Trouble,
) -> Result<StreamReader<R>> {
    if keys.identities().next().is_none() {
        let what = "it is encrypted: --identity or --passphrase-file opens it";
        return Err(Error::key(shown, what));
    }
    let why = |e: age::DecryptError| match e {
        age::DecryptError::Io(e) => trouble.judge(shown, &e),
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed => {
            Error::key(shown, "it was encrypted to other keys than those given")
        }
        other => Error::damaged(
            shown,
            format!("its head is not that of an encrypted file: {other}"),
        ),
    };
    let decryptor = age::Decryptor::new_buffered(raw).map_err(why)?;
    decryptor.decrypt(keys.identities()).map_err(why)
}

/// What bytes were: how many, and their SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

#[derive(Default)]
struct Summing {
    size: u64,
    hash: Sha256,
}

impl Summing {
    fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.hash.update(bytes);
    }

    fn end(self) -> Sum {
        Sum {
            size: self.size,
            sha256: hex(&self.hash.finalize()),
        }
    }
}

/// What the source itself failed with, which is not the fault of the bytes.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn judge(&self, shown: &str, error: &io::Error) -> Error {
        if let Some(why) = &*self.0.lock().unwrap_or_else(|e| e.into_inner()) {
            return Error::io(format!("cannot read {shown}"), why);
        }
        if error.kind() == ErrorKind::UnexpectedEof {
            return Error::damaged(shown, format!("it ends too early ({error})"));
        }
        Error::damaged(shown, format!("it does not decode ({error})"))
    }
}

struct Watched {
    from: Box<dyn Read + Send>,
    trouble: Trouble,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.from.read(out).inspect_err(|e| {
            if e.kind() != ErrorKind::Interrupted {
                let mut trouble = self.trouble.0.lock().unwrap_or_else(|e| e.into_inner());
                trouble.get_or_insert_with(|| e.to_string());
            }
        })
    }
}
