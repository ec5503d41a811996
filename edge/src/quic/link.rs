//! A connection that carries messages and runs by itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hedgerow_protocol::wire::{Limits, Message};
use tokio::sync::{mpsc, oneshot};

use super::code;
use super::connection::{Connection, FrameReceiver, FrameSender, Shared};
use super::error::LinkError;

/// What comes out of a link.
#[derive(Debug)]
pub enum LinkEvent<In> {
    /// A message.
    Message(In),
    /// The link is over; nothing follows.
    Closed(LinkError),
}

/// The sending end of a link. A task of its own encodes and writes, another reads and decodes; the reader
/// waits while its events are not taken, and QUIC's flow control then slows the other side down.
#[derive(Debug)]
pub struct Link<Out> {
    outbox: mpsc::UnboundedSender<Order<Out>>,
    limits: Arc<Mutex<Limits>>,
    shared: Weak<Shared>,
}

/// A link that does not read yet. Dropped unused, it never will.
#[derive(Debug)]
#[must_use]
pub struct Reading(oneshot::Sender<()>);

impl Reading {
    /// Reads from now on.
    pub fn start(self) {
        // The reader waits for nothing but this.
        let _ = self.0.send(());
    }
}

enum Order<Out> {
    Send(Out),
    Finish(oneshot::Sender<()>),
}

impl<Out: Message + Send + 'static> Link<Out> {
    /// Starts both tasks. Everything that comes in goes through `wrap` into `events`, and
    /// [`LinkEvent::Closed`] comes last, exactly once.
    pub fn start<In, E>(
        connection: Connection,
        limits: Limits,
        events: mpsc::Sender<E>,
        wrap: impl Fn(LinkEvent<In>) -> E + Send + 'static,
    ) -> Self
    where
        In: Message + Send + 'static,
        E: Send + 'static,
    {
        let (link, reading) = Self::paused(connection, limits, events, wrap);
        reading.start();
        link
    }

    /// The same, but nothing is read before [`Reading::start`]: for whoever sends the link itself as an event,
    /// which must come before the first message.
    pub fn paused<In, E>(
        connection: Connection,
        limits: Limits,
        events: mpsc::Sender<E>,
        wrap: impl Fn(LinkEvent<In>) -> E + Send + 'static,
    ) -> (Self, Reading)
    where
        In: Message + Send + 'static,
        E: Send + 'static,
    {
        let (sender, receiver) = connection.split(limits);
        let shared = Arc::downgrade(&sender.shared);
        let (outbox, orders) = mpsc::unbounded_channel();
        let limits = Arc::new(Mutex::new(limits));
        let (start, started) = oneshot::channel();
        tokio::spawn(write(sender, orders));
        let reader = read(receiver, Arc::clone(&limits), events, wrap);
        tokio::spawn(async move {
            if started.await.is_ok() {
                reader.await;
            }
        });
        (
            Self {
                outbox,
                limits,
                shared,
            },
            Reading(start),
        )
    }

    /// Sends a message some time soon. False if the link is over, as [`LinkEvent::Closed`] says too.
    pub fn send(&self, message: Out) -> bool {
        self.outbox.send(Order::Send(message)).is_ok()
    }

    /// Limits for what comes in from now on, as when the configuration of the run is known.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Sends what is queued, waits until the other side has it, and closes.
    pub async fn finish(self) {
        let (done, finished) = oneshot::channel();
        if self.outbox.send(Order::Finish(done)).is_ok() {
            // An error means that the writer is gone, and then so is the connection.
            let _ = finished.await;
        }
        self.abort("");
    }

    /// Closes at once and says why.
    pub fn abort(&self, reason: &str) {
        if let Some(shared) = self.shared.upgrade() {
            shared.close(code::DONE, reason);
        }
    }

    /// Closes at once because a newer connection of the same member took over.
    pub fn replace(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.close(code::REPLACED, "a newer connection of this member took over");
        }
    }
}

async fn write<Out: Message>(mut sender: FrameSender, mut orders: mpsc::UnboundedReceiver<Order<Out>>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Send(message) => {
                // A connection that breaks is the reader's to report.
                if sender.send(message.to_frame()).await.is_err() {
                    return;
                }
            }
            Order::Finish(done) => {
                let _ = sender.finish().await;
                let _ = done.send(());
                return;
            }
        }
    }
}

async fn read<In: Message, E>(
    mut receiver: FrameReceiver,
    limits: Arc<Mutex<Limits>>,
    events: mpsc::Sender<E>,
    wrap: impl Fn(LinkEvent<In>) -> E,
) {
    let error = loop {
        match receive(&mut receiver, &limits).await {
            Ok(message) => {
                if events.send(wrap(LinkEvent::Message(message))).await.is_err() {
                    return;
                }
            }
            Err(error) => break error,
        }
    };
    // Nobody is left to be told if the receiver is gone.
    let _ = events.send(wrap(LinkEvent::Closed(error))).await;
}

async fn receive<In: Message>(receiver: &mut FrameReceiver, limits: &Mutex<Limits>) -> Result<In, LinkError> {
    // Limits may change while this waits for a header: the configuration of the run came in the last message.
    let frame = receiver
        .receive_within(Some(|| *limits.lock().unwrap_or_else(PoisonError::into_inner)))
        .await?;
    let Some(frame) = frame else {
        // The other side said that nothing follows; it closes when it has what we still send.
        return Err(LinkError::from_connection(receiver.shared.closed().await));
    };
    In::from_frame(&frame).map_err(|error| {
        receiver.shared.close(code::BROKEN, &error.to_string());
        LinkError::Wire(error)
    })
}
