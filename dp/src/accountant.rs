//! The party's own books: a fully adaptive filter.
//!
//! **Theorem** The mechanisms of a run are chosen adaptively, and so are their costs: what is asked next depends on
//! what was answered. A filter that lets a mechanism through only while the Renyi divergences *of one order* let
//! through add up to at most the capacity has, as a whole, a divergence of that order of at most the capacity (Feldman
//! and Zrnic, *Individual Privacy Accounting via a Renyi Filter*, NeurIPS 2021, Theorem 4.3). If all mechanisms are zCDP
//! this holds at every order at once: the whole is `capacity`-zCDP (Whitehouse, Ramdas, Rogers and Wu, *Fully Adaptive
//! Composition in Differential Privacy*, ICML 2023). **Neighbours** add or remove one row of this party.
//!
//! Two kinds of books, then: [`Accountant::new`] counts rho of zCDP and takes what is zCDP; [`Accountant::at_order`]
//! fixes one order, which [`Budget::order`](crate::Budget::order) chooses for the party's budget, and takes every
//! mechanism: discrete Gaussian noise costs the same in both, and a capacity of [`rho_for`](crate::rho_for) is worth the
//! same (epsilon, delta). [`Order::PURE`] counts epsilons of pure differential privacy and takes nothing else.
//! (A filter that may choose among orders at the end is not covered by the theorem: which order is best would then
//! depend on the answers.)

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::budget::Rho;
use crate::cost::{Cost, Order};
use crate::mechanism::NoDifferentialPrivacy;

/// The filter said no: nothing was charged and nothing may be released.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("privacy budget exceeded by {label}: asked rho {asked}, left rho {left}")]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// What the budget was asked for.
    pub label: String,
    /// The rho asked for; [`Rho::MAX`] where the cost has no bound in these books.
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
    cost: Cost,
    rho: Rho,
}

impl Charge {
    /// What was paid for.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What was paid in these books.
    #[must_use]
    pub fn rho(&self) -> Rho {
        self.rho
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    label: String,
    cost: Cost,
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

    /// What was paid for.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether [`Accountant::settle`] has closed it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }
}

/// A fully adaptive filter with its ledger. The serialised form is the party's journal entry; amounts are whole
/// numbers (see [`Rho`]), so no rounding ever lets more through than the capacity.
#[derive(Debug, Serialize, Deserialize)]
pub struct Accountant {
    // None: differential privacy is off by configuration.
    capacity: Option<Rho>,
    entries: Vec<Entry>,
    // None: every order, zCDP. The policy says it anew after a restart, like the capacity.
    #[serde(skip)]
    order: Option<Order>,
}

impl Accountant {
    /// Lets releases through while their rhos add up to at most `capacity`.
    #[must_use]
    pub fn new(capacity: Rho) -> Self {
        Accountant {
            capacity: Some(capacity),
            entries: Vec::new(),
            order: None,
        }
    }

    /// Keeps the books but never says no; the argument shows that the configuration asked for it.
    #[must_use]
    pub fn unlimited(_: NoDifferentialPrivacy) -> Self {
        Accountant {
            capacity: None,
            entries: Vec::new(),
            order: None,
        }
    }

    /// The same books at one order: the capacity and all amounts are divergences of this order divided by it (of
    /// [`Order::PURE`], epsilons).
    #[must_use]
    pub fn at_order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// What a cost amounts to in these books; `None` where it has no bound.
    #[must_use]
    pub fn amount(&self, cost: &Cost) -> Option<Rho> {
        match self.order {
            Some(order) => cost.at(order),
            None => cost.zcdp(),
        }
    }

    /// The books as after a restart, from payments that the party's journal vouches for, oldest first: taken as they
    /// are, even beyond the capacity (the operator may have lowered it; then nothing more is let through), none of
    /// them settled, no charge in anybody's hands.
    #[must_use]
    pub fn with_history<C: Into<Cost>>(mut self, payments: impl IntoIterator<Item = (String, C)>) -> Self {
        self.entries
            .extend(payments.into_iter().map(|(label, cost)| Entry {
                label,
                cost: cost.into(),
                settled: false,
                issued: false,
            }));
        self
    }

    /// Pays for one release. The caller makes the new state durable before it sends anything.
    ///
    /// # Errors
    /// [`BudgetExceeded`] if less is left, or if the cost has no bound in these books; they are then unchanged.
    pub fn charge(
        &mut self,
        label: impl Into<String>,
        cost: impl Into<Cost>,
    ) -> Result<Charge, BudgetExceeded> {
        let (label, cost) = (label.into(), cost.into());
        let amount = self.amount(&cost);
        if let Some(left) = self
            .left()
            .filter(|left| amount.is_none_or(|asked| asked > *left))
        {
            return Err(BudgetExceeded {
                label,
                asked: amount.unwrap_or(Rho::MAX),
                left,
            });
        }
        self.entries.push(Entry {
            label,
            cost,
            settled: false,
            issued: true,
        });
        Ok(Charge {
            cost,
            rho: amount.unwrap_or(Rho::MAX),
        })
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
        let cost = entry.cost;
        Some(Charge {
            cost,
            rho: self.amount(&cost).unwrap_or(Rho::MAX),
        })
    }

    /// Closes the payments under `label`: what they bought is durable as bytes, and [`Self::reclaim`] gives no
    /// further charge for it.
    pub fn settle(&mut self, label: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.label == label) {
            entry.settled = true;
        }
    }

    /// Empty books of the same measure with another capacity.
    #[must_use]
    pub fn emptied(&self, capacity: Rho) -> Self {
        Accountant {
            capacity: Some(capacity),
            entries: Vec::new(),
            order: self.order,
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
            .map(|entry| u128::from(self.amount(&entry.cost).unwrap_or(Rho::MAX).units()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, rho_for};
    use crate::sampler::Variance;
    use crate::{L1, L2Squared};
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

    #[test]
    fn one_order_takes_every_mechanism_and_zcdp_only_what_is() {
        let skellam = Cost::Skellam {
            share: Variance::new(1000, 1).unwrap(),
            shares: 5,
            l1: L1(100),
            l2: L2Squared(100),
        };
        let laplace = Cost::Laplace {
            gap: 1 << 28,
            l1: L1(1),
        };
        let mut zcdp = Accountant::new(rho(1.0));
        let refusal = zcdp.charge("skellam", skellam).unwrap_err();
        assert_eq!(refusal.asked, Rho::MAX);
        let _ = zcdp.charge("laplace", laplace).unwrap();
        assert_eq!(zcdp.spent(), laplace.zcdp().unwrap());

        let order = Order::new(20.5).unwrap();
        let mut renyi = Accountant::new(rho(1.0)).at_order(order);
        for cost in [skellam, laplace, rho(0.25).into()] {
            let charge = renyi.charge("any", cost).unwrap();
            assert_eq!((charge.cost(), charge.rho()), (cost, cost.at(order).unwrap()));
        }
        let sum: f64 = renyi
            .entries()
            .iter()
            .map(|entry| entry.cost().divergence(order))
            .sum();
        assert!((renyi.spent().value() * order.value() / sum - 1.0).abs() < 1e-9);

        let mut pure = Accountant::new(rho(1.0)).at_order(Order::PURE);
        assert!(pure.charge("gaussian", rho(0.001)).is_err());
        let epsilon = laplace.divergence(Order::PURE);
        let through = (0..100)
            .filter(|_| pure.charge("laplace", laplace).is_ok())
            .count();
        assert_eq!(through, (1.0 / epsilon) as usize);
    }

    #[test]
    fn one_order_keeps_the_budget_it_was_chosen_for() {
        for (epsilon, delta) in [(0.1, 1e-7), (1.0, 1e-6), (8.0, 1e-5)] {
            let budget = Budget::new(epsilon, delta).unwrap();
            let capacity = rho_for(&budget).unwrap();
            let order = budget.order();
            let spent = crate::budget::epsilon_at(order.value(), capacity.value() * order.value(), delta);
            assert!(
                (spent / epsilon - 1.0).abs() < 1e-9,
                "epsilon {epsilon}: {spent} at {order:?}"
            );
            // A run of Gaussian noise that spends the whole budget fits to the last unit.
            let mut books = Accountant::new(capacity).at_order(order);
            assert!(books.charge("all", capacity).is_ok());
        }
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
