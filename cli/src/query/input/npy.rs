//! Arrays of NumPy (`.npy`).

use hedgerow_inference::service::Rows;

/// What such a file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// An array of format 1 to 3 (numpy.lib.format): magic, version, length of the header, header, numbers.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(bytes: &[u8]) -> Result<Rows, String> {
    let cut = || "the header of the array is cut short".to_owned();
    let rest = bytes.get(MAGIC.len()..).ok_or_else(cut)?;
    let ([major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(format!("version {other} of the array format, expected 1 to 3")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header of the array is no text".to_owned())?;
    let field = |name: &str| {
        let after = header
            .split_once(&format!("'{name}':"))
            .map(|(_, after)| after.trim_start());
        after.ok_or_else(|| format!("the header of the array has no {name}: {header}"))
    };
    if !field("fortran_order")?.starts_with("False") {
        return Err("an array in Fortran order: save numpy.ascontiguousarray of it".to_owned());
    }
    let descr = field("descr")?
        .trim_start_matches('\'')
        .split('\'')
        .next()
        .unwrap_or_default();
    let width = match descr {
        "<f4" => 4,
        "<f8" => 8,
        "|u1" => 1,
        other => {
            return Err(format!(
                "numbers of type {other:?}, expected <f4, <f8 or |u1: use .astype(\"float32\")"
            ));
        }
    };
    // By the width, which the length below is a multiple of.
    let number = |bytes: &[u8]| match *bytes {
        [byte] => f64::from(byte),
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => f64::NAN,
    };
    let shape = field("shape")?
        .trim_start_matches('(')
        .split(')')
        .next()
        .unwrap_or_default();
    let mut dimensions = Vec::new();
    for part in shape.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        dimensions.push(
            part.parse::<usize>()
                .map_err(|_| format!("the shape of the array is ({shape})"))?,
        );
    }
    let total = dimensions
        .iter()
        .try_fold(1usize, |all, one| all.checked_mul(*one));
    let expected = total.and_then(|total| total.checked_mul(width));
    if expected != Some(data.len()) {
        return Err(format!(
            "{} bytes of numbers for shape ({shape}) of {descr}",
            data.len()
        ));
    }
    let columns = match dimensions.split_first() {
        // One row.
        Some((all, [])) => *all,
        Some((_, rest)) => rest.iter().product(),
        None => return Err("an array without dimensions".to_owned()),
    };
    if data.is_empty() {
        return Err("no rows".to_owned());
    }
    let values = data.chunks_exact(width).map(number).collect();
    Rows::new(Vec::new(), columns, values).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As numpy writes it: the header is padded to 64 bytes.
    fn array(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn values(rows: &Rows) -> Vec<Vec<f64>> {
        rows.iter().map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn arrays_of_three_types_read_row_by_row() {
        let floats: Vec<u8> = [1.5f32, -2.0, 0.0, 4.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let rows = read(&array("<f4", "False", "(2, 1, 2)", &floats)).unwrap();
        assert_eq!(values(&rows), [[1.5, -2.0], [0.0, 4.0]]);
        let doubles: Vec<u8> = [1e300f64, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(
            values(&read(&array("<f8", "False", "(2,)", &doubles)).unwrap()),
            [[1e300, 2.0]]
        );
        assert_eq!(
            values(&read(&array("|u1", "False", "(1, 3)", &[0, 7, 255])).unwrap()),
            [[0.0, 7.0, 255.0]]
        );
    }

    #[test]
    fn arrays_that_do_not_fit_say_what_is_wrong() {
        let refused = |bytes: &[u8], part: &str| {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused(&array("<f4", "True", "(1, 2)", &[0; 8]), "Fortran");
        refused(&array("<i8", "False", "(1, 1)", &[0; 8]), "<i8");
        refused(
            &array("<f4", "False", "(1, 3)", &[0; 8]),
            "8 bytes of numbers for shape (1, 3)",
        );
        refused(
            &array("<f4", "False", "(99999999999, 99999999999)", &[0; 8]),
            "8 bytes",
        );
        refused(&array("<f4", "False", "(a, 3)", &[0; 8]), "shape");
        refused(&array("<f4", "False", "()", &[0; 4]), "without dimensions");
        let good = array("|u1", "False", "(1, 3)", &[1, 2, 3]);
        for cut in [7, 9, 40] {
            refused(&good[..cut], "cut short");
        }
        let mut newer = good;
        newer[6] = 9;
        refused(&newer, "version 9");
    }
}
