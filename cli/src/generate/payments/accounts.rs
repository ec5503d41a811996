//! How the accounts divide: over the banks, and within a bank into those that order payments, those that receive
//! them, the flagged ones, which only anomalous payments go to, and those that no payment refers to.

use super::banks::Banks;
use super::draw::{Draw, portion, position};

/// Published: accounts over all banks, and how many of them the training rows refer to, per side and together with
/// the banks' tables in agreement.
const ALL: u64 = 527_503;
const REFERRED: [u64; 2] = [21_100, 25_531];
/// Published: flagged accounts per code.
pub const FLAGS: [(&str, u64); 10] = [
    ("01", 54),
    ("03", 61),
    ("04", 62),
    ("05", 54),
    ("06", 50),
    ("07", 64),
    ("08", 58),
    ("09", 51),
    ("10", 61),
    ("11", 63),
];
const FLAGGED: u64 = 578;
/// A bank has at least this many accounts.
pub const LEAST: u64 = 8;

/// The accounts of one bank, by their position: `[0, ordering)` order, the next `beneficiary` receive, the next
/// `flagged` are flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Position of the bank's first account among all accounts.
    pub first: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Accounts that order payments, and accounts that receive them.
    pub active: [u64; 2],
    /// Flagged accounts.
    pub flagged: u64,
    /// Flagged accounts of the banks before.
    flagged_before: u64,
}

/// All accounts, divided over the banks.
#[derive(Clone, Debug)]
pub struct Accounts {
    shares: Vec<Share>,
    accounts: u64,
    flagged: u64,
}

/// Side of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The account that pays.
    Ordering = 0,
    /// The account that is paid.
    Beneficiary = 1,
}

impl Accounts {
    /// Divides `accounts` over the banks, half of them evenly and half by volume; every bank gets [`LEAST`].
    pub fn new(accounts: u64, banks: &Banks) -> Self {
        let known = banks.known();
        let count = known.len() as u64;
        let volume = 2 * banks.volume();
        // The even half, in the unit of the volumes, rounded up so that no bank weighs nothing.
        let even = volume.div_ceil(count.max(1));
        let whole = volume + even * count;
        let free = accounts.saturating_sub(LEAST * count);
        let flagged = portion(accounts, FLAGGED, ALL).max(FLAGS.len() as u64 + 1);
        let mut shares = Vec::with_capacity(known.len());
        let (mut first, mut weighed, mut flagged_before) = (0, 0, 0);
        for bank in known {
            let before = weighed;
            weighed += even + bank.volume.iter().sum::<u64>();
            let mine = LEAST + portion(free, weighed, whole) - portion(free, before, whole);
            let active = [0, 1].map(|side: usize| {
                let referred = portion(accounts, REFERRED.get(side).copied().unwrap_or_default(), ALL);
                let volume = bank.volume.get(side).copied().unwrap_or_default();
                portion(referred, volume, banks.volume()).clamp(1, mine * 3 / 8)
            });
            let share = portion(flagged, weighed, whole) - portion(flagged, before, whole);
            let share = share.min(mine / 4);
            shares.push(Share {
                first,
                accounts: mine,
                active,
                flagged: share,
                flagged_before,
            });
            first += mine;
            flagged_before += share;
        }
        Self {
            shares,
            accounts: first,
            flagged: flagged_before,
        }
    }

    /// The accounts of a bank; `None` for an absent one.
    pub fn share(&self, bank: usize) -> Option<&Share> {
        self.shares.get(bank)
    }

    /// An account of a bank that an ordinary payment refers to. A quarter of the choices is even; the rest favours
    /// the first accounts: the busiest is chosen 4.75 times as often as the average one.
    pub fn active(&self, bank: usize, side: Side, draw: &mut Draw) -> u64 {
        let Some(share) = self.shares.get(bank) else {
            return 0;
        };
        let [ordering, beneficiary] = share.active;
        let (from, count) = match side {
            Side::Ordering => (0, ordering),
            Side::Beneficiary => (ordering, beneficiary),
        };
        let mut at = draw.below(count);
        if draw.chance(750_000) {
            for _ in 0..5 {
                at = at.min(draw.below(count));
            }
        }
        share.first + from + at
    }

    /// A flagged account, uniform over all banks, with its bank.
    pub fn flagged(&self, draw: &mut Draw) -> (usize, u64) {
        let at = draw.below(self.flagged);
        let bank = position(at, self.shares.iter().map(|share| share.flagged));
        let account = self
            .shares
            .get(bank)
            .map(|share| share.first_flagged() + at - share.flagged_before);
        (bank, account.unwrap_or_default())
    }

    /// A flagged account of a bank, if it has one.
    pub fn flagged_at(&self, bank: usize, draw: &mut Draw) -> Option<u64> {
        let share = self.shares.get(bank).filter(|share| share.flagged > 0)?;
        Some(share.first_flagged() + draw.below(share.flagged))
    }

    /// A position that no account has.
    pub fn nobody(&self, draw: &mut Draw) -> u64 {
        self.accounts + draw.below(super::identity::NUMBERS - self.accounts)
    }
}

impl Share {
    fn first_flagged(&self) -> u64 {
        self.first + self.active.iter().sum::<u64>()
    }

    /// The position of the account in row `row` of the bank's table: a fixed permutation, so that a place in the
    /// table does not tell who is active.
    pub fn at_row(&self, row: u64) -> u64 {
        let n = u128::from(self.accounts.max(1));
        let mut stride = n * 618 / 1000 + 1;
        while gcd(stride, n) != 1 {
            stride += 1;
        }
        self.first + ((u128::from(row) * stride + n / 3) % n) as u64
    }

    /// The flag of the account at a position of this bank, over all banks in the published proportions.
    pub fn flag(&self, at: u64) -> &'static str {
        let local = at.wrapping_sub(self.first_flagged());
        if local >= self.flagged {
            return "00";
        }
        // 353 is coprime to the number of flagged accounts: 578 in a row get exactly the published numbers.
        let point = (self.flagged_before + local) * 353 % FLAGGED;
        let code = position(point, FLAGS.iter().map(|(_, accounts)| *accounts));
        FLAGS.get(code).map_or("00", |(code, _)| code)
    }
}

const fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::*;
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn flags_are_the_published_ones_at_full_size() {
        let accounts = Accounts::new(ALL, &Banks::new(25));
        assert_eq!(accounts.accounts, ALL);
        let mut counts = BTreeMap::new();
        for share in &accounts.shares {
            for row in 0..share.accounts {
                *counts.entry(share.flag(share.at_row(row))).or_insert(0u64) += 1;
            }
        }
        assert_eq!(counts.remove("00"), Some(526_925));
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), FLAGS);
        let active: u64 = accounts.shares.iter().flat_map(|share| share.active).sum();
        assert!((46_000..47_500).contains(&active), "{active}");
    }

    #[test]
    fn every_size_is_divided_without_loss_and_parts_do_not_overlap() {
        for (all, banks) in [(16, 2), (200, 25), (513, 64), (5003, 9)] {
            let accounts = Accounts::new(all, &Banks::new(banks));
            assert_eq!(accounts.accounts, all);
            for share in &accounts.shares {
                assert!(share.accounts >= LEAST);
                assert!(share.active.iter().sum::<u64>() + share.flagged <= share.accounts);
                let rows: HashSet<u64> = (0..share.accounts).map(|row| share.at_row(row)).collect();
                assert_eq!(rows.len() as u64, share.accounts);
                assert_eq!(rows.iter().min(), Some(&share.first));
            }
            let mut draw = Draw::new(1, Purpose::Train, 0);
            for _ in 0..1000 {
                let (bank, account) = accounts.flagged(&mut draw);
                let other = accounts.flagged_at(bank, &mut draw).unwrap();
                assert_ne!(accounts.share(bank).unwrap().flag(other), "00");
                assert_ne!(accounts.share(bank).unwrap().flag(account), "00");
                for side in [Side::Ordering, Side::Beneficiary] {
                    let account = accounts.active(bank, side, &mut draw);
                    assert_eq!(accounts.share(bank).unwrap().flag(account), "00");
                }
                assert!(accounts.nobody(&mut draw) >= all);
            }
        }
    }
}
