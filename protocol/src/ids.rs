//! Names of parties, runs and rounds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name of a party in bytes.
pub const MAX_PARTY_ID_LEN: usize = 64;

/// A party's name: 1 to 64 of `A-Z a-z 0-9 . _ -`. The order of names is the order of parties everywhere
/// (Shamir indices, mask signs, lists on the wire).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartyId(String);

/// A name that no party may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartyIdError {
    /// Empty or too long.
    #[error("the party id is {actual} bytes long; 1 to {MAX_PARTY_ID_LEN} are allowed")]
    Length {
        /// Bytes found.
        actual: usize,
    },
    /// A character outside the alphabet.
    #[error("the party id {id:?} holds {character:?}; allowed are letters, digits, '.', '_' and '-'")]
    Character {
        /// The name as given.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl PartyId {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`PartyIdError`] for a name of wrong length or alphabet.
    pub fn new(id: impl Into<String>) -> Result<Self, PartyIdError> {
        let id = id.into();
        if id.is_empty() || id.len() > MAX_PARTY_ID_LEN {
            return Err(PartyIdError::Length { actual: id.len() });
        }
        match id
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            Some(character) => Err(PartyIdError::Character { id, character }),
            None => Ok(Self(id)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PartyId {
    type Error = PartyIdError;

    fn try_from(id: String) -> Result<Self, PartyIdError> {
        Self::new(id)
    }
}

impl From<PartyId> for String {
    fn from(id: PartyId) -> Self {
        id.0
    }
}

impl FromStr for PartyId {
    type Err = PartyIdError;

    fn from_str(id: &str) -> Result<Self, PartyIdError> {
        Self::new(id)
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run: 16 random bytes, drawn by whoever writes the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub [u8; 16]);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

/// One attempt at one step of the learning algorithm. Every attempt has fresh keys, masks and noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoundId {
    /// The query's number, from 0.
    pub step: u32,
    /// The attempt at it, from 0.
    pub attempt: u32,
}

impl RoundId {
    /// The first attempt at a step.
    #[must_use]
    pub const fn first_of(step: u32) -> Self {
        Self { step, attempt: 0 }
    }

    /// Eight bytes for hashes and key derivation.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d] = self.step.to_be_bytes();
        let [e, f, g, h] = self.attempt.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.step, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(PartyId::new("bank-01.eu_west").is_ok());
        assert_eq!(PartyId::new(""), Err(PartyIdError::Length { actual: 0 }));
        assert_eq!(
            PartyId::new("x".repeat(65)),
            Err(PartyIdError::Length { actual: 65 })
        );
        assert_eq!(
            PartyId::new("a/b"),
            Err(PartyIdError::Character {
                id: "a/b".into(),
                character: '/'
            })
        );
    }

    #[test]
    fn a_bad_name_cannot_come_in_over_the_wire() {
        let bytes = postcard::to_stdvec("../etc").unwrap();
        assert!(postcard::from_bytes::<PartyId>(&bytes).is_err());
    }

    #[test]
    fn rounds_are_ordered_by_step_then_attempt() {
        assert!(RoundId { step: 0, attempt: 9 } < RoundId { step: 1, attempt: 0 });
        assert_eq!(
            RoundId { step: 1, attempt: 2 }.to_bytes(),
            [0, 0, 0, 1, 0, 0, 0, 2]
        );
    }
}
