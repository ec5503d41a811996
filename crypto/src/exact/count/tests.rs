use rand_core::Rng;

use super::*;
use crate::seed::Seed;

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

#[test]
fn smoke() {
    for segments in [1_usize, 4, 16] {
        let params = CountParams::new(segments, 3_000_000).unwrap();
        println!("{:?} {}", params.noise(), params.noise().flooding_bits());
        let key = AttributeKey::generate(&params, &seed(1));
        let mut rng = seed(2).rng();
        let mut product = Product::new(&params);
        let mut scratch = Scratch::new(&params);
        let mut expected = vec![0_u64; segments];
        let l = params.block_len();
        for block in 0..5_u8 {
            let bits: Vec<bool> = (0..l).map(|_| rng.next_u32() & 1 == 1).collect();
            let enc = key.encrypt_block(&bits, &[block], &seed(3)).unwrap();
            let enc = params.read_block(&enc.to_bytes()).unwrap();
            let mut pred = PredicateBlock::new(&params);
            pred.add_assign(&enc).unwrap();
            let weights: Vec<u32> = (0..params.weights_len()).map(|_| rng.next_u32() % 10).collect();
            for g in 0..segments {
                expected[g] += (0..l)
                    .map(|e| u64::from(bits[e]) * u64::from(weights[g * l + e]))
                    .sum::<u64>();
            }
            product.accumulate(&weights, &pred, &mut scratch).unwrap();
        }
        let masks: Vec<u64> = (0..segments).map(|_| rng.next_u64() % PLAINTEXT).collect();
        let pk = params.read_public_key(&key.public().to_bytes()).unwrap();
        let answer = product.answer(&pk, &masks, &mut rng).unwrap();
        let answer = params.read_answer(&answer.to_bytes()).unwrap();
        let shares = key.open(&answer).unwrap();
        let got: Vec<u64> = shares
            .iter()
            .zip(&masks)
            .map(|(s, r)| (s + PLAINTEXT - r) % PLAINTEXT)
            .collect();
        assert_eq!(got, expected);
    }
}
