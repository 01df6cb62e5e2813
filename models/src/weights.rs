//! Weights in memory-mapped safetensors files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::OnceLock;

use half::{bf16, f16};
use masque_engine::graph::{Shape, Tensor, WeightError, WeightSpec, WeightStore};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, TensorInfo};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Bytes of the length that precedes a safetensors header.
const LENGTH: usize = 8;

/// An open checkpoint: one safetensors file, or several with an index. Tensors of 16 and 32-bit floats are converted to
/// `f32` when they are asked for; nothing else is held in memory.
#[derive(Debug)]
pub struct Checkpoint {
    file: String,
    parts: Vec<Part>,
    /// Name in the model, where it lies, and its name there.
    tensors: BTreeMap<String, Place>,
    digest: OnceLock<[u8; 32]>,
}

/// Type, extents and bytes of a stored tensor.
type Raw<'a> = (Dtype, Shape, &'a [u8]);

/// One memory-mapped file.
#[derive(Debug)]
struct Part {
    file: String,
    map: Mmap,
    index: Metadata,
    data: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    part: usize,
    stored: String,
}

impl Part {
    fn open(path: &Path) -> Result<Self, WeightError> {
        let file = path.display().to_string();
        let unreadable = |e: std::io::Error| WeightError::Store { store: file.clone(), what: e.to_string() };
        let handle = File::open(path).map_err(unreadable)?;
        // SAFETY: the map is only ever read as bytes, and every offset taken from the file is checked. Another process
        // that truncates the file meanwhile ends this one; that is the documented condition of `Checkpoint::open`.
        let map = unsafe { Mmap::map(&handle) }.map_err(unreadable)?;
        let (header, index) = SafeTensors::read_metadata(&map)
            .map_err(|e| WeightError::Store { store: file.clone(), what: describe(&e, map.len()) })?;
        Ok(Self { file, map, index, data: LENGTH + header })
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.map[..]).into()
    }
}

impl Checkpoint {
    /// Maps the file, or those that an index (`.index.json`) names, and checks headers. The files must not be changed
    /// while they are open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WeightError> {
        let path = path.as_ref();
        if path.extension().is_some_and(|e| e == "json") {
            return Self::sharded(path);
        }
        let part = Part::open(path)?;
        let place = |name: String| (name.clone(), Place { part: 0, stored: name });
        let tensors = part.index.offset_keys().into_iter().map(place).collect();
        Ok(Self { file: part.file.clone(), parts: vec![part], tensors, digest: OnceLock::new() })
    }

    /// Opens the weights of a folder: `stem.safetensors`, `stem.safetensors.index.json`, or 16-bit variants of both.
    pub fn open_in(folder: impl AsRef<Path>, stem: &str) -> Result<Self, WeightError> {
        let names = ["", ".fp16", ".bf16"]
            .map(|v| [format!("{stem}{v}.safetensors"), format!("{stem}.safetensors.index{v}.json")]);
        let paths = names.iter().flatten().map(|name| folder.as_ref().join(name));
        match paths.into_iter().find(|path| path.is_file()) {
            Some(path) => Self::open(path),
            None => {
                let store = folder.as_ref().join(&names[0][0]).display().to_string();
                let pickled = folder.as_ref().join(format!("{stem}.bin")).is_file()
                    || folder.as_ref().join("pytorch_model.bin").is_file();
                let what = match pickled {
                    true => "no such file; the weights beside it are pickled (.bin), which is not read: save the model with \
                             safe_serialization=True".into(),
                    false => {
                        let others = names.concat()[1..].join(", ");
                        format!("no such file (nor {others} beside it); complete the model's folder or name another")
                    }
                };
                Err(WeightError::Store { store, what })
            }
        }
    }

    fn sharded(path: &Path) -> Result<Self, WeightError> {
        #[derive(Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let file = path.display().to_string();
        let bad = |what: String| WeightError::Store { store: file.clone(), what };
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        let index: Index = serde_json::from_str(&text).map_err(|e| bad(format!("not an index of weights: {e}")))?;
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let mut parts: Vec<Part> = Vec::new();
        for name in &names {
            if name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(bad(format!("weight_map: {name:?} is not the name of a file beside it")));
            }
            parts.push(Part::open(&path.with_file_name(name))?);
        }
        let mut tensors = BTreeMap::new();
        for (tensor, name) in &index.weight_map {
            let part = names.iter().position(|n| *n == name).expect("collected from here");
            if parts[part].index.info(tensor).is_none() {
                return Err(bad(format!("weight_map: {name} holds no tensor {tensor}")));
            }
            tensors.insert(tensor.clone(), Place { part, stored: tensor.clone() });
        }
        Ok(Self { file, parts, tensors, digest: OnceLock::new() })
    }

    /// Gives tensors other names, as models had them in earlier versions; `None` leaves a name as it is.
    pub fn renamed(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        let old = std::mem::take(&mut self.tensors);
        self.tensors = old.into_iter().map(|(n, place)| (name(&n).unwrap_or(n), place)).collect();
        self
    }

    /// Path of the file or index, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    /// Checks that the checkpoint holds exactly these tensors, of exactly these shapes, and only finite numbers. Reports
    /// all differences at once.
    pub fn check(&self, expected: &[WeightSpec]) -> Result<(), WeightError> {
        self.check_part(expected, &[])
    }

    /// As [`Checkpoint::check`]; tensors whose names begin with one of `others` belong to parts of the model that are not
    /// used.
    pub fn check_part(&self, expected: &[WeightSpec], others: &[&str]) -> Result<(), WeightError> {
        let mut problems: Vec<String> = expected.iter().filter_map(|w| self.problem(w)).collect();
        let known: HashSet<&str> = expected.iter().map(|w| w.name.as_str()).collect();
        let unused = |n: &str| others.iter().any(|prefix| n.starts_with(prefix));
        let unknown = self.tensors.keys().filter(|n| !known.contains(n.as_str()) && !unused(n));
        problems.extend(unknown.map(|n| format!("tensor {n} belongs to no layer of the model")));
        if problems.is_empty() { Ok(()) } else { Err(WeightError::Mismatch { store: self.file.clone(), problems }) }
    }

    fn info(&self, name: &str) -> Option<(&Part, &TensorInfo)> {
        let place = self.tensors.get(name)?;
        let part = self.parts.get(place.part)?;
        Some((part, part.index.info(&place.stored)?))
    }

    /// The file in which a tensor lies.
    fn part_of(&self, name: &str) -> String {
        self.info(name).map_or_else(|| self.file.clone(), |(part, _)| part.file.clone())
    }

    /// Type, extents and bytes of a tensor, if there is one of that name.
    pub(crate) fn raw(&self, name: &str) -> Result<Option<Raw<'_>>, WeightError> {
        let Some((part, info)) = self.info(name) else { return Ok(None) };
        let (start, end) = info.data_offsets;
        let bytes = part.map.get(part.data..).and_then(|d| d.get(start..end)).ok_or_else(|| WeightError::Tensor {
            store: part.file.clone(),
            tensor: name.into(),
            what: "lies outside of the file".into(),
        })?;
        Ok(Some((info.dtype, info.shape.clone(), bytes)))
    }

    fn problem(&self, expected: &WeightSpec) -> Option<String> {
        let name = &expected.name;
        let Some((_, info)) = self.info(name) else {
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
        let Some((dtype, shape, bytes)) = self.raw(name)? else {
            return Err(WeightError::Missing { store: self.file.clone(), tensor: name.into() });
        };
        let Some(data) = floats(dtype, bytes) else {
            let what = format!("is of type {dtype:?}, not a float");
            return Err(WeightError::Tensor { store: self.part_of(name), tensor: name.into(), what });
        };
        Ok(Tensor { shape, data })
    }

    /// SHA-256 of the file, or of the files' digests in the order of their names; computed once, when first asked for.
    fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| match self.parts.as_slice() {
            [part] => part.digest(),
            parts => Sha256::digest(parts.iter().map(Part::digest).collect::<Vec<_>>().concat()).into(),
        })
    }
}

/// Little-endian numbers as `f32`; `None` for types that are no floats of 16 or 32 bits.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
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
