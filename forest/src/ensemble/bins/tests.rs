use proptest::prelude::*;

use super::*;
use crate::ensemble::{Aggregate, Decision, Feature, Task, Transform, Weight};

/// Complete trees of depth 3 with any comparisons on 3 features.
fn any_ensemble() -> impl Strategy<Value = Ensemble> {
    let modes = [
        Mode::LessOrEqual,
        Mode::Less,
        Mode::GreaterOrEqual,
        Mode::Greater,
        Mode::Equal,
        Mode::NotEqual,
        Mode::Member,
    ];
    let value = prop_oneof![
        (-6i8..6).prop_map(|x| f64::from(x) / 2.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY)
    ];
    // Feature 0 is compared in order, feature 1 for equality, feature 2 either way.
    let test = (0u32..3, 0usize..7, value, any::<bool>());
    (proptest::collection::vec(test, 7 * 2), any::<bool>()).prop_map(move |(tests, narrow)| {
        let set = vec![-1.0, 0.5, 2.0];
        let (mut nodes, mut roots) = (Vec::new(), Vec::new());
        for tests in tests.chunks(7) {
            let root = nodes.len() as u32;
            roots.push(root);
            for (node, (feature, mode, value, missing_yes)) in tests.iter().enumerate() {
                let mode = match feature {
                    0 => modes[mode % 4],
                    1 => modes[4 + mode % 3],
                    _ => modes[*mode],
                };
                nodes.push(Node::Branch(Branch {
                    feature: *feature,
                    mode,
                    value: if mode == Mode::Member { 0.0 } else { *value },
                    missing_yes: *missing_yes,
                    yes: root + 2 * node as u32 + 1,
                    no: root + 2 * node as u32 + 2,
                }));
            }
            nodes.extend((0..8).map(|first| Node::Leaf { first, len: 1 }));
        }
        let float = if narrow { Float::F32 } else { Float::F64 };
        Ensemble::new(Parts {
            features: vec![Feature::default(); 3],
            input: Float::F64,
            arithmetic: float,
            output: float,
            task: Task::Regression { targets: 1 },
            aggregate: Aggregate::Sum,
            base: vec![],
            transform: Transform::None,
            steps: vec![],
            decision: Decision::None,
            roots,
            nodes,
            sets: vec![set],
            weights: (0..8)
                .map(|leaf| Weight {
                    target: 0,
                    value: f64::from(1 << (3 * leaf)),
                })
                .collect(),
        })
        .unwrap()
    })
}

fn rows() -> Vec<f64> {
    let values: Vec<f64> = (-7..7)
        .flat_map(|x| {
            let x = f64::from(x) / 2.0;
            let near = f64::from((x as f32).next_up());
            [x, near, x.next_up(), x.next_down()]
        })
        .chain([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e30, -1e30])
        .collect();
    (0..values.len() * 3)
        .flat_map(|row| [row, row / 2 + 1, row * 7 + 3].map(|index| values[index % values.len()]))
        .collect()
}

proptest! {
    #[test]
    fn with_levels_enough_every_row_reaches_its_leaves(ensemble in any_ensemble()) {
        let bins = ensemble.to_bins(64, None).unwrap();
        let rows = rows();
        prop_assert!(bins.is_exact());
        prop_assert_eq!(bins.differing_rows(&ensemble, &rows).unwrap(), 0);
        let binned = bins.bin(&rows).unwrap();
        for (bin, bins) in binned.iter().zip(bins.features.iter().cycle()) {
            prop_assert!(bin.is_nan() || *bin < bins.levels() as f64);
        }
        prop_assert_eq!(bins.ensemble.evaluate(&binned).unwrap(), ensemble.evaluate(&rows).unwrap());
    }

    #[test]
    fn with_too_few_levels_there_are_no_more(ensemble in any_ensemble(), levels in 5u16..7, with_sample: bool) {
        let rows = rows();
        let sample = with_sample.then_some(rows.as_slice());
        // Feature 1 is compared with up to 17 values, which cannot be merged.
        let Ok(bins) = ensemble.to_bins(levels, sample) else { return Ok(()) };
        prop_assert!(bins.features.iter().all(|feature| feature.levels() <= usize::from(levels)));
        let differing = bins.differing_rows(&ensemble, &rows).unwrap();
        prop_assert!(!bins.is_exact() || differing == 0);
    }
}

#[test]
fn merged_cuts_are_quantiles_and_are_told() {
    // 100 stumps: x < 0, x < 1, ... x < 99.
    let mut nodes = Vec::new();
    for cut in 0..100u32 {
        let root = 3 * cut;
        nodes.push(Node::Branch(Branch {
            feature: 0,
            mode: Mode::Less,
            value: f64::from(cut),
            missing_yes: false,
            yes: root + 1,
            no: root + 2,
        }));
        nodes.extend([Node::Leaf { first: 0, len: 1 }, Node::Leaf { first: 1, len: 1 }]);
    }
    let ensemble = Ensemble::new(Parts {
        features: vec![Feature::default()],
        input: Float::F32,
        arithmetic: Float::F32,
        output: Float::F32,
        task: Task::Regression { targets: 1 },
        aggregate: Aggregate::Average,
        base: vec![],
        transform: Transform::None,
        steps: vec![],
        decision: Decision::None,
        roots: (0..100).map(|tree| 3 * tree).collect(),
        nodes,
        sets: vec![],
        weights: [1.0, 0.0].map(|value| Weight { target: 0, value }).to_vec(),
    })
    .unwrap();
    let rows: Vec<f64> = (-10..110).map(f64::from).collect();
    let bins = ensemble.to_bins(64, None).unwrap();
    assert_eq!(bins.merged, [0]);
    assert_eq!(bins.features[0].levels(), 64);
    assert!(bins.differing_rows(&ensemble, &rows).unwrap() > 0);
    let exact = ensemble.evaluate(&rows).unwrap().scores;
    let binned = bins.ensemble.evaluate(&bins.bin(&rows).unwrap()).unwrap().scores;
    let worst = exact
        .iter()
        .zip(&binned)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(worst <= 0.02, "{worst}");
    assert!(ensemble.to_bins(101, None).unwrap().is_exact());
    // A sample within 0..10 wants its cuts there.
    let sample: Vec<f64> = (0..1000).map(|x| f64::from(x) / 100.0).collect();
    let bins = ensemble.to_bins(12, Some(&sample)).unwrap();
    assert_eq!(
        bins.features[0],
        FeatureBins::Cuts((1..=9).map(f64::from).collect())
    );
    assert!(ensemble.to_bins(1, None).is_err() && ensemble.to_bins(MAX_LEVELS, None).unwrap().is_exact());
}
