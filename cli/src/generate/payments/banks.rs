//! The banks, and which of them pays which: the published volumes of the challenge's first phase.

use super::draw::{Draw, position};

/// BIC and country of the challenge's size. The first seven and [`INJECTED`] are the challenge's own, whose volumes
/// are published; the others are made up. The first fifteen send as well as receive.
const BANKS: [(&str, &str); 25] = [
    ("DPSUFRPP", "FR"),
    ("ABVVUS6S", "US"),
    ("WVOLDEMM", "DE"),
    ("ZOUOGB22", "GB"),
    ("WITAZAJJ", "ZA"),
    ("XAMTZWHX", "ZW"),
    ("DECKJPJJ", "JP"),
    ("KQORUS3N", "US"),
    ("QUVIESMZ", "ES"),
    ("TAMOPEPL", "PE"),
    ("ZELFITRX", "IT"),
    ("LUMQPTPK", "PT"),
    ("HOLVCHZX", "CH"),
    ("ANQUECEQ", "EC"),
    ("VOZKTRIS", "TR"),
    ("MAPQCATW", "CA"),
    ("KOALAU3W", "AU"),
    ("TUIVNZ2Q", "NZ"),
    ("INQDIN5X", "IN"),
    ("BRZOBRRQ", "BR"),
    ("MEXQMXMV", "MX"),
    ("SINVSGSQ", "SG"),
    ("SVEQSESV", "SE"),
    ("TULPNL2Z", "NL"),
    ("WISQPLPV", "PL"),
];

/// Countries of banks beyond the challenge's number.
const MORE: [&str; 8] = ["AT", "BE", "DK", "FI", "IE", "KR", "NO", "TH"];

/// The sender that only anomalous rows have; it is in no table of accounts.
const INJECTED: (&str, &str) = ("UNUSAL22", "US");
/// Receivers that are in no table of accounts.
const ABSENT: [(&str, &str); 2] = [("NOQVHKHX", "HK"), ("ZUQVAEAD", "AE")];

/// Rows from the bank of the ordering account to the bank of the beneficiary, of 4,691,725 in the training file of
/// phase 1. Published: the sums by first sender and by final receiver of the first seven, the pairs 0-1 and 4-5, and
/// the ordering countries. Reconstructed: how the rest is divided.
const CORRIDORS: [(usize, usize, u64); 37] = [
    (0, 1, 1_621_169),
    (0, 8, 9_000),
    (0, 10, 9_000),
    (0, 12, 7_677),
    (1, 6, 412_000),
    (1, 2, 150_100),
    (1, 3, 90_000),
    (1, 15, 40_000),
    (1, 20, 30_000),
    (2, 1, 97_619),
    (2, 12, 120_000),
    (2, 10, 95_000),
    (2, 23, 110_000),
    (2, 24, 99_545),
    (2, 0, 90_000),
    (3, 1, 70_000),
    (3, 6, 166_932),
    (3, 16, 100_000),
    (3, 18, 122_812),
    (3, 22, 70_000),
    (4, 5, 514_627),
    (7, 6, 100_000),
    (7, 17, 61_500),
    (7, 19, 60_000),
    (7, 20, 60_000),
    (8, 9, 40_000),
    (8, 11, 39_759),
    (6, 21, 45_068),
    (6, 16, 30_000),
    (9, 13, 40_068),
    (9, 8, 35_000),
    (5, 4, 65_684),
    (10, 14, 46_917),
    (11, 7, 37_534),
    (12, 2, 23_459),
    (13, 9, 9_383),
    (14, 2, 2_815),
];

/// Banks that pass on what is for others.
const HUBS: [usize; 4] = [1, 2, 3, 6];
/// Banks whose customers order the anomalous payments, besides [`INJECTED`].
const SUSPECTS: [usize; 4] = [3, 2, 1, 0];

/// One bank.
#[derive(Clone, Debug)]
pub struct Bank {
    /// Its eight-letter code.
    pub bic: String,
    /// Two letters.
    pub country: &'static str,
    /// Rows that its customers order and receive, of [`Banks::volume`].
    pub volume: [u64; 2],
}

/// All banks of a data set: first those with a table of accounts, then the absent ones.
#[derive(Clone, Debug)]
pub struct Banks {
    all: Vec<Bank>,
    known: usize,
    corridors: Vec<(usize, usize, u64)>,
    volume: u64,
}

/// The banks that a payment goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    stops: [u16; 4],
    hops: u8,
}

impl Route {
    /// Sender and receiver of a hop.
    pub fn hop(&self, hop: u8) -> (usize, usize) {
        let stop = |at: u8| {
            self.stops
                .get(usize::from(at))
                .copied()
                .unwrap_or_default()
                .into()
        };
        (stop(hop), stop(hop + 1))
    }

    /// Number of hops, 1 to 3.
    pub const fn hops(&self) -> u8 {
        self.hops
    }
}

impl Banks {
    /// The first `known` banks with their corridors; what a smaller number has no bank for goes to the others, and
    /// banks beyond the challenge's 25 receive their share of everything.
    pub fn new(known: usize) -> Self {
        let mut all: Vec<Bank> = BANKS
            .iter()
            .map(|(bic, country)| ((*bic).to_owned(), *country))
            .chain((BANKS.len()..known).map(further))
            .take(known)
            .chain(
                ABSENT
                    .iter()
                    .chain([&INJECTED])
                    .map(|(bic, country)| ((*bic).to_owned(), *country)),
            )
            .map(|(bic, country)| Bank {
                bic,
                country,
                volume: [0; 2],
            })
            .collect();
        let fold = |bank: usize| bank % known.max(1);
        let mut corridors = Vec::new();
        let extra = known.saturating_sub(BANKS.len()) as u64;
        for (from, to, rows) in CORRIDORS {
            let (from, mut to) = (fold(from), fold(to));
            if from == to {
                to = fold(to + 1);
            }
            let moved = rows * extra / (known as u64).max(1);
            corridors.push((from, to, rows - moved));
            for bank in BANKS.len()..known {
                corridors.push((from, bank, moved / extra.max(1)));
            }
        }
        corridors.retain(|(_, _, rows)| *rows > 0);
        for (from, to, rows) in &corridors {
            for (side, bank) in [from, to].into_iter().enumerate() {
                if let Some(volume) = all.get_mut(*bank).and_then(|bank| bank.volume.get_mut(side)) {
                    *volume += rows;
                }
            }
        }
        let volume = corridors.iter().map(|(_, _, rows)| rows).sum();
        Self {
            all,
            known,
            corridors,
            volume,
        }
    }

    /// The banks that have a table of accounts.
    pub fn known(&self) -> &[Bank] {
        self.all.get(..self.known).unwrap_or_default()
    }

    /// Rows over all corridors.
    pub const fn volume(&self) -> u64 {
        self.volume
    }

    /// A bank by its position; the injected one for a position that there is not.
    pub fn bank(&self, at: usize) -> (&str, &'static str) {
        self.all
            .get(at)
            .map_or(INJECTED, |bank| (bank.bic.as_str(), bank.country))
    }

    /// A bank without a table of accounts, by whether it is to send.
    pub fn absent(&self, sender: bool, draw: &mut Draw) -> usize {
        self.known
            + if sender {
                ABSENT.len()
            } else {
                draw.below(2) as usize
            }
    }

    /// Sender and receiver of an ordinary payment.
    pub fn corridor(&self, draw: &mut Draw) -> (usize, usize) {
        let rows = self.corridors.iter().map(|(_, _, rows)| *rows);
        self.corridors
            .get(position(draw.below(self.volume), rows))
            .map_or((0, 1), |(from, to, _)| (*from, *to))
    }

    /// Sender and receiver of an anomalous payment: the senders are few and equally frequent, their receivers those
    /// of ordinary payments.
    pub fn suspect_corridor(&self, draw: &mut Draw) -> (usize, usize) {
        let from = draw.pick(&SUSPECTS) % self.known.max(1);
        let rows = |&(start, _, rows): &(usize, usize, u64)| if start == from { rows } else { 0 };
        let total = self.corridors.iter().map(rows).sum();
        let at = draw.weighted(total, self.corridors.iter().map(rows));
        self.corridors.get(at).map_or_else(
            || (from, (from + 1) % self.known.max(1)),
            |(_, to, _)| (from, *to),
        )
    }

    /// Sender of an anomalous payment to a bank.
    pub fn suspect(&self, to: usize, draw: &mut Draw) -> usize {
        let start = draw.below(SUSPECTS.len() as u64) as usize;
        let banks = SUSPECTS.iter().cycle().skip(start).take(SUSPECTS.len());
        let mut banks = banks.map(|bank| bank % self.known.max(1));
        banks.find(|bank| *bank != to).unwrap_or_default()
    }

    /// The way from one bank to another over `hops` hops, or fewer where there are too few hubs.
    pub fn route(&self, from: usize, to: usize, hops: u8, draw: &mut Draw) -> Route {
        let mut route = Route::default();
        let mut stops = vec![from];
        let start = draw.below(HUBS.len() as u64) as usize;
        for hub in HUBS.iter().cycle().skip(start).take(HUBS.len()) {
            let free = *hub < self.known && *hub != to && !stops.contains(hub);
            if free && stops.len() < usize::from(hops) {
                stops.push(*hub);
            }
        }
        stops.push(to);
        route.hops = stops.len() as u8 - 1;
        for (slot, stop) in route.stops.iter_mut().zip(stops) {
            *slot = stop as u16;
        }
        route
    }

    /// Currency in which payments between two banks are settled.
    pub fn currency(&self, from: usize, to: usize) -> &'static str {
        let zone = |at: usize| match self.bank(at).1 {
            "JP" => "JPY",
            "GB" => "GBP",
            "FR" | "DE" | "ES" | "IT" | "PT" | "NL" => "EUR",
            _ => "USD",
        };
        match (zone(from), zone(to), self.bank(to).1) {
            (_, "JPY", _) => "JPY",
            (_, "USD", "US") => "USD",
            (from, "USD", _) => from,
            (_, to, _) => to,
        }
    }
}

/// A bank beyond the table: a code from its position.
fn further(at: usize) -> (String, &'static str) {
    let letter = |at: usize| char::from(b'A' + (at % 26) as u8);
    let country = MORE.get(at % MORE.len()).copied().unwrap_or_default();
    (format!("Q{}{}X{country}QX", letter(at / 26), letter(at)), country)
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::*;

    #[test]
    fn volumes_are_the_published_ones() {
        let banks = Banks::new(25);
        let ordered: Vec<u64> = banks.known().iter().map(|bank| bank.volume[0]).collect();
        assert_eq!(ordered[..5], [1_646_846, 722_100, 612_164, 529_744, 514_627]);
        let received = |at: usize| banks.known()[at].volume[1];
        assert_eq!(
            (received(1), received(6), received(5)),
            (1_788_788, 678_932, 514_627)
        );
        assert_eq!(ordered.iter().filter(|rows| **rows > 0).count(), 15);
        assert!(
            banks.known().iter().all(|bank| bank.volume[1] > 0),
            "all banks receive"
        );
    }

    #[test]
    fn any_number_of_banks_has_a_flow_and_distinct_codes() {
        for known in [2, 3, 7, 24, 26, 64] {
            let banks = Banks::new(known);
            let mut codes: Vec<&str> = (0..known + 3).map(|at| banks.bank(at).0).collect();
            assert!(codes.iter().all(|code| code.len() == 8), "{codes:?}");
            codes.sort_unstable();
            codes.dedup();
            assert_eq!(codes.len(), known + 3);
            let mut draw = Draw::new(1, Purpose::Train, 0);
            for row in 0..2000 {
                let (from, to) = match row % 2 {
                    0 => banks.corridor(&mut draw),
                    _ => banks.suspect_corridor(&mut draw),
                };
                assert_ne!(banks.suspect(to, &mut draw), to);
                assert!(from != to && from < known && to < known);
                let route = banks.route(from, to, 3, &mut draw);
                assert_eq!((route.hop(0).0, route.hop(route.hops() - 1).1), (from, to));
                assert!((0..route.hops()).all(|hop| route.hop(hop).0 != route.hop(hop).1));
            }
        }
    }

    #[test]
    fn few_settlement_currencies() {
        let banks = Banks::new(25);
        assert_eq!(banks.currency(0, 1), "USD");
        assert_eq!(banks.currency(1, 6), "JPY");
        assert_eq!(banks.currency(3, 16), "GBP");
        assert_eq!(banks.currency(2, 12), "EUR");
    }
}
