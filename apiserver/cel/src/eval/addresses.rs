//! Addresses and networks (k8s.io/apiserver pkg/cel/library/ip.go, cidr.go), as Go's net/netip reads them.

use super::Error;
use super::value::{Opaque, Value};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

type Result<'a> = std::result::Result<Value<'a>, Error>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(IpAddr);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Address {
    pub(super) fn bytes(&self) -> usize {
        if self.0.is_ipv4() { 4 } else { 16 }
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        if text.contains('%') && text.contains(':') {
            return Err(format!(
                "IP address {text:?} with zone value is not allowed"
            ));
        }
        let address: IpAddr = text.parse().map_err(|_| unreadable(text))?;
        match address {
            IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
                Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
            }
            address => Ok(Self(address)),
        }
    }
}

const FAILED: &str = "network address parse error during conversion from string";

/// What Go says of a text that is no address.
fn unreadable(text: &str) -> String {
    if !text.contains(['.', ':']) {
        return format!(
            "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): unable to parse IP"
        );
    }
    let four = !text.contains(':');
    let why = if four
        && text
            .split('.')
            .any(|part| part.parse::<u32>().is_ok_and(|part| part > 255))
    {
        "IPv4 field has value >255"
    } else if four && text.split('.').count() < 4 {
        "IPv4 address too short"
    } else if four && text.split('.').count() > 4 {
        "IPv4 address too long"
    } else {
        "unexpected character"
    };
    format!(
        "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): {why}"
    )
}

impl Network {
    pub(super) fn bytes(&self) -> usize {
        if self.address.is_ipv4() { 4 } else { 16 }
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let failed = |why: &str| format!("{FAILED}: netip.ParsePrefix({text:?}): {why}");
        let (address, bits) = text.rsplit_once('/').ok_or_else(|| failed("no '/'"))?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| failed(&format!("ParseAddr({address:?}): unable to parse IP")))?;
        let digits = !bits.is_empty()
            && bits.bytes().all(|byte| byte.is_ascii_digit())
            && (bits == "0" || !bits.starts_with('0'));
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = match bits.parse() {
            Ok(bits) if digits && bits <= most => bits,
            _ if !digits => return Err(failed(&format!("bad bits after slash: {bits:?}"))),
            _ => return Err(failed("prefix length out of range")),
        };
        match address {
            IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
                Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
            }
            address => Ok(Self { address, bits }),
        }
    }

    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
            }
        };
        Self { address, ..self }
    }

    fn contains(self, address: IpAddr) -> bool {
        let of_same = address.is_ipv4() == self.address.is_ipv4();
        of_same
            && Self {
                address,
                bits: self.bits,
            }
            .masked()
                == self.masked()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

pub(super) fn call<'a>(function: &str, _member: bool, args: &[Value<'a>]) -> Option<Result<'a>> {
    match args {
        [Value::String(text)] => of_text(function, text),
        [Value::Opaque(Opaque::Address(address))] => of_address(function, address.0),
        [Value::Opaque(Opaque::Network(network)), rest @ ..] => {
            of_network(function, *network, rest)
        }
        _ => None,
    }
}

fn of_text<'a>(function: &str, text: &str) -> Option<Result<'a>> {
    Some(match function {
        "ip" => Address::parse(text)
            .map(|address| Value::Opaque(Opaque::Address(address)))
            .map_err(Error::new),
        "isIP" => Ok(Value::Bool(Address::parse(text).is_ok())),
        "ip.isCanonical" => Address::parse(text)
            .map(|address| Value::Bool(address.to_string() == text))
            .map_err(Error::new),
        "cidr" => Network::parse(text)
            .map(|network| Value::Opaque(Opaque::Network(network)))
            .map_err(|why| Error::new(format!("{FAILED}: {why}"))),
        "isCIDR" => Ok(Value::Bool(Network::parse(text).is_ok())),
        _ => return None,
    })
}

fn of_address<'a>(function: &str, address: IpAddr) -> Option<Result<'a>> {
    let six = |of: fn(&Ipv6Addr) -> bool, four: fn(&Ipv4Addr) -> bool| match &address {
        IpAddr::V4(address) => four(address),
        IpAddr::V6(address) => of(address),
    };
    Some(Ok(match function {
        "family" => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Value::Bool(address.is_unspecified()),
        "isLoopback" => Value::Bool(address.is_loopback()),
        "isLinkLocalMulticast" => Value::Bool(six(
            |six| six.segments()[0] & 0xff0f == 0xff02,
            |four| four.octets()[..3] == [224, 0, 0],
        )),
        "isLinkLocalUnicast" => Value::Bool(six(
            Ipv6Addr::is_unicast_link_local,
            Ipv4Addr::is_link_local,
        )),
        "isGlobalUnicast" => {
            let link_local = six(Ipv6Addr::is_unicast_link_local, Ipv4Addr::is_link_local);
            let broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
            Value::Bool(
                !(address.is_unspecified()
                    || address.is_loopback()
                    || address.is_multicast()
                    || link_local
                    || broadcast),
            )
        }
        _ => return None,
    }))
}

fn of_network<'a>(function: &str, network: Network, rest: &[Value<'a>]) -> Option<Result<'a>> {
    let address = |value: &Value<'_>| match value {
        Value::Opaque(Opaque::Address(address)) => Some(Ok(*address)),
        Value::String(text) => Some(Address::parse(text).map_err(Error::new)),
        _ => None,
    };
    let other = |value: &Value<'_>| match value {
        Value::Opaque(Opaque::Network(network)) => Some(Ok(*network)),
        Value::String(text) => Some(Network::parse(text).map_err(Error::new)),
        _ => None,
    };
    Some(match (function, rest) {
        ("containsIP", [value]) => {
            address(value)?.map(|address| Value::Bool(network.contains(address.0)))
        }
        ("containsCIDR", [value]) => other(value)?.map(|other| {
            let inside = network.contains(other.masked().address) && other.bits >= network.bits;
            Value::Bool(inside)
        }),
        ("ip", []) => Ok(Value::Opaque(Opaque::Address(Address(network.address)))),
        ("masked", []) => Ok(Value::Opaque(Opaque::Network(network.masked()))),
        ("prefixLength", []) => Ok(Value::Int(i64::from(network.bits))),
        _ => return None,
    })
}
