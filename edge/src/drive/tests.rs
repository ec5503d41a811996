use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;

/// Echoes numbers: each event gives a record and a message, and a timeout 40 ms after the last event gives 0.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<Out>,
    deadline: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Record(u32),
    Say(u32),
    Late,
    End,
}

impl Machine for Echo {
    type Event = u32;
    type Output = Out;

    fn handle(&mut self, event: u32, now: Millis) {
        self.outputs.extend([Out::Record(event), Out::Say(event)]);
        self.deadline = Some(now.plus(40));
        if event == 99 {
            self.outputs.push_back(Out::End);
            self.outputs.push_back(Out::Say(100));
        }
    }

    fn handle_timeout(&mut self, now: Millis) {
        assert!(
            self.deadline.is_some_and(|deadline| now >= deadline),
            "woken before the deadline"
        );
        self.deadline = None;
        self.outputs.push_back(Out::Late);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        self.deadline
    }

    fn poll_output(&mut self) -> Option<Out> {
        self.outputs.pop_front()
    }
}

/// Writes down what happens, in order.
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    full_at: Option<u32>,
}

impl Effects for Log {
    type Output = Out;
    type Error = String;

    fn record(&mut self, outputs: &[Out]) -> Result<(), String> {
        let records: Vec<u32> = outputs
            .iter()
            .filter_map(|out| if let Out::Record(n) = out { Some(*n) } else { None })
            .collect();
        if records.iter().any(|n| Some(*n) == self.full_at) {
            return Err("disk full".to_owned());
        }
        if !records.is_empty() {
            self.lines.lock().unwrap().push(format!("fsync {records:?}"));
        }
        Ok(())
    }

    fn perform(&mut self, output: Out) -> Result<Flow, String> {
        match output {
            Out::Record(_) => {}
            Out::Say(n) => self.lines.lock().unwrap().push(format!("say {n}")),
            Out::Late => self.lines.lock().unwrap().push("late".to_owned()),
            Out::End => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }
}

fn log(full_at: Option<u32>) -> (Log, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::default();
    (
        Log {
            lines: Arc::clone(&lines),
            full_at,
        },
        lines,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_waits_is_recorded_together_and_before_anything_is_said() {
    let (sender, receiver) = mpsc::channel(8);
    for event in [1, 2, 3, 99] {
        sender.send(event).await.unwrap();
    }
    let (log, lines) = log(None);
    let (end, _) = drive(Echo::default(), log, receiver, Clock::start(), Shutdown::new())
        .await
        .unwrap();
    assert_eq!(end, End::Done);
    let expected = ["fsync [1, 2, 3, 99]", "say 1", "say 2", "say 3", "say 99"];
    assert_eq!(*lines.lock().unwrap(), expected, "nothing follows the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn timers_and_the_end_of_all_events() {
    let (sender, receiver) = mpsc::channel(8);
    sender.send(7).await.unwrap();
    let (log, lines) = log(None);
    let loops = tokio::spawn(drive(
        Echo::default(),
        log,
        receiver,
        Clock::start(),
        Shutdown::new(),
    ));
    while !lines.lock().unwrap().iter().any(|line| line == "late") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(sender);
    let (end, _) = loops.await.unwrap().unwrap();
    assert_eq!(end, End::Abandoned);
    assert_eq!(*lines.lock().unwrap(), ["fsync [7]", "say 7", "late"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_record_that_cannot_be_kept_is_never_shown() {
    let (sender, receiver) = mpsc::channel(8);
    sender.send(5).await.unwrap();
    let (log, lines) = log(Some(5));
    let error = drive(Echo::default(), log, receiver, Clock::start(), Shutdown::new())
        .await
        .err();
    assert_eq!(error.as_deref(), Some("disk full"));
    assert!(lines.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shutdown_ends_a_loop_that_waits() {
    let (_sender, receiver) = mpsc::channel(8);
    let shutdown = Shutdown::new();
    let (log, _) = log(None);
    let loops = tokio::spawn(drive(
        Echo::default(),
        log,
        receiver,
        Clock::start(),
        shutdown.clone(),
    ));
    assert!(!shutdown.is_requested());
    shutdown.request();
    let (end, _) = loops.await.unwrap().unwrap();
    assert_eq!(end, End::Shutdown);
}
