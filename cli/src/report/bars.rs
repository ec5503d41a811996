//! Horizontal bars in plain HTML: traffic, and who was busy when.

use super::{Process, Span};
use maud::{Markup, html};

/// Bytes as a person reads them.
pub fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        c if c >= 1e9 => format!("{:.2} GB", c / 1e9),
        c if c >= 1e6 => format!("{:.2} MB", c / 1e6),
        c if c >= 1e3 => format!("{:.1} kB", c / 1e3),
        c => format!("{c} B"),
    }
}

/// What each process sent and received.
pub fn traffic<'a>(processes: impl Iterator<Item = &'a Process> + Clone) -> Markup {
    let most = processes
        .clone()
        .map(|p| p.bytes_sent.max(p.bytes_received))
        .max()
        .unwrap_or(1)
        .max(1);
    let share = |count: u64| 100.0 * count as f64 / most as f64;
    html! {
        div.bars {
            @for process in processes {
                @for (word, count, colour) in
                    [("sent", process.bytes_sent, "sent"), ("received", process.bytes_received, "received")] {
                    div { (process.id) " " (word) }
                    div.track { i class=(colour) style=(format!("left:0;width:{:.2}%", share(count))) {} }
                    div.amount { (bytes(count)) }
                }
            }
        }
    }
}

/// What a phase is about, and its colour.
fn kind(phase: &str) -> (&'static str, &'static str) {
    match phase {
        "key collection" | "share collection" => ("keys and shares", "keys"),
        "counting" => ("counting rows", "count"),
        "upload" => ("uploading masked tables", "send"),
        "survivor vote" | "unmasking" => ("opening the sum", "open"),
        "publishing" | "evaluating" => ("publishing the model", "end"),
        _ => ("waiting for others", "wait"),
    }
}

/// A row per process, a bar per stretch of time.
pub fn timeline(spans: &[Span]) -> Markup {
    let end = spans.iter().map(|span| span.end).fold(0.001, f64::max);
    let mut ids: Vec<&str> = Vec::new();
    let mut kinds = Vec::new();
    for span in spans {
        if !ids.contains(&span.id.as_str()) {
            ids.push(&span.id);
        }
        if !kinds.contains(&kind(&span.phase)) {
            kinds.push(kind(&span.phase));
        }
    }
    let busy = |id: &str| {
        let spans = spans
            .iter()
            .filter(|span| span.id == id && kind(&span.phase).1 != "wait");
        spans.map(|span| span.end - span.start).sum::<f64>()
    };
    html! {
        p.legend { @for (name, colour) in &kinds { span { span class={ "key " (colour) } {} (name) } } }
        div.bars {
            @for id in ids {
                div { (id) }
                div.track {
                    @for span in spans.iter().filter(|span| span.id == id) {
                        i class=(kind(&span.phase).1)
                          title=(format!("{}: {:.2} s to {:.2} s", span.phase, span.start, span.end))
                          style=(format!("left:{:.2}%;width:{:.2}%", 100.0 * span.start / end,
                                         100.0 * (span.end - span.start) / end)) {}
                    }
                }
                div.amount { (format!("{:.2} s", busy(id))) }
            }
        }
    }
}
