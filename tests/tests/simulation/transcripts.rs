//! What an attribute party receives in training does not depend on the rows: whatever it opens is uniform, the noise
//! under it is the flooding's, and as much is sent, whether a row party has next to nothing or everything that it may.

use hedgerow_protocol::join::memory::MemoryRow;
use hedgerow_tests::deployment::Shape;
use hedgerow_tests::joined::MAX_ROWS;

use crate::node::Opened;
use crate::world::{World, party};

/// Cells of a histogram.
const CELLS: usize = 16;
/// The 1 - 1e-6 quantile of 15 degrees of freedom; seeds are fixed.
const LIMIT: f64 = 55.5;

/// Everything that the first attribute party opened, and the bytes that it was sent, over some runs.
fn received(change: impl Fn(&mut MemoryRow) + Copy) -> (Vec<Opened>, Vec<(u64, u64)>) {
    let shape = Shape {
        trees: 48,
        ..Shape::mixed(1, 2, 3)
    };
    let (mut opened, mut sent) = (Vec::new(), Vec::new());
    for seed in 0..4 {
        let mut world = World::new(&shape, seed);
        world.change_rows(change);
        world.run_to_the_end();
        assert!(matches!(world.ended, Some(Ok(_))), "{:#?}", world.progress);
        opened.append(&mut world.parties.get_mut(&party(1)).unwrap().opened);
        sent.push(world.relayed(&party(0), &party(1)));
    }
    (opened, sent)
}

fn histogram(values: impl Iterator<Item = f64>) -> [f64; CELLS] {
    let mut counts = [0.0; CELLS];
    for value in values {
        counts[((value * CELLS as f64) as usize).min(CELLS - 1)] += 1.0;
    }
    counts
}

fn uniform(counts: &[f64; CELLS]) -> f64 {
    let expected = counts.iter().sum::<f64>() / CELLS as f64;
    counts
        .iter()
        .map(|count| (count - expected).powi(2) / expected)
        .sum()
}

fn same(a: &[f64; CELLS], b: &[f64; CELLS]) -> f64 {
    let [of_a, of_b] = [a, b].map(|counts| counts.iter().sum::<f64>());
    let (up, down) = ((of_b / of_a).sqrt(), (of_a / of_b).sqrt());
    let cells = a.iter().zip(b).filter(|(a, b)| *a + *b > 0.0);
    cells.map(|(a, b)| (up * a - down * b).powi(2) / (a + b)).sum()
}

#[test]
fn an_attribute_party_cannot_tell_two_row_parties_apart() {
    // One row of the negative class for each; or all of the positive class, and as many as there may be.
    let (few, sent_by_few) = received(|row| (row.label, row.copies) = (0, 1));
    let (many, sent_by_many) = received(|row| (row.label, row.copies) = (1, (MAX_ROWS / 16) as u32));
    assert_eq!(few.len(), many.len());
    assert!(few.len() > 40 * CELLS, "{} cells are few", few.len());
    assert_eq!(sent_by_few, sent_by_many);
    assert!(
        sent_by_few
            .iter()
            .all(|(chunks, bytes)| *chunks > 0 && *bytes > 0)
    );
    assert!(few.iter().zip(&many).any(|(a, b)| a.share != b.share));

    let of = |opened: &[Opened], what: fn(&Opened) -> f64| histogram(opened.iter().map(what));
    for (name, what) in [
        ("masks", (|opened| opened.share) as fn(&Opened) -> f64),
        ("noise", |opened| f64::midpoint(opened.noise, 1.0)),
    ] {
        let (few, many) = (of(&few, what), of(&many, what));
        assert!(uniform(&few) < LIMIT, "{name}: {few:?}");
        assert!(uniform(&many) < LIMIT, "{name}: {many:?}");
        assert!(same(&few, &many) < LIMIT, "{name}: {few:?} {many:?}");
    }
}

/// The tests above can fail: counts that were not masked, and noise that was not flooded.
#[test]
fn a_skewed_sample_is_told_apart() {
    let even = histogram((0..640).map(|n| f64::from(n) / 640.0));
    let skewed = histogram((0..640).map(|n| (f64::from(n) / 640.0).powi(2)));
    assert!(uniform(&even) < LIMIT && uniform(&skewed) > LIMIT && same(&even, &skewed) > LIMIT);
}
