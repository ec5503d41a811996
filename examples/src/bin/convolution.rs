//! A convolution over an interleaved image: neighbours are in different ciphertexts, so that shifts cost nothing but names.

use hedgerow_inference::scheme::{Noop, Op, Scheme};
use hedgerow_inference::tile::{Tensor, TileShape, TileTensor, Window};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheme = Noop::new(64, 2);
    let image = Tensor::from_shape_fn(vec![16, 16], |i| ((i[0] * 16 + i[1]) % 7) as f64);
    let shape: TileShape = "[16~/8, 16~/8]".parse()?;
    let encrypted = TileTensor::pack(&shape, &image)?.try_map(|slots| scheme.encrypt(2, || slots.clone()))?;
    let window = Window {
        dims: [0, 1],
        size: [3, 3],
        stride: [1, 1],
    };
    // A blur: every offset of the window has the same weight, in all slots.
    let filter: TileShape = "[*/8, */8]".parse()?;
    let weight = TileTensor::pack(&filter, &Tensor::from_elem(vec![1, 1], 1.0 / 9.0))?;
    let filters = (0..9)
        .map(|_| weight.try_map(|slots| scheme.prepare(2, || slots.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    let blurred = encrypted.convolve(&scheme, &window, &filters, None)?;
    let opened = blurred.try_map(|ct| Ok::<_, std::convert::Infallible>(scheme.decrypt(ct).clone()))?;
    println!(
        "{} -> {}: {} products for {} ciphertexts and 9 weights, {} rotations at the tiles' borders",
        encrypted.shape(),
        blurred.shape(),
        scheme.tally().total(Op::MulPlain),
        encrypted.tiles().len(),
        scheme.tally().total(Op::Rotate)
    );
    println!("top left: {:.3}", opened.unpack()[[0, 0].as_slice()]);
    Ok(())
}
