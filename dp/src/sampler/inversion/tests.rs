use super::*;
use proptest::prelude::*;

/// A toy of two numbers: `P(1) = up / (up + down)`.
#[derive(Clone, Debug)]
struct Coin {
    up: u64,
    down: u64,
}

impl Weights for Coin {
    fn mode(&self) -> u64 {
        0
    }
    fn up(&self, k: u64) -> Factor {
        match k {
            0 => ([self.up, 1], [self.down, 1]),
            _ => ([0, 0], [1, 1]),
        }
    }
    fn down(&self, _: u64) -> Factor {
        ([0, 0], [1, 1])
    }
    fn above(&self, k: u64) -> Option<u64> {
        (k > 1).then_some(0)
    }
    fn below(&self, _: u64) -> Option<u64> {
        Some(0)
    }
}

/// `floor(2^128 part / whole)`.
fn digits_of(part: u64, whole: u64) -> [u64; 2] {
    let first = (u128::from(part) << 64) / u128::from(whole);
    let rest = (u128::from(part) << 64) % u128::from(whole);
    [first as u64, ((rest << 64) / u128::from(whole)) as u64]
}

proptest! {
    #[test]
    fn locate_decides_on_both_sides_of_the_edge(down in 2u64..1 << 40, part in 1u64..1 << 40) {
        let up = part % down + 1;
        prop_assume!(up < down);
        let coin = Coin { up, down };
        let edge = digits_of(down, down + up);
        let step = |by: i64| {
            let number = u128::from(edge[0]) << 64 | u128::from(edge[1]);
            let moved = if by < 0 { number - 1 } else { number + 1 };
            [(moved >> 64) as u64, moved as u64]
        };
        prop_assert_eq!(locate(&coin, &step(-1)), Some(0));
        prop_assert_eq!(locate(&coin, &step(1)), Some(1));
        // The digits of the edge itself do not decide, unless the edge has no further digits.
        let exact = u128::from(down) % u128::from(down + up);
        if exact != 0 && !(down + up).is_power_of_two() {
            prop_assert_eq!(locate(&coin, &edge), None);
        }
    }

    #[test]
    fn the_table_decides_like_exact_arithmetic(down in 2u64..1 << 40, part in 1u64..1 << 40, near in -4i64..=4, far: u64, pick: bool) {
        let up = part % down + 1;
        prop_assume!(up < down);
        let coin = Coin { up, down };
        let table = Table::new(&coin);
        let edge = digits_of(down, down + up)[0];
        let leading = if pick { edge.wrapping_add_signed(near) } else { far };
        if let Some(value) = table.find(leading) {
            prop_assert_eq!(locate(&coin, &[leading, 0]), Some(value));
            prop_assert_eq!(locate(&coin, &[leading, u64::MAX]), Some(value));
        }
    }
}

#[test]
fn the_table_leaves_little_undecided() {
    let table = Table::new(&Coin { up: 1, down: 3 });
    assert!(table.margin <= 3, "{}", table.margin);
    assert_eq!(table.find(0), Some(0));
    assert_eq!(table.find((3 << 62) - 1 - 2), Some(0));
    assert_eq!(table.find(3 << 62), None, "the edge");
    assert_eq!(table.find((3 << 62) + 4), Some(1));
    assert_eq!(table.find(u64::MAX), None, "the end");
}

#[test]
fn parts_are_quotients() {
    assert_eq!(part_of(1, 3), u64::MAX / 3);
    assert_eq!(part_of(1 << 125, 1 << 126), 1 << 63);
}
