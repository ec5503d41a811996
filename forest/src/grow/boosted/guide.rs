//! What the root table says: how many rows of each class are in every bin of every feature, up to noise.
//!
//! At margin 0 a row has `h = 1/4` and `g = 1/2` or `-1/2`. So a bin with sums `(G, H)` has `4 H` rows, of which
//! `2 H - G` are positive.

use std::sync::Arc;

use super::cuts::{Known, smooth};
use super::settings::Settings;
use super::split::Sum;
use crate::binning::Binner;
use crate::grow::GrowError;
use crate::logistic::{log_odds, probability};
use crate::model::MAX_BASE;
use crate::query::{Axes, BINS};
use crate::table::Table;
use crate::tree::BinSet;

/// The part of a feature's chance that does not depend on its gain.
const FLOOR: f64 = 0.4;
/// The part of a threshold's chance that does not depend on its gain.
const CUT_FLOOR: f64 = 0.5;
/// Chances are integers of at most so many bits, so that all of a tree's sum fits 32.
const CHANCE: f64 = 65_536.0;

/// The guide of a growth.
#[derive(Debug)]
pub(super) struct Guide {
    base: i32,
    features: Vec<FeatureGuide>,
    slots: u16,
    slot_of: Arc<[u8]>,
    deviation: f64,
}

/// What is known of one feature.
#[derive(Debug)]
pub(super) struct FeatureGuide {
    /// Value bins in the order in which they are cut: ascending numbers; categories by their rate of positives.
    pub(super) order: Vec<u8>,
    /// Candidate cuts, ascending positions in the order, each with its chance.
    pub(super) cuts: Vec<(usize, u32)>,
    /// The feature's own chance.
    pub(super) chance: u32,
    /// Is the order that of numbers?
    pub(super) numeric: bool,
    /// The bin of missing values.
    pub(super) missing: u8,
    /// Sums of every slot of values under the base margin; last that of missing values.
    pub(super) sums: Vec<Sum>,
    gain: f64,
}

/// Rows of a bin, and how many more of them are positive than the base rate says.
#[derive(Clone, Copy)]
struct Bin {
    rows: f64,
    excess: f64,
}

impl Guide {
    /// Reads the root table. `deviation` is that of a cell, in rows.
    pub(super) fn new(settings: &Settings, binner: &Binner, table: &Table, deviation: f64) -> Self {
        let each = settings.root_slots();
        let sums: Vec<Sum> = table
            .cells()
            .chunks_exact(2)
            .map(|cell| Sum::of(cell, settings.one()))
            .collect();
        let of_feature = |feature: usize| {
            let bins = binner.bins_of(feature);
            sums.get(feature * each..feature * each + bins)
                .unwrap_or_default()
        };
        // Every feature's sums are those of all rows; the mean weighs them by their variance.
        let mut total = Sum::default();
        let mut weights = 0.0;
        for feature in 0..binner.len() {
            let own = of_feature(feature);
            let weight = 1.0 / own.len().max(1) as f64;
            let sum = own.iter().fold(Sum::default(), |sum, bin| sum.plus(*bin));
            total = total.plus(Sum {
                g: weight * sum.g,
                h: weight * sum.h,
            });
            weights += weight;
        }
        let noise = 3.0 * deviation / f64::max(weights, 1e-9).sqrt();
        let rows = (4.0 * total.h / f64::max(weights, 1e-9)).max(2.0);
        let positive = 2.0 * total.h / f64::max(weights, 1e-9) - total.g / f64::max(weights, 1e-9);
        let least = f64::max(1.0, noise).min(rows / 2.0);
        let rate = positive.clamp(least, rows - least) / rows;
        let base = log_odds(rate, MAX_BASE.into()) as i32;
        let mut guide = Self {
            base,
            features: Vec::with_capacity(binner.len()),
            slots: settings.slots,
            slot_of: Arc::from([]),
            deviation,
        };
        let rate = probability(base.into());
        let mut slot_of = Vec::with_capacity(binner.len() * BINS);
        for feature in 0..binner.len() {
            let own = binner.feature(feature);
            let (one, slots) =
                guide.feature(of_feature(feature), own.is_numeric(), own.missing(), rows, rate);
            guide.features.push(one);
            slot_of.extend(slots);
        }
        guide.slot_of = slot_of.into();
        guide.give_chances();
        guide
    }

    /// Log-odds of a row's class before any tree, in units of `2^-16`.
    pub(super) const fn base(&self) -> i32 {
        self.base
    }

    /// What is known of every feature.
    pub(super) fn features(&self) -> &[FeatureGuide] {
        &self.features
    }

    /// Standard deviation of a cell of the root table under the base margin, in rows.
    pub(super) fn deviation(&self) -> f64 {
        let p = probability(self.base.into());
        self.deviation * (1.0 + (4.0 * p - 2.0) * (4.0 * p - 2.0)).sqrt()
    }

    /// Axes of a level's query, for the features of every tree of the batch.
    pub(super) fn axes(&self, features: &[Vec<u16>]) -> Result<Axes, GrowError> {
        Ok(Axes::new(
            features.concat().into(),
            self.slots,
            Arc::clone(&self.slot_of),
        )?)
    }

    /// The slot of every value bin, and after them of missing values.
    pub(super) fn slots_of(&self, feature: usize) -> &[u8] {
        self.slot_of
            .get(feature * BINS..(feature + 1) * BINS)
            .unwrap_or_default()
    }

    /// The bins of a split's right side.
    pub(super) fn bins(&self, feature: usize, right: &[usize], missing_right: bool) -> BinSet {
        let missing = self.features.get(feature).map_or(0, |feature| feature.missing);
        let slots = self.slots_of(feature).iter().zip(0u8..=255);
        let values = slots
            .take(missing.into())
            .filter(|(slot, _)| right.contains(&usize::from(**slot)))
            .map(|(_, bin)| bin);
        values.chain(missing_right.then_some(missing)).collect()
    }

    fn feature(
        &self,
        sums: &[Sum],
        numeric: bool,
        missing: u8,
        all_rows: f64,
        rate: f64,
    ) -> (FeatureGuide, Vec<u8>) {
        let values = usize::from(missing).min(sums.len());
        let (of_values, of_missing) = sums.split_at(values);
        let bin = |sum: &Sum| Bin {
            rows: 4.0 * sum.h,
            excess: 2.0 * sum.h - sum.g - rate * 4.0 * sum.h,
        };
        let bins: Vec<Bin> = of_values.iter().map(bin).collect();
        let noise = 4.0 * self.deviation;
        let mut order: Vec<u8> = (0..missing).collect();
        let rows: Vec<f64> = if numeric {
            let measured: Vec<f64> = bins.iter().map(|bin| bin.rows).collect();
            smooth(&measured, all_rows, noise)
        } else {
            let of = |bin: &u8| {
                bins.get(usize::from(*bin)).copied().unwrap_or(Bin {
                    rows: 0.0,
                    excess: 0.0,
                })
            };
            let rate = |bin: &u8| of(bin).excess / (of(bin).rows.max(0.0) + 3.0 * noise + 1.0);
            order.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
            order.iter().map(|bin| of(bin).rows.max(0.0)).collect()
        };
        // Where nothing is, what was measured is noise.
        let excess: Vec<f64> = order
            .iter()
            .zip(&rows)
            .map(|(bin, rows)| match bins.get(usize::from(*bin)) {
                Some(bin) if !numeric || *rows > 0.0 => bin.excess,
                _ => 0.0,
            })
            .collect();
        let variance = self.deviation * self.deviation * (1.0 + (2.0 - 4.0 * rate) * (2.0 - 4.0 * rate));
        let known = Known {
            rows: &rows,
            excess: &excess,
            noise,
            variance,
        };
        let found = if numeric {
            known.thresholds()
        } else {
            known.categories()
        };
        let slots = self.group(&rows, &order, numeric, missing);
        let value_slots = slots
            .iter()
            .take(values)
            .copied()
            .max()
            .map_or(0, |last| usize::from(last) + 1);
        let mut under_base = vec![Sum::default(); value_slots + 1];
        // A bin's sums under the base margin, by the classes of its rows.
        let based = |sum: &Sum| Sum {
            g: rate * 4.0 * sum.h - (2.0 * sum.h - sum.g),
            h: rate * (1.0 - rate) * 4.0 * sum.h,
        };
        for (sum, slot) in of_values.iter().zip(&slots) {
            if let Some(to) = under_base.get_mut(usize::from(*slot)) {
                *to = to.plus(based(sum));
            }
        }
        if let (Some(to), Some(sum)) = (under_base.last_mut(), of_missing.first()) {
            *to = based(sum);
        }
        let most = found.iter().map(|(_, gain)| *gain).fold(0.0, f64::max);
        let sum: f64 = found.iter().map(|(_, gain)| gain.sqrt()).sum();
        let even = 1.0 / found.len().max(1) as f64;
        let chance = |(cut, gain): (usize, f64)| {
            let own = if sum > 0.0 { gain.sqrt() / sum } else { even };
            let chance = CUT_FLOOR * even + (1.0 - CUT_FLOOR) * own;
            (cut, (chance * CHANCE) as u32 + 1)
        };
        let cuts = found.into_iter().map(chance).collect();
        let feature = FeatureGuide {
            order,
            cuts,
            chance: 0,
            numeric,
            missing,
            sums: under_base,
            gain: most,
        };
        (feature, slots)
    }

    /// Slots of about equally many rows: neighbours in the order, one slot to a bin where there is room.
    fn group(&self, rows: &[f64], order: &[u8], numeric: bool, missing: u8) -> Vec<u8> {
        let most = usize::from(self.slots).saturating_sub(1).max(1);
        let mut slots = vec![0u8; BINS];
        let mut last = 0;
        if usize::from(missing) <= most {
            for (slot, bin) in slots.iter_mut().zip(0..missing) {
                *slot = bin;
                last = bin;
            }
        } else {
            let all: f64 = rows.iter().sum();
            let mut before = 0.0;
            for (position, (own, bin)) in rows.iter().zip(order).enumerate() {
                let share = if all > 0.0 {
                    before / all
                } else {
                    position as f64 / rows.len() as f64
                };
                // Never more than one further, so that no slot is empty.
                let slot = ((share * most as f64) as usize)
                    .min(most - 1)
                    .min(usize::from(last) + usize::from(position > 0));
                last = slot as u8;
                before += own;
                if let Some(to) = slots.get_mut(usize::from(*bin)) {
                    *to = last;
                }
            }
        }
        debug_assert!(numeric || !order.is_empty() || missing == 0);
        slots
            .iter_mut()
            .skip(missing.into())
            .for_each(|slot| *slot = last + 1);
        slots
    }

    fn give_chances(&mut self) {
        let root = |feature: &FeatureGuide| feature.gain.sqrt();
        let all: f64 = self.features.iter().map(root).sum();
        let even = 1.0 / self.features.len().max(1) as f64;
        for feature in &mut self.features {
            let own = if all > 0.0 { root(feature) / all } else { even };
            feature.chance = ((FLOOR * even + (1.0 - FLOOR) * own) * CHANCE) as u32 + 1;
        }
    }
}
