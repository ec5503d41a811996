//! A plan as people read it.

use std::fmt;

use super::{Other, Plan, StepKind};
use crate::linear::{Fold, Grid, Layout, Order};

/// The layout in tile tensor notation, with the batch where it is.
fn notation(layout: &Layout, grid: Grid, rounds: usize) -> String {
    let Grid {
        positions,
        lanes,
        order,
    } = grid;
    let batch = format!("{}/{lanes}", lanes * rounds);
    let place = |inner: String| match order {
        _ if lanes * rounds == 1 => format!("[{inner}]"),
        Order::BatchLast => format!("[{inner}, {batch}]"),
        Order::BatchFirst => format!("[{batch}, {inner}]"),
    };
    match *layout {
        Layout::Dense { size, period, .. } if period == positions => place(format!("{size}/{period}")),
        Layout::Dense { size, period, copies } => {
            let rest = positions / period;
            let front = if copies == rest {
                format!("*/{rest}")
            } else {
                format!("*{copies}?/{rest}")
            };
            place(format!("{front}, {size}?/{period}"))
        }
        _ => layout.to_string(),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {}, {} sample(s) in a ciphertext{}{}",
            self.name,
            self.ring,
            self.lanes,
            match self.rounds {
                1 => String::new(),
                rounds => format!(", {rounds} rounds of them"),
            },
            if self.structure.is_some() {
                ", encrypted model"
            } else {
                ""
            }
        )?;
        for step in &self.steps {
            let how = match step.kind {
                StepKind::Input if self.paired => {
                    "packed by the client, two in a ciphertext as real and imaginary parts".to_owned()
                }
                StepKind::Input => "packed by the client".to_owned(),
                StepKind::Linear { fold, steps, .. } => {
                    let fold = match fold {
                        Fold::None => String::new(),
                        Fold::Cyclic { period, count } => format!(", {count} partial sums {period} apart"),
                        Fold::Skewed { step, count } => format!(", {count} skewed partial sums {step} apart"),
                    };
                    format!("diagonals, giant steps of {}{fold}", steps.width)
                }
                StepKind::Polynomial { .. } => "polynomial".to_owned(),
                StepKind::Binary { .. } => "slot by slot".to_owned(),
            };
            let layout = notation(&step.layout, self.grid(), self.rounds);
            writeln!(f, "  level {:>2}  {layout}  {}: {how}", step.level, step.name)?;
        }
        writeln!(f, "  {}", self.tally)?;
        let keys = self.keys();
        let others = usize::from(keys.relinearization.is_some()) + usize::from(keys.conjugation.is_some());
        let p = &self.predicted;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        writeln!(
            f,
            "  predicted: {:.3} s, input {:.2} MB, output {:.2} MB, {} keys of {:.0} MB, model {:.0} MB; looked at {} candidates",
            p.seconds,
            mb(p.input_bytes),
            mb(p.output_bytes),
            keys.rotations.len() + others,
            mb(p.key_bytes),
            mb(p.model_bytes),
            self.candidates
        )?;
        for other in &self.alternatives {
            let what = match other.algorithm {
                Other::Interleaved => "interleaved",
                Other::ImageToColumn => "im2col, the windows made by the client",
            };
            writeln!(
                f,
                "  {}: as planned (multiplexed Toeplitz) {:.4} s; {what} {:.4} s from {} ciphertexts, not run",
                other.node, other.planned, other.seconds, other.ciphertexts
            )?;
        }
        if self.structure.is_some() {
            let (sent, levels) = (mb(self.model_upload_bytes()), crate::eval::weight_levels(self));
            let count = levels.map_or(0, |levels| levels.len());
            writeln!(
                f,
                "  the owner of the model sends it once, as {count} ciphertexts of {sent:.1} MB"
            )?;
        }
        Ok(())
    }
}
