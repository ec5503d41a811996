//! Live progress on a terminal; nothing at all elsewhere.

use hedgerow_edge::progress::ProgressEvent;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

/// One line per process, and one for the whole.
pub struct Bars {
    all: MultiProgress,
    lines: BTreeMap<String, ProgressBar>,
    quiet: bool,
}

impl Bars {
    /// Lines for these processes.
    pub fn new(ids: &[&str]) -> Self {
        let quiet = !std::io::stderr().is_terminal();
        let all = MultiProgress::new();
        let width = ids.iter().map(|id| id.len()).max().unwrap_or(0);
        let mut lines = BTreeMap::new();
        if !quiet {
            for id in ids {
                let line = all.add(ProgressBar::no_length());
                line.set_style(spinner());
                line.set_prefix(format!("{id:width$}"));
                line.enable_steady_tick(Duration::from_millis(120));
                lines.insert((*id).to_owned(), line);
            }
        }
        Self { all, lines, quiet }
    }

    /// Shows an event of a process.
    pub fn show(&self, id: &str, event: &ProgressEvent) {
        let Some(line) = self.lines.get(id) else { return };
        match event {
            ProgressEvent::Phase { name, step, of } => {
                if *of > 0 {
                    line.set_style(bar());
                    line.set_length(*of);
                    line.set_position(*step);
                } else {
                    line.set_style(spinner());
                }
                line.set_message(name.clone());
            }
            ProgressEvent::Counting { rows } => {
                line.set_style(spinner());
                line.set_message(format!("counting, {rows} rows"));
            }
            ProgressEvent::RoundDone { round, survivors } => {
                line.set_message(format!("round {round} summed over {} parties", survivors.len()));
            }
            ProgressEvent::Connected => line.set_message("connected"),
            ProgressEvent::Disconnected { reason } => line.set_message(format!("disconnected: {reason}")),
            ProgressEvent::Dropped { party, reason } => {
                line.set_message(format!("{party} dropped: {reason}"))
            }
            ProgressEvent::Finished => {
                line.set_style(spinner());
                line.finish_with_message("done");
            }
            ProgressEvent::Failed { reason } => line.abandon_with_message(format!("failed: {reason}")),
            _ => {}
        }
    }

    /// Shows what this process itself does; returns a handle that ends the line when dropped.
    pub fn work(&self, what: &'static str) -> Work {
        if self.quiet {
            return Work(None);
        }
        let line = self.all.add(ProgressBar::no_length());
        line.set_style(spinner());
        line.set_message(what);
        line.enable_steady_tick(Duration::from_millis(120));
        Work(Some(line))
    }

    /// A sentence that stays on the terminal, above the lines; on standard error where there is no terminal.
    pub fn say(&self, sentence: &str) {
        if self.quiet || self.all.println(sentence).is_err() {
            eprintln!("{sentence}");
        }
    }

    /// Takes all lines away.
    pub fn clear(&self) {
        // A terminal that went away needs no clearing.
        let _ = self.all.clear();
    }
}

/// A line that ends with its work.
pub struct Work(Option<ProgressBar>);

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressStyle {
    style("{spinner:.green} {prefix}  {msg}")
}

fn bar() -> ProgressStyle {
    style("{spinner:.green} {prefix}  [{bar:24.green}] {pos}/{len} {msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
