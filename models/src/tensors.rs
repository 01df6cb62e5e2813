//! Tensors of the user's: inputs and expected outputs of a module, in safetensors files.

use std::io::{self, Write};
use std::path::Path;

use masque_engine::graph::{Tensor, WeightError};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView, serialize};

use crate::whole::{failed, whole};
use crate::{Checkpoint, ModelError};

/// An open file of tensors. Floats of 16, 32 and 64 bits and whole numbers become `f32`, which holds whole numbers up to 2^24
/// exactly: more than any token or time step.
pub struct TensorFile(Checkpoint);

impl TensorFile {
    /// Maps a safetensors file and checks its header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Ok(Self(Checkpoint::open(path)?))
    }

    /// Path of the file.
    pub fn file(&self) -> &str {
        self.0.file()
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    /// The tensor of that name with finite numbers; an error says what there is instead.
    pub fn tensor(&self, name: &str) -> Result<Tensor, ModelError> {
        let store = || self.file().to_owned();
        let bad = |what: String| WeightError::Tensor { store: store(), tensor: name.into(), what };
        let Some((dtype, shape, bytes)) = self.0.raw(name)? else {
            let mut names = self.names();
            names.retain(|n| !n.starts_with("act:"));
            let what = format!("no tensor is called {name}; there are: {}", names.join(", "));
            return Err(WeightError::Store { store: store(), what }.into());
        };
        let data = numbers(dtype, bytes).ok_or_else(|| bad(format!("is of type {dtype:?}, which holds no numbers")))?;
        match data.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(bad(format!("holds {} at index {at}", data[at])).into()),
            None => Ok(Tensor { shape, data }),
        }
    }
}

/// Little-endian numbers of any type as `f32`.
fn numbers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    macro_rules! read {
        ($t:ty) => {{
            let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
            chunks.iter().map(|b| <$t>::from_le_bytes(*b) as f32).collect()
        }};
    }
    Some(match dtype {
        Dtype::F64 => read!(f64),
        Dtype::I64 => read!(i64),
        Dtype::U64 => read!(u64),
        Dtype::I32 => read!(i32),
        Dtype::U32 => read!(u32),
        Dtype::I16 => read!(i16),
        Dtype::U16 => read!(u16),
        Dtype::I8 => read!(i8),
        Dtype::U8 => read!(u8),
        other => crate::weights::floats(other, bytes)?,
    })
}

/// Writes tensors as `f32` under their names; the file is there whole or not at all.
pub fn write_all(path: &Path, tensors: &[(&str, Tensor)]) -> Result<(), ModelError> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, t)| t.data.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let bad = |e: SafeTensorError| failed(path, io::Error::other(e));
    let views = tensors.iter().zip(&bytes).map(|((name, t), b)| {
        let view = TensorView::new(Dtype::F32, t.shape.clone(), b)?;
        Ok((*name, view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(bad)?;
    let file = serialize(views, None).map_err(bad)?;
    whole(path, |out| out.write_all(&file))
}
