//! Leaves as what leads to them: for each feature of the path the set of bins that it accepts.

use std::collections::BTreeMap;

use hedgerow_crypto::exact::Form;
use hedgerow_forest::ensemble::Node;

use super::binning::{Binned, Binning};

/// Most paths of a forest.
pub const MAX_LEAVES: usize = 1 << 19;

/// A path from a root to a leaf that some row takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its tree.
    pub tree: usize,
    /// Its node.
    pub node: u32,
    /// For each feature of the path the bins accepted, bit by bit.
    pub conditions: Vec<(usize, u128)>,
}

impl Leaf {
    /// How many of its conditions bins violate.
    pub fn cost(&self, bins: &[u16]) -> usize {
        let violated =
            |(feature, mask): &&(usize, u128)| bins.get(*feature).is_none_or(|bin| mask >> bin & 1 == 0);
        self.conditions.iter().filter(violated).count()
    }

    /// The number of violated conditions as a form of the thermometer bits: places with weights 1 or -1, and a constant.
    pub(super) fn cost_form(&self, binning: &Binning, offsets: &[usize]) -> (Vec<(u32, bool)>, u64) {
        let (mut entries, mut constant) = (Vec::new(), 0);
        let bits: Vec<usize> = binning.bits().collect();
        for (feature, mask) in &self.conditions {
            let (Some(offset), Some(bits)) = (offsets.get(*feature), bits.get(*feature)) else {
                continue; // Conditions are about features that there are.
            };
            constant += u64::from(mask & 1 == 0);
            for bit in 0..*bits {
                let (here, next) = (mask >> bit & 1, mask >> (bit + 1) & 1);
                if here != next {
                    entries.push(((offset + bit) as u32, next == 0));
                }
            }
        }
        (entries, constant)
    }
}

/// All leaves that a row can reach, tree by tree; `None` if they are more than [`MAX_LEAVES`].
pub fn leaves(binned: &Binned) -> Option<Vec<Leaf>> {
    let parts = binned.ensemble.parts();
    let levels: Vec<usize> = binned.binning.bits().collect();
    let mut found = Vec::new();
    for (tree, root) in parts.roots.iter().enumerate() {
        let mut open = vec![(*root, BTreeMap::<usize, u128>::new())];
        while let Some((node, path)) = open.pop() {
            match parts.nodes.get(node as usize) {
                Some(Node::Branch(branch)) => {
                    let feature = branch.feature as usize;
                    let all = u128::MAX >> (127 - levels.get(feature).copied().unwrap_or(0));
                    let accepted = binned.accepted(branch);
                    for (next, mask) in [(branch.no, all & !accepted), (branch.yes, accepted)] {
                        let mut path = path.clone();
                        let held = path.entry(feature).or_insert(all);
                        *held &= mask;
                        // What no bin reaches is no leaf.
                        if *held != 0 {
                            open.push((next, path));
                        }
                    }
                }
                _ => {
                    let all = |feature: usize| u128::MAX >> (127 - levels.get(feature).copied().unwrap_or(0));
                    let conditions = path
                        .into_iter()
                        .filter(|(feature, mask)| *mask != all(*feature))
                        .collect();
                    found.push(Leaf {
                        tree,
                        node,
                        conditions,
                    });
                    if found.len() > MAX_LEAVES {
                        return None;
                    }
                }
            }
        }
    }
    Some(found)
}

/// Leaf values as multiples of a unit, a power of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// The targets that any leaf has a weight for, ascending.
    pub targets: Vec<u32>,
    /// What the whole numbers are multiples of.
    pub unit: f64,
    /// For each node `[targets]`; empty for a branch.
    nodes: Vec<Vec<i64>>,
}

impl Values {
    /// Values of at most `bits` bits, sign included, rounded to the nearest.
    pub fn new(binned: &Binned, bits: u32) -> Self {
        let parts = binned.ensemble.parts();
        let mut targets: Vec<u32> = parts.weights.iter().map(|weight| weight.target).collect();
        targets.sort_unstable();
        targets.dedup();
        let largest = parts
            .weights
            .iter()
            .map(|weight| weight.value.abs())
            .fold(0.0, f64::max);
        let unit = if largest > 0.0 {
            (largest.log2().ceil() - f64::from(bits - 1)).exp2()
        } else {
            1.0
        };
        let values = |node: &Node| {
            let Node::Leaf { first, len } = node else {
                return Vec::new();
            };
            let mut values = vec![0; targets.len()];
            for weight in parts.weights.iter().skip(*first as usize).take(*len as usize) {
                if let Some(value) = targets
                    .binary_search(&weight.target)
                    .ok()
                    .and_then(|at| values.get_mut(at))
                {
                    *value += (weight.value / unit).round() as i64;
                }
            }
            values
        };
        Self {
            nodes: parts.nodes.iter().map(values).collect(),
            targets,
            unit,
        }
    }

    /// The values of a node.
    pub fn of(&self, node: u32) -> &[i64] {
        self.nodes.get(node as usize).map_or(&[], Vec::as_slice)
    }
}

/// A number as one modulo `p`.
pub(super) fn modulo(value: i64, p: u64) -> u64 {
    i128::from(value).rem_euclid(i128::from(p)) as u64
}

/// A number modulo `p` as the one nearest to zero.
pub(super) fn centred(value: u64, p: u64) -> i64 {
    if value > p / 2 {
        value as i64 - p as i64
    } else {
        value as i64
    }
}

/// `(factor form)` modulo `p` of a cost, with `more` added.
pub(super) fn scaled(cost: &(Vec<(u32, bool)>, u64), factor: u64, more: u64, p: u64) -> Form {
    let product = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(p)) as u64;
    let entry = |(place, plus): &(u32, bool)| (*place, if *plus { factor } else { (p - factor) % p });
    Form {
        entries: cost.0.iter().map(entry).collect(),
        constant: (product(cost.1 % p, factor) + more) % p,
    }
}
