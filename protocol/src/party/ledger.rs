//! The party's privacy ledger as the machine sees it: entries in, charges out.

use hedgerow_dp::{Accountant, BudgetExceeded, Charge, Cost, Rho};
use serde::{Deserialize, Serialize};

use super::overlap::OverlapEntry;
use crate::ids::{RoundId, RunId};
use crate::refusal::Refusal;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The run.
    pub run: RunId,
    /// The attempt, paid whether it succeeds or not.
    pub round: RoundId,
    /// What it was in the books that paid it: rho of zCDP, of Renyi divergence at the policy's order, or epsilon.
    pub rho: Rho,
    /// What it was paid for, whatever the books; nothing in entries from before there was anything but zCDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What it is for, unique for each attempt of each run.
    pub label: String,
}

impl LedgerEntry {
    /// What the payment was for.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost.unwrap_or(Cost::Zcdp(self.rho))
    }
}

/// The ledger of one party over all its runs.
///
/// **Measure** that of the policy's books ([`Policy::books`](crate::policy::Policy::books)), a fully adaptive filter ·
/// **neighbours** add or remove one row of this party.
#[derive(Debug)]
pub struct LedgerState {
    accountant: Accountant,
    pub(super) overlaps: Vec<OverlapEntry>,
}

impl LedgerState {
    /// The state that follows from empty books and the entries of the ledger's file. Entries of before are taken as
    /// they are, even beyond the capacity (the operator may have lowered it); then nothing more is paid.
    #[must_use]
    pub fn new(books: Accountant, entries: impl IntoIterator<Item = LedgerEntry>) -> Self {
        let history = entries.into_iter().map(|entry| {
            let cost = entry.cost();
            (entry.label, cost)
        });
        Self {
            accountant: books.with_history(history),
            overlaps: Vec::new(),
        }
    }

    /// Whether all of these could be paid for, one after the other.
    pub(super) fn could_pay(&self, costs: &[Cost]) -> Result<(), BudgetExceeded> {
        let Some(left) = self.accountant.left() else {
            return Ok(());
        };
        // Tried on books of the same measure with what is left.
        let mut trial = self.accountant.emptied(left);
        costs
            .iter()
            .try_for_each(|cost| trial.charge("the run", *cost).map(drop))
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
    pub(super) fn pay(&mut self, label: &str, cost: Cost) -> Result<(Charge, bool), BudgetExceeded> {
        match self.accountant.reclaim(label) {
            Some(charge) => Ok((charge, false)),
            None => Ok((self.accountant.charge(label, cost)?, true)),
        }
    }

    /// What the payment bought is durable: it buys nothing further.
    pub(super) fn settle(&mut self, label: &str) {
        self.accountant.settle(label);
    }
}

/// What the coordinator is told when the ledger says no.
pub(super) fn short_of(error: BudgetExceeded) -> Refusal {
    Refusal::Budget {
        asked: if error.asked == Rho::MAX {
            "more than these books can hold".to_owned()
        } else {
            error.asked.to_string()
        },
        left: error.left.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books(rho: f64) -> Accountant {
        Accountant::new(Rho::new(rho).unwrap())
    }

    fn zcdp(rho: f64) -> Cost {
        Cost::Zcdp(Rho::new(rho).unwrap())
    }

    fn entry(attempt: u32, rho: f64) -> LedgerEntry {
        LedgerEntry {
            run: RunId([7; 16]),
            round: RoundId { step: 0, attempt },
            rho: Rho::new(rho).unwrap(),
            cost: None,
            label: format!("attempt {attempt}"),
        }
    }

    #[test]
    fn an_entry_without_its_message_is_used_again_and_not_paid_twice() {
        let mut ledger = LedgerState::new(books(1.0), [entry(0, 0.75)]);
        let (charge, fresh) = ledger.pay("attempt 0", zcdp(0.75)).unwrap();
        assert_eq!((charge.rho().value(), fresh), (0.75, false), "CHK-046");
        assert_eq!(ledger.left().unwrap().value(), 0.25);
        assert!(ledger.pay("attempt 1", zcdp(0.5)).is_err());
        let (_, fresh) = ledger.pay("attempt 1", zcdp(0.25)).unwrap();
        assert!(fresh);
    }

    #[test]
    fn a_plan_is_affordable_as_a_whole_or_not_at_all() {
        let ledger = LedgerState::new(books(1.0), [entry(0, 0.5)]);
        assert!(ledger.could_pay(&[zcdp(0.25), zcdp(0.25)]).is_ok());
        assert!(ledger.could_pay(&[zcdp(0.25), zcdp(0.25), zcdp(0.125)]).is_err());
        assert_eq!(ledger.left().unwrap().value(), 0.5, "nothing was paid");
    }

    #[test]
    fn a_settled_entry_buys_nothing() {
        let mut ledger = LedgerState::new(books(1.0), [entry(0, 0.75)]);
        ledger.settle("attempt 0");
        assert!(ledger.pay("attempt 0", zcdp(0.75)).is_err());
    }

    #[test]
    fn a_lowered_capacity_keeps_what_was_spent() {
        let ledger = LedgerState::new(books(0.5), [entry(0, 0.75)]);
        assert_eq!(
            (ledger.spent().value(), ledger.left().unwrap().value()),
            (0.75, 0.0)
        );
    }
}
