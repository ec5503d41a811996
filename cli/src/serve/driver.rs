//! The loop around the server's machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hedgerow_edge::certificate::Subject;
use hedgerow_edge::drive::Shutdown;
use hedgerow_edge::quic::{Arrival, ByteReceiver, ByteSender, Listener};
use hedgerow_inference::service::server::{ConnId, Job, JobId, Outcome, Output, ServerMachine};
use hedgerow_inference::service::wire::{Decoder, Message};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::{Semaphore, mpsc};
use tracing::{info, warn};

use super::ledger::Ledger;
use crate::error::Result;

/// Handshakes in progress at a time.
const HANDSHAKES: usize = 64;
/// Events that wait for the machine; readers of connections wait behind them, and QUIC slows the senders.
const EVENTS: usize = 64;

enum Event {
    Connected(ConnId, String, mpsc::UnboundedSender<Order>),
    Message(ConnId, Message),
    Closed(ConnId, String),
    Done(JobId, Outcome, Vec<(String, u64)>),
}

enum Order {
    Send(Bytes),
    Close(String),
}

/// Serves until somebody asks it to stop.
///
/// # Errors
/// A ledger that cannot be written.
pub async fn run(
    machine: ServerMachine,
    ledger: Ledger,
    listener: Listener,
    shutdown: Shutdown,
) -> Result<()> {
    let listener = Arc::new(listener);
    let (send, mut events) = mpsc::channel(EVENTS);
    let accepting = tokio::spawn(accept(Arc::clone(&listener), send.clone()));
    let mut server = Server {
        machine,
        ledger,
        links: BTreeMap::new(),
        send,
        start: Instant::now(),
    };
    let outcome = loop {
        if let Err(error) = server.perform() {
            break Err(error);
        }
        let deadline = server.machine.poll_timeout().map(|at| server.start + at);
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.requested() => break Ok(()),
            event = events.recv() => match event {
                Some(event) => server.handle(event),
                None => break Ok(()),
            },
            () = timer => {
                let now = server.start.elapsed();
                server.machine.handle_timeout(now);
            }
        }
    };
    accepting.abort();
    listener.close("the service stops").await;
    outcome
}

struct Server {
    machine: ServerMachine,
    ledger: Ledger,
    links: BTreeMap<ConnId, mpsc::UnboundedSender<Order>>,
    send: mpsc::Sender<Event>,
    start: Instant,
}

impl Server {
    fn handle(&mut self, event: Event) {
        let now = self.start.elapsed();
        match event {
            Event::Connected(id, client, link) => {
                info!(client, "connected");
                self.links.insert(id, link);
                self.machine.handle_connected(id, &client, now);
            }
            Event::Message(id, message) => self.machine.handle_message(id, message, now),
            Event::Closed(id, reason) => {
                info!(connection = id, "closed: {reason}");
                self.links.remove(&id);
                self.machine.handle_closed(id, now);
            }
            Event::Done(job, outcome, layers) => self.machine.handle_done(job, outcome, layers, now),
        }
    }

    fn perform(&mut self) -> Result<()> {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(to, message) => self.order(to, Order::Send(Bytes::from(message.encode()))),
                Output::Close(id, reason) => {
                    self.order(id, Order::Close(reason));
                    self.links.remove(&id);
                }
                Output::Charge(client, used) => self.ledger.charge(&client, used)?,
                Output::Note(client, reason) => warn!(client, "{reason}"),
                Output::Run(job) => {
                    let send = self.send.clone();
                    tokio::spawn(work(job, send));
                }
            }
        }
        Ok(())
    }

    fn order(&self, to: ConnId, order: Order) {
        if let Some(link) = self.links.get(&to) {
            // A link that is gone reports so by itself.
            let _ = link.send(order);
        }
    }
}

/// Runs a job on a thread that may block, and measures its stages.
async fn work(job: Job, send: mpsc::Sender<Event>) {
    let id = job.id;
    let client = job.client.clone();
    let failure = job.failure();
    let running = tokio::task::spawn_blocking(move || {
        let mut layers = Vec::new();
        let mut last = Instant::now();
        let outcome = job.run(&mut UnwrapErr(SysRng), &mut |layer| {
            let now = Instant::now();
            let us = u64::try_from((now - last).as_micros()).unwrap_or(u64::MAX);
            layers.push((layer.to_owned(), us));
            last = now;
        });
        (outcome, layers)
    });
    let (outcome, layers) = match running.await {
        Ok(done) => done,
        Err(error) => {
            // A panic: this request fails, and nobody else's.
            warn!(client, job = id, "{error}");
            (failure, Vec::new())
        }
    };
    let us: u64 = layers.iter().map(|(_, us)| us).sum();
    info!(client, job = id, microseconds = us, "done");
    // The receiver is gone when the service stops.
    let _ = send.send(Event::Done(id, outcome, layers)).await;
}

async fn accept(listener: Arc<Listener>, send: mpsc::Sender<Event>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    let mut number = 0;
    while let Some(arrival) = listener.accept().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        number += 1;
        let send = send.clone();
        tokio::spawn(async move {
            welcome(arrival, number, send).await;
            drop(place);
        });
    }
}

async fn welcome(arrival: Arrival, id: ConnId, send: mpsc::Sender<Event>) {
    let from = arrival.remote_address();
    let connection = match arrival.complete().await {
        Ok(connection) => connection,
        Err(error) => {
            warn!(%from, "connection refused or broken: {error}");
            return;
        }
    };
    let Subject::Party(party) = connection.peer().subject.clone() else {
        return;
    };
    let (sender, receiver) = connection.bytes();
    let (link, orders) = mpsc::unbounded_channel();
    if send
        .send(Event::Connected(id, party.to_string(), link))
        .await
        .is_ok()
    {
        tokio::spawn(write(sender, orders));
        tokio::spawn(read(id, party.to_string(), receiver, send));
    }
}

/// What waits here is bounded by the machine: one window of a blob on its way.
async fn write(mut sender: ByteSender, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Send(bytes) => {
                // A connection that breaks is the reader's to report.
                if sender.send(bytes).await.is_err() {
                    return;
                }
            }
            Order::Close(reason) => {
                sender.close(&reason).await;
                return;
            }
        }
    }
}

async fn read(id: ConnId, client: String, mut receiver: ByteReceiver, send: mpsc::Sender<Event>) {
    let mut decoder = Decoder::default();
    let reason = 'link: loop {
        let bytes = match receiver.receive().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break "the client has nothing more to ask".to_owned(),
            Err(error) => break error.to_string(),
        };
        let mut rest = &bytes[..];
        loop {
            match decoder.push(&mut rest) {
                Ok(Some(message)) => {
                    if send.send(Event::Message(id, message)).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let reason = format!("{client}: {error}");
                    warn!("{reason}");
                    receiver.broken(&reason);
                    break 'link reason;
                }
            }
        }
    };
    // Nobody is left to be told if the service stops.
    let _ = send.send(Event::Closed(id, reason)).await;
}
