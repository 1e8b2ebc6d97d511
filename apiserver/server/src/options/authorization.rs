//! The flags about who may do what (kubernetes pkg/kubeapiserver/options/authorization.go).

use super::{Exit, Flags};
use crate::filters::authorize::configuration::Options;
use std::path::PathBuf;

pub(super) fn options(flags: &Flags) -> Result<Options, Exit> {
    let of_flags = [
        "authorization-mode",
        "authorization-policy-file",
        "authorization-webhook-config-file",
        "authorization-webhook-version",
        "authorization-webhook-cache-authorized-ttl",
        "authorization-webhook-cache-unauthorized-ttl",
    ];
    let path = |name: &str| flags.text(name).map(PathBuf::from);
    let config_file = path("authorization-config");
    let beside = of_flags
        .into_iter()
        .filter(|name| *name != "authorization-policy-file");
    if let Some(other) = beside
        .into_iter()
        .find(|name| config_file.is_some() && flags.is_set(name))
    {
        return Err(Exit {
            code: 1,
            text: format!("--authorization-config can not be specified when --{other} is\n"),
        });
    }
    let modes = modes(flags)?;
    let lacks = |mode: &str, file: &str| {
        modes.iter().any(|own| own == mode) && path(file).is_none() && config_file.is_none()
    };
    for (mode, file) in [
        ("ABAC", "authorization-policy-file"),
        ("Webhook", "authorization-webhook-config-file"),
    ] {
        if lacks(mode, file) {
            return Err(Exit {
                code: 1,
                text: format!("--authorization-mode={mode} wants --{file}\n"),
            });
        }
    }
    let version = flags
        .text("authorization-webhook-version")
        .unwrap_or_default();
    if !["v1", "v1beta1"].contains(&version.as_str()) {
        return Err(Exit {
            code: 1,
            text: format!("--authorization-webhook-version {version:?}: v1 or v1beta1\n"),
        });
    }
    Ok(Options {
        modes,
        config_file,
        policy_file: path("authorization-policy-file"),
        webhook_config_file: path("authorization-webhook-config-file"),
        webhook_version: version,
        webhook_ttls: (
            flags.duration("authorization-webhook-cache-authorized-ttl"),
            flags.duration("authorization-webhook-cache-unauthorized-ttl"),
        ),
    })
}

fn modes(flags: &Flags) -> Result<Vec<String>, Exit> {
    const KNOWN: [&str; 6] = [
        "AlwaysAllow",
        "AlwaysDeny",
        "ABAC",
        "Webhook",
        "RBAC",
        "Node",
    ];
    let modes = flags.list("authorization-mode");
    for mode in &modes {
        if !KNOWN.contains(&mode.as_str()) {
            return Err(Exit {
                code: 1,
                text: format!(
                    "unknown authorization mode {mode:?}: one of {}\n",
                    KNOWN.join(", ")
                ),
            });
        }
    }
    Ok(modes)
}
