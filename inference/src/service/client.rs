//! The client's machine: the offer, keys once, one request after the other, and whatever got lost again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hedgerow_crypto::hash::Digest;
use thiserror::Error;

use super::transfer::{Incoming, Outgoing, Progress};
use super::wire::{Message, NONE, What, name_of};
use super::{MAX_FORM, Offer, Report, ServiceError};

/// Before a client says again what it wants.
const RESEND: Duration = Duration::from_secs(3);
/// Bytes of an offer beside its form, at most.
const OFFER_TEXT: u64 = 8 << 10;

/// Why a client gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The server says no.
    #[error("the server refuses: {reason}{}", retry(*.retry_ms))]
    Refused {
        /// Its words.
        reason: String,
        /// When it would not, in milliseconds.
        retry_ms: Option<u64>,
    },
    /// What the server sent is not what it should be.
    #[error("the server's {what}: {source}")]
    Wrong {
        /// Which blob.
        what: &'static str,
        /// Why.
        source: ServiceError,
    },
    /// Nothing came for too long.
    #[error("the server has said nothing for {seconds} s")]
    Silent {
        /// So long.
        seconds: u64,
    },
}

fn retry(ms: Option<u64>) -> String {
    ms.map_or(String::new(), |ms| format!("; again in {} s", ms.div_ceil(1000)))
}

/// What the machine wants done, in this order.
#[derive(Debug)]
pub enum ClientOutput {
    /// Send a message.
    Send(Message),
    /// The offer is here: [`ClientMachine::ask`] may follow.
    Offered(Offer),
    /// The server does not have the keys: [`ClientMachine::keys`] is to follow.
    WantKeys,
    /// The request waits; so many are before it.
    Waiting(u32),
    /// The answer to the request.
    Answered(Report),
    /// What [`ClientMachine::download`] asked for.
    Downloaded(Vec<u8>),
    /// It is over.
    Failed(AskError),
}

/// The machine. Time is the time since any moment that stays the same.
pub struct ClientMachine {
    model: String,
    patience: Duration,
    offer: Option<Incoming>,
    offered: Option<(Digest, u64, Offer)>,
    download: Option<Incoming>,
    keys: Option<Outgoing>,
    request: Option<Outgoing>,
    answer: Option<Incoming>,
    heard: Duration,
    resend: Duration,
    over: bool,
    outputs: VecDeque<ClientOutput>,
}

impl ClientMachine {
    /// Asks for a model by name; an empty name is the only one that is served. `patience`: after so long a silence the
    /// client gives up.
    pub fn new(model: &str, patience: Duration, now: Duration) -> Self {
        let mut machine = Self {
            model: model.to_owned(),
            patience,
            offer: None,
            offered: None,
            download: None,
            keys: None,
            request: None,
            answer: None,
            heard: now,
            resend: now,
            over: false,
            outputs: VecDeque::new(),
        };
        machine.handle_connected(now);
        machine
    }

    /// There is a connection, or another one: what was under way goes on.
    pub fn handle_connected(&mut self, now: Duration) {
        self.heard = now;
        self.resend = now + RESEND;
        // What was to go over another connection is said again where it matters: here a name comes first.
        self.outputs
            .retain(|output| !matches!(output, ClientOutput::Send(_)));
        let model = self.model.clone();
        self.send(Message::Hello { model });
        self.keys
            .iter_mut()
            .chain(&mut self.request)
            .for_each(Outgoing::restart);
        self.repeat(false);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`ClientMachine::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.over).then(|| self.resend.min(self.heard + self.patience))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.over {
            return;
        }
        let idle = self.offered.is_some() && self.request.is_none() && self.download.is_none();
        if idle {
            self.heard = now;
        }
        if now.saturating_sub(self.heard) >= self.patience {
            let seconds = self.patience.as_secs();
            self.fail(AskError::Silent { seconds });
        } else if now >= self.resend {
            self.resend = now + RESEND;
            self.repeat(true);
        }
    }

    /// Says again what is under way.
    fn repeat(&mut self, hello: bool) {
        // A request that has been answered is announced by its answer again, which then goes on.
        let message = match (&self.offered, &self.keys, &self.request) {
            (None, ..) => match (&mut self.offer, hello) {
                (Some(offer), _) => offer.ready(),
                (None, true) => Message::Hello {
                    model: self.model.clone(),
                },
                (None, false) => return,
            },
            _ if self.download.is_some() => match &mut self.download {
                Some(download) => download.ready(),
                None => return,
            },
            (_, Some(keys), _) => keys.put(),
            (_, None, Some(request)) => request.put(),
            _ => return,
        };
        self.send(message);
    }

    /// Asks one request, encrypted under keys of this name ([`name_of`] their bytes; [`NONE`] where the mode needs none).
    pub fn ask(&mut self, keys: Digest, request: Vec<u8>, now: Duration) {
        let bytes: Arc<[u8]> = request.into();
        let out = Outgoing::new(What::Request, name_of(&bytes), keys, bytes);
        self.send(out.put());
        self.request = Some(out);
        self.answer = None;
        self.keys = None;
        self.heard = now;
        self.resend = now + RESEND;
    }

    /// Downloads what the offer says that a request needs, by its name and size: once, before the first request.
    pub fn download(&mut self, blob: Digest, bytes: u64, now: Duration) {
        let mut incoming = Incoming::new(blob, bytes);
        let ready = incoming.ready();
        self.download = Some(incoming);
        self.send(ready);
        self.heard = now;
        self.resend = now + RESEND;
    }

    /// The keys that [`ClientOutput::WantKeys`] asked for.
    pub fn keys(&mut self, bytes: Vec<u8>, now: Duration) {
        let bytes: Arc<[u8]> = bytes.into();
        let out = Outgoing::new(What::Keys, name_of(&bytes), NONE, bytes);
        self.send(out.put());
        self.keys = Some(out);
        self.heard = now;
        self.resend = now + RESEND;
    }

    fn send(&mut self, message: Message) {
        self.outputs.push_back(ClientOutput::Send(message));
    }

    fn fail(&mut self, error: AskError) {
        self.over = true;
        self.outputs.push_back(ClientOutput::Failed(error));
    }

    /// A message has come.
    pub fn handle_message(&mut self, message: Message, now: Duration) {
        if self.over {
            return;
        }
        self.heard = now;
        self.resend = now + RESEND;
        match message {
            Message::Put {
                what,
                blob,
                bytes,
                about,
            } => self.put(what, blob, bytes, about),
            Message::Chunk { blob, offset, data } => self.chunk(blob, offset, &data),
            Message::Ready { blob, offset } => self.ready(blob, offset),
            Message::Queued { ahead, .. } => self.outputs.push_back(ClientOutput::Waiting(ahead)),
            Message::NeedKeys { keys } => {
                let asked = self
                    .request
                    .as_ref()
                    .is_some_and(|request| request.about() == keys);
                match &self.keys {
                    Some(out) => {
                        let put = out.put();
                        self.send(put);
                    }
                    None if asked => self.outputs.push_back(ClientOutput::WantKeys),
                    None => {}
                }
            }
            Message::Refused {
                blob,
                reason,
                retry_ms,
            } => {
                let ours = [&self.keys, &self.request];
                let ours = ours.into_iter().flatten().any(|out| out.blob() == blob);
                if ours || blob == NONE {
                    self.fail(AskError::Refused { reason, retry_ms });
                }
            }
            Message::Hello { .. } => {}
        }
    }

    fn put(&mut self, what: What, blob: Digest, bytes: u64, about: Digest) {
        let limit = match (what, &self.offered) {
            (What::Offer, Some((known, total, _))) if *known == blob => {
                let offset = *total;
                self.send(Message::Ready { blob, offset });
                return;
            }
            (What::Offer, Some(_)) => {
                return self.wrong(
                    what,
                    ServiceError::Foreign {
                        what: "offer",
                        actual: format!("digest {blob:?}"),
                        expected: "the one before the connection broke".to_owned(),
                    },
                );
            }
            (What::Offer, None) => MAX_FORM as u64 + OFFER_TEXT,
            (What::Answer, Some((_, _, offer))) => {
                if self
                    .request
                    .as_ref()
                    .is_none_or(|request| request.blob() != about)
                {
                    // An answer that has arrived before: its sender has not heard of it.
                    self.send(Message::Ready { blob, offset: bytes });
                    return;
                }
                offer.sizes.answer.saturating_add(Report::OVERHEAD)
            }
            _ => return,
        };
        if let Err(error) = ServiceError::at_most(what.name(), bytes, limit) {
            return self.wrong(what, error);
        }
        let slot = match what {
            What::Offer => &mut self.offer,
            _ => &mut self.answer,
        };
        let incoming = match slot {
            Some(incoming) if incoming.blob() == blob => incoming,
            _ => slot.insert(Incoming::new(blob, bytes)),
        };
        let ready = incoming.ready();
        self.send(ready);
    }

    fn wrong(&mut self, what: What, source: ServiceError) {
        self.fail(AskError::Wrong {
            what: what.name(),
            source,
        });
    }

    fn chunk(&mut self, blob: Digest, offset: u64, data: &[u8]) {
        let slots = [
            (What::Offer, &mut self.offer),
            (What::Answer, &mut self.answer),
            (What::Download, &mut self.download),
        ];
        let found = slots.into_iter().find_map(|(what, slot)| {
            let incoming = slot.as_mut().filter(|incoming| incoming.blob() == blob)?;
            Some((what, incoming.chunk(offset, data), incoming.total(), slot))
        });
        let Some((what, progress, total, slot)) = found else {
            return;
        };
        match progress {
            Progress::Silent => {}
            Progress::Tell => {
                if let Some(ready) = slot.as_mut().map(Incoming::ready) {
                    self.send(ready);
                }
            }
            Progress::Complete => {
                let bytes = slot.take().map(Incoming::into_bytes).unwrap_or_default();
                if name_of(&bytes) != blob {
                    return self.wrong(
                        what,
                        ServiceError::Foreign {
                            what: "bytes",
                            actual: format!("digest {:?}", name_of(&bytes)),
                            expected: format!("digest {blob:?}, as announced"),
                        },
                    );
                }
                self.send(Message::Ready { blob, offset: total });
                if what == What::Download {
                    return self.outputs.push_back(ClientOutput::Downloaded(bytes));
                }
                self.complete(what, blob, &bytes);
            }
        }
    }

    fn complete(&mut self, what: What, blob: Digest, bytes: &[u8]) {
        if what == What::Offer {
            match Offer::from_bytes(bytes) {
                Ok(offer) => {
                    self.offered = Some((blob, bytes.len() as u64, offer.clone()));
                    self.outputs.push_back(ClientOutput::Offered(offer));
                }
                Err(error) => self.wrong(what, error),
            }
            return;
        }
        self.request = None;
        match Report::from_bytes(bytes) {
            Ok(report) => self.outputs.push_back(ClientOutput::Answered(report)),
            Err(error) => self.wrong(what, error),
        }
    }

    fn ready(&mut self, blob: Digest, offset: u64) {
        let out = [&mut self.keys, &mut self.request];
        let Some(out) = out.into_iter().flatten().find(|out| out.blob() == blob) else {
            return;
        };
        let over = out.ready(offset);
        if !over {
            let chunks: Vec<Message> = std::iter::from_fn(|| out.chunk()).collect();
            self.outputs.extend(chunks.into_iter().map(ClientOutput::Send));
        } else if out.what() == What::Keys {
            // The server has the keys: now the request.
            self.keys = None;
            self.repeat(false);
        }
    }
}
