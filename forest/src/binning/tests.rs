use proptest::prelude::*;

use super::*;
use crate::schema::{Column, Label};

fn binner(column: Column, bins: u16) -> FeatureBinner {
    let label = Label {
        name: "label".into(),
        positive: "1".into(),
    };
    Binner::new(
        &Schema {
            features: vec![column],
            label,
        },
        bins,
    )
    .unwrap()
    .feature(0)
    .clone()
}

proptest! {
    #[test]
    fn numbers_are_monotone_clamped_and_never_missing(
        min in prop_oneof![-1e6f64..1e6, Just(0.0), Just(-1e300), Just(5e-324)],
        width in prop_oneof![0.0f64..1e6, Just(0.0), Just(1e-300), Just(5e-324), Just(1e307)],
        bins in MIN_BINS..=MAX_BINS,
        a in proptest::num::f64::ANY,
        share in -0.5f64..1.5,
    ) {
        let max = min + width;
        let binner = binner(Column::numeric("x", min, max), bins);
        let last = binner.missing() - 1;
        prop_assert_eq!(binner.value_bins(), if min == max { 1 } else { usize::from(bins) });
        let b = min + share * width;
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        if a.is_nan() {
            prop_assert_eq!(binner.number(a), binner.missing());
        } else {
            prop_assert!(binner.number(low) <= binner.number(high), "{} {}", low, high);
            prop_assert!(binner.number(a) <= last);
        }
        prop_assert_eq!(binner.number(min), 0);
        prop_assert_eq!(binner.number(max), last);
        prop_assert_eq!(binner.number(f64::NEG_INFINITY), 0);
        prop_assert_eq!(binner.number(f64::INFINITY), last);
        prop_assert_eq!(binner.number(f64::NAN), binner.missing());
    }

    #[test]
    fn bins_are_of_equal_width(min in -1e3f64..1e3, width in 1e-3f64..1e3, bins in MIN_BINS..=MAX_BINS, share in 0.0f64..1.0) {
        let binner = binner(Column::numeric("x", min, min + width), bins);
        let value = min + share * width;
        let bin = binner.number(value);
        let slack = 1e-9 * (width + min.abs());
        prop_assert!(binner.lower_edge(bin).unwrap() <= value + slack);
        prop_assert!(value <= binner.lower_edge(bin + 1).unwrap() + slack);
    }
}

#[test]
fn bounds_and_edges_of_a_plain_column() {
    let binner = binner(Column::numeric("x", 0.0, 64.0), 64);
    for (value, bin) in [
        (0.0, 0),
        (0.999, 0),
        (1.0, 1),
        (63.5, 63),
        (64.0, 63),
        (1e9, 63),
        (-3.0, 0),
    ] {
        assert_eq!(binner.number(value), bin, "{value}");
    }
    assert_eq!(binner.missing(), 64);
    assert_eq!(binner.lower_edge(16), Some(16.0));
    assert_eq!(binner.lower_edge(200), Some(64.0));
}

#[test]
fn categories_follow_the_schema_and_others_are_missing() {
    let all: Vec<String> = (0..255).map(|i| format!("c{i}")).collect();
    let many = binner(Column::categorical("x", &all), 16);
    for (code, text) in all.iter().enumerate() {
        assert_eq!(usize::from(many.category(text)), code);
    }
    assert_eq!(many.missing(), 255);
    for unknown in ["", "C1", "c255", " c1"] {
        assert_eq!(many.category(unknown), 255, "{unknown:?}");
    }
    assert_eq!(many.number(1.0), many.missing());
    assert_eq!(many.lower_edge(0), None);
    let number = binner(Column::numeric("x", 0.0, 1.0), 16);
    assert_eq!(number.category("0"), number.missing());
}

#[test]
fn bins_have_a_range() {
    let label = Label {
        name: "label".into(),
        positive: "1".into(),
    };
    let schema = Schema {
        features: vec![Column::numeric("x", 0.0, 1.0)],
        label,
    };
    for seen in [0, 1, 255, 1000] {
        assert_eq!(
            Binner::new(&schema, seen).unwrap_err(),
            BinningError::Bins { seen }
        );
    }
    let binner = Binner::new(&schema, 254).unwrap();
    assert_eq!((binner.bins_of(0), binner.bin_of_missing(0)), (255, 254));
}

#[test]
fn blocks_are_feature_major() {
    let mut block = Binned::new(2, 3);
    block.column_mut(1).copy_from_slice(&[7, 8]);
    assert_eq!(
        (block.column(0), block.column(1), block.column(2)),
        (&[0, 0][..], &[7, 8][..], &[0, 0][..])
    );
}
