//! The frame codec: header, limit, payload.

use super::{Kind, Limits, PROTOCOL_VERSION, PROTOCOL_VERSIONS, WireError};

/// First four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"HGRW";
/// Bytes before the payload: magic 4, version 2, kind 1, reserved 1 (zero), length 4; integers big-endian.
pub const HEADER_LEN: usize = 12;

/// A checked header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub kind: Kind,
    /// Bytes of the payload, within the limit of the kind.
    pub length: usize,
}

impl Header {
    /// Reads a header and checks its length against the limit of its kind.
    ///
    /// # Errors
    /// [`WireError`] for wrong magic, version, kind, reserved byte or length.
    pub fn decode(bytes: &[u8; HEADER_LEN], limits: &Limits) -> Result<Self, WireError> {
        let [m0, m1, m2, m3, v0, v1, kind, reserved, l0, l1, l2, l3] = *bytes;
        // CHK-047: magic, version, kind.
        let magic = [m0, m1, m2, m3];
        if magic != MAGIC {
            return Err(WireError::Magic { actual: magic });
        }
        let version = u16::from_be_bytes([v0, v1]);
        if !PROTOCOL_VERSIONS.contains(&version) {
            return Err(WireError::Version { actual: version });
        }
        let kind = Kind::from_code(kind)?;
        if reserved != 0 {
            return Err(WireError::Reserved { actual: reserved });
        }
        // CHK-048: before anybody allocates.
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let limit = limits.of(kind);
        if length > limit {
            return Err(WireError::TooLong {
                kind,
                actual: length,
                limit,
            });
        }
        Ok(Self { kind, length })
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let [m0, m1, m2, m3] = MAGIC;
        let [v0, v1] = PROTOCOL_VERSION.to_be_bytes();
        // Encoders never exceed a limit, and every limit is below 2^32 (MAX_CELLS).
        let [l0, l1, l2, l3] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        [m0, m1, m2, m3, v0, v1, self.kind.code(), 0, l0, l1, l2, l3]
    }
}

/// One frame: the bytes of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    kind: Kind,
    payload: Vec<u8>,
}

impl Frame {
    /// A frame of a payload that [`Header::decode`] has announced, or that an encoder has made.
    #[must_use]
    pub fn new(kind: Kind, payload: Vec<u8>) -> Self {
        Self { kind, payload }
    }

    /// What the payload is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload, without a copy.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The header to send before the payload.
    #[must_use]
    pub fn header(&self) -> [u8; HEADER_LEN] {
        Header {
            kind: self.kind,
            length: self.payload.len(),
        }
        .encode()
    }

    /// Header and payload together.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.payload.len());
        bytes.extend_from_slice(&self.header());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Exactly one frame, no byte missing and none too many.
    ///
    /// # Errors
    /// As [`Header::decode`], and [`WireError::Truncated`] for a wrong number of bytes.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(WireError::Truncated {
                actual: bytes.len(),
                expected: HEADER_LEN,
            });
        };
        let header = Header::decode(header, limits)?;
        if payload.len() != header.length {
            return Err(WireError::Truncated {
                actual: bytes.len(),
                expected: HEADER_LEN + header.length,
            });
        }
        Ok(Self {
            kind: header.kind,
            payload: payload.to_vec(),
        })
    }
}

/// Frames from a stream of bytes that arrives in pieces. After an error the stream is of no further use.
#[derive(Debug)]
pub struct FrameDecoder {
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    Header { bytes: [u8; HEADER_LEN], filled: usize },
    Payload { header: Header, payload: Vec<u8> },
    Broken(WireError),
}

impl State {
    const fn start() -> Self {
        Self::Header {
            bytes: [0; HEADER_LEN],
            filled: 0,
        }
    }
}

/// Payload memory is taken in steps of this size as bytes really arrive, not as the header promises.
const STEP: usize = 1 << 20;

impl FrameDecoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::start(),
        }
    }

    /// Limits for the frames whose headers are still to come.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes bytes up to the end of one frame. Gives how many it took, and the frame when it is complete; call
    /// again with the rest.
    ///
    /// # Errors
    /// [`WireError`]; then, and ever after.
    pub fn push(&mut self, input: &[u8]) -> Result<(usize, Option<Frame>), WireError> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match &mut self.state {
                State::Broken(error) => return Err(error.clone()),
                State::Header { bytes, filled } => {
                    for (slot, byte) in bytes.iter_mut().skip(*filled).zip(rest) {
                        *slot = *byte;
                        *filled += 1;
                        taken += 1;
                    }
                    if *filled < HEADER_LEN {
                        return Ok((taken, None));
                    }
                    match Header::decode(bytes, &self.limits) {
                        Ok(header) => {
                            let payload = Vec::with_capacity(header.length.min(STEP));
                            self.state = State::Payload { header, payload };
                        }
                        Err(error) => {
                            self.state = State::Broken(error.clone());
                            return Err(error);
                        }
                    }
                }
                State::Payload { header, payload } => {
                    let missing = header.length - payload.len();
                    let piece = rest.get(..missing.min(rest.len())).unwrap_or_default();
                    payload.extend_from_slice(piece);
                    taken += piece.len();
                    if payload.len() < header.length {
                        return Ok((taken, None));
                    }
                    let frame = Frame::new(header.kind, std::mem::take(payload));
                    self.state = State::start();
                    return Ok((taken, Some(frame)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: &[u8]) -> Frame {
        Frame::new(Kind::Failed, payload.to_vec())
    }

    #[test]
    fn a_header_is_checked_byte_by_byte() {
        let good = frame(b"abc").encode();
        let limits = Limits::control();
        assert_eq!(Frame::decode(&good, &limits), Ok(frame(b"abc")));
        let broken = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            Frame::decode(&bytes, &limits).unwrap_err()
        };
        assert!(matches!(broken(0, b'h'), WireError::Magic { .. }), "CHK-047");
        assert_eq!(broken(5, 1), WireError::Version { actual: 1 });
        assert_eq!(broken(5, 3), WireError::Version { actual: 3 });
        assert_eq!(broken(5, 0), WireError::Version { actual: 0 });
        assert_eq!(broken(6, 0x7f), WireError::Kind { actual: 0x7f });
        assert_eq!(broken(7, 1), WireError::Reserved { actual: 1 });
        assert_eq!(
            broken(11, 2),
            WireError::Truncated {
                actual: 15,
                expected: 14
            }
        );
        let limit = limits.of(Kind::Failed);
        let huge = broken(8, 0xff);
        assert!(
            matches!(huge, WireError::TooLong { kind: Kind::Failed, limit: l, .. } if l == limit),
            "CHK-048"
        );
    }

    #[test]
    fn a_promised_length_costs_no_memory() {
        let mut decoder = FrameDecoder::new(Limits::control());
        let header = Header {
            kind: Kind::Welcome,
            length: Limits::control().of(Kind::Welcome),
        };
        decoder.push(&header.encode()).unwrap();
        let State::Payload { payload, .. } = &decoder.state else {
            panic!("not in the payload")
        };
        assert!(payload.capacity() <= STEP, "CHK-048");
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = FrameDecoder::new(Limits::control());
        assert!(decoder.push(b"GET / HTTP/1.1\r\n").is_err());
        assert!(decoder.push(&frame(b"abc").encode()).is_err());
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            piece in 1usize..30,
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|p| frame(p).encode()).collect();
            let mut decoder = FrameDecoder::new(Limits::control());
            let mut seen = Vec::new();
            for mut chunk in stream.chunks(piece) {
                while !chunk.is_empty() {
                    let (taken, done) = decoder.push(chunk).unwrap();
                    chunk = &chunk[taken..];
                    seen.extend(done.map(Frame::into_payload));
                }
            }
            prop_assert_eq!(seen, payloads);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = FrameDecoder::new(Limits::control());
            let _ = decoder.push(&bytes);
            let _ = Frame::decode(&bytes, &Limits::control());
        }
    }
}
