//! Packs one matrix in several ways, and multiplies it by a vector in each: the packing decides what is done. Then two reals in
//! a slot: half the ciphertexts of a batch.

use hedgerow_inference::scheme::{Noop, Scheme};
use hedgerow_inference::tile::{Tensor, TileShape, TileTensor};

const SLOTS: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let matrix = Tensor::from_shape_fn(vec![5, 6], |i| (10 * i[0] + i[1]) as f64);
    println!("[5, 6] times [6], in ciphertexts of {SLOTS} slots");
    // Rows by columns of a tile: 4 x 16, 8 x 8, one row, one column.
    for (rows, columns) in [(4, 16), (8, 8), (1, 64), (64, 1)] {
        let scheme = Noop::new(SLOTS, 1);
        let weights: TileShape = format!("[5/{rows}, 6/{columns}]").parse()?;
        let vector: TileShape = format!("[*/{rows}, 6/{columns}]").parse()?;
        let weights =
            TileTensor::pack(&weights, &matrix)?.try_map(|slots| scheme.prepare(1, || slots.clone()))?;
        let ones = Tensor::from_elem(vec![1, 6], 1.0);
        let vector =
            TileTensor::pack(&vector, &ones)?.try_map(|slots| scheme.encrypt(1, || slots.clone()))?;
        let product = vector.multiply_plain_and_sum(&scheme, &weights, 1)?;
        let opened = product.try_map(|ct| Ok::<_, std::convert::Infallible>(scheme.decrypt(ct).clone()))?;
        println!(
            "{} ciphertexts x {} masks -> {}: {}; row 4 sums to {}",
            vector.tiles().len(),
            weights.tiles().len(),
            product.shape(),
            scheme.tally(),
            opened.unpack()[[4, 0].as_slice()]
        );
    }
    let batch = Tensor::from_shape_fn(vec![40, 6], |i| (10 * i[0] + i[1]) as f64);
    println!("[40, 6] times [6], each sample 8 slots");
    for samples in ["[40/8, 6/8]", "[(c)40/8, 6/8]"] {
        let scheme = Noop::new(SLOTS, 1);
        let vector = TileTensor::pack(&"[*/8, 6/8]".parse()?, &Tensor::from_elem(vec![1, 6], 1.0))?;
        let vector = vector.try_map(|slots| scheme.prepare(1, || slots.clone()))?;
        let samples = TileTensor::pack_complex(&samples.parse()?, &batch)?
            .try_map(|slots| scheme.encrypt_complex(1, || slots.clone()))?;
        let product = samples.multiply_plain_and_sum(&scheme, &vector, 1)?;
        let opened = product.try_map(|ct| Ok::<_, std::convert::Infallible>(scheme.decrypt_complex(ct)))?;
        println!(
            "{} ciphertexts -> {}: {}; row 4 sums to {}",
            samples.tiles().len(),
            product.shape(),
            scheme.tally(),
            opened.unpack_complex()[[4, 0].as_slice()]
        );
        // What comes next may mix the parts: they come apart by one conjugation for each ciphertext.
        println!("  apart: {}", product.split_complex(&scheme)?.shape());
    }
    Ok(())
}
