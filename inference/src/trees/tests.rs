use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::{
    Aggregate, Branch, Decision, Ensemble, Feature, FeatureBins, Float, Labels, Mode as Test, Node, Parts,
    Task, Transform, Weight,
};
use proptest::prelude::*;
use rand_core::Rng;

use super::bench::complete_forest;
use super::*;

const FEATURES: usize = 4;

/// Trees of any shape with any comparisons: stumps, single leaves, leaves that no row reaches, ties, boosted margins.
pub(super) fn any_ensemble() -> impl Strategy<Value = Ensemble> {
    let test = (
        0..FEATURES as u32,
        0usize..7,
        -6i8..6,
        any::<bool>(),
        any::<bool>(),
    );
    let trees = prop::collection::vec(prop::collection::vec(test, 0..8), 1..5);
    let task = 0usize..5;
    (trees, task, any::<u64>()).prop_map(|(trees, task, seed)| {
        let mut rng = Seed::from_bytes([seed as u8; 32]).rng();
        let modes = [
            Test::LessOrEqual,
            Test::Less,
            Test::GreaterOrEqual,
            Test::Greater,
            Test::Equal,
            Test::NotEqual,
            Test::Member,
        ];
        let targets = [1, 2, 3, 2, 2][task];
        let (mut nodes, mut roots, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for tests in trees {
            roots.push(nodes.len() as u32);
            let root = nodes.len() as u32;
            let branches = tests.len() as u32;
            // Test i is followed by test i + 1 on one side, by a leaf on the other.
            for (at, (feature, mode, value, missing_yes, side)) in tests.iter().enumerate() {
                let leaf = root + branches + at as u32;
                let next = root + at as u32 + 1;
                let next = if at as u32 + 1 == branches {
                    root + 2 * branches
                } else {
                    next
                };
                let (yes, no) = if *side { (next, leaf) } else { (leaf, next) };
                nodes.push(Node::Branch(Branch {
                    feature: *feature,
                    mode: modes[*mode],
                    value: if *mode == 6 { 0.0 } else { f64::from(*value) / 2.0 },
                    missing_yes: *missing_yes,
                    yes,
                    no,
                }));
            }
            for _ in 0..=branches {
                let first = weights.len() as u32;
                // Votes for every class, or margins of one.
                let held: Vec<u32> = if task < 3 { (0..targets).collect() } else { vec![1] };
                for target in &held {
                    let value = f64::from(rng.next_u32() % 64) / 8.0;
                    let value = if task == 4 { value - 4.0 } else { value };
                    weights.push(Weight {
                        target: *target,
                        value,
                    });
                }
                nodes.push(Node::Leaf {
                    first,
                    len: held.len() as u32,
                });
            }
        }
        let classes = task > 0;
        Ensemble::new(Parts {
            features: vec![Feature::default(); FEATURES],
            input: Float::F64,
            arithmetic: Float::F32,
            output: Float::F32,
            task: if classes {
                Task::Classification {
                    labels: Labels::Numbers((0..i64::from(targets)).collect()),
                }
            } else {
                Task::Regression { targets: 1 }
            },
            aggregate: if seed & 1 == 1 {
                Aggregate::Average
            } else {
                Aggregate::Sum
            },
            base: vec![],
            transform: if task == 4 {
                Transform::Logistic
            } else {
                Transform::None
            },
            steps: vec![],
            decision: if classes {
                Decision::Classifier
            } else {
                Decision::None
            },
            roots,
            nodes,
            sets: vec![vec![-1.0, 0.5, 2.0]],
            weights,
        })
        .unwrap()
    })
}

/// A row of values at, between and outside of thresholds, and missing ones.
pub(super) fn row(rng: &mut impl Rng) -> Vec<f64> {
    let value = |word: u32| match word % 20 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => f64::from(1.0f32.next_up()),
        5 => 1e300,
        word => f64::from(word as i32 - 12) / 2.0,
    };
    (0..FEATURES).map(|_| value(rng.next_u32())).collect()
}

/// All modes that tell scores: `label-only` has tests of its own.
fn scores() -> impl Iterator<Item = Mode> {
    Mode::ALL.into_iter().filter(|mode| *mode != Mode::LabelOnly)
}

pub(super) struct Pair {
    pub(super) forest: EncryptedForest,
    pub(super) client: ForestClient,
    pub(super) keys: ForestKeys,
}

impl Pair {
    pub(super) fn new(model: &Ensemble, mode: Mode, options: &Options, seed: u8) -> Self {
        let forest = EncryptedForest::compile(model, mode, options).unwrap();
        let text = serde_json::to_string(forest.offer()).unwrap();
        let offer: Offer = serde_json::from_str(&text).unwrap();
        assert_eq!(&offer, forest.offer());
        let mut client = ForestClient::new(offer, &Seed::from_bytes([seed; 32])).unwrap();
        let plan = forest.plan();
        assert_eq!(client.download_bytes(), plan.download_bytes);
        let keys = if mode == Mode::EncryptedModel {
            let seed = Seed::from_bytes([seed ^ 1; 32]);
            let (download, keys) = forest.encrypted(&seed).unwrap();
            client.take(download).unwrap();
            keys
        } else {
            let keys = client.keys();
            assert_eq!(keys.len(), plan.public_key_bytes + plan.evaluation_key_bytes);
            forest.read_keys(&keys).unwrap()
        };
        Self { forest, client, keys }
    }

    fn answer(&self, row: &[f64], rng: &mut impl rand_core::CryptoRng) -> Vec<u8> {
        self.asked(&[row], rng).0
    }

    pub(super) fn asked(&self, rows: &[&[f64]], rng: &mut impl rand_core::CryptoRng) -> (Vec<u8>, Asked) {
        let (request, asked) = self.client.request(rows, rng).unwrap();
        assert_eq!(request.len(), self.forest.plan().request_bytes);
        let answer = self.forest.answer(&self.keys, &request, rng).unwrap();
        assert_eq!(answer.len(), self.forest.plan().answer_bytes);
        (answer, asked)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Opened sums are those of the clear walk of the binned trees, and scores and classes those of the original.
    #[test]
    fn every_mode_is_exact(model in any_ensemble(), seed: u8) {
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        for mode in scores() {
            let pair = Pair::new(&model, mode, &Options::default(), seed);
            prop_assert!(pair.forest.plan().exact_bins);
            let rows: Vec<Vec<f64>> = (0..6).map(|_| row(&mut rng)).collect();
            let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
            let mut predictions = Vec::new();
            for rows in rows.chunks(pair.client.rows()) {
                let (answer, asked) = pair.asked(rows, &mut rng);
                predictions.extend(pair.client.open(&answer, &asked).unwrap());
            }
            prop_assert_eq!(predictions.len(), 6);
            for (row, prediction) in rows.iter().zip(predictions) {
                prop_assert_eq!(&prediction.sums, &pair.forest.clear(row).unwrap());
                let original = model.evaluate(row).unwrap();
                if model.parts().aggregate == Aggregate::Sum {
                    prop_assert_eq!(&prediction.scores, &original.scores, "{}", mode);
                    prop_assert_eq!(prediction.class, original.classes.first().copied());
                }
                for (score, expected) in prediction.scores.iter().zip(&original.scores) {
                    prop_assert!((score - expected).abs() <= 1e-5 * expected.abs().max(1.0));
                }
            }
        }
    }

    /// Each row has one leaf of each tree without violated conditions, and it is the leaf that the walk reaches.
    #[test]
    fn one_path_of_each_tree_is_free(model in any_ensemble(), seed: u8) {
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        let binned = Binned::new(&model, &Edges::OfModel, binning::MAX_LEVELS).unwrap();
        let leaves = leaves::leaves(&binned).unwrap();
        for _ in 0..50 {
            let bins = binned.binning.bin(&row(&mut rng)).unwrap();
            let free: Vec<u32> = leaves.iter().filter(|leaf| leaf.cost(&bins) == 0).map(|leaf| leaf.node).collect();
            prop_assert_eq!(free, binned.ensemble.leaves_of(&binned.inputs(&bins)).unwrap());
        }
    }

    /// With public edges the forest over bins is the original of the moved thresholds; with edges at the thresholds, the
    /// original itself.
    #[test]
    fn public_edges_that_hold_the_thresholds_are_exact(model in any_ensemble(), seed: u8) {
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        let own = model.to_bins(64, None).unwrap();
        let edges = Edges::Public(own.features.clone());
        let binned = Binned::new(&model, &edges, binning::MAX_LEVELS).unwrap();
        for _ in 0..50 {
            let row = row(&mut rng);
            let bins = binned.binning.bin(&row).unwrap();
            let ordered = own.features.iter().all(|bins| matches!(bins, FeatureBins::Cuts(_)));
            if binned.is_exact || ordered {
                prop_assert_eq!(binned.ensemble.leaves_of(&binned.inputs(&bins)).unwrap(), model.leaves_of(&row).unwrap());
            }
        }
    }
}

fn case(mode: Mode) -> Pair {
    let model = complete_forest(6, 3, FEATURES, &mut Seed::from_bytes([1; 32]).rng()).unwrap();
    Pair::new(&model, mode, &Options::default(), 2)
}

/// What a client sees of the wrong leaves is uniform, whatever the leaves hold: chi-squared over 16 classes, beside the
/// 99.99 % point of 15 degrees of freedom, 44.3.
#[test]
fn opened_masks_are_uniform() {
    let pair = case(Mode::PrivateModel);
    let mut rng = Seed::from_bytes([3; 32]).rng();
    let p = {
        let Parameters::Forms(form) = pair.forest.plan().parameters else {
            panic!("no forms");
        };
        let params = hedgerow_crypto::exact::FormParams::new(form).unwrap();
        params.plaintext()
    };
    let mut counts = [[0_u32; 16]; 2];
    let mut zeros = vec![0; pair.forest.plan().leaf_bound];
    let repeats = 60;
    for _ in 0..repeats {
        let answer = pair.answer(&[7.0, 20.0, 33.0, 60.0], &mut rng);
        let opened = pair.client.opened(&answer).unwrap();
        for (place, pair) in opened.chunks_exact(2).enumerate() {
            if pair[0] == 0 {
                zeros[place] += 1;
            } else {
                for (count, value) in counts.iter_mut().zip(pair) {
                    count[(u128::from(*value) * 16 / u128::from(p)) as usize] += 1;
                }
            }
        }
    }
    for counts in counts {
        let expected = f64::from(counts.iter().sum::<u32>()) / 16.0;
        let chi: f64 = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        assert!(chi < 44.3, "{chi} {counts:?}");
    }
    // The leaves that are reached lie elsewhere each time: 6 of 48 in each of 60 answers; 23.. is 99.99 % of a binomial.
    assert_eq!(zeros.iter().sum::<i32>(), 6 * repeats);
    assert!(*zeros.iter().max().unwrap() < 23, "{zeros:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut rng = Seed::from_bytes([4; 32]).rng();
    for mode in [Mode::PrivateModel, Mode::PublicStructure, Mode::Batch] {
        let pair = case(mode);
        let (request, asked) = pair.client.request(&[&[1.0; FEATURES]], &mut rng).unwrap();
        for wrong in [&request[1..], &[&request[..], &[0]].concat(), &[]] {
            let error = pair.forest.answer(&pair.keys, wrong, &mut rng).unwrap_err();
            assert!(matches!(error, TreesError::Length { .. }), "{error}");
        }
        let mut other = request.clone();
        other[0] ^= 1;
        let error = pair.forest.answer(&pair.keys, &other, &mut rng).unwrap_err();
        assert!(matches!(error, TreesError::Version { .. }), "{error}");
        let seed = Seed::from_bytes([5; 32]);
        let stranger = ForestClient::new(pair.forest.offer().clone(), &seed).unwrap();
        let keys = pair.forest.read_keys(&stranger.keys()).unwrap();
        assert!(pair.forest.answer(&keys, &request, &mut rng).is_err());
        assert!(pair.forest.read_keys(&stranger.keys()[1..]).is_err());
        let answer = pair.forest.answer(&pair.keys, &request, &mut rng).unwrap();
        assert!(stranger.open(&answer, &asked).is_err());
        assert!(pair.client.open(&answer[1..], &asked).is_err());
        assert!(pair.client.request(&[&[1.0; FEATURES + 1]], &mut rng).is_err());
        assert_eq!(pair.client.keys(), pair.client.keys());
        // Two answers to one request share nothing.
        let again = pair.forest.answer(&pair.keys, &request, &mut rng).unwrap();
        assert_ne!(answer[64..128], again[64..128]);
    }
}

#[test]
fn offers_are_checked() {
    for mode in scores() {
        let good = case(mode).forest.offer().clone();
        let seed = Seed::from_bytes([5; 32]);
        let mut many = vec![good.clone(); 7];
        many[0].targets.push(3);
        many[1].trees += usize::from(mode == Mode::PublicStructure);
        many[1].unit = -1.0;
        many[2].head = "{}".into();
        many[3].structure = good.structure.is_none().then(|| good.head.clone());
        match &mut many[4].parameters {
            Parameters::Forms(form) | Parameters::Label { form, .. } => form.window = 1,
            Parameters::Batch(batch) => batch.digits.count = 0,
            Parameters::EncryptedModel(model) => model.most = 1 << 20,
        }
        match &mut many[5].parameters {
            Parameters::Forms(form) | Parameters::Label { form, .. } => form.degree = 1 << 40,
            Parameters::Batch(batch) => batch.products.degree = 1 << 40,
            Parameters::EncryptedModel(model) => model.products.chain.push(50),
        }
        many[6].unit = f64::INFINITY;
        let others = case(Mode::ALL[usize::from(mode == Mode::ALL[0])]);
        let mut swapped = good.clone();
        swapped.parameters = others.forest.offer().parameters.clone();
        if !matches!(mode, Mode::PrivateModel | Mode::PublicStructure) {
            many.push(swapped);
        }
        for (index, offer) in many.into_iter().enumerate() {
            assert!(ForestClient::new(offer, &seed).is_err(), "{mode} {index}");
        }
    }
}

/// Batches hold what no single row does: many rows at once, all exact, and bytes of the same size for one.
#[test]
fn a_batch_answers_all_of_its_rows() {
    for (trees, depth) in [(3, 1), (2, 2), (3, 3), (2, 4), (2, 5)] {
        let mut rng = Seed::from_bytes([depth as u8; 32]).rng();
        let model = complete_forest(trees, depth, FEATURES, &mut rng).unwrap();
        let pair = Pair::new(&model, Mode::Batch, &Options::default(), 3);
        let rows = super::bench::drawn_values(3000 * FEATURES, &mut rng);
        let rows: Vec<&[f64]> = rows.chunks(FEATURES).collect();
        let (answer, asked) = pair.asked(&rows, &mut rng);
        let predictions = pair.client.open(&answer, &asked).unwrap();
        assert_eq!(predictions.len(), rows.len());
        for (row, prediction) in rows.iter().zip(predictions) {
            assert_eq!(
                prediction.sums,
                pair.forest.clear(row).unwrap(),
                "{trees} x {depth}"
            );
        }
        let too_many = vec![rows[0]; pair.client.rows() + 1];
        assert!(pair.client.request(&too_many, &mut rng).is_err());
        assert!(pair.client.request(&[], &mut rng).is_err());
    }
}

/// What the server opens of an encrypted model is uniform, chi-squared as above, and another key or model opens nothing.
#[test]
fn a_masked_score_tells_the_owner_of_the_key_nothing() {
    let mut pair = case(Mode::EncryptedModel);
    let mut rng = Seed::from_bytes([8; 32]).rng();
    let row = [7.0, 20.0, 33.0, 60.0];
    let mut counts = [0_u32; 16];
    for _ in 0..60 {
        let answer = pair.answer(&row, &mut rng);
        for number in pair.client.opened(&answer).unwrap() {
            counts[number as usize * 16 / 65_537] += 1;
        }
    }
    let expected = f64::from(counts.iter().sum::<u32>()) / 16.0;
    let chi: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    assert!(chi < 44.3, "{chi} {counts:?}");
    let (request, asked) = pair.client.request(&[&row], &mut rng).unwrap();
    let (_, stranger) = pair.forest.encrypted(&Seed::from_bytes([99; 32])).unwrap();
    assert!(pair.forest.answer(&stranger, &request, &mut rng).is_err());
    for wrong in [&request[1..], &[&request[..], &[0]].concat(), &[]] {
        let error = pair.forest.answer(&pair.keys, wrong, &mut rng).unwrap_err();
        assert!(matches!(error, TreesError::Length { .. }), "{error}");
    }
    let answer = pair.forest.answer(&pair.keys, &request, &mut rng).unwrap();
    assert!(pair.client.open(&answer[1..], &asked).is_err());
    assert!(pair.forest.read_keys(&[]).is_err());
    let (download, _) = pair.forest.encrypted(&Seed::from_bytes([3; 32])).unwrap();
    let (other, _) = pair.forest.encrypted(&Seed::from_bytes([4; 32])).unwrap();
    assert_eq!(
        download,
        pair.forest.encrypted(&Seed::from_bytes([3; 32])).unwrap().0
    );
    assert!(pair.client.take(download[1..].to_vec()).is_err());
    // Tables of one key, keys of another.
    let keys = download.len() / 2;
    let mixed = [&download[..keys], &other[keys..]].concat();
    assert!(pair.client.take(mixed).is_err());
    let fresh = ForestClient::new(pair.forest.offer().clone(), &Seed::from_bytes([1; 32])).unwrap();
    assert!(fresh.request(&[&row], &mut rng).is_err(), "nothing downloaded");
}

/// Three owners: of the model, of the row, and of the key, who learns the score.
#[test]
fn the_key_may_be_somebody_elses() {
    let mut rng = Seed::from_bytes([9; 32]).rng();
    let model = complete_forest(2, 2, 2, &mut rng).unwrap();
    let options = Options {
        key_holder: KeyHolder::Other,
        ..Options::default()
    };
    let forest = EncryptedForest::compile(&model, Mode::EncryptedModel, &options).unwrap();
    let owner = KeyOwner::new(forest.offer(), &Seed::from_bytes([1; 32])).unwrap();
    let download = forest.download_for(&owner.keys(), &mut rng).unwrap();
    assert!(forest.encrypted(&Seed::from_bytes([1; 32])).is_err());
    let mut client = ForestClient::new(forest.offer().clone(), &Seed::from_bytes([2; 32])).unwrap();
    client.take(download).unwrap();
    for row in super::bench::drawn_values(20, &mut rng).chunks(2) {
        let (request, _) = client.request(&[row], &mut rng).unwrap();
        let sums = owner.open(forest.offer(), &request).unwrap();
        assert_eq!(sums, forest.clear(row).unwrap());
    }
    let stranger = KeyOwner::new(forest.offer(), &Seed::from_bytes([7; 32])).unwrap();
    let (request, _) = client.request(&[&[1.0, 2.0]], &mut rng).unwrap();
    assert!(stranger.open(forest.offer(), &request).is_err());
}

/// A deep forest does not fit the mode that hides it, says why, and names the mode that fits.
#[test]
fn what_does_not_fit_names_what_does() {
    let model = complete_forest(200, 10, 20, &mut Seed::from_bytes([1; 32]).rng()).unwrap();
    let error = EncryptedForest::compile(&model, Mode::PrivateModel, &Options::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("private-model does not fit") && text.contains("public-structure fits"),
        "{text}"
    );
    let plan = EncryptedForest::compile(&model, Mode::PublicStructure, &Options::default()).unwrap();
    assert!(plan.plan().to_string().contains("200 trees"), "{}", plan.plan());
}

/// A value that most rows have takes one bin, and the others the rest; few values have a bin each.
#[test]
fn quantiles_leave_bins_for_what_is_rare() {
    let rows: Vec<f64> = (0..10_000)
        .flat_map(|row| [if row < 9000 { 0.0 } else { f64::from(row) }, f64::from(row % 3)])
        .collect();
    let Edges::Public(features) = Edges::quantiles(&rows, 2) else {
        panic!("public edges");
    };
    assert_eq!(features[0].levels(), 64);
    assert_eq!(features[1], FeatureBins::Cuts(vec![1.0, 2.0]));
}

/// Where the client walks the trees itself, no threshold is merged with another; where bins are encrypted, there are 64.
#[test]
fn public_structure_keeps_every_threshold() {
    let mut rng = Seed::from_bytes([1; 32]).rng();
    let drawn = complete_forest(40, 4, 2, &mut rng).unwrap();
    let mut parts = drawn.parts().clone();
    for (at, node) in parts.nodes.iter_mut().enumerate() {
        if let Node::Branch(branch) = node {
            branch.value += f64::from(at as u32) / 1024.0;
        }
    }
    let model = Ensemble::new(parts).unwrap();
    let compile = |mode| EncryptedForest::compile(&model, mode, &Options::default()).unwrap();
    assert!(!compile(Mode::PrivateModel).plan().exact_bins);
    let pair = Pair::new(&model, Mode::PublicStructure, &Options::default(), 3);
    assert!(pair.forest.plan().exact_bins);
    assert!(pair.forest.offer().binning.bits().any(|bits| bits > 128));
    for row in bench::drawn_values(2 * 40, &mut rng).chunks_exact(2) {
        let (answer, asked) = pair.asked(&[row], &mut rng);
        let told = pair.client.open(&answer, &asked).unwrap().remove(0);
        assert_eq!(told.scores, model.evaluate(row).unwrap().scores);
    }
}
