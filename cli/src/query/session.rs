//! A client's connection to a service: the machine of `inference::service`, a clock, and QUIC; it dials again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use hedgerow_edge::quic::{Backoff, ByteReceiver, ByteSender, Dialer, LinkError};
use hedgerow_inference::service::client::{AskError, ClientMachine, ClientOutput};
use hedgerow_inference::service::wire::Decoder;
use tokio::time::Instant;

use crate::error::{CliError, Result};

/// Times that a connection may break before a client gives up.
const TRIES: u32 = 5;

/// A connection, and the machine that speaks over it.
pub struct Session {
    dialer: Dialer,
    machine: ClientMachine,
    link: Option<(ByteSender, ByteReceiver)>,
    decoder: Decoder,
    start: Instant,
    news: VecDeque<ClientOutput>,
    broken: u32,
    /// Bytes of messages, sent and received.
    pub bytes: (u64, u64),
}

impl Session {
    /// Dials, and asks for a model.
    ///
    /// # Errors
    /// Nobody there, or somebody else.
    pub async fn open(dialer: Dialer, model: &str, patience: Duration) -> Result<Self> {
        let connection = dialer.dial().await.map_err(CliError::library("query"))?;
        Ok(Self {
            machine: ClientMachine::new(model, patience, Duration::ZERO),
            link: Some(connection.bytes()),
            dialer,
            decoder: Decoder::default(),
            start: Instant::now(),
            news: VecDeque::new(),
            broken: 0,
            bytes: (0, 0),
        })
    }

    /// The machine, and the time for it.
    pub fn machine(&mut self) -> (&mut ClientMachine, Duration) {
        let now = self.start.elapsed();
        (&mut self.machine, now)
    }

    /// What comes next that is no message.
    ///
    /// # Errors
    /// What the server refuses, what it should not have sent, a connection that keeps breaking.
    pub async fn next(&mut self) -> Result<ClientOutput> {
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    ClientOutput::Send(message) => {
                        let bytes = Bytes::from(message.encode());
                        self.bytes.0 += bytes.len() as u64;
                        if let Some((sender, _)) = &mut self.link
                            && let Err(error) = sender.send(bytes).await
                        {
                            self.again(error).await?;
                        }
                    }
                    ClientOutput::Failed(error) => return Err(failed(error)),
                    news => self.news.push_back(news),
                }
            }
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            let deadline = self.machine.poll_timeout().map(|at| self.start + at);
            let Some((_, receiver)) = &mut self.link else {
                return Err(CliError::Config("query: no connection".to_owned()));
            };
            let received = tokio::select! {
                received = receiver.receive() => received,
                () = until(deadline) => {
                    self.machine.handle_timeout(self.start.elapsed());
                    continue;
                }
            };
            match received {
                Ok(Some(bytes)) => self.read(&bytes)?,
                Ok(None) => {
                    let detail = "the server has closed the connection".to_owned();
                    self.again(LinkError::Lost { detail }).await?;
                }
                Err(error) => self.again(error).await?,
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.1 += bytes.len() as u64;
        let mut rest = bytes;
        let now = self.start.elapsed();
        loop {
            match self.decoder.push(&mut rest) {
                Ok(Some(message)) => self.machine.handle_message(message, now),
                Ok(None) => return Ok(()),
                Err(error) => return Err(CliError::Config(format!("{}: {error}", self.dialer.address))),
            }
        }
    }

    /// Dials again; what was under way goes on.
    async fn again(&mut self, error: LinkError) -> Result<()> {
        // The last words of the server may be why the connection is over.
        while let Some(output) = self.machine.poll_output() {
            match output {
                ClientOutput::Failed(error) => return Err(failed(error)),
                ClientOutput::Send(_) => {}
                // An answer that is here stays here.
                news => self.news.push_back(news),
            }
        }
        let mut backoff = Backoff::new();
        let mut last = error.to_string();
        self.link = None;
        while self.broken < TRIES {
            self.broken += 1;
            eprintln!("warning: {last}; trying again");
            tokio::time::sleep(backoff.pause()).await;
            match self.dialer.dial().await {
                Ok(connection) => {
                    self.link = Some(connection.bytes());
                    self.decoder = Decoder::default();
                    self.machine.handle_connected(self.start.elapsed());
                    return Ok(());
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(CliError::Config(format!("{}: {last}", self.dialer.address)))
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        // The last message says that the answer has arrived.
        while let Some(output) = self.machine.poll_output() {
            if let (ClientOutput::Send(message), Some((sender, _))) = (output, &mut self.link) {
                let _ = sender.send(Bytes::from(message.encode())).await;
            }
        }
        if let Some((sender, _)) = self.link {
            sender.close("").await;
        }
    }
}

fn failed(error: AskError) -> CliError {
    CliError::Config(format!("query: {error}"))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
