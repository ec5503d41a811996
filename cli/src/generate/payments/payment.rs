//! One end-to-end payment: who, when, what, and whether it is anomalous.

use super::World;
use super::accounts::Side;
use super::anomaly::{ALSO_FLAGGED, ALSO_MISMATCHED, Anomaly, ODD};
use super::banks::Route;
use super::calendar::{DAY, DAYS, THIRTEEN_YEARS};
use super::draw::Draw;
use super::money;

/// Share of ordinary and anomalous payments alike that are settled "thirteen years before", in millionths.
const EARLY_PEAK: u64 = 300_000;
/// Of 100 payments, those over one, two and three hops.
const HOPS: [u64; 3] = [70, 22, 8];
/// Ordinary payments start between these seconds of the day, and hops follow at most 50 minutes apart.
const OPEN: (i64, i64) = (9 * 3600, 15 * 3600);
const GAP: (i64, u64) = (600, 2400);
/// Payments at odd hours start in one of these: all their hops stay outside the ordinary hours.
const ODD_HOURS: [(i64, u64); 2] = [(900, 6 * 3600), (17 * 3600, 5 * 3600)];

/// Flagged accounts at a bank that the sender pays to anyhow, in millionths; the others are at any bank.
const USUAL_BANK: u64 = 700_000;

/// How an account's name and address are told in a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// As in the bank's table.
    #[default]
    True,
    /// The name of someone else.
    OtherName,
    /// No name.
    NoName,
    /// The street of someone else.
    OtherStreet,
    /// A letter of the country left out.
    Typo,
}

/// An account as a payment names it.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Position among all accounts, or beyond them for an account that nobody has.
    pub account: u64,
    /// Position of the bank.
    pub bank: usize,
    /// What is said of its holder.
    pub told: Told,
}

/// One payment over its hops.
#[derive(Clone, Copy, Debug)]
pub struct Payment {
    /// Is it labelled?
    pub anomaly: Option<Anomaly>,
    /// The banks that it goes through.
    pub route: Route,
    /// Seconds since the first day, of the first hop.
    pub start: i64,
    /// Seconds from each hop to the next.
    pub gaps: [i64; 2],
    /// Day of settlement since the first day.
    pub settled: i64,
    /// Currencies of settlement and instruction.
    pub currencies: [&'static str; 2],
    /// The same amount in both.
    pub amounts: [f64; 2],
    /// Who pays.
    pub ordering: Named,
    /// Who is paid.
    pub beneficiary: Named,
    /// 128 random bits that make its UETR.
    pub id: [u64; 2],
}

impl Payment {
    /// A payment of at most `most` hops (1 or more) in the part `[from, to)`, in millionths, of the period.
    pub fn draw(
        world: &World,
        anomaly: Option<Anomaly>,
        most: u8,
        part: (i64, i64),
        draw: &mut Draw,
    ) -> Self {
        let hops = (1 + draw.weighted(100, HOPS) as u8).min(most);
        let (mut from, mut to) = match anomaly {
            None => world.banks.corridor(draw),
            Some(_) => world.banks.suspect_corridor(draw),
        };
        let mut flagged = None;
        if anomaly.is_some_and(|anomaly| {
            anomaly == Anomaly::Flagged || anomaly.seen_by_the_network() && draw.chance(ALSO_FLAGGED)
        }) {
            if draw.chance(USUAL_BANK) {
                flagged = world.accounts.flagged_at(to, draw);
            }
            let account = flagged.unwrap_or_else(|| {
                let (bank, account) = world.accounts.flagged(draw);
                to = bank;
                from = world.banks.suspect(to, draw);
                account
            });
            flagged = Some(account);
        }
        let mut ordering = Named {
            account: world.accounts.active(from, Side::Ordering, draw),
            bank: from,
            told: Told::True,
        };
        let mut beneficiary = Named {
            account: flagged.unwrap_or_else(|| world.accounts.active(to, Side::Beneficiary, draw)),
            bank: to,
            told: Told::True,
        };
        if anomaly == Some(Anomaly::Unknown) {
            // Half of the time the whole bank is unknown, and of those half the time the sender's.
            match draw.below(4) {
                0 => {
                    (ordering.bank, ordering.account) =
                        (world.banks.absent(true, draw), world.accounts.nobody(draw))
                }
                1 => beneficiary.bank = world.banks.absent(false, draw),
                _ => {}
            }
            if ordering.bank == from {
                beneficiary.account = world.accounts.nobody(draw);
            }
        }
        let mismatched = anomaly.is_some_and(|anomaly| {
            anomaly == Anomaly::Mismatch
                || anomaly.seen_by_the_network() && flagged.is_none() && draw.chance(ALSO_MISMATCHED)
        });
        if mismatched {
            let told = draw.pick(&[
                Told::OtherName,
                Told::OtherName,
                Told::NoName,
                Told::OtherStreet,
                Told::Typo,
            ]);
            if draw.chance(500_000) {
                ordering.told = told;
            } else {
                beneficiary.told = told;
            }
        }
        let route = world.banks.route(ordering.bank, beneficiary.bank, hops, draw);
        let gaps = [0; 2].map(|_: i64| draw.within(GAP.0, GAP.1));
        let (start, settled) = when(anomaly, part, draw);
        let settlement = world.banks.currency(from, to);
        let instructed = match anomaly {
            Some(Anomaly::Currency) => money::another(settlement, draw),
            _ => settlement,
        };
        let dollars = money::dollars(anomaly.is_some(), draw);
        Self {
            anomaly,
            route,
            start,
            gaps,
            settled,
            currencies: [settlement, instructed],
            amounts: [settlement, instructed].map(|currency| money::convert(dollars, currency)),
            ordering,
            beneficiary,
            id: [draw.bits(), draw.bits()],
        }
    }

    /// Seconds since the first day, of one hop.
    pub fn time(&self, hop: u8) -> i64 {
        self.start + self.gaps.iter().take(usize::from(hop)).sum::<i64>()
    }
}

/// Start of a payment and day of its settlement.
///
/// InterimTime = settlement (midnight) - timestamp has two narrow peaks for ordinary payments: minus the hour of the
/// day, and the same thirteen years before; the day of the month is the same in both.
fn when(anomaly: Option<Anomaly>, part: (i64, i64), draw: &mut Draw) -> (i64, i64) {
    let moment = draw.within(part.0, (part.1 - part.0).max(1) as u64);
    let day = moment * DAYS / 1_000_000;
    // The sum of two uniform numbers: most payments are made around noon.
    let half = ((OPEN.1 - OPEN.0) / 2) as u64;
    let mut second = draw.within(OPEN.0, half) + draw.within(0, half);
    let mut settled = day;
    if draw.chance(EARLY_PEAK) {
        settled -= THIRTEEN_YEARS;
    }
    let ordinary = !anomaly.is_some_and(Anomaly::seen_by_the_network);
    if anomaly == Some(Anomaly::Hour) || ordinary && draw.chance(ODD) {
        let (least, span) = draw.pick(&ODD_HOURS);
        second = draw.within(least, span);
    }
    match anomaly {
        Some(Anomaly::Day) => {
            // 1 to 27 days apart: the day of the month cannot be the same.
            let days = draw.within(1, 27);
            settled += if draw.chance(700_000) { days } else { -days };
        }
        // Thirteen years hold eleven others between them.
        Some(Anomaly::Year) => settled = year_before(day, draw.within(1, 12)),
        _ if ordinary && draw.chance(ODD) => settled += 1,
        _ => {}
    }
    (day * DAY + second, settled)
}

/// The same day of January `years` before 2022.
const fn year_before(day: i64, years: i64) -> i64 {
    // The 29ths of February between: 2020, 2016, 2012.
    day - 365 * years - (years + 2) / 4
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{civil, yymmdd};
    use super::super::draw::Purpose;
    use super::*;

    const ACCOUNTS: u64 = 2000;

    #[test]
    fn years_before_are_the_same_day() {
        for years in 0..=13 {
            assert_eq!(civil(year_before(4, years)), (2022 - years, 1, 5), "{years}");
        }
        assert_eq!(year_before(0, 13), -THIRTEEN_YEARS);
    }

    fn interim(payment: &Payment, hop: u8) -> i64 {
        payment.settled * DAY - payment.time(hop)
    }

    #[test]
    fn ordinary_payments_are_in_two_peaks_and_odd_hours_outside() {
        let world = World::new(1, ACCOUNTS, 5);
        let mut draw = Draw::new(1, Purpose::Train, 0);
        let mut early = 0;
        for _ in 0..5000 {
            let payment = Payment::draw(&world, Some(Anomaly::Hidden), 3, (0, 1_000_000), &mut draw);
            for hop in 0..payment.route.hops() {
                let seconds = interim(&payment, hop).rem_euclid(DAY);
                assert!((6 * 3600..=15 * 3600).contains(&seconds), "{seconds}");
            }
            early += i32::from(payment.settled < 0);
            let odd = Payment::draw(&world, Some(Anomaly::Hour), 3, (0, 1_000_000), &mut draw);
            for hop in 0..odd.route.hops() {
                let seconds = interim(&odd, hop).rem_euclid(DAY);
                assert!(!(27_000..=15 * 3600).contains(&seconds), "{seconds}");
                assert_eq!(
                    yymmdd(odd.settled) % 100,
                    yymmdd(odd.time(hop).div_euclid(DAY)) % 100
                );
            }
        }
        assert!((1300..1700).contains(&early), "{early}");
    }

    #[test]
    fn anomalies_are_what_they_say() {
        let world = World::new(1, ACCOUNTS, 5);
        let mut draw = Draw::new(2, Purpose::Train, 0);
        for _ in 0..500 {
            let mut one = |anomaly| Payment::draw(&world, Some(anomaly), 3, (0, 1_000_000), &mut draw);
            let flagged = one(Anomaly::Flagged).beneficiary;
            assert_ne!(
                world.accounts.share(flagged.bank).unwrap().flag(flagged.account),
                "00"
            );
            let unknown = one(Anomaly::Unknown);
            let beyond = |named: Named| named.account >= ACCOUNTS;
            assert!(beyond(unknown.ordering) || beyond(unknown.beneficiary));
            let [settled, instructed] = one(Anomaly::Currency).currencies;
            assert_ne!(settled, instructed);
            let day = one(Anomaly::Day);
            assert_ne!(civil(day.settled).2, civil(day.start.div_euclid(DAY)).2);
            let mismatch = one(Anomaly::Mismatch);
            assert!(mismatch.ordering.told != Told::True || mismatch.beneficiary.told != Told::True);
        }
    }
}
