//! The side that listens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, ServerConfig};
use rustls::pki_types::CertificateDer;

use super::connection::{Connection, Parts};
use super::error::{LinkError, ListenError};
use super::traffic::Traffic;
use super::transport::Transport;
use super::{GREETING, code};
use crate::certificate::{self, CertificateError, Consortium, Member};
use crate::identity::Identity;
use crate::tls::{self, Admit, TlsError};

/// An open UDP port that lets in parties of the consortium.
#[derive(Debug)]
pub struct Listener {
    endpoint: Endpoint,
    consortium: Consortium,
    traffic: Traffic,
    timeout: Duration,
}

impl Listener {
    /// Opens the port. `admit` says whom of the consortium's parties to let in.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(
        address: SocketAddr,
        identity: &Identity,
        admit: Admit,
        transport: &Transport,
        traffic: Traffic,
    ) -> Result<Self, ListenError> {
        let tls = tls::server_config(identity, admit)?;
        let crypto = QuicServerConfig::try_from(tls)
            .map_err(|error| TlsError::from(rustls::Error::General(error.to_string())))?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(transport.config(address.ip()));
        let failed = |source| ListenError::new(address, source);
        let socket = Transport::socket(address).map_err(failed)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let endpoint = Endpoint::new(Transport::endpoint(), Some(config), socket, runtime).map_err(failed)?;
        Ok(Self {
            endpoint,
            consortium: identity.consortium().clone(),
            traffic,
            timeout: transport.connect_timeout(),
        })
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// The next dialer; its handshake is still to come, in a task of its own. `None` after [`close`](Self::close).
    pub async fn accept(&self) -> Option<Arrival> {
        let incoming = self.endpoint.accept().await?;
        Some(Arrival {
            incoming,
            consortium: self.consortium.clone(),
            traffic: self.traffic.clone(),
            timeout: self.timeout,
        })
    }

    /// Closes every connection, and returns when the other sides know or can no longer be told.
    pub async fn close(&self, reason: &str) {
        self.endpoint.close(code::DONE, reason.as_bytes());
        // The other sides are told at once; waiting for the last of them must not keep a process alive.
        let _ = tokio::time::timeout(CLOSING, self.endpoint.wait_idle()).await;
    }
}

const CLOSING: Duration = Duration::from_secs(1);

/// Somebody who dials.
#[derive(Debug)]
pub struct Arrival {
    incoming: quinn::Incoming,
    consortium: Consortium,
    traffic: Traffic,
    timeout: Duration,
}

impl Arrival {
    /// Where from.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Completes the handshake, greets, and waits for the dialer's stream.
    ///
    /// # Errors
    /// [`LinkError`], as [`LinkError::Silent`] for a dialer that goes no further in time.
    pub async fn complete(self) -> Result<Connection, LinkError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.shake())
            .await
            .unwrap_or(Err(LinkError::Silent))
    }

    async fn shake(self) -> Result<Connection, LinkError> {
        let connection = self
            .incoming
            .accept()
            .map_err(LinkError::from_connection)?
            .await
            .map_err(LinkError::from_connection)?;
        let (peer, certificate) = peer(&connection, &self.consortium).map_err(|error| LinkError::Lost {
            detail: error.to_string(),
        })?;
        let mut greeting = connection.open_uni().await.map_err(LinkError::from_connection)?;
        greeting
            .write_all(GREETING)
            .await
            .map_err(LinkError::from_write)?;
        // An error says that the connection is over, which the next line finds out too.
        let _ = greeting.finish();
        let (send, receive) = connection.accept_bi().await.map_err(LinkError::from_connection)?;
        Ok(Connection::new(Parts {
            connection,
            endpoint: None,
            peer,
            certificate,
            traffic: self.traffic,
            send,
            receive,
        }))
    }
}

/// Who is at the other end of a connection whose handshake is complete.
pub(super) fn peer(
    connection: &quinn::Connection,
    consortium: &Consortium,
) -> Result<(Member, Vec<u8>), CertificateError> {
    let chain = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let first = chain.as_ref().and_then(|chain| chain.first());
    let certificate = first.ok_or_else(|| CertificateError::Malformed {
        detail: "no certificate was shown".to_owned(),
    })?;
    Ok((
        consortium.member(certificate, certificate::now())?,
        certificate.to_vec(),
    ))
}
