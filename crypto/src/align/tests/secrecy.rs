//! What a side receives looks the same whatever the other side's keys are, but for the sizes.

use std::collections::BTreeSet;

use super::*;

/// Lengths of all messages of both sides.
fn shape(pair: &Pair) -> Vec<Vec<(u8, usize)>> {
    let shape = |sent: &Vec<Outgoing>| {
        sent.iter()
            .map(|message| (kind(message), message.bytes.len()))
            .collect()
    };
    pair.sent.iter().map(shape).collect()
}

/// Pearson's statistic of the middle bytes of elements against the uniform distribution: 255 degrees of freedom, mean
/// 255, deviation 22.6. The first and the last byte have a fixed bit.
fn chi_squared<const N: usize>(items: &[[u8; N]]) -> f64 {
    let mut counts = [0u32; 256];
    let bytes: Vec<u8> = items
        .iter()
        .flat_map(|item| item[1..N.min(31)].to_vec())
        .collect();
    bytes.iter().for_each(|&byte| counts[byte as usize] += 1);
    let expected = bytes.len() as f64 / 256.0;
    counts
        .iter()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum()
}

/// Six deviations above the mean: a chance far below one in a million, and the seeds are fixed besides.
const UNIFORM: f64 = 255.0 + 6.0 * 22.6;

#[test]
fn transcripts_depend_on_sizes_only() {
    let row = keys(0..300);
    // Two attribute sides of 400 keys with the same 150 keys in common in number, but nothing else.
    let low: Vec<u32> = (0..150).chain(1000..1250).collect();
    let high: Vec<u32> = (150..300).chain(5000..5250).rev().collect();
    let pairs = [low, high].map(|attribute| Pair::new(&params(1, 0), &row, &keys(attribute), [1, 2]).run());
    assert_eq!(shape(&pairs[0]), shape(&pairs[1]));
    for pair in &pairs {
        for sent in &pair.sent {
            for of in [
                Kind::Larger,
                Kind::Tags,
                Kind::Shuffled,
                Kind::Smaller,
                Kind::Answers,
                Kind::Exclusive,
            ] {
                let items = items::<32>(sent, of);
                if !items.is_empty() {
                    let statistic = chi_squared(&items);
                    assert!(statistic < UNIFORM, "{of:?}: {statistic}");
                }
            }
            let union = items::<16>(sent, Kind::Union);
            assert!(union.is_empty() || chi_squared(&union) < UNIFORM);
        }
    }
}

/// No element occurs in two stages, on either side: what is blinded by different scalars is not the same element.
#[test]
fn stages_share_no_element() {
    let pair = Pair::new(&params(1, 0), &keys(0..30), &keys(10..60), [1, 2]).run();
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for sent in &pair.sent {
        for of in [
            Kind::Larger,
            Kind::Tags,
            Kind::Shuffled,
            Kind::Smaller,
            Kind::Answers,
            Kind::Exclusive,
        ] {
            for item in items::<32>(sent, of) {
                // What the tagger has not is not among the answers, which are its own keys'.
                seen.insert(item[..16].to_vec());
                sum += 1;
            }
        }
        for item in items::<16>(sent, Kind::Union) {
            seen.insert(item.to_vec());
            sum += 1;
        }
    }
    assert_eq!(seen.len(), sum);
}

#[test]
fn runs_are_unlinkable() {
    let (row, attribute) = (keys(0..40), keys(20..70));
    let run = |context, seeds| {
        let params = Params::new(&Digest([context; 32]), 1, None).unwrap();
        Pair::new(&params, &row, &attribute, seeds).run()
    };
    let runs = [run(1, [1, 2]), run(2, [1, 2]), run(1, [1, 3]), run(1, [3, 2])];
    let unions: Vec<Vec<[u8; 16]>> = runs
        .iter()
        .map(|pair| items(&pair.sent[1], Kind::Union))
        .collect();
    let all: BTreeSet<_> = unions.iter().flatten().collect();
    assert_eq!(all.len(), unions.iter().map(Vec::len).sum::<usize>());
    // Neither do places: the first run's positions, by those of any other, are no more alike than two random orders.
    for other in &runs[1..] {
        let (first, other) = (&runs[0].results()[1].positions, &other.results()[1].positions);
        assert!(correlation(first, other).abs() < 0.7);
    }
}

fn correlation(x: &[u32], y: &[u32]) -> f64 {
    let mean =
        |values: &[u32]| values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let deviations =
        |values: &[u32], mean: f64| -> Vec<f64> { values.iter().map(|&v| f64::from(v) - mean).collect() };
    let (x, y) = (deviations(x, mean_x), deviations(y, mean_y));
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt()
}

/// Positions of common keys and of all others mix: a side cannot tell by a position whether the other side has the key.
/// Mann and Whitney's test, five deviations.
#[test]
fn positions_do_not_tell_common_keys() {
    for (row, attribute) in [(0..400u32, 200..700u32), (0..500, 100..500)] {
        let results = align(&params(1, 0), &keys(row.clone()), &keys(attribute.clone()));
        for (result, own, other) in [(&results[0], &row, &attribute), (&results[1], &attribute, &row)] {
            let (common, alone): (Vec<_>, Vec<_>) = own
                .clone()
                .zip(&result.positions)
                .partition(|(number, _)| other.contains(number));
            if alone.is_empty() {
                continue;
            }
            let above = |(_, a): &(u32, &u32)| alone.iter().filter(|(_, b)| a > b).count();
            let statistic: usize = common.iter().map(above).sum();
            let (m, n) = (common.len() as f64, alone.len() as f64);
            let deviation = (m * n * (m + n + 1.0) / 12.0).sqrt();
            assert!((statistic as f64 - m * n / 2.0).abs() < 5.0 * deviation);
        }
    }
}

#[test]
fn debug_prints_no_secret() {
    let pair = Pair::new(&params(1, 2), &keys(0..3), &keys(1..5), [1, 2]).run();
    assert_eq!(
        format!("{:?}", pair.machines[0]),
        "Align { side: Row, role: \"matcher\", own: 4, taken: 5, .. }"
    );
    let text = format!("{:?}", pair.results()[0]);
    assert!(
        text.starts_with("Alignment { positions: 3, dummies: 1, union: "),
        "{text}"
    );
}
