//! The connection to the coordinator, dialled again for as long as the process lives.

use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::quic::{Backoff, Dialer, Link};
use hedgerow_protocol::wire::{Limits, ToCoordinator};
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use crate::machine::Event;

/// The connection of the moment.
#[derive(Default)]
pub(super) struct Line {
    link: Mutex<Option<Link<ToCoordinator>>>,
    limits: Mutex<Option<Limits>>,
    lost: Notify,
    /// Why the last attempt to connect failed.
    failed: Mutex<Option<String>>,
}

impl Line {
    pub(super) fn with<T>(&self, use_it: impl FnOnce(&mut Option<Link<ToCoordinator>>) -> T) -> T {
        use_it(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take(&self) -> Option<Link<ToCoordinator>> {
        self.with(Option::take)
    }

    /// Why there is no connection, if one was tried for.
    pub(super) fn why_not(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection is known to be over: dial again.
    pub(super) fn is_lost(&self) {
        self.lost.notify_one();
    }

    fn limits(&self) -> Limits {
        self.limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or(Limits::control())
    }

    pub(super) fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
        self.with(|link| {
            if let Some(link) = link {
                link.set_limits(limits);
            }
        });
    }
}

/// Dials for as long as the process lives: a coordinator that is not there yet, or any more, is called again.
pub(super) async fn keep_dialling(
    dialer: Dialer,
    events: mpsc::Sender<Event>,
    line: Arc<Line>,
    progress: Progress,
) {
    let mut backoff = Backoff::new();
    loop {
        match dialer.dial().await {
            Ok(connection) => {
                info!(coordinator = %connection.remote_address(), "connected");
                progress.emit(&ProgressEvent::Connected);
                let link = Link::start(connection, line.limits(), events.clone(), Event::Link);
                line.with(|slot| *slot = Some(link));
                if events.send(Event::Connected).await.is_err() {
                    return;
                }
                backoff = Backoff::new();
                line.lost.notified().await;
            }
            Err(error) if error.is_final() => {
                // Nobody is left to be told if the loop is gone.
                let _ = events.send(Event::NotAdmitted(error.to_string())).await;
                return;
            }
            Err(error) => {
                *line.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                warn!(%error, "no connection yet; trying again");
                progress.emit(&ProgressEvent::Disconnected {
                    reason: error.to_string(),
                });
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}
