//! A document as it is answered with: tag and bodies, whatever it is made of.

use super::built_in::BuiltIn;
use super::published::{Encoding, Maker, Published};
use super::swagger::{Swagger, Whole};
use crate::body::{Body, CutShort};
use crate::reply::{self, Reply};
use triad_machinery::status::Status;

/// A document in both encodings.
pub(super) trait Shown {
    /// What it is known by, where it is going to be shown in this encoding.
    fn etag(&self, encoding: Encoding) -> &str;
    fn zipped(&self, encoding: Encoding) -> Result<Body, CutShort>;
    fn plain(&self, encoding: Encoding) -> Result<Body, CutShort>;
}

/// One that is made as a whole.
pub(super) struct Single<'a> {
    pub(super) document: &'a Published,
    pub(super) maker: &'a Maker<'a>,
}

impl Shown for Single<'_> {
    fn etag(&self, encoding: Encoding) -> &str {
        // First, for it gives the tag.
        self.document.compressed(encoding, self.maker);
        self.document.etag(self.maker)
    }

    fn zipped(&self, encoding: Encoding) -> Result<Body, CutShort> {
        let compressed = self.document.compressed(encoding, self.maker);
        Ok(compressed.clone().into())
    }

    fn plain(&self, encoding: Encoding) -> Result<Body, CutShort> {
        Ok(self.document.plain(encoding, self.maker).into())
    }
}

/// The one of all kinds.
pub(super) struct Combined<'a> {
    pub(super) document: &'a Swagger,
    pub(super) built_in: &'a BuiltIn,
}

impl Combined<'_> {
    fn whole(&self, encoding: Encoding) -> Result<&Whole, CutShort> {
        let whole = self.document.whole(encoding, self.built_in);
        whole.as_ref().map_err(Clone::clone)
    }
}

impl Shown for Combined<'_> {
    fn etag(&self, _: Encoding) -> &str {
        self.document.etag(self.built_in)
    }

    fn zipped(&self, encoding: Encoding) -> Result<Body, CutShort> {
        Ok(self.whole(encoding)?.zipped())
    }

    fn plain(&self, encoding: Encoding) -> Result<Body, CutShort> {
        Ok(self.whole(encoding)?.plain())
    }
}

pub(super) fn cannot_be_made(why: &CutShort) -> Reply {
    reply::raw_status(&Status::internal(why))
}
