//! Attacks by what connections carry: upgrades, streams that are cut at once.

use super::*;

/// CVE-2018-1002105: a connection whose upgrade was refused is nobody's. What is sent behind the request that was refused is a
/// request of its own, of whoever proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2018_1002105_a_refused_upgrade_leaves_no_connection_behind() {
    let target = Target::start().await;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "canary-of-a-secret"}});
    target.server.create("secrets", "default", secret).await;
    for path in [
        "/api/v1/namespaces/default/pods/p/exec?command=id",
        "/api/v1/namespaces/default/pods/p/portforward",
        "/api/v1/namespaces/default/services/s/proxy/",
        "/apis/none.example.com/v1/things",
    ] {
        let first = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        );
        let smuggled = "GET /api/v1/namespaces/default/secrets/s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answers = target.raw(format!("{first}{smuggled}").as_bytes()).await;
        assert!(!answers.contains("HTTP/1.1 101"), "{path}: {answers}");
        assert!(
            !answers.contains("canary-of-a-secret") && !answers.contains("Y2FuYXJ5"),
            "{path}: {answers}"
        );
        let codes: Vec<&str> = answers
            .match_indices("HTTP/1.1 ")
            .map(|(at, _)| &answers[at + 9..at + 12])
            .collect();
        assert!(codes.len() == 1 || codes[1] == "403", "{path}: {codes:?}");
    }
}

/// CVE-2023-44487: a client that opens streams and cuts them at once is sent away.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2023_44487_rapid_resets_end_the_connection() {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const GO_AWAY: u8 = 7;
    let target = Target::start().await;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut attack = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    attack.extend(frame(SETTINGS, 0, 0, &[]));
    // GET https://x/ in the static table's terms.
    let head = [0x82, 0x87, 0x84, 0x41, 1, b'x'];
    for stream in (1..4001).step_by(2) {
        attack.extend(frame(HEADERS, 5, stream, &head));
        attack.extend(frame(RESET, 0, stream, &8u32.to_be_bytes()));
    }
    let mut client = raw::open(&target.server);
    // The server may close before all is sent.
    let _ = client.write_all(&attack).await;
    let answer = raw::read_all(&mut client).await;
    let mut rest = answer.as_slice();
    let mut why = None;
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest[3] == GO_AWAY {
            why = rest.get(13..17).map(<[u8]>::to_vec);
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    assert_eq!(why, Some(vec![0, 0, 0, 0xb]), "ENHANCE_YOUR_CALM");
}
