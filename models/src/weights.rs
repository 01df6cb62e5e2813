//! Weights in a memory-mapped safetensors file.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;

use half::{bf16, f16};
use masque_engine::graph::{Tensor, WeightError, WeightSpec, WeightStore};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors};
use sha2::{Digest, Sha256};

/// Bytes of the length that precedes a safetensors header.
const LENGTH: usize = 8;

/// An open safetensors file. Tensors of 16 and 32-bit floats are converted to `f32` when they are asked for; nothing
/// else is held in memory.
#[derive(Debug)]
pub struct Checkpoint {
    file: String,
    map: Mmap,
    index: Metadata,
    data: usize,
    digest: OnceLock<[u8; 32]>,
}

impl Checkpoint {
    /// Maps the file and checks its header. The file must not be changed while it is open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightError> {
        let file = path.as_ref().display().to_string();
        let unreadable = |e: std::io::Error| WeightError::Store { store: file.clone(), what: e.to_string() };
        let handle = File::open(path.as_ref()).map_err(unreadable)?;
        // SAFETY: the map is only ever read as bytes, and every offset taken from the file is checked. Another process
        // that truncates the file meanwhile ends this one; that is the documented condition above.
        let map = unsafe { Mmap::map(&handle) }.map_err(unreadable)?;
        let (header, index) = SafeTensors::read_metadata(&map)
            .map_err(|e| WeightError::Store { store: file.clone(), what: describe(&e, map.len()) })?;
        Ok(Self { file, map, index, data: LENGTH + header, digest: OnceLock::new() })
    }

    /// Path of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Names of all tensors, in the order of their data.
    pub fn names(&self) -> Vec<String> {
        self.index.offset_keys()
    }

    /// Checks that the file holds exactly these tensors, of exactly these shapes, and only finite numbers. Reports all
    /// differences at once.
    pub fn check(&self, expected: &[WeightSpec]) -> Result<(), WeightError> {
        let mut problems: Vec<String> = expected.iter().filter_map(|w| self.problem(w)).collect();
        let known: HashSet<&str> = expected.iter().map(|w| w.name.as_str()).collect();
        let unknown = self.names().into_iter().filter(|n| !known.contains(n.as_str()));
        problems.extend(unknown.map(|n| format!("tensor {n} belongs to no layer of the model")));
        if problems.is_empty() { Ok(()) } else { Err(WeightError::Mismatch { store: self.file.clone(), problems }) }
    }

    fn problem(&self, expected: &WeightSpec) -> Option<String> {
        let name = &expected.name;
        let Some(info) = self.index.info(name) else {
            return Some(format!("tensor {name} {:?} is missing", expected.shape));
        };
        if info.shape != expected.shape {
            return Some(format!("tensor {name} has shape {:?}, expected {:?}", info.shape, expected.shape));
        }
        match self.tensor(name) {
            Err(WeightError::Tensor { what, .. }) => Some(format!("tensor {name} {what}")),
            Err(e) => Some(e.to_string()),
            Ok(t) => {
                let at = t.data.iter().position(|x| !x.is_finite())?;
                Some(format!("tensor {name} holds {} at index {at}", t.data[at]))
            }
        }
    }
}

impl WeightStore for Checkpoint {
    fn tensor(&self, name: &str) -> Result<Tensor, WeightError> {
        let Some(info) = self.index.info(name) else {
            return Err(WeightError::Missing { store: self.file.clone(), tensor: name.into() });
        };
        let bad = |what: String| WeightError::Tensor { store: self.file.clone(), tensor: name.into(), what };
        let (start, end) = info.data_offsets;
        let bytes = self.map.get(self.data..).and_then(|d| d.get(start..end));
        let bytes = bytes.ok_or_else(|| bad("lies outside of the file".into()))?;
        let data = floats(info.dtype, bytes).ok_or_else(|| bad(format!("is of type {:?}, not a float", info.dtype)))?;
        Ok(Tensor { shape: info.shape.clone(), data })
    }

    /// SHA-256 of the file; computed once, when first asked for.
    fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(&self.map[..]).into())
    }
}

/// Little-endian numbers as `f32`; `None` for types that are no floats of 16 or 32 bits.
fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Some(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => pairs.map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs.map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

fn describe(e: &SafeTensorError, len: usize) -> String {
    match e {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            format!("truncated: its {len} bytes end within the header of a safetensors file")
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            format!("truncated or corrupt: its header describes another number of bytes than the {len} there are")
        }
        e => format!("not a safetensors file: {e}"),
    }
}
