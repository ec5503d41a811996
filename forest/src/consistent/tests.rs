use proptest::prelude::*;

use super::*;

/// A complete tree of `fanout` and `depth`, parents first.
fn parents(fanout: usize, depth: u32) -> Vec<Option<usize>> {
    let mut parents = vec![None];
    let (mut level, mut from) = (1, 0);
    for _ in 0..depth {
        let to = from + level;
        for parent in from..to {
            parents.extend(std::iter::repeat_n(Some(parent), fanout));
        }
        (from, level) = (to, level * fanout);
    }
    parents
}

/// Sums of exact leaves, in the same order.
fn totals(parents: &[Option<usize>], leaf: impl Fn(usize) -> u64) -> Vec<u64> {
    let inner: Vec<usize> = parents.iter().flatten().copied().collect();
    let mut totals: Vec<u64> = (0..parents.len())
        .map(|node| if inner.contains(&node) { 0 } else { leaf(node) })
        .collect();
    for node in (1..parents.len()).rev() {
        if let Some(parent) = parents[node] {
            totals[parent] += totals[node];
        }
    }
    totals
}

fn noisy(
    parents: &[Option<usize>],
    exact: &[u64],
    noise: &[f64],
    variance: impl Fn(usize) -> f64,
) -> Vec<Noisy> {
    (0..parents.len())
        .map(|node| Noisy {
            parent: parents[node],
            count: exact[node] as f64 + noise[node % noise.len()] * variance(node).sqrt(),
            variance: variance(node),
        })
        .collect()
}

fn is_consistent(parents: &[Option<usize>], values: &[u64]) -> bool {
    (0..parents.len()).all(|node| {
        let below: Vec<u64> = (0..parents.len())
            .filter(|child| parents[*child] == Some(node))
            .map(|child| values[child])
            .collect();
        below.is_empty() || below.iter().sum::<u64>() == values[node]
    })
}

#[test]
fn counts_without_noise_stay_what_they_are() {
    let parents = parents(3, 3);
    let exact = totals(&parents, |node| (node as u64 * 7919) % 101);
    let counts = noisy(&parents, &exact, &[0.0], |node| 1.0 + node as f64);
    assert_eq!(consistent(&counts).unwrap(), exact);
}

#[test]
fn the_estimate_is_the_least_squares_one() {
    // Root x, children a and b: minimise (x - 100)^2 / 4 + (a - 30)^2 / 9 + (b - 50)^2 / 16 with x = a + b. The children
    // say 80 with variance 25, the root 100 with variance 4: x = (100 * 25 + 80 * 4) / 29, and the 13.79 that the children
    // lack are shared 9 to 16.
    let of = |parent, count, variance| Noisy {
        parent,
        count,
        variance,
    };
    let counts = [
        of(None, 100.0, 4.0),
        of(Some(0), 30.0, 9.0),
        of(Some(0), 50.0, 16.0),
    ];
    let children = children(&counts).unwrap();
    let (estimates, variances) = bottom_up(&counts, &children).unwrap();
    assert!((estimates[0] - 2820.0 / 29.0).abs() < 1e-12 && (variances[0] - 100.0 / 29.0).abs() < 1e-12);
    // 97.24 is rounded to 97 first; then 30 + 17 * 9 / 25 = 36.12 and 60.88.
    assert_eq!(consistent(&counts).unwrap(), [97, 36, 61]);
}

#[test]
fn what_was_not_released_follows_from_the_rest() {
    let of = |parent, count, variance| Noisy {
        parent,
        count,
        variance,
    };
    // The right child is the parent without the left one: greedy growth asks for left children only.
    let unknown = f64::INFINITY;
    assert_eq!(
        consistent(&[
            of(None, 0.0, unknown),
            of(Some(0), 3.0, 1.0),
            of(Some(0), 4.0, 1.0)
        ]),
        Some(vec![7, 3, 4])
    );
    assert_eq!(consistent(&[of(None, 0.0, unknown)]), None);
    assert_eq!(consistent(&[of(Some(0), 0.0, 1.0)]), None, "its own parent");
    assert_eq!(consistent(&[]), Some(vec![]));
}

#[test]
fn negative_counts_are_left_to_their_siblings() {
    let of = |parent, count, variance| Noisy {
        parent,
        count,
        variance,
    };
    let counts = [
        of(None, 10.0, 0.01),
        of(Some(0), -20.0, 9.0),
        of(Some(0), 4.0, 9.0),
        of(Some(0), 4.0, 9.0),
    ];
    assert_eq!(consistent(&counts).unwrap(), [10, 0, 5, 5]);
    assert_eq!(consistent(&[of(None, -3.0, 1.0)]), Some(vec![0]));
}

proptest! {
    #[test]
    fn the_result_is_consistent(fanout in 1usize..4, depth in 0u32..5, seed: u64, noise in prop::collection::vec(-4.0f64..4.0, 1..40), scale in 0.0f64..50.0) {
        let parents = parents(fanout, depth);
        let exact = totals(&parents, |node| (node as u64).wrapping_mul(seed | 1) % 30);
        let counts = noisy(&parents, &exact, &noise, |node| scale * (1.0 + (node % 3) as f64));
        let values = consistent(&counts).unwrap();
        prop_assert!(is_consistent(&parents, &values));
    }
}

/// Standard normal enough: sums of twelve uniform numbers of a fixed generator.
fn normal(state: &mut u64) -> f64 {
    let mut sum = -6.0;
    for _ in 0..12 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        sum += (*state >> 11) as f64 / 2f64.powi(53);
    }
    sum
}

#[test]
fn errors_shrink_at_the_leaves_and_at_the_root() {
    let parents = parents(2, 6);
    let exact = totals(&parents, |node| (node as u64 * 31) % 60);
    let first_leaf = 63;
    let mut state = 1;
    let (mut raw, mut better, mut raw_root, mut better_root) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..200 {
        let noise: Vec<f64> = parents.iter().map(|_| normal(&mut state)).collect();
        let counts = noisy(&parents, &exact, &noise, |_| 100.0);
        let values = consistent(&counts).unwrap();
        for node in first_leaf..parents.len() {
            raw += (counts[node].count - exact[node] as f64).powi(2);
            better += (values[node] as f64 - exact[node] as f64).powi(2);
        }
        raw_root += (counts[0].count - exact[0] as f64).powi(2);
        better_root += (values[0] as f64 - exact[0] as f64).powi(2);
    }
    assert!(better < 0.75 * raw, "leaves: {}", better / raw);
    assert!(better_root < 0.85 * raw_root, "root: {}", better_root / raw_root);
}
