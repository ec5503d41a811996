//! What is wrong with a connection, in one plain sentence each.

use std::io;
use std::net::SocketAddr;

use hedgerow_protocol::wire::WireError;
use quinn::ConnectionError;
use rustls::AlertDescription;

use super::code;
use crate::certificate::CertificateError;
use crate::tls::TlsError;

/// Nobody can connect here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The port is taken.
    #[error("UDP port {} of {} is in use by another process: stop that one, or choose another port in `listen`", .address.port(), .address.ip())]
    InUse {
        /// Where.
        address: SocketAddr,
    },
    /// The address is not this machine's.
    #[error("{address} is no address of this machine: use 0.0.0.0:{} in `listen` for all of its addresses", .address.port())]
    NotOurs {
        /// Where.
        address: SocketAddr,
    },
    /// Something else.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The identity is of no use to TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ListenError {
    pub(super) fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address },
            _ => Self::Io { address, source },
        }
    }
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name cannot be resolved.
    #[error("{address} is not a host and port that can be found: {detail}")]
    Resolve {
        /// As configured.
        address: String,
        /// What the resolver said.
        detail: String,
    },
    /// The machine is there and says that the port is closed.
    #[error("nobody listens on UDP port {} of {}: is the coordinator, or the service, running?", .address.port(), .address.ip())]
    NobodyListens {
        /// Where.
        address: SocketAddr,
    },
    /// No answer at all.
    #[error(
        "{address} did not answer within {seconds} s: the machine is down, or a firewall drops UDP to this port"
    )]
    Silent {
        /// Where.
        address: SocketAddr,
        /// How long we waited.
        seconds: u64,
    },
    /// Something answers that is not QUIC.
    #[error(
        "something listens on {address} ({over}), but it does not speak QUIC with TLS: Hedgerow needs the coordinator's UDP port"
    )]
    NotQuic {
        /// Where.
        address: SocketAddr,
        /// `TCP` or `UDP, in plain text`.
        over: &'static str,
    },
    /// It speaks QUIC, for something else.
    #[error("{address} speaks QUIC, but not Hedgerow (it does not know the protocol \"hedgerow/1\")")]
    OtherProtocol {
        /// Where.
        address: SocketAddr,
    },
    /// We do not accept the coordinator's certificate.
    #[error("the certificate that {address} shows is refused: {source}")]
    Certificate {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: CertificateError,
    },
    /// The coordinator does not accept us.
    #[error("the coordinator at {address} refuses this party: {why}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// Why.
        why: Refusal,
    },
    /// The connection broke before it was one.
    #[error("the connection to {address} broke: {source}")]
    Broken {
        /// Where.
        address: SocketAddr,
        /// How.
        source: LinkError,
    },
    /// No socket.
    #[error("no UDP socket: {0}")]
    Socket(#[from] io::Error),
    /// The identity is of no use to TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ConnectError {
    /// Trying again will not help until somebody changes something.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Certificate { .. } | Self::Refused { .. } | Self::OtherProtocol { .. } | Self::Tls(_)
        )
    }
}

/// Why the other side does not accept our certificate. TLS tells no more than this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Signed by a CA that it does not trust.
    #[error("our certificate is of another consortium than the coordinator's")]
    OtherConsortium,
    /// Outside its validity.
    #[error("our certificate has expired or is not valid yet")]
    Expired,
    /// Good, but not for this run or role.
    #[error("our certificate is good, but its party id is not in the coordinator's list of parties")]
    NotListed,
    /// Something else is wrong with the certificate.
    #[error("our certificate is not accepted ({alert})")]
    Certificate {
        /// The TLS alert.
        alert: String,
    },
}

/// The TLS alert in a QUIC error code (RFC 9001, section 4.8).
fn alert(code: quinn::TransportErrorCode) -> Option<AlertDescription> {
    u64::from(code)
        .checked_sub(0x100)
        .and_then(|alert| u8::try_from(alert).ok())
        .map(AlertDescription::from)
}

impl Refusal {
    fn of(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::UnknownCA => Some(Self::OtherConsortium),
            AlertDescription::CertificateExpired => Some(Self::Expired),
            AlertDescription::AccessDenied => Some(Self::NotListed),
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRequired
            | AlertDescription::DecryptError => Some(Self::Certificate {
                alert: format!("{alert:?}"),
            }),
            _ => None,
        }
    }
}

/// A connection that is over, or a peer that broke the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side closed it and may have said why.
    #[error("closed by the other side{}", if .reason.is_empty() { String::new() } else { format!(": {}", .reason) })]
    Closed {
        /// Its words.
        reason: String,
    },
    /// A newer connection under the same certificate took over: does another process run as the same member?
    #[error("a newer connection with the same certificate took over")]
    Replaced,
    /// We closed it.
    #[error("closed on this side")]
    ClosedHere,
    /// The other side refused our certificate.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Nothing was heard for too long.
    #[error("nothing was heard from the other side for too long")]
    Silent,
    /// The other side sent something that is no frame or no message.
    #[error("the other side broke the protocol: {0}")]
    Wire(WireError),
    /// The other side restarted.
    #[error("the other side restarted")]
    Restarted,
    /// Something else.
    #[error("lost: {detail}")]
    Lost {
        /// What QUIC says.
        detail: String,
    },
}

impl LinkError {
    pub(super) fn from_connection(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) if close.error_code == code::REPLACED => Self::Replaced,
            ConnectionError::ApplicationClosed(close) => Self::Closed {
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionError::ConnectionClosed(close) => match alert(close.error_code).and_then(Refusal::of) {
                Some(refusal) => Self::Refused(refusal),
                None => Self::Lost {
                    detail: close.to_string(),
                },
            },
            ConnectionError::LocallyClosed => Self::ClosedHere,
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Restarted,
            other => Self::Lost {
                detail: other.to_string(),
            },
        }
    }

    pub(super) fn from_write(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::ConnectionLost(error) => Self::from_connection(error),
            other => Self::Lost {
                detail: other.to_string(),
            },
        }
    }

    pub(super) fn from_read(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::ConnectionLost(error) => Self::from_connection(error),
            other => Self::Lost {
                detail: other.to_string(),
            },
        }
    }
}

/// Why a handshake failed, as far as the error itself says.
pub(super) fn explain(address: SocketAddr, error: ConnectionError) -> ConnectError {
    let alert = match &error {
        ConnectionError::ConnectionClosed(close) => alert(close.error_code),
        _ => None,
    };
    if alert == Some(AlertDescription::NoApplicationProtocol) {
        return ConnectError::OtherProtocol { address };
    }
    match LinkError::from_connection(error) {
        LinkError::Refused(why) => ConnectError::Refused { address, why },
        source => ConnectError::Broken { address, source },
    }
}
