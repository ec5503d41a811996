//! Three matrices multiplied one after the other without repacking between them: sums over alternating dimensions.

use hedgerow_inference::scheme::{Noop, Scheme};
use hedgerow_inference::tile::{Tensor, TileError, TileShape, TileTensor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheme = Noop::new(64, 3);
    let tensor =
        |sizes: &[usize]| Tensor::from_shape_fn(sizes, |i| ((i[0] + 2 * i[1] + 3 * i[2]) % 5) as f64);
    let weights = |shape: &str, level: usize| -> Result<_, TileError> {
        let shape: TileShape = shape.parse()?;
        let packed = TileTensor::pack(&shape, &tensor(&shape.sizes()))?;
        Ok(packed.try_map(|slots| scheme.prepare(level, || slots.clone()))?)
    };
    // Encrypted, [b, a] with its columns beside each other: the first product sums over b, the second over c.
    let shape: TileShape = "[7/4, 10/4, */4]".parse()?;
    let mut x = TileTensor::pack(&shape, &tensor(&[7, 10, 1]))?
        .try_map(|slots| scheme.encrypt(3, || slots.clone()))?;
    println!("{}", x.shape());
    for (shape, dim, level) in [("[7/4, */4, 6/4]", 0, 3), ("[9/4, */4, 6/4]", 2, 2)] {
        x = x.multiply_plain_and_sum(&scheme, &weights(shape, level)?, dim)?;
        println!("x {shape}, summed over dimension {dim} = {}", x.shape());
    }
    println!(
        "{}; no masks but the weights, one level for each matrix",
        scheme.tally()
    );
    Ok(())
}
