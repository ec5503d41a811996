//! Rehearsed faults: `--drop party[@round]` ends a party for good, `--crash process[@round]` kills a process
//! and starts it again. What a run survives is better shown than told.

use crate::error::{CliError, Result};

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Killed, and not seen again.
    Drop,
    /// Killed and restarted on its own journal.
    Crash,
}

/// One rehearsed fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Party id, or `coordinator`.
    pub id: String,
    /// Step whose start sets it off, from 0.
    pub round: u32,
    /// What happens.
    pub fault: Fault,
}

impl Rehearsal {
    /// Parses `id` or `id@round` (round 0 if left out).
    ///
    /// # Errors
    /// [`CliError::Config`] naming the argument.
    pub fn parse(text: &str, fault: Fault) -> Result<Self> {
        let (id, round) = text.rsplit_once('@').unwrap_or((text, "0"));
        let round = round.parse().map_err(|_| {
            CliError::Config(format!(
                "{text}: expected ID or ID@ROUND, and {round:?} is no round"
            ))
        })?;
        Ok(Self {
            id: id.to_owned(),
            round,
            fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_may_be_named() {
        let parse = |text| Rehearsal::parse(text, Fault::Crash).map(|r| (r.id, r.round));
        assert_eq!(parse("a").unwrap(), ("a".into(), 0));
        assert_eq!(parse("bank-7@1").unwrap(), ("bank-7".into(), 1));
        assert!(
            parse("a@b")
                .unwrap_err()
                .to_string()
                .contains("\"b\" is no round")
        );
    }
}
