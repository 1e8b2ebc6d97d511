pub mod goformat;
pub mod status;
