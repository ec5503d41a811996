//! What a joined run spent its time on, from the phases that its processes told of.

use crate::report::{Span, Split};

/// Finding the entities that two parties both know. This and the following are phases in the words of the processes.
pub const ALIGNMENT: &str = "alignment";
/// Attribute parties' encryptions.
pub const ENCRYPTION: &str = "encryption";
/// Answers of row parties, opened by attribute parties.
pub const INNER_PRODUCTS: &str = "inner products";
/// The masked sum.
pub const SUMMATION: &str = "summation";
/// Private scores.
pub const PREDICTION: &str = "prediction";

/// Wall-clock seconds of every phase: those in which any process was in it. Phases of several processes overlap, so the
/// sum may exceed the run. `None` for a run that never aligned.
pub fn of(timeline: &[Span]) -> Option<Split> {
    timeline
        .iter()
        .any(|span| span.phase == ALIGNMENT)
        .then(|| Split {
            alignment: covered(timeline, ALIGNMENT),
            encryption: covered(timeline, ENCRYPTION),
            inner_products: covered(timeline, INNER_PRODUCTS),
            summation: covered(timeline, SUMMATION),
            prediction: covered(timeline, PREDICTION),
        })
}

/// Length of the union of all spans of one phase.
fn covered(timeline: &[Span], phase: &str) -> f64 {
    let mut spans: Vec<(f64, f64)> = timeline
        .iter()
        .filter(|span| span.phase == phase)
        .map(|span| (span.start, span.end))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut total, mut until) = (0.0, f64::NEG_INFINITY);
    for (start, end) in spans {
        total += (end - start.max(until)).max(0.0);
        until = until.max(end);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_phases_count_once() {
        let span = |id: &str, phase: &str, start: f64, end: f64| Span {
            id: id.into(),
            phase: phase.into(),
            start,
            end,
        };
        let timeline = [
            span("a", ALIGNMENT, 1.0, 3.0),
            span("b", ALIGNMENT, 2.0, 4.0),
            span("c", ALIGNMENT, 2.5, 3.5),
            span("a", SUMMATION, 5.0, 6.0),
            span("b", SUMMATION, 7.0, 9.0),
        ];
        let split = of(&timeline).unwrap();
        assert_eq!(
            (split.alignment, split.summation, split.encryption),
            (3.0, 3.0, 0.0)
        );
        assert!(of(&timeline[3..]).is_none(), "horizontal runs align nothing");
    }
}
