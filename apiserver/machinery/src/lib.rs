pub mod duration;
pub mod goformat;
pub mod meta;
pub mod names;
pub mod selector;
pub mod status;
