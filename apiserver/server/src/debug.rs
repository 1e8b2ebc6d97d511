//! Pages for whoever debugs the server, while --profiling is on (apiserver pkg/server/routes/{flags,profiling}.go): the flags that
//! can be changed while it runs, and what stands in for Go's profiles.

use crate::logging;
use crate::reply::{self, Reply};
use bytes::Bytes;
use http::Method;

const FLAGS: &str = "<html>
<head>
<title>/debug/flags/</title>
</head>
<body>
/debug/flags/<br>
<br>
flags:<br>
<table>
<tr>v<br>
</table>
<br>
full flags configurable<br>
</body>
</html>
";
const PROFILES: &str = "<html>
<head>
<title>/debug/pprof/</title>
</head>
<body>
/debug/pprof/<br>
<br>
This server is no Go program and has none of Go's profiles. Its time is seen with `perf record -g -p PID`, its requests and queues at
<a href=\"/metrics\">/metrics</a>.
</body>
</html>
";

/// Whether a path is one of these, and whether its body must be read.
pub(crate) fn takes_body(method: &Method, path: &str) -> bool {
    method == Method::PUT && path == "/debug/flags/v"
}

pub(crate) fn answer(method: &Method, path: &str, body: &Bytes) -> Option<Reply> {
    match path {
        "/debug/flags" | "/debug/flags/" => {
            Some(reply::bytes(200, "text/html; charset=utf-8", FLAGS))
        }
        "/debug/flags/v" if takes_body(method, path) => {
            Some(match logging::set(&String::from_utf8_lossy(body)) {
                Ok(done) => text(200, done),
                Err(why) => text(400, why),
            })
        }
        "/debug/flags/v" => Some(text(406, "unsupported http method".to_owned())),
        "/debug/pprof" | "/debug/pprof/" => {
            let mut page = reply::bytes(200, "text/html; charset=utf-8", PROFILES);
            let nosniff = http::HeaderValue::from_static("nosniff");
            page.headers_mut().insert("x-content-type-options", nosniff);
            Some(page)
        }
        _ => None,
    }
}

fn text(code: u16, text: String) -> Reply {
    reply::bytes(code, "text/plain", text)
}
