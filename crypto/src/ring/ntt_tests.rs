use proptest::prelude::*;

use super::*;
use crate::ring::barrett::Barrett;

const PRIME: u64 = 1_125_899_906_826_241;

/// Primitive `2N`-th roots of unity, as the transform of `X` begins with. Python agrees that their `N`-th power is -1.
const ROOTS: [(usize, u64, u64); 3] = [
    (16, 97, 51),
    (16, PRIME, 825_134_582_825_921),
    (4096, PRIME, 1_094_367_314_627_419),
];

/// The transform of the coefficients `i^3 + 7 i + 1`, from `pow(psi, 2 * reversed(i) + 1, p)` and sums of Python.
const KNOWN: [[u64; 16]; 2] = [
    [96, 74, 66, 22, 75, 22, 84, 94, 38, 48, 14, 22, 46, 67, 30, 91],
    [
        219_062_801_870_772,
        1_003_816_400_272_922,
        1_057_956_080_445_653,
        960_484_864_221_400,
        69_700_038_277_047,
        111_086_617_956_366,
        210_605_906_594_987,
        73_164_489_694_635,
        336_587_661_958_993,
        734_437_333_394_624,
        332_768_465_392_268,
        961_173_941_735_143,
        377_806_252_763_889,
        136_185_470_696_582,
        1_089_111_136_369_284,
        207_351_886_139_138,
    ],
];
/// The same for degree 4096, at places 0, 1, 2, 2048 and 4095.
const KNOWN_4096: [(usize, u64); 5] = [
    (0, 304_036_838_789_805),
    (1, 851_663_770_986_267),
    (2, 416_007_175_984_399),
    (2048, 448_821_127_897_003),
    (4095, 736_466_368_473_246),
];

fn transformed(degree: usize, prime: u64) -> Vec<u64> {
    let mut words: Vec<u64> = (0..degree as u64)
        .map(|i| (i * i * i + 7 * i + 1) % prime)
        .collect();
    Ntt::get(degree, prime).unwrap().forward(&mut words);
    words
}

#[test]
fn known_answers() {
    assert_eq!(transformed(16, 97), KNOWN[0]);
    assert_eq!(transformed(16, PRIME), KNOWN[1]);
    let large = transformed(4096, PRIME);
    for (place, value) in KNOWN_4096 {
        assert_eq!(large[place], value, "place {place}");
    }
}

/// The transform of `X` is the list of points: all powers of one root in bit-reversed order.
#[test]
fn the_order_of_points_is_pinned() {
    for (degree, prime, root) in ROOTS {
        let modulo = Barrett::new(prime).unwrap();
        assert_eq!(modulo.power(root, degree as u64), prime - 1);
        let mut points = vec![0; degree];
        points[1] = 1;
        Ntt::get(degree, prime).unwrap().forward(&mut points);
        for (place, point) in points.into_iter().enumerate() {
            let reversed = place.reverse_bits() >> (usize::BITS - degree.ilog2());
            assert_eq!(
                point,
                modulo.power(root, 2 * reversed as u64 + 1),
                "place {place}"
            );
        }
    }
}

#[test]
fn tables_are_made_once() {
    let [one, two] = [(); 2].map(|()| Ntt::get(64, PRIME).unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    assert!(Ntt::get(8, PRIME).is_none());
    assert!(Ntt::get(1 << 16, 97).is_none());
    assert_eq!(format!("{one:?}"), "Ntt(64 mod 1125899906826241)");
}

/// The product modulo `X^N + 1`, term by term.
fn schoolbook(a: &[u64], b: &[u64], prime: u64) -> Vec<u64> {
    let wide = u128::from(prime);
    let mut product = vec![0_u128; a.len()];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let term = u128::from(*a) * u128::from(*b) % wide;
            let place = (i + j) % product.len();
            let term = if i + j < product.len() { term } else { wide - term };
            product[place] = (product[place] + term) % wide;
        }
    }
    product.into_iter().map(|word| word as u64).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn products_are_negacyclic(
        log_degree in 4_u32..9,
        prime in prop::sample::select(vec![PRIME, 1_125_899_906_629_633, 52_445_185]),
        seed: [u8; 32],
    ) {
        use rand_core::Rng;
        let degree = 1 << log_degree;
        let Some(ntt) = Ntt::get(degree, prime) else { return Ok(()) };
        let mut rng = crate::seed::Seed::from_bytes(seed).rng();
        let mut draw = || (0..degree).map(|_| rng.next_u64() % prime).collect::<Vec<u64>>();
        let (mut a, mut b) = (draw(), draw());
        let expected = schoolbook(&a, &b, prime);
        let before = a.clone();
        ntt.forward(&mut a);
        ntt.forward(&mut b);
        let mut product = vec![0; degree];
        ntt.mul_accumulate(&mut product, &a, &b);
        ntt.inverse(&mut product);
        prop_assert_eq!(product, expected);
        ntt.inverse(&mut a);
        prop_assert_eq!(a, before);
    }
}
