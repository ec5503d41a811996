//! Windows: convolution and pooling.

use super::Builder;
use crate::graph::GraphError;
use crate::graph::layers::{self, Geometry};
use crate::graph::onnx::Attributes;

/// The window of a node over an image `[channels, height, width]`.
pub(in crate::graph) fn geometry(
    at: &Attributes<'_>,
    kernel: [usize; 2],
    image: [usize; 3],
) -> Result<Geometry, GraphError> {
    let stride = at.sizes::<2>("strides", 1, 1)?;
    let dilation = at.sizes::<2>("dilations", 1, 1)?;
    let mut pads = at.sizes::<4>("pads", 0, 0)?;
    match at.text("auto_pad").as_str() {
        "" | "NOTSET" | "VALID" => {}
        same @ ("SAME_UPPER" | "SAME_LOWER") => {
            for axis in 0..2 {
                let size = image[1 + axis];
                let needed = (size.div_ceil(stride[axis]) - 1) * stride[axis]
                    + (kernel[axis] - 1) * dilation[axis]
                    + 1;
                let total = needed.saturating_sub(size);
                let small = total / 2;
                (pads[axis], pads[axis + 2]) = if same == "SAME_UPPER" {
                    (small, total - small)
                } else {
                    (total - small, small)
                };
            }
        }
        other => return Err(at.wrong("auto_pad", other, "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    }
    let geometry = Geometry {
        kernel,
        stride,
        pads,
        dilation,
    };
    let [_, height, width] = image;
    if kernel.contains(&0) || geometry.output(height, width).is_none() {
        return Err(at.wrong(
            "kernel",
            format!("{kernel:?}"),
            format!("at most the image of {height} x {width}"),
        ));
    }
    Ok(geometry)
}

impl Builder {
    pub(super) fn conv(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let image = self.image(at, id)?;
        let weights = self.required(at, 1)?.clone();
        let bias = self.vector(at, 2)?;
        let groups = at.int("group", 1).max(1) as usize;
        let &[filters, channels, height, width] = weights.shape() else {
            return Err(at.wrong(
                "weights",
                format!("{:?}", weights.shape()),
                "[filters, channels, height, width]",
            ));
        };
        if channels * groups != image[0] || filters % groups != 0 {
            let expected = format!("{} channels in {groups} groups", image[0]);
            return Err(at.wrong("channels of the weights", channels.to_string(), expected));
        }
        let geometry = geometry(at, [height, width], image)?;
        self.affine(at, id, layers::conv(image, &geometry, groups, &weights, &bias))
    }

    pub(super) fn pool(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let image = self.image(at, id)?;
        let layer = if at.node.op_type == "GlobalAveragePool" {
            layers::reduce(&image, &[1, 2], true, true)
        } else {
            if at.int("ceil_mode", 0) != 0 {
                return Err(at.wrong("ceil_mode", "1", "0"));
            }
            let kernel = at.sizes::<2>("kernel_shape", 0, 1)?;
            layers::average(
                image,
                &geometry(at, kernel, image)?,
                at.int("count_include_pad", 0) != 0,
            )
        };
        self.affine(at, id, layer)
    }
}
