//! The party's own books: a fully adaptive zCDP filter.
//!
//! **Theorem** The mechanisms of a run are chosen adaptively, and so are their rhos: what is asked next depends on
//! what was answered. A filter that lets a mechanism through only while the rhos let through add up to at most the
//! capacity is, as a whole, `capacity`-zCDP (the Renyi filter of Feldman and Zrnic, *Individual Privacy Accounting
//! via a Renyi Filter*, NeurIPS 2021, at every order at once; Whitehouse, Ramdas, Rogers and Wu, *Fully Adaptive
//! Composition in Differential Privacy*, ICML 2023). **Neighbours** add or remove one row of this party.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::budget::Rho;
use crate::mechanism::NoDifferentialPrivacy;

/// The filter said no: nothing was charged and nothing may be released.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("privacy budget exceeded by {label}: asked rho {asked}, left rho {left}")]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// What the budget was asked for.
    pub label: String,
    /// The rho asked for.
    pub asked: Rho,
    /// The rho that was left.
    pub left: Rho,
}

/// Proof that an [`Accountant`] has paid `rho` for one release.
///
/// Only an accountant makes it, it cannot be copied, stored or sent, and [`Mechanism::apply`] consumes it: one
/// payment, one release.
///
/// [`Mechanism::apply`]: crate::Mechanism::apply
#[derive(Debug)]
#[must_use = "a charge has been paid for; give it to Mechanism::apply"]
pub struct Charge {
    rho: Rho,
}

impl Charge {
    /// What was paid.
    #[must_use]
    pub fn rho(&self) -> Rho {
        self.rho
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    label: String,
    rho: Rho,
    settled: bool,
    // Whether this process holds or has used the charge; a restart forgets it on purpose.
    #[serde(skip)]
    issued: bool,
}

impl Entry {
    /// What was paid for, in the words given to [`Accountant::charge`].
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What was paid.
    #[must_use]
    pub fn rho(&self) -> Rho {
        self.rho
    }

    /// Whether [`Accountant::settle`] has closed it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }
}

/// A fully adaptive zCDP filter with its ledger. The serialised form is the party's journal entry; amounts are whole
/// numbers (see [`Rho`]), so no rounding ever lets more through than the capacity.
#[derive(Debug, Serialize, Deserialize)]
pub struct Accountant {
    // None: differential privacy is off by configuration.
    capacity: Option<Rho>,
    entries: Vec<Entry>,
}

impl Accountant {
    /// Lets releases through while their rhos add up to at most `capacity`.
    #[must_use]
    pub fn new(capacity: Rho) -> Self {
        Accountant {
            capacity: Some(capacity),
            entries: Vec::new(),
        }
    }

    /// Keeps the books but never says no; the argument shows that the configuration asked for it.
    #[must_use]
    pub fn unlimited(_: NoDifferentialPrivacy) -> Self {
        Accountant {
            capacity: None,
            entries: Vec::new(),
        }
    }

    /// The books as after a restart, from payments that the party's journal vouches for, oldest first: taken as they
    /// are, even beyond the capacity (the operator may have lowered it; then nothing more is let through), none of
    /// them settled, no charge in anybody's hands.
    #[must_use]
    pub fn with_history(mut self, payments: impl IntoIterator<Item = (String, Rho)>) -> Self {
        self.entries
            .extend(payments.into_iter().map(|(label, rho)| Entry {
                label,
                rho,
                settled: false,
                issued: false,
            }));
        self
    }

    /// Pays `rho` for one release. The caller makes the new state durable before it sends anything.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if less than `rho` is left; the books are then unchanged.
    pub fn charge(&mut self, label: impl Into<String>, rho: Rho) -> Result<Charge, BudgetExceeded> {
        let label = label.into();
        if let Some(left) = self.left().filter(|left| rho > *left) {
            return Err(BudgetExceeded {
                label,
                asked: rho,
                left,
            });
        }
        self.entries.push(Entry {
            label,
            rho,
            settled: false,
            issued: true,
        });
        Ok(Charge { rho })
    }

    /// After a restart: the charge of a payment that is in the books but was not [settled](Self::settle), so that a
    /// release that was paid for and never sent is not paid for twice. Gives one charge for each such payment and
    /// process; `None` if there is none (any more) under this label.
    ///
    /// Sound because of the journal's order: the noised bytes are made durable and settled before they are sent, so
    /// an unsettled payment means that nobody has seen what it bought.
    pub fn reclaim(&mut self, label: &str) -> Option<Charge> {
        let entry = self
            .entries
            .iter_mut()
            .rev()
            .find(|e| e.label == label && !e.settled && !e.issued)?;
        entry.issued = true;
        Some(Charge { rho: entry.rho })
    }

    /// Closes the payments under `label`: what they bought is durable as bytes, and [`Self::reclaim`] gives no
    /// further charge for it.
    pub fn settle(&mut self, label: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.label == label) {
            entry.settled = true;
        }
    }

    /// Changes the capacity (the operator edited the policy). Below what is spent, nothing more is let through.
    pub fn set_capacity(&mut self, capacity: Rho) {
        self.capacity = Some(capacity);
    }

    /// The capacity; `None` if unlimited.
    #[must_use]
    pub fn capacity(&self) -> Option<Rho> {
        self.capacity
    }

    /// The sum of all payments; an unlimited accountant's stops at [`Rho::MAX`].
    #[must_use]
    pub fn spent(&self) -> Rho {
        Rho::from_units(self.spent_units())
    }

    /// What is left; `None` if unlimited.
    #[must_use]
    pub fn left(&self) -> Option<Rho> {
        let capacity = u128::from(self.capacity?.units());
        Some(Rho::from_units(capacity.saturating_sub(self.spent_units())))
    }

    /// The ledger, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn spent_units(&self) -> u128 {
        self.entries
            .iter()
            .map(|entry| u128::from(entry.rho.units()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rho(value: f64) -> Rho {
        Rho::new(value).unwrap()
    }

    #[test]
    fn refuses_what_is_not_left_and_says_how_much_is() {
        let mut books = Accountant::new(rho(1.0));
        assert_eq!(books.charge("a", rho(0.75)).unwrap().rho(), rho(0.75));
        let refusal = books.charge("b", rho(0.5)).unwrap_err();
        assert_eq!(
            refusal,
            BudgetExceeded {
                label: "b".into(),
                asked: rho(0.5),
                left: rho(0.25)
            }
        );
        assert_eq!(
            refusal.to_string(),
            "privacy budget exceeded by b: asked rho 0.5, left rho 0.25"
        );
        // A refusal must not close the filter: what is left can still be spent, to the last unit.
        let _ = books.charge("c", rho(0.25)).unwrap();
        assert_eq!(books.left(), Some(Rho::ZERO));
        assert_eq!(books.entries().len(), 2);
    }

    #[test]
    fn a_lowered_capacity_lets_nothing_more_through() {
        let mut books = Accountant::new(rho(1.0));
        let _ = books.charge("a", rho(0.75)).unwrap();
        books.set_capacity(rho(0.5));
        assert_eq!(books.left(), Some(Rho::ZERO));
        assert!(books.charge("b", Rho::at_least(1e-13).unwrap()).is_err());
    }

    #[test]
    fn unlimited_keeps_books_without_refusing() {
        let mut books = Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration());
        for _ in 0..5000 {
            let _ = books.charge("all", Rho::MAX).unwrap();
        }
        assert_eq!((books.spent(), books.left()), (Rho::MAX, None));
    }

    #[test]
    fn a_payment_is_reclaimed_once_after_a_restart_and_never_after_settling() {
        let mut books = Accountant::new(rho(1.0));
        let _ = books.charge("round 1", rho(0.25)).unwrap();
        assert!(
            books.reclaim("round 1").is_none(),
            "this process already holds the charge"
        );

        let journal = postcard::to_stdvec(&books).unwrap();
        let mut restarted: Accountant = postcard::from_bytes(&journal).unwrap();
        assert!(restarted.reclaim("round 2").is_none());
        assert_eq!(restarted.reclaim("round 1").unwrap().rho(), rho(0.25));
        assert!(restarted.reclaim("round 1").is_none());
        assert_eq!(restarted.spent(), rho(0.25));

        restarted.settle("round 1");
        let journal = postcard::to_stdvec(&restarted).unwrap();
        let mut again: Accountant = postcard::from_bytes(&journal).unwrap();
        assert!(again.entries()[0].is_settled());
        assert!(again.reclaim("round 1").is_none());
    }

    #[test]
    fn history_counts_and_can_be_reclaimed_once() {
        let history = [("a".to_owned(), rho(0.75)), ("b".to_owned(), rho(0.5))];
        let mut books = Accountant::new(rho(1.0)).with_history(history);
        assert_eq!((books.spent(), books.left()), (rho(1.25), Some(Rho::ZERO)));
        assert!(books.charge("c", Rho::at_least(1e-13).unwrap()).is_err());
        assert_eq!(books.reclaim("b").unwrap().rho(), rho(0.5));
        assert!(books.reclaim("b").is_none());
    }

    proptest! {
        /// Adaptive adversary: any sequence of requests, restarts in between, never gets more than the capacity;
        /// and every refusal was necessary.
        #[test]
        fn filter_never_lets_more_through_than_its_capacity(
            capacity in 0u64..1 << 20,
            requests in prop::collection::vec((0u64..1 << 18, any::<bool>()), 0..60),
        ) {
            let capacity = Rho::from_units(u128::from(capacity));
            let mut books = Accountant::new(capacity);
            let mut through = 0u64;
            for (units, restart) in requests {
                if restart {
                    books = postcard::from_bytes(&postcard::to_stdvec(&books).unwrap()).unwrap();
                }
                match books.charge("request", Rho::from_units(u128::from(units))) {
                    Ok(charge) => through += charge.rho().units(),
                    Err(refusal) => {
                        prop_assert_eq!(refusal.left.units(), capacity.units() - through);
                        prop_assert!(units > refusal.left.units());
                    }
                }
                prop_assert!(through <= capacity.units());
                prop_assert_eq!(books.spent().units(), through);
            }
        }
    }
}
