//! A plan as people read it.

use std::fmt;

use super::{Algorithm, Compared, Plan, StepKind};
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
        _ => {
            let text = layout.to_string();
            let (inner, rest) = text.split_once(']').unwrap_or((&text, ""));
            place(inner.trim_start_matches('[').to_owned()) + rest
        }
    }
}

/// An algorithm in words.
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Packed => "packed",
        Algorithm::Toeplitz => "multiplexed Toeplitz",
        Algorithm::Interleaved => "interleaved",
        Algorithm::ImageToColumn => "im2col",
        Algorithm::RotateSum => "rotations and sums",
        Algorithm::Diagonals => "diagonals",
        Algorithm::PartialSums => "diagonals and rotate-and-sum",
        Algorithm::Periodic => "repeated diagonals",
        Algorithm::SlotBySlot => "slot by slot",
        Algorithm::Stay => "nothing",
    }
}

/// What a layer costs by one algorithm.
fn by(one: &Compared) -> String {
    let taken = if one.taken { "taken: " } else { "" };
    format!(
        "{taken}{} {:.4} s from {} ciphertexts, best of {}",
        name(one.algorithm),
        one.nanoseconds as f64 * 1e-9,
        one.ciphertexts,
        one.candidates
    )
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
        for (i, step) in self.steps.iter().enumerate() {
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
                    let algorithm = self.algorithm(i).map_or("", name);
                    format!("{algorithm}, giant steps of {}{fold}", steps.width)
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
            "  predicted: {:.3} s and {:.3} s to read the input, input {:.2} MB, output {:.2} MB, {} keys of {:.0} MB, model {:.0} MB; looked at {} candidates",
            p.seconds,
            p.receive_seconds,
            mb(p.input_bytes),
            mb(p.output_bytes),
            keys.rotations.len() + others,
            mb(p.key_bytes),
            mb(p.model_bytes),
            self.candidates
        )?;
        for layer in self.compared.chunk_by(|a, b| a.node == b.node) {
            let Some(first) = layer.first() else { continue };
            let others: Vec<String> = layer.iter().map(by).collect();
            writeln!(f, "  {}: {}", first.node, others.join("; "))?;
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
