//! The loop around a state machine: events in, journal, outputs, timers, shutdown. The same for both sides.
//!
//! A machine runs on a thread of its own, off the reactor: unmasking a large sum or waiting for a disk must
//! not keep connections from being served. Everything that is ready is handed to the machine before its
//! outputs are looked at, and all records among these are made durable together, with one fsync, before the
//! first of the other outputs is performed. That keeps the machine's promise (a record is durable before any
//! later output) and loses nothing: an output that is performed a little later than it might have been looks
//! like a slow network.

use std::sync::Arc;
use std::time::Duration;

use hedgerow_protocol::time::Millis;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// A sans-IO state machine, as `hedgerow-protocol` has them, with its events in one type.
pub trait Machine: Send + 'static {
    /// What happens to it.
    type Event: Send + 'static;
    /// What it wants done.
    type Output;

    /// Something happened.
    fn handle(&mut self, event: Self::Event, now: Millis);
    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, now: Millis);
    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing happens before.
    fn poll_timeout(&self) -> Option<Millis>;
    /// The next thing to do, in order.
    fn poll_output(&mut self) -> Option<Self::Output>;
}

/// What the process does for its machine.
pub trait Effects: Send + 'static {
    /// The machine's outputs.
    type Output;
    /// Why the process cannot go on, as a disk that is full.
    type Error: Send + 'static;

    /// Makes every record among the outputs durable, in order, before it returns.
    ///
    /// # Errors
    /// Then none of the outputs is performed and the loop ends.
    fn record(&mut self, outputs: &[Self::Output]) -> Result<(), Self::Error>;

    /// Does one output; for a record, which is durable by now, nothing is left to do.
    ///
    /// # Errors
    /// The loop ends.
    fn perform(&mut self, output: Self::Output) -> Result<Flow, Self::Error>;
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// The machine is done; outputs after this one are not looked at.
    Stop,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// [`Effects::perform`] said [`Flow::Stop`].
    Done,
    /// Somebody asked for it. What is journaled is where the next start continues.
    Shutdown,
    /// All senders of events are gone.
    Abandoned,
}

/// Most events that the machine takes before its outputs are looked at.
const BATCH: usize = 256;

/// Runs a machine to its end. Gives the effects back, with what they have gathered.
///
/// # Errors
/// The first error of the effects.
pub async fn drive<M, F>(
    mut machine: M,
    mut effects: F,
    mut events: mpsc::Receiver<M::Event>,
    clock: Clock,
    shutdown: Shutdown,
) -> Result<(End, F), F::Error>
where
    M: Machine,
    F: Effects<Output = M::Output>,
{
    let handle = Handle::current();
    let body = move || {
        loop {
            let outputs: Vec<M::Output> = std::iter::from_fn(|| machine.poll_output()).collect();
            if !outputs.is_empty() {
                effects.record(&outputs)?;
                for output in outputs {
                    if effects.perform(output)? == Flow::Stop {
                        return Ok((End::Done, effects));
                    }
                }
            }
            let deadline = machine.poll_timeout();
            match handle.block_on(wait(&mut events, deadline, &clock, &shutdown)) {
                Wake::Event(event) => {
                    machine.handle(event, clock.now());
                    for event in std::iter::from_fn(|| events.try_recv().ok()).take(BATCH) {
                        machine.handle(event, clock.now());
                    }
                }
                Wake::Timeout => machine.handle_timeout(clock.now()),
                Wake::End(end) => return Ok((end, effects)),
            }
        }
    };
    match tokio::task::spawn_blocking(body).await {
        Ok(outcome) => outcome,
        // The thread is never cancelled, so this is a panic of the machine: it goes on where it came from.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

enum Wake<E> {
    Event(E),
    Timeout,
    End(End),
}

async fn wait<E>(
    events: &mut mpsc::Receiver<E>,
    deadline: Option<Millis>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Wake<E> {
    let timer = async {
        match deadline {
            Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = shutdown.requested() => Wake::End(End::Shutdown),
        event = events.recv() => event.map_or(Wake::End(End::Abandoned), Wake::Event),
        () = timer => Wake::Timeout,
    }
}

/// The clock of a machine: milliseconds since the process began. It never goes backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now, at 0.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The runtime's instant. What lies beyond a year is a year away: no timer waits longer.
    fn instant(&self, at: Millis) -> Instant {
        const YEAR_MS: u64 = 365 * 86_400_000;
        // One more, because `now` rounds down: at the deadline it must have been reached.
        self.0 + Duration::from_millis(at.0.min(self.now().0.saturating_add(YEAR_MS)).saturating_add(1))
    }
}

/// Somebody's wish that a process ends in good order. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
    /// Keeps the channel open.
    sender: Arc<watch::Sender<bool>>,
}

impl Shutdown {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        let (sender, receiver) = watch::channel(false);
        Self {
            receiver,
            sender: Arc::new(sender),
        }
    }

    /// Asked for by Ctrl-C or SIGTERM. A second one ends the process at once.
    ///
    /// # Errors
    /// The system does not let signals be handled.
    pub fn on_signal() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let asked = shutdown.clone();
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::spawn(async move {
                loop {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                    if asked.is_requested() {
                        // What is journaled is durable at any moment.
                        std::process::exit(130);
                    }
                    asked.request();
                }
            });
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if asked.is_requested() {
                    std::process::exit(130);
                }
                asked.request();
            }
        });
        Ok(shutdown)
    }

    /// Asks.
    pub fn request(&self) {
        self.sender.send_replace(true);
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Returns once somebody has asked.
    pub async fn requested(&self) {
        let mut receiver = self.receiver.clone();
        // The sender lives as long as this value, so the channel cannot be closed.
        let _ = receiver.wait_for(|asked| *asked).await;
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}
