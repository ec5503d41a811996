//! What the pair masks of a round are bound to: parties that see different runs derive different masks, and their
//! sum is noise to everybody.

use super::modulus::Modulus;
use crate::domain;
use crate::hash::{self, Digest};

/// Everything that the parties of a round must agree on before their masks cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTranscript {
    /// The run.
    pub run: [u8; 16],
    /// Step of the run, from 0.
    pub step: u32,
    /// Attempt at the step, from 0. Each attempt has masks of its own.
    pub attempt: u32,
    /// Digest of the configuration.
    pub config: Digest,
    /// Digest of the model so far, or of all answers that it is made of.
    pub model: Digest,
    /// Digest of the participants and their keys of this round.
    pub participants: Digest,
    /// Modulus of the sum.
    pub modulus: Modulus,
    /// Words of each vector.
    pub length: u64,
}

impl RoundTranscript {
    /// The digest that every pair mask of the round depends on.
    pub fn digest(&self) -> Digest {
        let (kind, parameter) = self.modulus.to_parts();
        hash::hash(
            domain::MASK_TRANSCRIPT,
            &[
                &self.run,
                &self.step.to_le_bytes(),
                &self.attempt.to_le_bytes(),
                &self.config.0,
                &self.model.0,
                &self.participants.0,
                &[kind],
                &parameter.to_le_bytes(),
                &self.length.to_le_bytes(),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_counts() {
        let base = RoundTranscript {
            run: [1; 16],
            step: 2,
            attempt: 3,
            config: Digest([4; 32]),
            model: Digest([5; 32]),
            participants: Digest([6; 32]),
            modulus: Modulus::power_of_two(31).unwrap(),
            length: 8,
        };
        let all = [
            base,
            RoundTranscript { run: [0; 16], ..base },
            RoundTranscript { step: 3, ..base },
            RoundTranscript { attempt: 2, ..base },
            RoundTranscript {
                config: Digest([5; 32]),
                ..base
            },
            RoundTranscript {
                model: Digest([4; 32]),
                ..base
            },
            RoundTranscript {
                participants: Digest([5; 32]),
                ..base
            },
            RoundTranscript {
                modulus: Modulus::power_of_two(32).unwrap(),
                ..base
            },
            RoundTranscript {
                modulus: Modulus::prime(31).unwrap(),
                ..base
            },
            RoundTranscript { length: 9, ..base },
        ];
        let distinct: BTreeSet<_> = all.iter().map(RoundTranscript::digest).collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(base.digest(), { base }.digest());
    }
}
