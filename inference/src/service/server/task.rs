//! What a client has under way: keys or a request, from its announcement to its end.

use std::time::Duration;

use hedgerow_crypto::hash::Digest;

use super::super::transfer::{Incoming, Outgoing};
use super::super::wire::What;
use super::ConnId;
use super::cache::KeyName;

/// Where it is.
#[derive(Debug)]
pub(super) enum State {
    /// It waits for room.
    Waiting,
    /// Its bytes come in.
    Receiving(Incoming),
    /// Its bytes are here; it waits for its turn.
    Queued(Vec<u8>),
    /// Somebody works on it.
    Running,
    /// Its answer goes out.
    Answered(Outgoing),
}

/// Keys or a request of one client. It outlives its connection for a while, so that a transfer can go on.
#[derive(Debug)]
pub(super) struct Task {
    pub what: What,
    pub model: String,
    /// The announced size, bytes.
    pub bytes: u64,
    /// Bytes of its pool that it holds once it is admitted, until it is over.
    pub room: u64,
    pub admitted: bool,
    /// The keys that it brings, or that it is asked under.
    pub keys: Option<KeyName>,
    pub conn: Option<ConnId>,
    /// When something last happened to it.
    pub since: Duration,
    pub state: State,
}

/// A client and the digest of what it sends.
pub(super) type TaskName = (String, Digest);

impl Task {
    /// Whether it is in the hands of the server, so that the client has nothing to do but wait.
    pub fn is_ours(&self) -> bool {
        matches!(self.state, State::Waiting | State::Queued(_) | State::Running)
    }
}
