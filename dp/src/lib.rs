//! Differential privacy: exact integer noise, its calibration over several parties, and the books that are kept
//! about it.
//!
//! **Mechanisms** discrete Gaussian, Skellam and discrete Laplace, drawn in shares by the parties · **sensitivity** L2
//! and L1, of integer-valued tables · **neighbours** add or remove one row of one party · **measure** zero-concentrated
//! (zCDP, Bun and Steinke 2016), Renyi and pure differential privacy, stated to users as (epsilon, delta).
//!
//! What it is: the only maker of [`Noised`] tables, which is the only kind of table that the protocol will send. A
//! `Noised` costs a [`Charge`], and a `Charge` comes from nobody but the party's own [`Accountant`].
//!
//! What it is not: a place for floating-point noise (floats calibrate and report, they never touch a sample), a
//! source of randomness (the generator is an argument), or a store (the party's journal keeps the accountant).
//!
//! | module | idea | source |
//! |---|---|---|
//! | [`budget`] | [`Budget`] (epsilon, delta), [`Rho`] and the tight conversion between them | Canonne, Kamath, Steinke 2020 |
//! | [`sensitivity`] | how far one row can move a table | |
//! | [`cost`] | what a release costs at any order of Renyi divergence | Mironov 2017; Agarwal, Kairouz, Liu 2021 |
//! | [`sampler`] | exact discrete Gaussian, Skellam and Polya in integer arithmetic | Canonne, Kamath, Steinke 2020; Karney 2016; Devroye 1986 |
//! | [`distributed`] | how wide every party's share of the noise must be | Kairouz, Liu, Steinke 2021 |
//! | [`distributed::skellam`] | the same for Skellam shares | Agarwal, Kairouz, Liu 2021 |
//! | [`distributed::laplace`] | the same for Polya shares: pure epsilon | Ghosh et al. 2009; Goryczka, Xiong 2017 |
//! | [`noise`] | the public choice among them | |
//! | [`mechanism`] | table + charge -> [`Noised`] | |
//! | [`accountant`] | fully adaptive filter, zCDP or of one Renyi order | Feldman, Zrnic 2021; Whitehouse et al. 2023 |
//! | [`renyi`] | composition on a grid of orders, conversion to (epsilon, delta) | Mironov 2017; Canonne, Kamath, Steinke 2020 |
//! | [`rows`] | disjoint rows per tree, or all rows in all trees | McSherry 2009 |
//! | [`audit`] | lower bounds on epsilon from what was released | Steinke, Nasr, Jagielski 2023 |
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

pub mod accountant;
pub mod audit;
pub mod budget;
pub mod cost;
pub mod distributed;
pub mod mechanism;
pub mod noise;
pub mod renyi;
pub mod rows;
pub mod sampler;
pub mod sensitivity;

pub use accountant::{Accountant, BudgetExceeded, Charge};
pub use budget::{Budget, BudgetError, Rho, epsilon_for, rho_for};
pub use cost::{Cost, Order};
pub use distributed::laplace::DistributedLaplace;
pub use distributed::skellam::DistributedSkellam;
pub use distributed::{CalibrationError, DistributedGaussian};
pub use mechanism::{ApplyError, Cells, Mechanism, NoDifferentialPrivacy, Noised};
pub use noise::{Noise, Release};
pub use renyi::{RenyiCurve, epsilon_of};
pub use sensitivity::{L1, L2Squared};
