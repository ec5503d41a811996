//! A connection that carries frames.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hedgerow_protocol::wire::{Frame, FrameDecoder, HEADER_LEN, Limits};

use super::code;
use super::error::LinkError;
use super::traffic::Traffic;
use crate::certificate::Member;

/// What the two halves of a connection have in common. Its end closes the connection.
#[derive(Debug)]
pub(super) struct Shared {
    connection: quinn::Connection,
    /// A dialer has an endpoint for each connection, which lives as long.
    _endpoint: Option<quinn::Endpoint>,
    peer: Member,
    certificate: Vec<u8>,
    traffic: Traffic,
}

impl Shared {
    /// Bytes of UDP payloads, sent and received.
    pub(super) fn udp(&self) -> (u64, u64) {
        let stats = self.connection.stats();
        (stats.udp_tx.bytes, stats.udp_rx.bytes)
    }

    fn mtu(&self) -> u16 {
        self.connection.stats().path.current_mtu
    }

    pub(super) fn close(&self, code: quinn::VarInt, reason: &str) {
        self.connection.close(code, reason.as_bytes());
    }

    pub(super) async fn closed(&self) -> quinn::ConnectionError {
        self.connection.closed().await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.connection.close(code::DONE, b"");
        self.traffic.ends(self.udp());
    }
}

/// A connection to a member whose certificate has been verified, as it has verified ours.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
}

/// The parts of a new connection.
pub(super) struct Parts {
    pub(super) connection: quinn::Connection,
    /// Of a dialer.
    pub(super) endpoint: Option<quinn::Endpoint>,
    pub(super) peer: Member,
    pub(super) certificate: Vec<u8>,
    pub(super) traffic: Traffic,
    pub(super) send: quinn::SendStream,
    pub(super) receive: quinn::RecvStream,
}

impl Connection {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            connection,
            endpoint,
            peer,
            certificate,
            traffic,
            send,
            receive,
        } = parts;
        let shared = Arc::new(Shared {
            connection,
            _endpoint: endpoint,
            peer,
            certificate,
            traffic,
        });
        shared.traffic.begins(&shared);
        Self {
            shared,
            send,
            receive,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Member {
        &self.shared.peer
    }

    /// The other end's certificate (DER).
    #[must_use]
    pub fn peer_certificate(&self) -> &[u8] {
        &self.shared.certificate
    }

    /// Where the other end is.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.shared.connection.remote_address()
    }

    /// Two halves for two tasks; the connection ends with the later of them.
    #[must_use]
    pub fn split(self, limits: Limits) -> (FrameSender, FrameReceiver) {
        let sender = FrameSender {
            shared: Arc::clone(&self.shared),
            stream: self.send,
        };
        let receiver = FrameReceiver {
            shared: self.shared,
            stream: self.receive,
            decoder: FrameDecoder::new(limits),
            pending: Bytes::new(),
        };
        (sender, receiver)
    }
}

impl Connection {
    /// Two halves that carry bytes as they are, for a protocol with frames of its own.
    #[must_use]
    pub fn bytes(self) -> (ByteSender, ByteReceiver) {
        let sender = ByteSender {
            shared: Arc::clone(&self.shared),
            stream: self.send,
        };
        let receiver = ByteReceiver {
            shared: self.shared,
            stream: self.receive,
        };
        (sender, receiver)
    }
}

/// The half that sends bytes.
#[derive(Debug)]
pub struct ByteSender {
    shared: Arc<Shared>,
    stream: quinn::SendStream,
}

impl ByteSender {
    /// Hands bytes to QUIC; waits while the send window is full.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is then over.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), LinkError> {
        let length = bytes.len();
        self.stream
            .write_all_chunks(&mut [bytes])
            .await
            .map_err(LinkError::from_write)?;
        self.shared.traffic.sent(length);
        Ok(())
    }

    /// Says that nothing follows, waits until the other side has everything, and closes with a reason.
    pub async fn close(mut self, reason: &str) {
        // Errors say that the connection is over already.
        let _ = self.stream.finish();
        let _ = tokio::time::timeout(LINGER, self.stream.stopped()).await;
        self.shared.close(code::DONE, reason);
    }
}

/// How long the other side may take to acknowledge the last bytes.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// The half that receives bytes.
#[derive(Debug)]
pub struct ByteReceiver {
    shared: Arc<Shared>,
    stream: quinn::RecvStream,
}

impl ByteReceiver {
    /// The next bytes, or `None` when the other side has said that nothing follows.
    ///
    /// # Errors
    /// Why the connection is over.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, LinkError> {
        let chunk = self
            .stream
            .read_chunk(usize::MAX, true)
            .await
            .map_err(LinkError::from_read)?;
        Ok(chunk.map(|chunk| {
            self.shared.traffic.received(chunk.bytes.len());
            chunk.bytes
        }))
    }

    /// Closes because the other side sent what is no protocol of ours.
    pub fn broken(&self, reason: &str) {
        self.shared.close(code::BROKEN, reason);
    }
}

/// The half that sends.
#[derive(Debug)]
pub struct FrameSender {
    pub(super) shared: Arc<Shared>,
    stream: quinn::SendStream,
}

impl FrameSender {
    /// Hands a frame to QUIC without copying its payload; waits while the send window is full.
    ///
    /// # Errors
    /// [`LinkError`]; the connection is then over.
    pub async fn send(&mut self, frame: Frame) -> Result<(), LinkError> {
        let header = Bytes::copy_from_slice(&frame.header());
        let payload = Bytes::from(frame.into_payload());
        let length = HEADER_LEN + payload.len();
        self.stream
            .write_all_chunks(&mut [header, payload])
            .await
            .map_err(LinkError::from_write)?;
        self.shared.traffic.sent(length);
        Ok(())
    }

    /// Largest UDP payload that path MTU discovery has found so far, in bytes.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.shared.mtu()
    }

    /// Says that nothing follows, and waits until the other side has everything.
    ///
    /// # Errors
    /// [`LinkError`] if the connection ended before.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        // An error means that the stream is closed already, which `stopped` reports.
        let _ = self.stream.finish();
        match self.stream.stopped().await {
            Ok(_) => Ok(()),
            Err(quinn::StoppedError::ConnectionLost(error)) => Err(LinkError::from_connection(error)),
            Err(error) => Err(LinkError::Lost {
                detail: error.to_string(),
            }),
        }
    }
}

/// The half that receives.
#[derive(Debug)]
pub struct FrameReceiver {
    pub(super) shared: Arc<Shared>,
    stream: quinn::RecvStream,
    decoder: FrameDecoder,
    pending: Bytes,
}

impl FrameReceiver {
    /// The next frame, or `None` when the other side has said that nothing follows.
    ///
    /// # Errors
    /// [`LinkError::Wire`] for bytes that are no frame within the limits; nothing was allocated for it, and
    /// the connection is closed with the reason. Otherwise why the connection is over.
    pub async fn receive(&mut self) -> Result<Option<Frame>, LinkError> {
        self.receive_within(None::<fn() -> Limits>).await
    }

    /// The same, with limits that may have changed by the time that bytes arrive.
    pub(super) async fn receive_within(
        &mut self,
        limits: Option<impl Fn() -> Limits>,
    ) -> Result<Option<Frame>, LinkError> {
        loop {
            if self.pending.is_empty() {
                match self
                    .stream
                    .read_chunk(usize::MAX, true)
                    .await
                    .map_err(LinkError::from_read)?
                {
                    Some(chunk) => self.pending = chunk.bytes,
                    None => return Ok(None),
                }
            }
            if let Some(limits) = &limits {
                self.decoder.set_limits(limits());
            }
            match self.decoder.push(&self.pending) {
                Ok((taken, frame)) => {
                    self.pending = self.pending.split_off(taken.min(self.pending.len()));
                    if let Some(frame) = frame {
                        self.shared.traffic.received(HEADER_LEN + frame.payload().len());
                        return Ok(Some(frame));
                    }
                }
                Err(error) => {
                    self.shared.close(code::BROKEN, &error.to_string());
                    return Err(LinkError::Wire(error));
                }
            }
        }
    }
}
