//! The side that dials.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use tokio::net::{TcpStream, UdpSocket};

use super::GREETING;
use super::connection::{Connection, Parts};
use super::error::{ConnectError, LinkError, explain};
use super::listen::peer;
use super::traffic::Traffic;
use super::transport::Transport;
use crate::certificate::Subject;
use crate::identity::Identity;
use crate::tls::{self, TlsError, Verdict};

/// The name that QUIC wants; it is neither sent nor looked at (see [`tls`]).
const SERVER_NAME: &str = "hedgerow";

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// `host:port` of the coordinator.
    pub address: String,
    /// The coordinator that must answer; without it any coordinator of the consortium will do.
    pub expected: Option<Subject>,
    /// How QUIC is tuned.
    pub transport: Transport,
    /// Where bytes are counted.
    pub traffic: Traffic,
}

impl Dialer {
    /// Connects once. When this returns, both sides have accepted each other.
    ///
    /// # Errors
    /// [`ConnectError`] of the last address that the name has.
    pub async fn dial(&self) -> Result<Connection, ConnectError> {
        let failed = |detail: String| ConnectError::Resolve {
            address: self.address.clone(),
            detail,
        };
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(&self.address)
            .await
            .map_err(|error| failed(error.to_string()))?
            .collect();
        let mut last = failed("it has no address".to_owned());
        for address in addresses {
            match self.dial_address(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn dial_address(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let verdict = Verdict::default();
        let crypto = tls::client_config(&self.identity, self.expected.clone(), verdict.clone())?;
        let crypto = QuicClientConfig::try_from(crypto)
            .map_err(|error| TlsError::from(rustls::Error::General(error.to_string())))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(self.transport.config(address.ip()));
        let local = any(address.ip());
        let socket = Transport::socket(local)?;
        let mut endpoint = Endpoint::new(Transport::endpoint(), None, socket, Arc::new(quinn::TokioRuntime))?;
        endpoint.set_default_client_config(config);

        let timeout = self.transport.connect_timeout();
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(timeout, self.shake(&endpoint, address)) => outcome,
            () = refused(address) => return Err(ConnectError::NobodyListens { address }),
        };
        match outcome {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => match verdict.take() {
                Some(source) => Err(ConnectError::Certificate { address, source }),
                None => Err(error),
            },
            Err(_) => Err(probe(address, timeout).await),
        }
    }

    async fn shake(&self, endpoint: &Endpoint, address: SocketAddr) -> Result<Connection, ConnectError> {
        let broken = |detail: String| ConnectError::Broken {
            address,
            source: LinkError::Lost { detail },
        };
        let lost = |error| explain(address, error);
        let connecting = endpoint
            .connect(address, SERVER_NAME)
            .map_err(|error| broken(error.to_string()))?;
        let connection = connecting.await.map_err(lost)?;
        let (peer, certificate) = peer(&connection, self.identity.consortium())
            .map_err(|source| ConnectError::Certificate { address, source })?;
        let mut greeting = connection.accept_uni().await.map_err(lost)?;
        let words = greeting
            .read_to_end(GREETING.len())
            .await
            .map_err(|error| match error {
                quinn::ReadToEndError::Read(quinn::ReadError::ConnectionLost(error)) => lost(error),
                other => broken(other.to_string()),
            })?;
        if words != GREETING {
            return Err(ConnectError::OtherProtocol { address });
        }
        let (send, receive) = connection.open_bi().await.map_err(lost)?;
        let endpoint = Some(endpoint.clone());
        let traffic = self.traffic.clone();
        Ok(Connection::new(Parts {
            connection,
            endpoint,
            peer,
            certificate,
            traffic,
            send,
            receive,
        }))
    }
}

fn any(like: IpAddr) -> SocketAddr {
    match like {
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    }
}

/// One byte over plain UDP. A QUIC endpoint ignores it; a closed port makes the system say so.
async fn knock(address: SocketAddr) -> io::Result<usize> {
    let socket = UdpSocket::bind(any(address.ip())).await?;
    socket.connect(address).await?;
    socket.send(&[0]).await?;
    socket.recv(&mut [0; 64]).await
}

/// Ends when the port turns out to be closed, and never otherwise.
async fn refused(address: SocketAddr) {
    match knock(address).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => std::future::pending().await,
    }
}

/// What is there, when QUIC had no answer.
async fn probe(address: SocketAddr, waited: Duration) -> ConnectError {
    const PATIENCE: Duration = Duration::from_secs(1);
    match tokio::time::timeout(PATIENCE, knock(address)).await {
        Ok(Ok(_)) => {
            return ConnectError::NotQuic {
                address,
                over: "UDP, in plain text",
            };
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return ConnectError::NobodyListens { address };
        }
        _ => {}
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => ConnectError::NotQuic { address, over: "TCP" },
        _ => ConnectError::Silent {
            address,
            seconds: waited.as_secs(),
        },
    }
}

/// How long to wait before dialling again: doubling from a quarter of a second to ten seconds.
#[derive(Clone, Debug)]
pub struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(10);

    /// From the beginning, as after a connection that worked.
    #[must_use]
    pub const fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(Self::LONGEST);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}
