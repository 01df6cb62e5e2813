//! Fully connected layers and embedding tables.

use super::{Op, Shape, WeightSpec, one};

/// `y = x W^T + b` on the last dimension.
#[derive(Debug)]
pub struct Linear {
    /// `path.weight`, `path.bias`.
    pub path: String,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Whether `path.bias` exists.
    pub bias: bool,
    /// Whether the weight is stored `[inputs, outputs]` (an embedding table) instead of `[outputs, inputs]`.
    pub transposed: bool,
}

impl Linear {
    /// A layer with weight `[outputs, inputs]`.
    pub fn new(path: &str, inputs: usize, outputs: usize, bias: bool) -> Self {
        Self { path: path.into(), inputs, outputs, bias, transposed: false }
    }

    /// A table `[entries, width]` read by one-hot rows.
    pub fn embedding(path: &str, entries: usize, width: usize) -> Self {
        Self { path: path.into(), inputs: entries, outputs: width, bias: false, transposed: true }
    }
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let x = one(inputs)?;
        match x.split_last() {
            Some((last, lead)) if *last == self.inputs => Ok(lead.iter().copied().chain([self.outputs]).collect()),
            _ => Err(format!("needs width {}", self.inputs)),
        }
    }

    fn weights(&self) -> Vec<WeightSpec> {
        let shape = if self.transposed { [self.inputs, self.outputs] } else { [self.outputs, self.inputs] };
        let mut w = vec![WeightSpec { name: format!("{}.weight", self.path), shape: shape.to_vec() }];
        if self.bias {
            w.push(WeightSpec { name: format!("{}.bias", self.path), shape: vec![self.outputs] });
        }
        w
    }

    fn macs(&self, output: &[usize]) -> u64 {
        output.iter().product::<usize>() as u64 * self.inputs as u64
    }
}
