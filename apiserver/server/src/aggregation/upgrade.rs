//! Requests to an aggregated server that go on with another protocol.

use super::relay::{received, unreachable};
use crate::proxy::passing::Passing;
use crate::proxy::upgrade::{self, Answer, Failure};
use crate::proxy::{Client, Sent};
use crate::reply::{self, Reply};
use http::Request;
use http::request::Parts;
use triad_machinery::status::Status;

pub(super) async fn relay(
    client: &Client,
    request: Request<Sent>,
    head: &mut Parts,
    reject_redirects: bool,
) -> Result<Reply, Status> {
    let asking = upgrade::taken(head.extensions.remove())?;
    Ok(match upgrade::ask(client, request).await {
        Ok(Answer::Switched(answer)) => upgrade::pass_on(asking, answer, Passing::default()),
        Ok(Answer::Refused(answer)) => upgrade::refused(received(answer, reject_redirects, None)),
        Err(Failure::Unreachable(why)) => unreachable(&why),
        Err(neither @ Failure::Neither(_)) => reply::text(503, format!("{neither}\n")),
    })
}
