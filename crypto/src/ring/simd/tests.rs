use proptest::prelude::*;

use super::*;

const LENGTH: usize = 24;

fn modulus() -> impl Strategy<Value = u64> {
    prop_oneof![
        (1_u64 << 49)..1 << 50,
        (1_u64 << 25)..1 << 40,
        Just((1 << 50) - 1),
        2_u64..100
    ]
}

fn words(count: usize) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![any::<u64>(), Just(u64::MAX), Just(0)], count * LENGTH)
}

fn reduced(words: &[u64], modulus: u64) -> Vec<Vec<u64>> {
    // u64::MAX becomes the largest reduced number.
    let reduce = |word: &u64| {
        if *word == u64::MAX {
            modulus - 1
        } else {
            word % modulus
        }
    };
    words
        .chunks(LENGTH)
        .map(|words| words.iter().map(reduce).collect())
        .collect()
}

fn product(a: u64, b: u64, modulus: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
}

/// Runs the code of this machine and its twin.
macro_rules! twins {
    (|$kernels:ident| $body:block) => {{
        let plain = {
            use super::portable as $kernels;
            $body
        };
        #[cfg(target_arch = "x86_64")]
        if accelerated() {
            let fast = {
                use super::both as $kernels;
                $body
            };
            prop_assert_eq!(&fast, &plain);
        }
        plain
    }};
}

proptest! {
    #[test]
    fn products_and_sums(modulus in modulus(), words in words(3)) {
        let reducer = Reducer::new(modulus).unwrap();
        let parts = reduced(&words, modulus);
        let [a, b, c] = [0, 1, 2].map(|part: usize| &parts[part][..]);
        let factor = reducer.factor(c[0]);
        let outs = twins!(|kernels| {
            let mut outs = vec![a.to_vec(); 9];
            kernels::scale(&mut outs[0], factor, c[1], reducer);
            kernels::sub_scale(&mut outs[1], b, factor, reducer);
            kernels::add_scaled(&mut outs[2], b, factor, reducer);
            kernels::mul(&mut outs[3], b, reducer);
            kernels::mul_add(&mut outs[4], b, c, reducer);
            kernels::add(&mut outs[5], b, reducer);
            kernels::sub(&mut outs[6], b, reducer);
            kernels::negate(&mut outs[7], reducer);
            kernels::mul_into(&mut outs[8], b, c, reducer);
            outs
        });
        for i in 0..LENGTH {
            let (x, y, z) = (a[i], b[i], c[i]);
            let expected = [
                (product(x, c[0], modulus) + c[1]) % modulus,
                product((x + modulus - y) % modulus, c[0], modulus),
                (x + product(y, c[0], modulus)) % modulus,
                product(x, y, modulus),
                (x + product(y, z, modulus)) % modulus,
                (x + y) % modulus,
                (x + modulus - y) % modulus,
                (modulus - x) % modulus,
                product(y, z, modulus),
            ];
            for (out, expected) in outs.iter().zip(expected) {
                prop_assert_eq!(out[i], expected);
            }
        }
    }

    #[test]
    fn sums_of_products(modulus in modulus(), words in words(51), count in 0_usize..=17, shift: u64) {
        let reducer = Reducer::new(modulus).unwrap();
        let parts = reduced(&words, modulus);
        let slices: Vec<&[u64]> = parts.iter().map(Vec::as_slice).collect();
        let (a, b, c) = (&slices[..count], &slices[17..17 + count], &slices[34..34 + count]);
        let outs = twins!(|kernels| {
            let mut outs = vec![vec![7; LENGTH]; 3];
            let [out0, out1, out2] = &mut outs[..] else { unreachable!() };
            kernels::dot_pair(out0, out1, a, b, c, reducer);
            kernels::dot(out2, b, c, reducer);
            outs
        });
        // The sources of a conversion may exceed the modulus, up to 2^50.
        let wide: Vec<u64> = words.iter().map(|word| word & ((1 << 50) - 1)).collect();
        let weights: Vec<u64> = slices[50][..count.min(MAX_PRODUCTS)].to_vec();
        let (wide, shift) = (&wide[..weights.len() * LENGTH], shift % modulus);
        let converted = twins!(|kernels| {
            let mut out = vec![7; LENGTH];
            kernels::convert(&mut out, wide, &weights, shift, reducer);
            out
        });
        for i in 0..LENGTH {
            let sum = |a: &[&[u64]], b: &[&[u64]]| {
                a.iter().zip(b).fold(0, |sum, (a, b)| (sum + product(a[i], b[i], modulus)) % modulus)
            };
            prop_assert_eq!([outs[0][i], outs[1][i], outs[2][i]], [sum(a, b), sum(a, c), sum(b, c)]);
            let sum = weights.iter().enumerate().fold(shift, |sum, (source, weight)| {
                (sum + product(wide[source * LENGTH + i], *weight, modulus)) % modulus
            });
            prop_assert_eq!(converted[i], sum);
        }
    }

    #[test]
    fn combinations(
        modulus in modulus(), words in words(8), picks in prop::collection::vec(0_u32..4, 0..60), weights: [u64; 60],
        width in prop_oneof![Just(8_usize), Just(16), Just(32)],
    ) {
        let reducer = Reducer::new(modulus).unwrap();
        let sources: Vec<u64> = reduced(&words, modulus).concat()[..4 * width].to_vec();
        let weights: Vec<u64> = picks.iter().zip(weights).map(|(_, weight)| weight % modulus).collect();
        let out = twins!(|kernels| {
            let mut out = vec![7; width];
            kernels::combine(&mut out, &sources, &picks, &weights, reducer);
            out
        });
        for (i, out) in out.into_iter().enumerate() {
            let sum = picks.iter().zip(&weights).fold(0, |sum, (pick, weight)| {
                (sum + product(sources[*pick as usize * width + i], *weight, modulus)) % modulus
            });
            prop_assert_eq!(out, sum);
        }
    }

    #[test]
    fn tensors_and_signed_numbers(modulus in modulus(), words in words(4), numbers in prop::collection::vec(-(1_i64 << 62)..1 << 62, LENGTH)) {
        let reducer = Reducer::new(modulus).unwrap();
        let parts = reduced(&words, modulus);
        let [a0, a1, b0, b1] = [0, 1, 2, 3].map(|part: usize| &parts[part][..]);
        let outs = twins!(|kernels| {
            let mut outs = vec![vec![7; LENGTH]; 4];
            let [out0, out1, out2, out3] = &mut outs[..] else { unreachable!() };
            kernels::tensor(out0, out1, out2, a0, a1, b0, b1, reducer);
            kernels::reduce_signed(out3, &numbers, reducer);
            outs
        });
        for i in 0..LENGTH {
            let middle = product(a0[i], b1[i], modulus) + product(a1[i], b0[i], modulus);
            let expected = [
                product(a0[i], b0[i], modulus),
                middle % modulus,
                product(a1[i], b1[i], modulus),
                numbers[i].rem_euclid(modulus as i64) as u64,
            ];
            prop_assert_eq!([outs[0][i], outs[1][i], outs[2][i], outs[3][i]], expected);
        }
    }

    #[test]
    fn permutations_within_groups(words in words(1), groups in Just([2_u32, 0, 1]).prop_shuffle(), xor in 0_u32..8) {
        let table: Vec<u32> = groups.iter().flat_map(|group| (0..8).map(move |lane| group * 8 + (lane ^ xor))).collect();
        let out = twins!(|kernels| {
            let mut out = vec![0; LENGTH];
            kernels::permute(&mut out, &words, &table);
            out
        });
        for (out, index) in out.iter().zip(&table) {
            prop_assert_eq!(*out, words[*index as usize]);
        }
    }
}

#[test]
fn moduli_have_at_most_50_bits() {
    assert!(Reducer::new(1).is_none() && Reducer::new(1 << 50).is_none());
    assert_eq!(Reducer::new((1 << 50) - 1).unwrap().modulus(), (1 << 50) - 1);
}

#[test]
#[should_panic(expected = "one length, a multiple of 8")]
fn other_lengths_panic() {
    add(&mut [0; 9], &[0; 9], Reducer::new(17).unwrap());
}
