//! Noisy counts of a hierarchy made consistent: no count below 0, and children add up to their parent.
//!
//! Released counts of nested groups (a node, its children, ..) contradict each other, and each knows something about the
//! others. This is post-processing: it costs no privacy and makes every count at least as good.
//!
//! **Source** Hay, Rastogi, Miklau and Suciu, *Boosting the Accuracy of Differentially Private Histograms Through
//! Consistency*, VLDB 2010, Theorem 3 (their two passes), with weights by inverse variance in place of a regular tree with
//! equal noise: the result before the last step is the least-squares estimate under the constraints. Counts below 0 are
//! then projected away from the top down, and sums are rounded so that they stay exact.
//!
//! Integers and correctly rounded operations only (`+ - * /`), in one fixed order: the same everywhere.

/// One count of the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noisy {
    /// Position of the parent, which comes before its children; `None` for a root.
    pub parent: Option<usize>,
    /// The released count.
    pub count: f64,
    /// Variance of its noise, above 0; infinite for a count that was not released.
    pub variance: f64,
}

/// The consistent counts, `[counts.len()]`: each at least 0, each parent the sum of its children. `None` if a parent
/// does not come before its child, or a leaf of the hierarchy was not released and neither was anything that bounds it.
///
/// A parent of variance 0 (an exact count) keeps its value if its root does.
#[must_use]
pub fn consistent(counts: &[Noisy]) -> Option<Vec<u64>> {
    let children = children(counts)?;
    let (estimates, variances) = bottom_up(counts, &children)?;
    let mut values = vec![0u64; counts.len()];
    for (node, children) in children.iter().enumerate() {
        if counts.get(node)?.parent.is_none() {
            *values.get_mut(node)? = round(*estimates.get(node)?);
        }
        let total = *values.get(node)?;
        let parts = divide(total, children, &estimates, &variances)?;
        for (child, part) in children.iter().zip(parts) {
            *values.get_mut(*child)? = part;
        }
    }
    Some(values)
}

fn children(counts: &[Noisy]) -> Option<Vec<Vec<usize>>> {
    let mut children = vec![Vec::new(); counts.len()];
    for (node, count) in counts.iter().enumerate() {
        if let Some(parent) = count.parent {
            if parent >= node {
                return None;
            }
            children.get_mut(parent)?.push(node);
        }
    }
    Some(children)
}

/// The best estimate of every count from itself and what is below it, and the variance of that.
fn bottom_up(counts: &[Noisy], children: &[Vec<usize>]) -> Option<(Vec<f64>, Vec<f64>)> {
    let mut estimates = vec![0.0; counts.len()];
    let mut variances = vec![f64::INFINITY; counts.len()];
    for (node, own) in counts.iter().enumerate().rev() {
        let below = children.get(node)?;
        let (mut sum, mut variance) = (0.0, 0.0);
        for child in below {
            sum += estimates.get(*child)?;
            variance += variances.get(*child)?;
        }
        let released = own.variance.is_finite();
        let (estimate, variance) = match (released, below.is_empty() || variance == f64::INFINITY) {
            (false, true) => return None,
            (true, true) => (own.count, own.variance),
            (false, false) => (sum, variance),
            (true, false) => {
                let both = own.variance + variance;
                if both > 0.0 {
                    (
                        (own.count * variance + sum * own.variance) / both,
                        own.variance * variance / both,
                    )
                } else {
                    (own.count, 0.0)
                }
            }
        };
        *estimates.get_mut(node)? = estimate;
        *variances.get_mut(node)? = variance;
    }
    Some((estimates, variances))
}

/// Divides an exact total among children: what they lack or have too much is shared out by variance, children that would
/// fall below 0 are 0 and leave it to the others, and fractions are rounded to the exact sum, the largest first.
fn divide(total: u64, children: &[usize], estimates: &[f64], variances: &[f64]) -> Option<Vec<u64>> {
    let mut open: Vec<usize> = (0..children.len()).collect();
    let mut values = vec![0.0; children.len()];
    while !open.is_empty() {
        let (mut sum, mut variance) = (0.0, 0.0);
        for part in &open {
            let child = *children.get(*part)?;
            sum += estimates.get(child)?;
            variance += variances.get(child)?;
        }
        let lack = total as f64 - sum;
        for part in &open {
            let child = *children.get(*part)?;
            let share = if variance > 0.0 {
                variances.get(child)? / variance
            } else {
                1.0 / open.len() as f64
            };
            *values.get_mut(*part)? = estimates.get(child)? + lack * share;
        }
        let before = open.len();
        let kept = |part: &usize| values.get(*part).is_some_and(|value| *value >= 0.0);
        let (next, dropped): (Vec<usize>, Vec<usize>) = open.iter().copied().partition(kept);
        for part in dropped {
            *values.get_mut(part)? = 0.0;
        }
        if next.len() == before {
            break;
        }
        open = next;
    }
    Some(round_to_sum(&values, total))
}

/// Rounds non-negative values that add up to about `total` to whole numbers that add up to exactly `total`.
fn round_to_sum(values: &[f64], total: u64) -> Vec<u64> {
    let mut rounded: Vec<u64> = values.iter().map(|value| value.max(0.0).floor() as u64).collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    let fraction = |part: &usize| values.get(*part).map_or(0.0, |value| value - value.floor());
    order.sort_by(|a, b| fraction(b).total_cmp(&fraction(a)).then(a.cmp(b)));
    let sum: u64 = rounded.iter().sum();
    // Both loops run for rounding errors of a sum only: fewer times than there are values, or nearly.
    let (mut missing, mut surplus) = (total.saturating_sub(sum), sum.saturating_sub(total));
    while missing > 0 && !order.is_empty() {
        for part in &order {
            if let Some(value) = rounded.get_mut(*part).filter(|_| missing > 0) {
                *value += 1;
                missing -= 1;
            }
        }
    }
    while surplus > 0 && rounded.iter().any(|value| *value > 0) {
        for part in order.iter().rev() {
            if let Some(value) = rounded.get_mut(*part).filter(|value| surplus > 0 && **value > 0) {
                *value -= 1;
                surplus -= 1;
            }
        }
    }
    rounded
}

fn round(value: f64) -> u64 {
    (value.max(0.0) + 0.5).floor() as u64
}

#[cfg(test)]
mod tests;
