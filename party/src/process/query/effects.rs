//! What an asking process does for its machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hedgerow_edge::drive::{self, Flow};
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::score::ScoreRows;
use hedgerow_protocol::party::Output;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::super::PartyError;
use super::super::line::Line;
use super::QueryError;
use crate::answers::Answers;
use crate::machine::{Event, Todo};
use crate::storage::Storage;

/// Journal, connection, and the answers as they come.
pub(super) struct QueryEffects {
    pub(super) run: RunId,
    pub(super) storage: Storage,
    pub(super) answers: Answers,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) line: Arc<Line>,
    pub(super) runtime: Handle,
    pub(super) expected: usize,
    /// What is asked once the coordinator has shown that it has the same model.
    pub(super) batches: Option<Vec<Arc<ScoreRows>>>,
    /// Since when there is no coordinator of this run.
    pub(super) away: Arc<Mutex<Option<Instant>>>,
    pub(super) sums: Vec<i64>,
    pub(super) absent: Vec<PartyId>,
    pub(super) ending: Option<Result<(), QueryError>>,
}

impl drive::Effects for QueryEffects {
    type Output = Todo;
    type Error = PartyError;

    fn record(&mut self, outputs: &[Todo]) -> Result<(), PartyError> {
        Ok(self.storage.record(outputs)?)
    }

    fn perform(&mut self, output: Todo) -> Result<Flow, PartyError> {
        match output {
            Todo::Plain(output) => return Ok(self.plain(output)),
            Todo::Work(id, work, _) => {
                let (answers, events) = (self.answers.clone(), self.events.clone());
                self.runtime.spawn(async move {
                    let done = answers.compute(work).await;
                    // A loop that is over needs no work any more.
                    let _ = events.send(Event::Worked(id, done)).await;
                });
            }
            Todo::NotScored(refusal) => return Ok(self.end(Err(QueryError::Refused(refusal)))),
            Todo::Closed => return Ok(self.end(Err(QueryError::Ended { run: self.run }))),
            Todo::Disconnected(_) => {
                if self.line.take().is_some() {
                    self.set_away(Some(Instant::now()));
                    self.line.is_lost();
                }
            }
            Todo::Over(reason) => return Ok(self.end(Err(PartyError::Over(reason).into()))),
            // The run is over: it counts nothing, and its model is known.
            Todo::Accepted(_) | Todo::Count(..) | Todo::Finished(..) => {}
        }
        Ok(Flow::Continue)
    }
}

impl QueryEffects {
    fn plain(&mut self, output: Output) -> Flow {
        match output {
            Output::Send(message) => self.line.with(|link| {
                if let Some(link) = link {
                    // A link that is over says so by itself.
                    link.send(message);
                }
            }),
            Output::Confirmed => {
                self.set_away(None);
                if let Some(batches) = self.batches.take() {
                    let events = self.events.clone();
                    self.runtime.spawn(async move {
                        // A loop that is over asks nothing.
                        let _ = events.send(Event::Score(batches)).await;
                    });
                }
            }
            Output::Scored(_, mut scored) => {
                self.sums.append(&mut scored.sums);
                self.absent.append(&mut scored.absent);
                self.expected = self.expected.saturating_sub(1);
                if self.expected == 0 {
                    return self.end(Ok(()));
                }
            }
            Output::NotScored(_, refusal) => return self.end(Err(QueryError::Refused(refusal))),
            Output::Refused(refusal) => {
                return self.end(Err(PartyError::Refused(refusal.to_string()).into()));
            }
            Output::Failed(reason) => return self.end(Err(PartyError::Failed(reason).into())),
            _ => {}
        }
        Flow::Continue
    }

    fn set_away(&self, since: Option<Instant>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn end(&mut self, ending: Result<(), QueryError>) -> Flow {
        self.ending = Some(ending);
        Flow::Stop
    }
}
