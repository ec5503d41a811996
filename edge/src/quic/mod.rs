//! Frames over QUIC: one connection between two members of a consortium, one stream each way.
//!
//! [`Listener`] and [`Dialer`] make [`Connection`]s: TLS 1.3 with certificates on both sides, ALPN
//! `hedgerow/1`, keep-alive, windows for fat links. A [`Connection`] carries frames of
//! `protocol::wire`; [`Link`] carries messages and runs by itself. [`Traffic`] counts bytes of frames and of
//! UDP datagrams. [`ConnectError`] and [`LinkError`] say in one sentence what is wrong.
//!
//! A listener greets a dialer whom it has let in, so that [`Dialer::dial`] returns only once both sides have
//! accepted each other's certificate: in TLS 1.3 alone the dialer would learn of a refusal at some later
//! message. The dialer speaks first: a connection comes out of [`Arrival::complete`] with its first frame.

mod connection;
mod dial;
mod error;
mod link;
mod listen;
mod traffic;
mod transport;

#[cfg(test)]
mod tests;

pub use connection::{ByteReceiver, ByteSender, Connection, FrameReceiver, FrameSender};
pub use dial::{Backoff, Dialer};
pub use error::{ConnectError, LinkError, ListenError, Refusal};
pub use link::{Link, LinkEvent, Reading};
pub use listen::{Arrival, Listener};
pub use traffic::{Traffic, TrafficTotals};
pub use transport::Transport;

/// What a listener writes on a stream of its own to a dialer that it lets in.
const GREETING: &[u8] = crate::tls::ALPN;

/// Application close codes.
mod code {
    use quinn::VarInt;

    /// Nothing more to say.
    pub(super) const DONE: VarInt = VarInt::from_u32(0);
    /// The other side broke the protocol of frames.
    pub(super) const BROKEN: VarInt = VarInt::from_u32(1);
    /// A newer connection of the same member took over.
    pub(super) const REPLACED: VarInt = VarInt::from_u32(2);
}
