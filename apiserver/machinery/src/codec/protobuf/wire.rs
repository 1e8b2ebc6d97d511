//! The wire format: varints, tags, length-delimited records, and passing over unknown fields. No panics on any input.

use std::fmt;

/// What is wrong with a message; texts are those of gogo's generated code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    UnexpectedEof,
    Overflow,
    NegativeLength,
    UnexpectedEndOfGroup,
    IllegalWireType(u8),
    WrongWireType {
        wire_type: u8,
        field: String,
    },
    IllegalTag {
        message: String,
        number: i32,
        wire: u64,
    },
    EndGroup {
        message: String,
    },
    TooDeep,
    /// A value that its own decoder refused.
    Value(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::UnexpectedEof => f.write_str("unexpected EOF"),
            WireError::Overflow => f.write_str("proto: integer overflow"),
            WireError::NegativeLength => {
                f.write_str("proto: negative length found during unmarshaling")
            }
            WireError::UnexpectedEndOfGroup => f.write_str("proto: unexpected end of group"),
            WireError::IllegalWireType(wire_type) => {
                write!(f, "proto: illegal wireType {wire_type}")
            }
            WireError::WrongWireType { wire_type, field } => {
                write!(f, "proto: wrong wireType = {wire_type} for field {field}")
            }
            WireError::IllegalTag {
                message,
                number,
                wire,
            } => {
                write!(
                    f,
                    "proto: {message}: illegal tag {number} (wire type {wire})"
                )
            }
            WireError::EndGroup { message } => {
                write!(f, "proto: {message}: wiretype end group for non-group")
            }
            WireError::TooDeep => f.write_str("proto: message nested too deep"),
            WireError::Value(message) => f.write_str(message),
        }
    }
}

/// A position in a message.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// Field number and wire type as read.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) number: u32,
    pub(crate) wire_type: u8,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Cursor { rest: data }
    }

    /// Bytes still to be read.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// Most lengths, tags and numbers are one byte.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(WireError::UnexpectedEof)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overflow)
    }

    /// A tag of the message called so.
    #[inline]
    pub(crate) fn tag(&mut self, message: &str) -> Result<Tag, WireError> {
        match self.rest.split_first() {
            // One byte, a number above 0, no end of a group.
            Some((byte, rest)) if (8..0x80).contains(byte) && byte & 7 != 4 => {
                self.rest = rest;
                Ok(Tag {
                    number: u32::from(byte >> 3),
                    wire_type: byte & 7,
                })
            }
            _ => self.unusual_tag(message),
        }
    }

    fn unusual_tag(&mut self, message: &str) -> Result<Tag, WireError> {
        let wire = self.varint()?;
        let number = (wire >> 3) as i32;
        let wire_type = (wire & 7) as u8;
        if wire_type == 4 {
            return Err(WireError::EndGroup {
                message: message.to_owned(),
            });
        }
        match u32::try_from(number) {
            Ok(number) if number > 0 => Ok(Tag { number, wire_type }),
            _ => Err(WireError::IllegalTag {
                message: message.to_owned(),
                number,
                wire,
            }),
        }
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(WireError::UnexpectedEof)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A length-delimited record.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        if i64::try_from(length).is_err() {
            return Err(WireError::NegativeLength);
        }
        let length = usize::try_from(length).map_err(|_| WireError::NegativeLength)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WireError::UnexpectedEof)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Passes over the value of a field that nobody knows.
    #[inline]
    pub(crate) fn skip(&mut self, tag: Tag) -> Result<(), WireError> {
        match tag.wire_type {
            0 => self.varint().map(drop),
            2 => self.bytes().map(drop),
            _ => self.skip_unusual(tag),
        }
    }

    fn skip_unusual(&mut self, tag: Tag) -> Result<(), WireError> {
        let mut depth = 0_usize;
        let mut wire_type = tag.wire_type;
        loop {
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.fixed::<8>()?),
                2 => drop(self.bytes()?),
                3 => depth += 1,
                4 if depth == 0 => return Err(WireError::UnexpectedEndOfGroup),
                4 => depth -= 1,
                5 => drop(self.fixed::<4>()?),
                other => return Err(WireError::IllegalWireType(other)),
            }
            if depth == 0 {
                return Ok(());
            }
            wire_type = (self.varint()? & 7) as u8;
        }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// An integer; negative ones take ten bytes whatever their width.
pub(super) fn put_int(out: &mut Vec<u8>, number: u32, value: i64) {
    put_tag(out, number, 0);
    put_varint(out, value as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
