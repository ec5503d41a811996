//! One side's own set: its keys without repeats, its dummies, and the secret order in which both are sent.

use rand_core::Rng;
use zeroize::Zeroizing;

use super::error::{AlignError, Whose};
use super::group::Item;
use super::params::{MAX_KEYS, Params};
use crate::seed::Seed;

/// Keys and dummies. They are sorted before they are shuffled, so that what is sent does not depend on the order of
/// the caller's list: a restarted party that reads its data in another order sends the same bytes.
pub struct OwnSet {
    /// Sorted.
    keys: Zeroizing<Vec<[u8; 32]>>,
    /// For each sorted key its index in the caller's list.
    inputs: Vec<u32>,
    /// Numbers of the pool, ascending.
    dummies: Zeroizing<Vec<u32>>,
    /// Place on the wire to item; items are the sorted keys, then the dummies.
    order: Zeroizing<Vec<u32>>,
}

impl OwnSet {
    /// # Errors
    /// Fewer keys than the minimum, more than [`MAX_KEYS`] with the dummies, or one key twice.
    pub fn new(keys: &[[u8; 32]], params: &Params, seed: &Seed) -> Result<Self, AlignError> {
        params.check_size(Whose::Own, keys.len() as u64 + u64::from(params.dummies()))?;
        let mut sorted = Zeroizing::new(Vec::with_capacity(keys.len()));
        sorted.extend((0u32..).zip(keys).map(|(input, key)| (*key, input)));
        sorted.sort_unstable();
        if let Some([(_, first), (_, second)]) = sorted.array_windows().find(|[a, b]| a.0 == b.0) {
            return Err(AlignError::Duplicate {
                first: *first as usize,
                second: *second as usize,
            });
        }
        let context = params.digest();
        let dummies = params.padding().map_or_else(Zeroizing::default, |padding| {
            let mut pool = Zeroizing::new((0..padding.pool()).collect::<Vec<_>>());
            shuffle(&mut pool, &seed.derive("align/dummies", context.as_ref()));
            pool.truncate(padding.each() as usize);
            pool.sort_unstable();
            pool
        });
        let size = (keys.len() + dummies.len()) as u32;
        debug_assert!(size <= MAX_KEYS);
        let mut order = Zeroizing::new((0..size).collect::<Vec<_>>());
        shuffle(&mut order, &seed.derive("align/order", context.as_ref()));
        let inputs = sorted.iter().map(|&(_, input)| input).collect();
        let keys = Zeroizing::new(sorted.iter().map(|&(key, _)| key).collect());
        Ok(Self {
            keys,
            inputs,
            dummies,
            order,
        })
    }

    /// Keys and dummies.
    pub fn len(&self) -> u32 {
        self.order.len() as u32
    }

    /// The items that are sent at these places.
    pub fn items(&self, places: std::ops::Range<usize>) -> Vec<Item<'_>> {
        self.order[places]
            .iter()
            .map(|&item| match (item as usize).checked_sub(self.keys.len()) {
                None => Item::Key(&self.keys[item as usize]),
                Some(dummy) => Item::Dummy(self.dummies[dummy]),
            })
            .collect()
    }

    /// From the position of each place in the union to those of the caller's keys, in the order of its list, and to
    /// those of the dummies, ascending.
    pub fn positions(&self, places: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let mut keys = vec![0; self.keys.len()];
        let mut dummies = Vec::with_capacity(self.dummies.len());
        for (&item, &position) in self.order.iter().zip(places) {
            match self.inputs.get(item as usize) {
                Some(&input) => keys[input as usize] = position,
                None => dummies.push(position),
            }
        }
        dummies.sort_unstable();
        (keys, dummies)
    }
}

/// Fisher and Yates. The indices depend on the seed: what an observer of memory accesses would learn is the order.
pub(super) fn shuffle(items: &mut [u32], seed: &Seed) {
    let mut rng = seed.rng();
    for last in (1..items.len()).rev() {
        items.swap(last, below(&mut rng, last as u32 + 1) as usize);
    }
}

/// Uniform below `bound`, by rejection (Lemire, *Fast Random Integer Generation in an Interval*, 2019).
fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if product as u32 >= bound.wrapping_neg() % bound {
            return (product >> 32) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::Padding;
    use crate::hash::Digest;

    fn own(byte: u8, numbers: impl IntoIterator<Item = u8>, pool: u32) -> OwnSet {
        let padding = (pool > 0).then(|| Padding::new(pool).unwrap());
        let params = Params::new(&Digest([1; 32]), 1, padding).unwrap();
        let keys: Vec<_> = numbers.into_iter().map(|number| [number; 32]).collect();
        let seed = Seed::from_bytes([byte; 32]);
        OwnSet::new(&keys, &params, &seed).unwrap()
    }

    #[test]
    fn the_order_does_not_depend_on_the_list_and_positions_follow_it() {
        let (up, down) = (own(1, 0..20, 4), own(1, (0..20).rev(), 4));
        assert_eq!(up.len(), 22);
        assert_eq!(up.items(0..22), down.items(0..22));
        let places: Vec<u32> = (100..122).collect();
        let (positions, dummies) = up.positions(&places);
        for (place, item) in (100..).zip(up.items(0..22)) {
            match item {
                Item::Key(key) => assert_eq!(positions[key[0] as usize], place),
                Item::Dummy(number) => {
                    assert!(number < 4);
                    assert!(dummies.contains(&place));
                }
            }
        }
        let (reversed, _) = down.positions(&places);
        assert!(positions.iter().eq(reversed.iter().rev()));
    }

    /// Over 256 seeds each of 8 keys is first as often as any other, and each dummy of 8 is drawn as often: chi-squared
    /// of 7 degrees of freedom, at one in a million 40.5; seeds are fixed.
    #[test]
    fn orders_and_draws_are_uniform() {
        let (mut first, mut drawn) = ([0u32; 8], [0u32; 8]);
        let mut overlap = 0;
        for byte in 0..=255 {
            let set = own(byte, 0..8, 0);
            let Some(Item::Key(key)) = set.items(0..1).first().copied() else {
                panic!("no key");
            };
            first[key[0] as usize] += 1;
            let padded = own(byte, 0..8, 8);
            padded
                .dummies
                .iter()
                .for_each(|&dummy| drawn[dummy as usize] += 1);
            overlap += padded.dummies.iter().filter(|&&dummy| dummy < 4).count();
        }
        let statistic = |counts: &[u32; 8], mean: f64| -> f64 {
            counts
                .iter()
                .map(|&count| (f64::from(count) - mean).powi(2) / mean)
                .sum()
        };
        assert!(statistic(&first, 32.0) < 40.5);
        assert!(statistic(&drawn, 128.0) < 40.5);
        // Mean 2 of a variance of 4 * 4 * 4 * 4 / (8 * 8 * 7): five deviations over 256 draws.
        let deviation = (256.0f64 * 256.0 / 448.0).sqrt();
        assert!((overlap as f64 - 512.0).abs() < 5.0 * deviation);
    }

    #[test]
    fn below_is_below() {
        let mut rng = Seed::from_bytes([1; 32]).rng();
        for bound in [1, 2, 3, 7, 1 << 31, u32::MAX] {
            assert!((0..100).all(|_| below(&mut rng, bound) < bound));
        }
    }
}
