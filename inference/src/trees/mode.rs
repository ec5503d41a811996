//! The modes of evaluation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::binning::{MAX_LEVELS, PUBLIC_LEVELS};

/// Who learns what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Splits are public, leaf values are not.
    PublicStructure,
    /// Structure, thresholds and leaf values are hidden from the client.
    PrivateModel,
    /// As `PrivateModel`, for thousands of rows at once.
    Batch,
    /// The model is encrypted, and evaluated where the row is.
    EncryptedModel,
    /// As `PublicStructure`, and the score is hidden but for its side of a threshold.
    LabelOnly,
}

impl Mode {
    /// All modes; those that tell scores first, and of these those that tell least.
    pub const ALL: [Self; 5] = [
        Self::EncryptedModel,
        Self::PrivateModel,
        Self::Batch,
        Self::PublicStructure,
        Self::LabelOnly,
    ];

    /// The name that the command line takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicStructure => "public-structure",
            Self::PrivateModel => "private-model",
            Self::LabelOnly => "label-only",
            Self::Batch => "batch",
            Self::EncryptedModel => "encrypted-model",
        }
    }

    /// Bins of a feature at most, that of missing values not counted.
    pub const fn levels(self) -> u16 {
        if self.is_public() {
            PUBLIC_LEVELS
        } else {
            MAX_LEVELS
        }
    }

    /// Whether the client is told the structure, and walks the trees itself.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::PublicStructure | Self::LabelOnly)
    }

    /// What is told to whom, beside the score.
    pub const fn leakage(self) -> &'static str {
        match self {
            Self::PublicStructure => {
                "The client learns every split and the score of its row, and no leaf value; the server learns nothing of the row."
            }
            Self::PrivateModel => {
                "The client learns the score, the bin edges, the numbers of trees and of padded leaves and a bound on depth, and nothing else of structure, thresholds and leaves; the server learns nothing of the row."
            }
            Self::LabelOnly => {
                "The client learns every split and the class of its row (is the score above the server's threshold?), and neither the score, nor the threshold, nor any leaf value; the server learns nothing of the row."
            }
            Self::Batch => {
                "The client learns the scores of its rows, the bin edges, the number of trees and about how deep and large they are, and nothing of which tree tests what or of any leaf; the server learns nothing of the rows, not even how many."
            }
            Self::EncryptedModel => {
                "The client evaluates the encrypted model itself and learns the score, the bin edges and bounds on the numbers of trees, leaves and features of a path, and nothing else of the model; the server opens a uniformly masked number and learns nothing of row or score."
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| format!("mode \"{text}\": expected one of {}", names()))
    }
}
