//! `label-only`: the rule by the model's own evaluation, on many rows in the clear; the whole mode on some rows.

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::{Aggregate, Ensemble, Task};
use proptest::prelude::*;

use super::bench::{complete_forest, drawn_values};
use super::tests::{Pair, any_ensemble, row};
use super::*;

fn with(threshold: Option<f64>) -> Options {
    Options {
        threshold,
        ..Options::default()
    }
}

fn label(model: &Ensemble, options: &Options) -> Result<EncryptedForest, TreesError> {
    EncryptedForest::compile(model, Mode::LabelOnly, options)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The class is the model's, ties included; a regression has none without a threshold, and three classes are refused.
    #[test]
    fn the_class_is_that_of_the_model(model in any_ensemble(), seed: u8) {
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        let classes = match &model.parts().task {
            Task::Regression { .. } => 0,
            Task::Classification { labels } => labels.len(),
        };
        let compiled = label(&model, &with(None));
        if classes != 2 {
            let said = compiled.unwrap_err().to_string();
            let expected = if classes == 0 { "needs a threshold" } else { "3 classes" };
            prop_assert!(said.contains(expected), "{}", said);
        } else {
            let forest = compiled.unwrap();
            for _ in 0..40 {
                let row = row(&mut rng);
                let told = forest.predict(&row).unwrap();
                if model.parts().aggregate == Aggregate::Sum {
                    prop_assert_eq!(told.class, model.evaluate(&row).unwrap().classes.first().copied());
                }
                prop_assert_eq!(told.scores.iter().sum::<f64>(), 1.0, "one vote, and nothing else");
            }
        }
    }

    /// Above a threshold that is itself a score: the row that has it is not above.
    #[test]
    fn a_score_at_the_threshold_is_not_above(model in any_ensemble(), seed: u8) {
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        let scores = |row: &[f64]| model.evaluate(row).unwrap().scores;
        let at = row(&mut rng);
        let threshold = *scores(&at).last().unwrap();
        match label(&model, &with(Some(threshold))) {
            Ok(forest) => {
                for row in std::iter::once(at).chain((0..40).map(|_| row(&mut rng))) {
                    if model.parts().aggregate == Aggregate::Sum {
                        let above = *scores(&row).last().unwrap() > threshold;
                        prop_assert_eq!(forest.predict(&row).unwrap().class, Some(u32::from(above)));
                    }
                }
            }
            Err(error) => {
                // Three classes.
                let said = error.to_string();
                prop_assert!(said.contains("classes") || said.contains("no comparison"), "{}", said);
            }
        }
    }
}

/// Keys take seconds to make: one pair for the whole of it.
#[test]
fn the_client_learns_the_class_and_not_the_score() {
    let mut rng = Seed::from_bytes([5; 32]).rng();
    let model = complete_forest(10, 4, 6, &mut rng).unwrap();
    // A row that many trees tie at: its score is the threshold.
    let rows = drawn_values(6 * 6, &mut rng);
    let rows: Vec<&[f64]> = rows.chunks_exact(6).collect();
    let threshold = model.evaluate(rows[0]).unwrap().scores[0];
    let pair = Pair::new(&model, Mode::LabelOnly, &with(Some(threshold)), 7);
    let plan = pair.forest.plan();
    assert!(plan.answer_bytes <= 20_000 && plan.flooding_bits >= 40, "{plan}");
    assert_eq!(plan.bootstraps, 11);
    for row in rows {
        let (answer, asked) = pair.asked(&[row], &mut rng);
        let told = pair.client.open(&answer, &asked).unwrap().remove(0);
        assert_eq!(told, pair.forest.predict(row).unwrap());
        let above = model.evaluate(row).unwrap().scores[0] > threshold;
        assert_eq!(
            told.label.as_deref(),
            Some(if above { "above" } else { "not above" })
        );
        assert_eq!(told.sums, [i64::from(!above), i64::from(above)]);
        assert!(pair.client.open(&answer[1..], &asked).is_err());
    }
    let offer = pair.forest.offer();
    assert!(
        !format!("{offer:?}").contains(&threshold.to_string()),
        "the threshold is the server's"
    );
    let stranger = ForestClient::new(offer.clone(), &Seed::from_bytes([9; 32])).unwrap();
    let (request, asked) = stranger.request(&[&[1.0; 6]], &mut rng).unwrap();
    assert!(pair.forest.answer(&pair.keys, &request, &mut rng).is_err());
    let (answer, _) = pair.asked(&[&[1.0; 6]], &mut rng);
    assert!(stranger.open(&answer, &asked).is_err());
    let mut offers = vec![offer.clone(); 4];
    offers[0].targets.push(2);
    offers[1].structure = None;
    for (at, offer) in offers.iter_mut().enumerate().skip(2) {
        let offer::Parameters::Label { form, sign } = &mut offer.parameters else {
            panic!("no sign");
        };
        match at {
            2 => sign.precision = 40,
            _ => (form.degree, sign.dimension) = (form.degree, 8192),
        }
    }
    for (at, offer) in offers.into_iter().enumerate() {
        assert!(
            ForestClient::new(offer, &Seed::from_bytes([9; 32])).is_err(),
            "{at}"
        );
    }
}

/// Many trees take fewer bits of a leaf value.
#[test]
fn large_forests_take_coarser_leaf_values() {
    let mut rng = Seed::from_bytes([5; 32]).rng();
    for (trees, bits, bootstraps) in [(1, 16, 11), (50, 16, 13), (64, 15, 13), (500, 13, 13)] {
        let model = complete_forest(trees, 2, 6, &mut rng).unwrap();
        let plan = label(&model, &with(Some(trees as f64 * 127.5)))
            .unwrap()
            .plan()
            .clone();
        assert_eq!((plan.leaf_bits, plan.bootstraps), (bits, bootstraps), "{plan}");
    }
}
