//! The environments that the reference compiles expressions in, one file each.

pub mod access;
pub mod definition;
pub mod device;
pub mod policy;

use crate::check::Checked;
use crate::env::Env;
use crate::plan;

/// A checked expression that can run.
fn runnable(env: &Env, checked: Checked) -> Result<Checked, String> {
    match plan::obstacle(env, &checked) {
        None => Ok(checked),
        Some(obstacle) => Err(format!("program instantiation failed: {obstacle}")),
    }
}
