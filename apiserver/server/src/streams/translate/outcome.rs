//! How a command ended: what the kubelet says on the error stream, and what the client is told of it (client-go
//! tools/remotecommand/{v2,v4}.go, apiserver pkg/util/proxy/streamtranslator.go).

use serde_json::{Value, json};
use std::fmt::Display;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// The command's exit code.
    Exit(u8),
    Failed(String),
}

impl Outcome {
    pub(super) fn failed(why: impl Display) -> Self {
        Outcome::Failed(why.to_string())
    }

    /// By what a kubelet has said in a protocol.
    pub(super) fn read(protocol: &str, said: &[u8]) -> Self {
        if said.is_empty() {
            return Outcome::Success;
        }
        let text = String::from_utf8_lossy(said);
        match protocol {
            "v5.channel.k8s.io" | "v4.channel.k8s.io" => Self::of_status(&text),
            _ => Outcome::Failed(format!("error executing remote command: {text}")),
        }
    }

    fn of_status(text: &str) -> Self {
        let wrong = |why: &str| Outcome::Failed(format!("error stream protocol error: {why}"));
        let status: Value = match serde_json::from_str(text) {
            Ok(status) => status,
            Err(error) => return wrong(&format!("{error} in {text:?}")),
        };
        match (status["status"].as_str(), status["reason"].as_str()) {
            (Some("Success"), _) => Outcome::Success,
            (Some("Failure"), Some("NonZeroExitCode")) => {
                let causes = status["details"]["causes"].as_array();
                let mut causes = causes.into_iter().flatten();
                let Some(cause) = causes.find(|cause| cause["reason"] == "ExitCode") else {
                    return wrong("no ExitCode cause given");
                };
                let code = cause["message"].as_str().unwrap_or("");
                match code.parse() {
                    Ok(code) => Outcome::Exit(code),
                    Err(_) => wrong(&format!("invalid exit code value {code:?}")),
                }
            }
            (Some("Failure"), _) => Outcome::failed(status["message"].as_str().unwrap_or("")),
            _ => wrong("unknown error"),
        }
    }

    /// What the client is told.
    pub(super) fn status(&self) -> Value {
        match self {
            Outcome::Success => json!({"metadata": {}, "status": "Success"}),
            Outcome::Exit(code) => json!({"metadata": {}, "status": "Failure",
                "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}}),
            Outcome::Failed(why) => json!({"metadata": {}, "status": "Failure",
                "message": format!("Internal error occurred: {why}"),
                "reason": "InternalError",
                "details": {"causes": [{"message": why}]}, "code": 500}),
        }
    }

    /// What it counts as: a command that fails was carried well.
    pub(super) fn code(&self) -> u16 {
        match self {
            Outcome::Success | Outcome::Exit(_) => 200,
            Outcome::Failed(_) => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_as_its_kubelet_says() {
        let failed = |why: &str| Outcome::Failed(why.to_owned());
        let exit = r#"{"metadata":{},"status":"Failure","message":"m","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"CODE"}]}}"#;
        for (protocol, said, want) in [
            ("v4.channel.k8s.io", "", Outcome::Success),
            (
                "v4.channel.k8s.io",
                r#"{"status":"Success"}"#,
                Outcome::Success,
            ),
            (
                "v5.channel.k8s.io",
                &exit.replace("CODE", "7"),
                Outcome::Exit(7),
            ),
            (
                "v4.channel.k8s.io",
                &exit.replace("CODE", "256"),
                failed("error stream protocol error: invalid exit code value \"256\""),
            ),
            (
                "v4.channel.k8s.io",
                r#"{"status":"Failure","reason":"NonZeroExitCode"}"#,
                failed("error stream protocol error: no ExitCode cause given"),
            ),
            (
                "v4.channel.k8s.io",
                r#"{"status":"Failure","message":"no such file"}"#,
                failed("no such file"),
            ),
            (
                "v4.channel.k8s.io",
                "{}",
                failed("error stream protocol error: unknown error"),
            ),
            (
                "channel.k8s.io",
                "oops",
                failed("error executing remote command: oops"),
            ),
        ] {
            assert_eq!(Outcome::read(protocol, said.as_bytes()), want, "{said}");
        }
    }
}
