//! A plan from shapes as people read it.

use std::fmt;

use super::{Masks, OutlinePlan, OutlineStep};

impl fmt::Display for OutlineStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for refresh in &self.refresh {
            writeln!(
                f,
                "  refresh   {} of {} ciphertexts",
                refresh.source, refresh.ciphertexts
            )?;
        }
        write!(
            f,
            "  level {:>2}  {} ciphertexts  {}: {:?}, {} masks, {} rotations, {:.1} s",
            self.level, self.ciphertexts, self.name, self.algorithm, self.masks, self.rotations, self.seconds
        )
    }
}

impl fmt::Display for OutlinePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, planned from shapes: {}, {} sample(s) in a ciphertext ({:?}), {} levels between refreshes",
            self.name, self.ring, self.lanes, self.order, self.usable
        )?;
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        let p = &self.predicted;
        let gb = |bytes: u64| bytes as f64 / 1e9;
        let masks = match self.masks {
            Masks::Ready => "transformed",
            Masks::Coefficients => "as coefficients",
        };
        writeln!(
            f,
            "  estimated: {:.0} s and {} ciphertexts refreshed (assumed {:.0} s), input {:.3} GB, output {:.3} GB, keys {:.1} GB, model {:.1} GB {masks}; looked at {} candidates",
            p.seconds,
            self.refreshed,
            self.refresh_seconds,
            gb(p.input_bytes),
            gb(p.output_bytes),
            gb(p.key_bytes),
            gb(p.model_bytes),
            self.candidates
        )?;
        for missing in &self.missing {
            writeln!(f, "  cannot run yet: {missing}")?;
        }
        Ok(())
    }
}
