//! Real images, or what is known of their features, from a file.

use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::fid::{Moments, Target};
use crate::error::{Error, Result};

/// A network whose features a Frechet distance is measured on.
pub trait Features {
    /// Numbers of an image.
    fn width(&self) -> usize;
    /// What tables call a distance of these features.
    fn distance(&self) -> &'static str;
    /// Says what images it takes, if not those of these extents `[h, w, channels]`.
    fn check(&self, extents: [usize; 3]) -> std::result::Result<(), String>;
    /// Features of images with these extents and values from -1 to 1, a row for each.
    fn features(&mut self, images: &[f32], extents: [usize; 3]) -> Result<Vec<f32>>;
}

/// What distances are measured to. The file holds `mean` `[d]` and `covariance` `[d, d]` of features in 64-bit floats, or
/// `images`, bytes `[n, h, w]` or `[n, h, w, 3]`, of which, where there is a `split`, those marked 0 are taken.
pub fn target(network: &mut dyn Features, path: &Path) -> Result<Target> {
    let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::input(path, format!("not safetensors: {e}")))?;
    if file.tensor("mean").is_ok() {
        let moments = Moments::read(path, &file)?;
        if moments.mean.len() != network.width() {
            let what = format!("moments of {} features, the network has {}", moments.mean.len(), network.width());
            return Err(Error::input(path, what));
        }
        return Ok(Target::new(moments));
    }
    let expected = "needs `mean` and `covariance`, or `images` of bytes in the shape [n, h, w] or [n, h, w, 3]";
    let images = file.tensor("images").map_err(|_| Error::input(path, expected))?;
    let extents = match (images.dtype(), images.shape()) {
        (Dtype::U8, [_, h, w]) => [*h, *w, 1],
        (Dtype::U8, [_, h, w, c @ (1 | 3)]) => [*h, *w, *c],
        _ => return Err(Error::input(path, expected)),
    };
    network.check(extents).map_err(|what| Error::input(path, what))?;
    let split = file.tensor("split").ok();
    let wanted = |i: usize| split.as_ref().is_none_or(|s| s.data().get(i * s.dtype().bitsize() / 8) == Some(&0));
    let len = extents.iter().product::<usize>().max(1);
    let rows = images.data().chunks_exact(len).enumerate().filter(|(i, _)| wanted(*i));
    let values: Vec<f32> = rows.flat_map(|(_, row)| row.iter().map(|b| f32::from(*b) / 127.5 - 1.0)).collect();
    let features = network.features(&values, extents)?;
    let moments = Moments::of(&features, network.width());
    moments.map(Target::new).ok_or_else(|| Error::input(path, "holds fewer than two images"))
}
