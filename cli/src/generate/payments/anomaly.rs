//! What makes a payment anomalous, and how often. The shares were set by hand with `examples/data/payments/calibrate.py`
//! on pooled data, before anything federated ran on them; `docs/payments-data.md` has the figures.

use super::draw::Draw;

/// Why a payment is labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// The beneficiary's bank has flagged the account.
    Flagged,
    /// The bank that the payment names does not know the account.
    Unknown,
    /// The account is there, under another name or address.
    Mismatch,
    /// Instructed in one currency, settled in another.
    Currency,
    /// Settled on another day of the month than it was made on.
    Day,
    /// Settled on the same day of the month of another year.
    Year,
    /// Made at an hour at which no ordinary payment is made.
    Hour,
    /// Like an ordinary payment in everything.
    Hidden,
}

/// Thousandths of the anomalous rows; the first three are those that only the banks can see.
const SHARES: [(Anomaly, u64); 8] = [
    (Anomaly::Flagged, 145),
    (Anomaly::Unknown, 20),
    (Anomaly::Mismatch, 30),
    (Anomaly::Currency, 150),
    (Anomaly::Day, 190),
    (Anomaly::Year, 89),
    (Anomaly::Hour, 360),
    (Anomaly::Hidden, 16),
];

impl Anomaly {
    /// One at random.
    pub fn draw(draw: &mut Draw) -> Self {
        let at = draw.weighted(1000, SHARES.iter().map(|(_, share)| *share));
        SHARES.get(at).map_or(Self::Hidden, |(anomaly, _)| *anomaly)
    }

    /// Can the payment network see it in its own columns?
    pub const fn seen_by_the_network(self) -> bool {
        matches!(self, Self::Currency | Self::Day | Self::Year | Self::Hour)
    }
}

/// Of the anomalies that the network can see, millionths that go to a flagged account as well.
pub const ALSO_FLAGGED: u64 = 25_000;
/// Of the same, millionths that name or address give away as well.
pub const ALSO_MISMATCHED: u64 = 140_000;
/// Millionths of ordinary payments that are made at an odd hour, or settled a day late.
pub const ODD: u64 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_thousandths() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u64>(), 1000);
    }
}
