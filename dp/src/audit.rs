//! What an attacker can show about a mechanism from its output: lower bounds on epsilon, and membership inference.
//!
//! Nothing here makes anything private, and nothing here touches noise. **Neighbours** the canaries are rows that are
//! each included or not by a fair coin, so the bound speaks of adding or removing one row.
//!
//! | module | idea | source |
//! |---|---|---|
//! | [`one_run`] | guesses about many canaries in one run -> lower bound on epsilon | Steinke, Nasr, Jagielski, NeurIPS 2023, Theorem 5.2 |
//! | [`membership()`] | ROC, advantage, true positives at few false ones | Carlini et al., IEEE S&P 2022; Clopper, Pearson 1934 |
//! | [`binomial`] | tails that are good to many digits | |

pub mod binomial;
pub mod membership;
pub mod one_run;

pub use membership::{Membership, membership};
pub use one_run::{Guesses, epsilon_lower_bound, guess, p_value};
