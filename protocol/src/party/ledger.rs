//! The party's privacy ledger as the machine sees it: entries in, charges out.

use hedgerow_dp::{Accountant, BudgetExceeded, Charge, NoDifferentialPrivacy, Rho};
use serde::{Deserialize, Serialize};

use crate::ids::{RoundId, RunId};

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The run.
    pub run: RunId,
    /// The attempt, paid whether it succeeds or not.
    pub round: RoundId,
    /// What it costs in zCDP.
    pub rho: Rho,
    /// What it is for, unique for each attempt of each run.
    pub label: String,
}

/// The ledger of one party over all its runs.
///
/// **Measure** zCDP, a fully adaptive filter · **neighbours** add or remove one row of this party.
#[derive(Debug)]
pub struct LedgerState {
    accountant: Accountant,
}

impl LedgerState {
    /// The state that follows from the entries of the ledger's file. Entries of before are taken as they are,
    /// even beyond the capacity (the operator may have lowered it); then nothing more is paid. `None` never
    /// says no, for policies without a budget.
    #[must_use]
    pub fn new(capacity: Option<Rho>, entries: impl IntoIterator<Item = LedgerEntry>) -> Self {
        let accountant = match capacity {
            Some(capacity) => Accountant::new(capacity),
            None => Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration()),
        };
        Self {
            accountant: accountant.with_history(entries.into_iter().map(|entry| (entry.label, entry.rho))),
        }
    }

    /// What is left; `None` if there is no limit.
    #[must_use]
    pub fn left(&self) -> Option<Rho> {
        self.accountant.left()
    }

    /// What has been spent.
    #[must_use]
    pub fn spent(&self) -> Rho {
        self.accountant.spent()
    }

    /// Whether an attempt stands in the ledger already.
    pub(super) fn has(&self, label: &str) -> bool {
        self.accountant
            .entries()
            .iter()
            .any(|entry| entry.label() == label)
    }

    /// Pays for an attempt, or takes up a payment that a restart left unused. The flag says whether the entry
    /// is new, so that it has to be written.
    pub(super) fn pay(&mut self, label: &str, rho: Rho) -> Result<(Charge, bool), BudgetExceeded> {
        match self.accountant.reclaim(label) {
            Some(charge) => Ok((charge, false)),
            None => Ok((self.accountant.charge(label, rho)?, true)),
        }
    }

    /// What the payment bought is durable: it buys nothing further.
    pub(super) fn settle(&mut self, label: &str) {
        self.accountant.settle(label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attempt: u32, rho: f64) -> LedgerEntry {
        LedgerEntry {
            run: RunId([7; 16]),
            round: RoundId { step: 0, attempt },
            rho: Rho::new(rho).unwrap(),
            label: format!("attempt {attempt}"),
        }
    }

    #[test]
    fn an_entry_without_its_message_is_used_again_and_not_paid_twice() {
        let mut ledger = LedgerState::new(Some(Rho::new(1.0).unwrap()), [entry(0, 0.75)]);
        let (charge, fresh) = ledger.pay("attempt 0", Rho::new(0.75).unwrap()).unwrap();
        assert_eq!((charge.rho().value(), fresh), (0.75, false), "CHK-046");
        assert_eq!(ledger.left().unwrap().value(), 0.25);
        assert!(ledger.pay("attempt 1", Rho::new(0.5).unwrap()).is_err());
        let (_, fresh) = ledger.pay("attempt 1", Rho::new(0.25).unwrap()).unwrap();
        assert!(fresh);
    }

    #[test]
    fn a_settled_entry_buys_nothing() {
        let mut ledger = LedgerState::new(Some(Rho::new(1.0).unwrap()), [entry(0, 0.75)]);
        ledger.settle("attempt 0");
        assert!(ledger.pay("attempt 0", Rho::new(0.75).unwrap()).is_err());
    }

    #[test]
    fn a_lowered_capacity_keeps_what_was_spent() {
        let ledger = LedgerState::new(Some(Rho::new(0.5).unwrap()), [entry(0, 0.75)]);
        assert_eq!(
            (ledger.spent().value(), ledger.left().unwrap().value()),
            (0.75, 0.0)
        );
    }
}
