use proptest::prelude::*;

use super::super::{ShapeError, TileShape, TileTensor};
use super::{any_shape, tensor};

fn shape(text: &str) -> TileShape {
    text.parse().unwrap()
}

#[test]
fn reads_and_writes_the_papers_examples() {
    for (text, tiles) in [
        ("[5, 6/8]", 5),
        ("[5/8, 6]", 6),
        ("[5/2, 6/4]", 6),
        ("[5/2, 1?/4]", 3),
        ("[3?/8]", 1),
        ("[*/2, 6/4]", 2),
        ("[*4/8]", 1),
        ("[5~/2, 6~/4]", 6),
        ("[5~4/2, 6/4]", 8),
        ("[(d)16/4, 4/2]", 8),
        ("[784/64, */128]", 13),
        ("[(c)784/64, */128]", 7),
        ("[5/2, (c)13?~5/4]", 9),
        ("[(c)3/8]", 1),
        ("[1?/4, */2, 7?~3/8]", 3),
    ] {
        let shape = shape(text);
        assert_eq!(shape.to_string(), text);
        assert_eq!(shape.tiles(), tiles, "{text}");
        assert_eq!(through_serde(&shape), shape);
    }
}

/// Shapes are serialized as their notation.
fn through_serde(shape: &TileShape) -> TileShape {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StringDeserializer};
    let deserializer: StringDeserializer<Error> = shape.to_string().into_deserializer();
    serde::Deserialize::deserialize(deserializer).unwrap()
}

#[test]
fn refuses_what_is_no_shape() {
    for text in [
        "5/2",
        "[5/2, ]",
        "[x]",
        "[5/2/2]",
        "[5!/2]",
        "[/2]",
        "[5(c)/2]",
        "[(c)]",
        "[(c)(c)5/2]",
    ] {
        assert!(
            matches!(text.parse::<TileShape>(), Err(ShapeError::Syntax { .. })),
            "{text}"
        );
    }
    for text in [
        "[0/2]",
        "[5/0]",
        "[*9/8]",
        "[9~2/4]",
        "[(d)12/4, 4/2]",
        "[(d)16/4]",
        "[(d)*/4, 4/2]",
        "[(c)*/4]",
        "[(c)5/4, (c)5/2]",
        "[(d)16/4, 4/2, (c)8/2]",
    ] {
        assert!(
            matches!(text.parse::<TileShape>(), Err(ShapeError::Contradiction { .. })),
            "{text}"
        );
    }
}

#[test]
fn interleaving_puts_neighbours_in_different_tiles() {
    // Tile (0, 0) of [5~/2, 6~/4] holds rows 0 and 3, columns 0, 2 and 4.
    let matrix = super::super::Tensor::from_shape_fn(vec![5, 6], |i| (10 * i[0] + i[1]) as f64);
    let packed = TileTensor::pack(&shape("[5~/2, 6~/4]"), &matrix).unwrap();
    assert_eq!(packed.tiles()[0], [0.0, 2.0, 4.0, 0.0, 30.0, 32.0, 34.0, 0.0]);
}

#[test]
fn diagonals_are_the_papers() {
    // [(d)16/4, 4/2]: slot (b0, b1) of tile (a0, a1) holds M[block 8 + (j + 2 b0 + b1) mod 8, 2 a1 + b1].
    let matrix = super::super::Tensor::from_shape_fn(vec![16, 4], |i| (10 * i[0] + i[1]) as f64);
    let packed = TileTensor::pack(&shape("[(d)16/4, 4/2]"), &matrix).unwrap();
    assert_eq!(packed.tiles()[0], [0.0, 11.0, 20.0, 31.0, 40.0, 51.0, 60.0, 71.0]);
    // a0 = 1: j = 1, first block; a1 = 1: columns 2 and 3.
    assert_eq!(packed.tiles()[3], [12.0, 23.0, 32.0, 43.0, 52.0, 63.0, 72.0, 3.0]);
    // a0 = 2: second block.
    assert_eq!(packed.tiles()[4][0], 80.0);
}

#[test]
fn refuses_a_tensor_of_other_sizes() {
    let error = TileTensor::pack(&shape("[5/2, 6/4]"), &tensor(&[6, 5], 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tensor is [6, 5], the tile shape [5/2, 6/4] wants [5, 6]"
    );
}

proptest! {
    #[test]
    fn notation_round_trips(shape in any_shape(3, 64)) {
        prop_assert_eq!(shape.to_string().parse::<TileShape>().unwrap(), shape);
    }

    #[test]
    fn unpacking_inverts_packing(shape in any_shape(3, 16), seed: u64) {
        let clear = tensor(&shape.sizes(), seed);
        prop_assert_eq!(TileTensor::pack(&shape, &clear).unwrap().unpack(), clear);
    }
}
