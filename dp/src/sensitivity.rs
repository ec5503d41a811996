//! How far one row can move a table.

use serde::{Deserialize, Serialize};

/// Squared L2 sensitivity of an integer-valued table when **one row is added or removed**.
///
/// `L2Squared(s)` promises `sum over cells (T(D) - T(D'))^2 <= s` for all neighbouring `D`, `D'`. The square is kept
/// because it is an integer: a row that falls into one leaf of each of `trees` trees moves `trees` cells by one, so
/// `s = trees`; a row that falls into one cell of a histogram gives `s = 1`.
///
/// A change of *replacing* one row costs up to four times as much (group privacy of two); this type never means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct L2Squared(pub u64);

/// L1 sensitivity of an integer-valued table when **one row is added or removed**: `sum over cells |T(D) - T(D')| <=
/// self` for all neighbouring `D`, `D'`. A row that moves `n` cells by one has `L1(n)` and `L2Squared(n)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct L1(pub u64);
