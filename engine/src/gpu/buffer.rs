//! Device buffers from a pool. A buffer goes back when its last handle is dropped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::GpuError;

/// Free buffers by size, and what was allocated.
pub(super) struct Pool {
    device: wgpu::Device,
    limit: u64,
    free: Mutex<BTreeMap<u64, Vec<wgpu::Buffer>>>,
    allocated: AtomicU64,
    peak: AtomicU64,
}

/// Sizes are rounded up to one of eight steps per power of two, so that neighbours share buffers.
fn size_class(bytes: u64) -> u64 {
    let bytes = bytes.max(256);
    let step = (bytes.next_power_of_two() / 16).max(256);
    bytes.next_multiple_of(step)
}

impl Pool {
    pub(super) fn new(device: wgpu::Device, limit: u64) -> Self {
        Self { device, limit, free: Mutex::default(), allocated: AtomicU64::new(0), peak: AtomicU64::new(0) }
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    fn count(&self, size: u64) {
        let now = self.allocated.fetch_add(size, Ordering::Relaxed) + size;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// A buffer of at least `bytes` bytes with unspecified contents.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Result<Buf, GpuError> {
        let size = size_class(bytes);
        if bytes > self.limit {
            return Err(GpuError::TooLarge { bytes, limit: self.limit });
        }
        let size = if size > self.limit { bytes.next_multiple_of(4) } else { size };
        let reused = self.free.lock().expect("buffer pool").get_mut(&size).and_then(Vec::pop);
        let buffer = reused.unwrap_or_else(|| {
            self.count(size);
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        Ok(Buf { inner: Arc::new(Inner { buffer, pool: self.clone(), reusable: true }), bytes, window: None })
    }

    /// A new buffer with these contents (padded to groups of eight ring words, which kernels read at once). It does not return to the pool: reusing it would have to
    /// wait for submissions that still read it.
    pub(super) fn filled(self: &Arc<Self>, data: &[u8]) -> Result<Buf, GpuError> {
        let size = (data.len() as u64).next_multiple_of(64).max(64);
        if size > self.limit {
            return Err(GpuError::TooLarge { bytes: size, limit: self.limit });
        }
        let mappable = self.device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let direct = if mappable { wgpu::BufferUsages::MAP_WRITE } else { wgpu::BufferUsages::empty() };
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST | direct,
            mapped_at_creation: true,
        });
        {
            let mut view = buffer.get_mapped_range_mut(..).map_err(|e| GpuError::Lost(format!("{e:?}")))?;
            view.slice(..data.len()).copy_from_slice(data);
        }
        buffer.unmap();
        self.count(size);
        let inner = Inner { buffer, pool: self.clone(), reusable: false };
        Ok(Buf { inner: Arc::new(inner), bytes: data.len() as u64, window: None })
    }
}

struct Inner {
    buffer: wgpu::Buffer,
    pool: Arc<Pool>,
    reusable: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let size = self.buffer.size();
        if self.reusable {
            self.pool.free.lock().expect("buffer pool").entry(size).or_default().push(self.buffer.clone());
        } else {
            self.pool.allocated.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A handle of device memory. Cloning shares it.
#[derive(Clone)]
pub struct Buf {
    inner: Arc<Inner>,
    bytes: u64,
    /// First byte, where this is a window.
    window: Option<u64>,
}

impl Buf {
    /// Bytes asked for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A part of this memory, for kernels and readers that need not see all of it: `bytes` bytes from `from` on, a
    /// multiple of [`Gpu::alignment`](super::Gpu::alignment).
    ///
    /// # Panics
    /// If it does not lie within: a bug in this repository.
    pub fn window(&self, from: u64, bytes: u64) -> Self {
        assert!(from + bytes <= self.bytes, "a window of {bytes} bytes at {from} in {} bytes", self.bytes);
        Self { inner: self.inner.clone(), bytes, window: Some(self.start() + from) }
    }

    /// First byte within [`Buf::raw`].
    pub(super) fn start(&self) -> u64 {
        self.window.unwrap_or(0)
    }

    pub(super) fn raw(&self) -> &wgpu::Buffer {
        &self.inner.buffer
    }

    /// What a kernel sees. Padding to groups of eight ring words belongs to it where there is some.
    pub(super) fn binding(&self, limit: u64) -> Result<wgpu::BufferBinding<'_>, GpuError> {
        let (offset, rest) = (self.start(), self.raw().size() - self.start());
        let whole = self.window.is_none() && rest <= limit;
        let size = if whole { rest } else { self.bytes.max(4).next_multiple_of(64).min(rest) };
        if size > limit {
            return Err(GpuError::TooLarge { bytes: size, limit });
        }
        Ok(wgpu::BufferBinding { buffer: self.raw(), offset, size: std::num::NonZeroU64::new(size) })
    }
}

impl std::fmt::Debug for Buf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buf({} bytes)", self.bytes)
    }
}
