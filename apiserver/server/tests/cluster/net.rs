//! A network of its own for each run: a namespace per member, joined by a bridge, so that members can be cut off from each
//! other, one way too, while clients still reach all of them. Members find each other at doors on the bridge (see `links`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::links::Place;

/// Where the door of the first member and the source of its calls are, in the subnet.
const DOORS: usize = 101;
const ALIASES: usize = 51;

static MADE: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();
/// What the names of all our namespaces and links begin with; the process that made them follows, and an `x`.
const OURS: &str = "td";

pub(crate) struct Net {
    /// Names of namespaces and links begin with this.
    tag: String,
    /// The third number of the addresses.
    subnet: u8,
    members: usize,
    pub(crate) real: bool,
}

fn ip(words: &str) -> bool {
    run("ip", words)
}

fn run(program: &str, words: &str) -> bool {
    let status = Command::new(program)
        .args(words.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// What a program prints.
fn said(program: &str, words: &str) -> String {
    let output = Command::new(program).args(words.split(' ')).output();
    let printed = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).into_owned()
}

/// Removes what runs left behind that were killed.
fn sweep() {
    let left = |name: &str| {
        let process = name
            .strip_prefix(OURS)
            .and_then(|rest| rest.split('x').next());
        process.is_some_and(|process| {
            process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
        })
    };
    for line in said("ip", "netns list").lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if left(name) {
            ip(&format!("netns del {name}"));
        }
    }
    for line in said("ip", "-br link").lines() {
        let name = line.split([' ', '@']).next().unwrap_or_default();
        if left(name) {
            ip(&format!("link del {name}"));
        }
    }
}

impl Net {
    /// Whether this machine lets us make networks at all.
    pub(crate) fn is_possible() -> bool {
        Self::new(1).real
    }

    pub(crate) fn new(members: usize) -> Self {
        // Several runs of one process, and several processes, stay apart.
        SWEPT.call_once(sweep);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let free = |subnet: &u8| said("ip", &format!("route show 10.231.{subnet}.0/24")).is_empty();
        let mut subnets =
            (0..250).map(|n| u8::try_from((process + made * 101 + n) % 250).unwrap_or(0));
        let mut net = Self {
            tag: format!("{OURS}{process}x{}", made % 100),
            subnet: subnets.find(free).unwrap_or(0),
            members,
            real: false,
        };
        net.real = net.make();
        if !net.real {
            net.remove();
        }
        net
    }

    fn make(&self) -> bool {
        let Self { tag, .. } = self;
        let bridge = format!("{tag}b");
        let made = ip(&format!("link add {bridge} type bridge"))
            && ip(&format!("addr add {}/24 dev {bridge}", self.outside()))
            && ip(&format!("link set {bridge} up"));
        let on_bridge = |n| ip(&format!("addr add {}/24 dev {bridge}", self.number(n)));
        let doors =
            made && (0..self.members).all(|n| on_bridge(DOORS + n) && on_bridge(ALIASES + n));
        doors
            && (0..self.members).all(|n| {
                let (space, link) = (self.space(n), format!("{tag}v{n}"));
                ip(&format!("netns add {space}"))
                && ip(&format!(
                    "link add {link} type veth peer name eth0 netns {space}"
                ))
                && ip(&format!("link set {link} master {bridge} up"))
                && ip(&format!(
                    "-n {space} addr add {}/24 dev eth0",
                    self.inside(n)
                ))
                && ip(&format!("-n {space} link set eth0 up"))
                && ip(&format!("-n {space} link set lo up"))
                // What is dropped by its source must be looked up before what is local.
                && ip(&format!("-n {space} rule add pref 10 lookup local"))
                && ip(&format!("-n {space} rule del pref 0"))
            })
    }

    fn remove(&self) {
        for n in 0..self.members {
            ip(&format!("netns del {}", self.space(n)));
            ip(&format!("link del {}v{n}", self.tag));
        }
        ip(&format!("link del {}b", self.tag));
    }

    fn space(&self, n: usize) -> String {
        format!("{}n{n}", self.tag)
    }

    fn outside(&self) -> IpAddr {
        self.number(254)
    }

    fn inside(&self, n: usize) -> IpAddr {
        self.number(n + 1)
    }

    fn number(&self, last: usize) -> IpAddr {
        IpAddr::from([10, 231, self.subnet, u8::try_from(last).unwrap()])
    }

    /// Where a member listens for others, and where they find it.
    pub(crate) fn place(&self, n: usize, port: u16) -> Place {
        Place {
            own: SocketAddr::new(self.inside(n), port),
            door: SocketAddr::new(self.number(DOORS + n), port),
            alias: self.number(ALIASES + n),
        }
    }

    pub(crate) fn address(&self, n: usize) -> String {
        if self.real {
            self.inside(n).to_string()
        } else {
            format!("127.0.0.{}", n + 1)
        }
    }

    /// The command that starts a program where a member lives.
    pub(crate) fn command(&self, n: usize, program: &str) -> Command {
        if !self.real {
            return Command::new(program);
        }
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(n), program]);
        command
    }

    /// What `from` sends no longer reaches `to`, whoever of them called the other.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        let space = self.space(to);
        for source in [
            self.inside(from),
            self.number(DOORS + from),
            self.number(ALIASES + from),
        ] {
            let rule = format!("-n {space} rule add pref 1 from {source} blackhole");
            assert!(ip(&rule), "cannot cut {from} off {to}");
        }
    }

    pub(crate) fn heal(&self) {
        for n in 0..self.members {
            let space = self.space(n);
            while ip(&format!("-n {space} rule del pref 1")) {}
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if self.real {
            self.remove();
        }
    }
}
