//! The pure part of the API server: schema, scheme, codecs, defaulting, patches, selectors, printers. No I/O, no tokio, no
//! clock; the server calls it, it never calls up.

pub mod codec;
pub mod conversion;
pub mod custom;
pub mod defaults;
pub mod duration;
pub mod features;
pub mod goformat;
pub mod managed_fields;
pub mod meta;
pub mod names;
mod nesting;
pub mod openapi;
pub mod patch;
pub mod pod;
pub mod pod_quality;
pub mod printers;
pub mod quantity;
pub mod schema;
pub mod scheme;
pub mod selector;
pub mod status;
pub mod usage;
pub mod validation;
