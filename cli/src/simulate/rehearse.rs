//! Rehearsed faults: `--drop party[@when]` ends a party for good, `--crash process[@when]` kills a process
//! and starts it again. What a run survives is better shown than told.
//!
//! `when` is a round, whose start sets the fault off, or a phase of a joined run (`alignment`, `encryption`,
//! `inner-products`, `summation`, `prediction`), the first start of which does; for the coordinator it is the first
//! party's.

use super::split;
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
    /// What sets it off.
    pub when: When,
    /// What happens.
    pub fault: Fault,
}

/// What sets a fault off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The start of this round, counted from 0.
    Round(u32),
    /// The first start of this phase, in the words of the processes.
    Phase(&'static str),
}

/// Phases that may set a fault off: as typed, and as processes call them.
const PHASES: [(&str, &str); 5] = [
    ("alignment", split::ALIGNMENT),
    ("encryption", split::ENCRYPTION),
    ("inner-products", split::INNER_PRODUCTS),
    ("summation", split::SUMMATION),
    ("prediction", split::PREDICTION),
];

impl Rehearsal {
    /// Parses `id`, `id@round` or `id@phase` (round 0 if left out).
    ///
    /// # Errors
    /// [`CliError::Config`] naming the argument.
    pub fn parse(text: &str, fault: Fault) -> Result<Self> {
        let (id, when) = text.rsplit_once('@').unwrap_or((text, "0"));
        let phase = PHASES.iter().find(|(typed, _)| *typed == when);
        let when = match (phase, when.parse()) {
            (Some((_, phase)), _) => When::Phase(phase),
            (None, Ok(round)) => When::Round(round),
            (None, Err(_)) => {
                let phases = PHASES.map(|(typed, _)| typed).join(", ");
                return Err(CliError::Config(format!(
                    "{text}: expected ID, ID@ROUND or ID@PHASE, and {when:?} is no round and none of {phases}"
                )));
            }
        };
        Ok(Self {
            id: id.to_owned(),
            when,
            fault,
        })
    }

    /// Is it due, when a process has begun so many rounds and now enters a phase?
    pub fn is_due(&self, begun: u32, phase: &str) -> bool {
        match self.when {
            When::Round(round) => round < begun,
            When::Phase(wanted) => wanted == phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_or_a_phase_may_be_named() {
        let parse = |text| Rehearsal::parse(text, Fault::Crash).map(|r| (r.id, r.when));
        assert_eq!(parse("a").unwrap(), ("a".into(), When::Round(0)));
        assert_eq!(parse("bank-7@1").unwrap(), ("bank-7".into(), When::Round(1)));
        let phase = When::Phase("inner products");
        assert_eq!(parse("a@inner-products").unwrap(), ("a".into(), phase));
        let error = parse("a@b").unwrap_err().to_string();
        assert!(
            error.contains("\"b\" is no round") && error.contains("prediction"),
            "{error}"
        );
    }

    #[test]
    fn rounds_and_phases_come_due() {
        let due = |text, begun, phase| Rehearsal::parse(text, Fault::Drop).unwrap().is_due(begun, phase);
        assert!(due("a@1", 2, "counting") && !due("a@1", 1, "counting"));
        assert!(due("a@alignment", 0, "alignment") && !due("a@alignment", 3, "counting"));
    }
}
