//! The wire: frames with a limit for each kind, messages, and a decoder of a stream in pieces.
//!
//! A frame: magic `HGRS`, version (u16), kind (u8), zero (u8), length of the payload (u32), big-endian; the payload. Its
//! length is checked before anything is allocated. Payloads of small messages are Protocol Buffers; a chunk is its blob's digest
//! (32), its offset (u64) and its bytes.

use hedgerow_crypto::hash::{Digest, hash};
use prost::Message as _;
use thiserror::Error;

/// First four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"HGRS";
/// Version of this wire.
pub const VERSION: u16 = 1;
/// Bytes before a payload.
pub const HEADER: usize = 12;
/// Bytes of a blob in one chunk, at most.
pub const CHUNK: usize = 128 << 10;
/// Bytes of a small message, at most.
const SMALL: usize = 4 << 10;
/// Digest and offset of a chunk.
const CHUNK_HEAD: usize = 40;

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// Another protocol.
    #[error(
        "not the service of encrypted evaluation: a frame begins with {actual:02x?}, expected {MAGIC:02x?}"
    )]
    Magic {
        /// The first bytes.
        actual: [u8; 4],
    },
    /// A version that this program does not speak.
    #[error("version {actual} of the service's wire, expected {VERSION}")]
    Version {
        /// The version.
        actual: u16,
    },
    /// A kind of message that there is not, or a reserved byte that is not zero.
    #[error("kind {kind} of message, reserved byte {reserved}: unknown")]
    Kind {
        /// The kind.
        kind: u8,
        /// The reserved byte.
        reserved: u8,
    },
    /// A payload longer than its kind allows.
    #[error("a message of kind {kind} with {actual} bytes, at most {limit}")]
    TooLong {
        /// The kind.
        kind: u8,
        /// Bytes announced.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A payload that does not read.
    #[error("a message of kind {kind} does not read: {detail}")]
    Payload {
        /// The kind.
        kind: u8,
        /// Why.
        detail: String,
    },
}

/// What a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum What {
    /// What the server offers; to the client.
    Offer,
    /// Evaluation keys; to the server.
    Keys,
    /// An encrypted input; to the server. It is about its keys.
    Request,
    /// What the server computed, with its trace; to the client. It is about its request.
    Answer,
    /// What a client needs once before it can ask, as a model that is encrypted; to the client, who begins it by saying that it
    /// has nothing of it: name and size are known from the offer, so that nothing is announced.
    Download,
}

impl What {
    const ALL: [Self; 5] = [
        Self::Offer,
        Self::Keys,
        Self::Request,
        Self::Answer,
        Self::Download,
    ];

    /// Its name in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Keys => "evaluation keys",
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Download => "download",
        }
    }
}

/// The digest that names a blob.
pub fn name_of(blob: &[u8]) -> Digest {
    hash("hedgerow service blob 1", &[blob])
}

/// No blob.
pub const NONE: Digest = Digest([0; 32]);

/// One message, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// To the server, first: the model that is asked for; empty where one is served.
    Hello {
        /// Its name.
        model: String,
    },
    /// Somebody has a blob to send.
    Put {
        /// What it is.
        what: What,
        /// Its digest.
        blob: Digest,
        /// Its size.
        bytes: u64,
        /// What it is about: the keys of a request, the request of an answer.
        about: Digest,
    },
    /// The receiver has so much of a blob, and takes more; all of it where nothing is missing.
    Ready {
        /// Its digest.
        blob: Digest,
        /// Bytes received in order.
        offset: u64,
    },
    /// Bytes of a blob.
    Chunk {
        /// Its digest.
        blob: Digest,
        /// Where they belong.
        offset: u64,
        /// At most [`CHUNK`].
        data: Vec<u8>,
    },
    /// To the client: its blob waits for room or its turn.
    Queued {
        /// The blob.
        blob: Digest,
        /// How many are before it.
        ahead: u32,
    },
    /// To the client: put these keys first, then the request again.
    NeedKeys {
        /// Their digest.
        keys: Digest,
    },
    /// To the client: no, and why.
    Refused {
        /// What is refused; [`NONE`] for everything.
        blob: Digest,
        /// Why, in one sentence.
        reason: String,
        /// When the same would be allowed, where that is a matter of time.
        retry_ms: Option<u64>,
    },
}

/// Small messages as they travel: which one, and its fields. Of a field that the message does not have nothing travels.
#[derive(Clone, PartialEq, prost::Message)]
struct Small {
    #[prost(uint32, tag = "1")]
    which: u32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(bytes = "vec", tag = "3")]
    blob: Vec<u8>,
    #[prost(uint64, tag = "4")]
    number: u64,
    #[prost(bytes = "vec", tag = "5")]
    about: Vec<u8>,
    #[prost(uint32, tag = "6")]
    what: u32,
    #[prost(uint64, optional, tag = "7")]
    retry_ms: Option<u64>,
}

const HELLO: u32 = 1;
const PUT: u32 = 2;
const READY: u32 = 3;
const QUEUED: u32 = 4;
const NEED_KEYS: u32 = 5;
const REFUSED: u32 = 6;

const KIND_SMALL: u8 = 1;
const KIND_CHUNK: u8 = 2;

/// Longest text in a message, bytes: a reason is cut there.
const TEXT: usize = 2048;

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

impl Message {
    /// The frame of the message.
    pub fn encode(&self) -> Vec<u8> {
        let small = match self {
            Self::Chunk { blob, offset, data } => {
                let mut bytes = header(KIND_CHUNK, CHUNK_HEAD + data.len());
                bytes.extend_from_slice(blob.as_bytes());
                bytes.extend_from_slice(&offset.to_be_bytes());
                bytes.extend_from_slice(data);
                return bytes;
            }
            Self::Hello { model } => Small {
                which: HELLO,
                text: cut(model),
                ..Small::default()
            },
            Self::Put {
                what,
                blob,
                bytes,
                about,
            } => Small {
                which: PUT,
                blob: blob.0.to_vec(),
                number: *bytes,
                about: about.0.to_vec(),
                what: *what as u32,
                ..Small::default()
            },
            Self::Ready { blob, offset } => Small {
                which: READY,
                blob: blob.0.to_vec(),
                number: *offset,
                ..Small::default()
            },
            Self::Queued { blob, ahead } => Small {
                which: QUEUED,
                blob: blob.0.to_vec(),
                number: u64::from(*ahead),
                ..Small::default()
            },
            Self::NeedKeys { keys } => Small {
                which: NEED_KEYS,
                blob: keys.0.to_vec(),
                ..Small::default()
            },
            Self::Refused {
                blob,
                reason,
                retry_ms,
            } => Small {
                which: REFUSED,
                text: cut(reason),
                blob: blob.0.to_vec(),
                retry_ms: *retry_ms,
                ..Small::default()
            },
        };
        let payload = small.encode_to_vec();
        let mut bytes = header(KIND_SMALL, payload.len());
        bytes.extend(payload);
        bytes
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, WireError> {
        let wrong = |detail: String| WireError::Payload { kind, detail };
        if kind == KIND_CHUNK {
            let short = || {
                wrong(format!(
                    "{} bytes, more than {CHUNK_HEAD} expected",
                    payload.len()
                ))
            };
            let (blob, rest) = payload.split_first_chunk::<32>().ok_or_else(short)?;
            let (offset, data) = rest.split_first_chunk::<8>().ok_or_else(short)?;
            if data.is_empty() {
                return Err(short());
            }
            return Ok(Self::Chunk {
                blob: Digest(*blob),
                offset: u64::from_be_bytes(*offset),
                data: data.to_vec(),
            });
        }
        let small = Small::decode(payload).map_err(|error| wrong(error.to_string()))?;
        let digest = |bytes: &[u8]| match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(Digest(bytes)),
            Err(_) => Err(wrong(format!("a digest of {} bytes", bytes.len()))),
        };
        let message = match small.which {
            HELLO => Self::Hello {
                model: small.text.clone(),
            },
            PUT => Self::Put {
                what: *What::ALL
                    .get(small.what as usize)
                    .ok_or_else(|| wrong(format!("blob of kind {}", small.what)))?,
                blob: digest(&small.blob)?,
                bytes: small.number,
                about: digest(&small.about)?,
            },
            READY => Self::Ready {
                blob: digest(&small.blob)?,
                offset: small.number,
            },
            QUEUED => Self::Queued {
                blob: digest(&small.blob)?,
                ahead: u32::try_from(small.number).unwrap_or(u32::MAX),
            },
            NEED_KEYS => Self::NeedKeys {
                keys: digest(&small.blob)?,
            },
            REFUSED => Self::Refused {
                blob: digest(&small.blob)?,
                reason: small.text.clone(),
                retry_ms: small.retry_ms,
            },
            other => return Err(wrong(format!("message {other}"))),
        };
        // One message, one encoding: nothing travels that nobody reads.
        if message.encode().get(HEADER..) != Some(payload) {
            return Err(wrong("fields that the message does not have".to_owned()));
        }
        Ok(message)
    }
}

fn header(kind: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + length);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[kind, 0]);
    // Every limit is far below 2^32.
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes
}

/// Length of the payload that a header announces, and its kind.
fn announced(header: &[u8; HEADER]) -> Result<(u8, usize), WireError> {
    let [m0, m1, m2, m3, v0, v1, kind, reserved, l0, l1, l2, l3] = *header;
    let magic = [m0, m1, m2, m3];
    if magic != MAGIC {
        return Err(WireError::Magic { actual: magic });
    }
    let version = u16::from_be_bytes([v0, v1]);
    if version != VERSION {
        return Err(WireError::Version { actual: version });
    }
    let limit = match (kind, reserved) {
        (KIND_SMALL, 0) => SMALL,
        (KIND_CHUNK, 0) => CHUNK_HEAD + CHUNK,
        _ => return Err(WireError::Kind { kind, reserved }),
    };
    let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
    if length > limit {
        return Err(WireError::TooLong {
            kind,
            actual: length,
            limit,
        });
    }
    Ok((kind, length))
}

/// Messages from bytes that arrive in pieces; it holds at most one frame. After an error nothing more comes of it.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
}

impl Decoder {
    /// Takes bytes from the front of `bytes` and gives the next message, where one is complete.
    ///
    /// # Errors
    /// [`WireError`] for bytes that are no message.
    pub fn push(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, WireError> {
        self.fill(bytes, HEADER);
        let Some(header) = self.held.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (kind, length) = announced(header)?;
        self.fill(bytes, HEADER + length);
        if self.held.len() < HEADER + length {
            return Ok(None);
        }
        let message = Message::decode(kind, self.held.get(HEADER..).unwrap_or_default());
        self.held.clear();
        message.map(Some)
    }

    fn fill(&mut self, bytes: &mut &[u8], want: usize) {
        let missing = want.saturating_sub(self.held.len());
        let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
        self.held.extend_from_slice(taken);
        *bytes = rest;
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
