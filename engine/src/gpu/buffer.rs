//! Device buffers from a pool. A buffer goes back when its last handle is dropped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::GpuError;

/// Free buffers by size, and what was allocated.
pub(super) struct Pool {
    device: wgpu::Device,
    limit: u64,
    free: Mutex<Free>,
    memory: Arc<Memory>,
}

/// Bytes that pools of one role have allocated: now, and most at any time.
#[derive(Default)]
struct Memory {
    allocated: AtomicU64,
    peak: AtomicU64,
}

/// Buffers to be used again.
#[derive(Default)]
struct Free {
    /// By size; of each size the one that was returned last is at the end, with the time of its return.
    sizes: BTreeMap<u64, Vec<(u64, wgpu::Buffer)>>,
    bytes: u64,
    now: u64,
}

/// A quarter of what is in use is kept as free memory, but no less and no more than this: tensors of a large
/// network come in many sizes, and each would keep memory of its own.
const KEPT: (u64, u64) = (256 << 20, 1 << 30);

impl Free {
    fn put(&mut self, buffer: wgpu::Buffer) {
        self.now += 1;
        self.bytes += buffer.size();
        self.sizes.entry(buffer.size()).or_default().push((self.now, buffer));
    }

    /// A buffer of this size, or a large one that is larger by a quarter at most.
    fn take(&mut self, size: u64) -> Option<wgpu::Buffer> {
        let most = if size < 1 << 20 { size } else { size + size / 4 };
        let (_, fitting) = self.sizes.range_mut(size..=most).find(|(_, buffers)| !buffers.is_empty())?;
        let (_, buffer) = fitting.pop()?;
        self.bytes -= buffer.size();
        Some(buffer)
    }

    /// Gives up the buffers that were not used for longest until no more than `most` bytes are left; returns how many it
    /// gave up. Work that still reads them keeps them alive.
    fn trim(&mut self, most: u64) -> u64 {
        let before = self.bytes;
        while self.bytes > most {
            let oldest = self.sizes.values_mut().filter(|b| !b.is_empty()).min_by_key(|b| b[0].0);
            let Some(buffers) = oldest else { break };
            self.bytes -= buffers.remove(0).1.size();
        }
        before - self.bytes
    }
}

/// Sizes are rounded up to one of eight steps per power of two, so that neighbours share buffers.
pub(super) fn size_class(bytes: u64) -> u64 {
    let bytes = bytes.max(256);
    let step = (bytes.next_power_of_two() / 16).max(256);
    bytes.next_multiple_of(step)
}

impl Pool {
    pub(super) fn new(device: wgpu::Device, limit: u64) -> Self {
        Self { device, limit, free: Mutex::default(), memory: Arc::default() }
    }

    /// Another pool, whose memory is counted with this one's.
    pub(super) fn beside(&self) -> Self {
        Self { device: self.device.clone(), limit: self.limit, free: Mutex::default(), memory: self.memory.clone() }
    }

    pub(super) fn peak(&self) -> u64 {
        self.memory.peak.load(Ordering::Relaxed)
    }

    /// Before something new is allocated: gives up free memory beyond what is worth keeping.
    fn trim(&self) {
        let mut free = self.free.lock().expect("buffer pool");
        let used = self.memory.allocated.load(Ordering::Relaxed) - free.bytes;
        let freed = free.trim((used / 4).clamp(KEPT.0, KEPT.1));
        self.memory.allocated.fetch_sub(freed, Ordering::Relaxed);
    }

    fn count(&self, size: u64) {
        let now = self.memory.allocated.fetch_add(size, Ordering::Relaxed) + size;
        self.memory.peak.fetch_max(now, Ordering::Relaxed);
    }

    /// A buffer of at least `bytes` bytes with unspecified contents.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Result<Buf, GpuError> {
        let size = size_class(bytes);
        if bytes > self.limit {
            return Err(GpuError::TooLarge { bytes, limit: self.limit });
        }
        let size = if size > self.limit { bytes.next_multiple_of(4) } else { size };
        let reused = self.free.lock().expect("buffer pool").take(size);
        let buffer = reused.unwrap_or_else(|| {
            self.trim();
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
        self.trim();
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
            self.pool.free.lock().expect("buffer pool").put(self.buffer.clone());
        } else {
            self.pool.memory.allocated.fetch_sub(size, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use crate::gpu::{AdapterChoice, Gpu, Recorder};

    #[test]
    fn memory_of_sizes_no_longer_used_is_given_up() {
        let rec = Recorder::new(Gpu::open(&AdapterChoice::default()).expect("an adapter"));
        let held = rec.alloc(100 << 20).expect("memory");
        for i in 1..60 {
            // Sizes further apart than those that stand in for each other: 8 MB to 480 MB, 14 GB in all.
            drop(rec.alloc(i * (8 << 20)).expect("memory"));
        }
        let peak = rec.peak_bytes() >> 20;
        assert!(peak <= 100 + 256 + 512, "{peak} MB at most in use with what is kept");
        drop(held);
        let small = |bytes: usize| drop(rec.alloc(bytes).expect("memory"));
        (0..100).for_each(|_| small(1 << 16));
        assert_eq!(rec.peak_bytes() >> 20, peak, "small buffers are used again");
    }
}
