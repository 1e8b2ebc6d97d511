//! The stages a request passes before its handler, in the order of server.rs's chain.

pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod flow;
pub(crate) mod impersonate;
mod kept;
pub(crate) mod request_info;
