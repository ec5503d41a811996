use proptest::prelude::*;

use super::*;
use crate::ring::barrett::Barrett;

const PRIME: u64 = 1_125_899_906_826_241;

fn barrett(modulus: u64) -> Barrett {
    Barrett::new(modulus).unwrap()
}

#[test]
fn print_roots() {
    for (n, p) in [(16_usize, 97_u64), (16, PRIME), (4096, PRIME)] {
        let ntt = Ntt::get(n, p).unwrap();
        let mut x = vec![0; n];
        x[1] = 1;
        ntt.forward(&mut x);
        println!("{n} {p} {:?}", &x[..2]);
    }
}
