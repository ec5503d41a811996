//! Currencies and amounts.

use super::draw::Draw;

/// Currencies of the challenge with the units that a dollar bought in January 2022. Settlement knows the first four.
const RATES: [(&str, f64); 8] = [
    ("EUR", 0.88),
    ("GBP", 0.74),
    ("JPY", 115.0),
    ("USD", 1.0),
    ("AUD", 1.39),
    ("CAD", 1.26),
    ("INR", 74.5),
    ("NZD", 1.48),
];

/// Amounts in dollars by their rank: (share of payments below, amount), with even density in between. Set so that
/// the quartiles over all currencies are the published ones.
const AMOUNTS: [(f64, f64); 18] = [
    (0.0, 1.0),
    (0.001, 1.0e3),
    (0.01, 2.0e4),
    (0.05, 2.2e5),
    (0.12, 8.0e5),
    (0.294, 2.29e6),
    (0.45, 3.3e6),
    (0.588, 4.45e6),
    (0.70, 6.9e6),
    (0.80, 1.15e7),
    (0.882, 1.87e7),
    (0.93, 6.0e7),
    (0.96, 2.5e8),
    (0.985, 1.5e9),
    (0.995, 9.0e9),
    (0.9995, 6.0e10),
    (0.999_99, 3.0e11),
    (1.0, 3.8e11),
];
/// Ranks of anomalous amounts: about $14,000 to $4.5 billion.
const ANOMALOUS: (f64, f64) = (0.0075, 0.989);

/// The amount in dollars at a rank on [0, 1].
fn amount(rank: f64) -> f64 {
    let mut below = (0.0, 1.0);
    for above in AMOUNTS {
        if rank < above.0 {
            return below.1 + (rank - below.0) / (above.0 - below.0) * (above.1 - below.1);
        }
        below = above;
    }
    below.1
}

/// Dollars at random.
pub fn dollars(anomalous: bool, draw: &mut Draw) -> f64 {
    let rank = draw.unit();
    let (least, most) = if anomalous { ANOMALOUS } else { (0.0, 1.0) };
    amount(least + rank * (most - least))
}

/// Dollars in a currency, rounded to its smallest unit.
pub fn convert(dollars: f64, currency: &str) -> f64 {
    let rate = RATES
        .iter()
        .find(|(code, _)| *code == currency)
        .map_or(1.0, |(_, rate)| *rate);
    let unit = if currency == "JPY" { 1.0 } else { 100.0 };
    ((dollars * rate * unit).round() / unit).max(1.0)
}

/// A currency other than `settled`.
pub fn another(settled: &str, draw: &mut Draw) -> &'static str {
    let others: Vec<&str> = RATES
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| *code != settled)
        .collect();
    draw.pick(&others)
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::*;

    #[test]
    fn amounts_follow_their_ranks() {
        assert_eq!(amount(0.0), 1.0);
        assert_eq!(amount(0.588), 4.45e6);
        assert_eq!(amount(1.0), 3.8e11);
        let (mut last, mut draw) = (0.0, Draw::new(1, Purpose::Train, 0));
        for rank in 0..1000 {
            let now = amount(f64::from(rank) / 1000.0);
            assert!(now > last);
            last = now;
        }
        for _ in 0..10_000 {
            let now = dollars(true, &mut draw);
            assert!((1.2e4..4.6e9).contains(&now), "{now}");
        }
    }

    #[test]
    fn smallest_units() {
        assert_eq!(convert(10.004, "USD"), 10.0);
        assert_eq!(convert(1.5, "JPY"), 173.0);
        assert_ne!(another("USD", &mut Draw::new(1, Purpose::Test, 0)), "USD");
    }
}
