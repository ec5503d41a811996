//! The accept loop: parties of the consortium that the run lists, and nobody else.

use std::sync::Arc;

use hedgerow_edge::certificate::{CertificateError, Subject};
use hedgerow_edge::quic::{Arrival, Link, Listener};
use hedgerow_edge::tls::Admit;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::wire::Limits;
use tokio::sync::{Semaphore, mpsc};
use tracing::{info, warn};

use crate::machine::Event;

/// Handshakes in progress at a time; others wait at the door. A handshake costs a signature and some memory.
const HANDSHAKES: usize = 64;

/// Lets in the parties of the run.
pub(crate) fn admit(config: &RunConfig) -> Admit {
    let parties = config.parties.clone();
    Arc::new(move |subject: &Subject| match subject {
        Subject::Party(id) if parties.binary_search(id).is_ok() => Ok(()),
        other => Err(CertificateError::Other {
            expected: "one of the run's parties".to_owned(),
            found: other.to_string(),
        }),
    })
}

/// Accepts connections until the listener is closed or nobody takes events any more.
pub(crate) async fn accept(listener: Arc<Listener>, limits: Limits, events: mpsc::Sender<Event>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    let mut number = 0;
    while let Some(arrival) = listener.accept().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        number += 1;
        let events = events.clone();
        tokio::spawn(async move {
            welcome(arrival, number, limits, events).await;
            drop(place);
        });
    }
}

async fn welcome(arrival: Arrival, number: u64, limits: Limits, events: mpsc::Sender<Event>) {
    let from = arrival.remote_address();
    let connection = match arrival.complete().await {
        Ok(connection) => connection,
        Err(error) => {
            warn!(%from, "connection refused or broken: {error}");
            return;
        }
    };
    let member = connection.peer().clone();
    let Subject::Party(party) = member.subject else {
        return;
    };
    info!(%party, %from, "connected");
    // The connection must be known before anything that comes over it.
    let of = party.clone();
    let wrap = move |event| Event::Link {
        party: of.clone(),
        number,
        event,
    };
    let (link, reading) = Link::paused(connection, limits, events.clone(), wrap);
    if events
        .send(Event::Connected {
            party,
            number,
            identity: member.identity,
            link,
        })
        .await
        .is_ok()
    {
        reading.start();
    }
}
