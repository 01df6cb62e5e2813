//! Collects dispatches, submits them as one pass, and brings back what goes on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buffer::Pool;
use super::stamps::{Pass, Tracer};
use super::{Buf, Gpu, GpuError, Kernel, Pipeline};
use crate::clock::Clock;
use crate::net::Address;
use crate::trace::{Event, Place};

/// One 32-bit parameter word, or two for a ring constant.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// `u32`, `i32` or `f32` by its bits.
    One(u32),
    /// A 64-bit value as `vec2<u32>`, low word first.
    Two(u64),
}

impl From<u32> for Word {
    fn from(v: u32) -> Self {
        Word::One(v)
    }
}
impl From<usize> for Word {
    fn from(v: usize) -> Self {
        Word::One(u32::try_from(v).expect("kernel parameter below 2^32"))
    }
}
impl From<f32> for Word {
    fn from(v: f32) -> Self {
        Word::One(v.to_bits())
    }
}
impl From<u64> for Word {
    fn from(v: u64) -> Self {
        Word::Two(v)
    }
}

/// Named parameters of a dispatch.
pub type Args<'a> = &'a [(&'static str, Word)];
/// Named buffers of a dispatch.
pub type Bufs<'a> = &'a [(&'static str, &'a Buf)];

/// `args![n: 3usize, k: bits]`: named parameters for [`Recorder::run`].
#[macro_export]
macro_rules! args {
    ($($name:ident : $value:expr),* $(,)?) => { &[$((stringify!($name), $crate::gpu::Word::from($value))),*] };
}

/// `bufs![x: &a, out: &b]`: named buffers for [`Recorder::run`].
#[macro_export]
macro_rules! bufs {
    ($($name:ident : $value:expr),* $(,)?) => { &[$((stringify!($name), $value)),*] };
}

struct Dispatch {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    offset: u32,
    groups: [u32; 3],
}

const SLOT: usize = 256;
const SLOTS: usize = 2048;
/// Workgroups along x before a dispatch continues in y; `shared/thread.wgsl` knows the same number.
const ROW: u32 = 32768;

/// Records work for one device. One recorder per thread; each has its own buffer pool, because a buffer that returns to
/// the pool may still be read by work this recorder has not submitted yet.
pub struct Recorder {
    pub(super) gpu: Arc<Gpu>,
    pub(super) pool: Arc<Pool>,
    pending: Vec<Dispatch>,
    params: Vec<u8>,
    arena: wgpu::Buffer,
    pub(super) staging: Vec<wgpu::Buffer>,
    pub(super) busy: Arc<Clock>,
    pub(super) dispatches: u64,
    pub(super) tracer: Option<Box<Tracer>>,
}

impl Recorder {
    /// A recorder for the device.
    pub fn new(gpu: Arc<Gpu>) -> Self {
        let pool = Pool::new(gpu.device.clone(), gpu.limits.max_buffer_size);
        Self::with(gpu, pool, Arc::default())
    }

    pub(super) fn with(gpu: Arc<Gpu>, pool: Pool, busy: Arc<Clock>) -> Self {
        let arena = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: (SLOT * SLOTS) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self {
            gpu,
            pool: Arc::new(pool),
            pending: vec![],
            params: vec![],
            arena,
            staging: vec![],
            busy,
            dispatches: 0,
            tracer: None,
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Most bytes that were allocated at any time, recorders beside this one included.
    pub fn peak_bytes(&self) -> u64 {
        self.pool.peak()
    }

    /// Time spent submitting and waiting for the device so far, by this recorder or one beside it.
    pub fn busy(&self) -> Duration {
        self.busy.total()
    }

    /// Kernels dispatched so far.
    pub fn dispatches(&self) -> u64 {
        self.dispatches
    }

    /// Begins to record what happens, with times from `origin` on. Roles that share an origin can be compared.
    pub fn start_trace(&mut self, origin: Instant) {
        self.tracer = Some(Box::new(Tracer::new(&self.gpu, origin, true)));
    }

    /// Begins to measure how long the device works for each [`Recorder::section`], unless a trace does so already.
    pub fn start_meter(&mut self) {
        let tracer = || Box::new(Tracer::new(&self.gpu, Instant::now(), false));
        self.tracer.get_or_insert_with(tracer);
    }

    /// Where device times are measured: what is recorded from now on belongs to this section. Otherwise nothing.
    pub fn section(&mut self, section: u32) -> Result<(), GpuError> {
        if self.tracer.is_some() && self.section_now() != section {
            self.flush()?;
        }
        if let Some(t) = &mut self.tracer {
            t.section = section;
        }
        Ok(())
    }

    /// What is recorded now belongs to this section.
    pub fn section_now(&self) -> u32 {
        self.tracer.as_ref().map_or(0, |t| t.section)
    }

    /// How long the device worked for each section since measuring began, by its own clock where it has one. Waits for it.
    pub fn spent(&mut self) -> Result<BTreeMap<u32, Duration>, GpuError> {
        if self.tracer.is_some() {
            self.read(&[])?;
        }
        Ok(self.tracer.as_mut().map(|t| t.spent()).unwrap_or_default())
    }

    /// Ends the recording and returns it; empty if there was none.
    pub fn take_trace(&mut self) -> Result<Vec<Event>, GpuError> {
        if self.tracer.is_some() {
            self.read(&[])?;
        }
        Ok(self.tracer.take().map(|t| t.into_events()).unwrap_or_default())
    }

    /// In a trace: something that began at `start` has just ended.
    pub fn note(&mut self, place: Place, name: &str, at: Option<Address>, bytes: u64, start: Instant) {
        if let Some(t) = self.tracer.as_mut().filter(|t| t.every) {
            t.trace.note(place, name, at, bytes, start);
        }
    }

    /// Memory with unspecified contents.
    pub fn alloc(&self, bytes: usize) -> Result<Buf, GpuError> {
        self.pool.take(bytes as u64)
    }

    /// Memory for `n` ring words.
    pub fn words(&self, n: usize) -> Result<Buf, GpuError> {
        self.alloc(n * 8)
    }

    /// New memory with these contents.
    pub fn upload(&self, data: &[u8]) -> Result<Buf, GpuError> {
        self.pool.filled(data)
    }

    /// New memory with these values.
    pub fn upload_slice<T: bytemuck::NoUninit>(&self, data: &[T]) -> Result<Buf, GpuError> {
        self.upload(bytemuck::cast_slice(data))
    }

    /// Records one dispatch of at least `threads` threads along x (and `y`, `z` workgroups as given).
    ///
    /// # Panics
    /// If names of parameters or buffers differ from what the shader declares: a bug in this repository.
    pub fn run_grid(
        &mut self,
        kernel: &Kernel,
        args: Args<'_>,
        bufs: Bufs<'_>,
        groups: [u32; 3],
    ) -> Result<(), GpuError> {
        if self.pending.len() == SLOTS {
            self.submit(None)?;
        }
        let pipeline = self.gpu.pipeline(kernel);
        let face = &pipeline.interface;
        assert_eq!(face.buffers.len(), bufs.len(), "{}: buffers {:?}", kernel.file, face.buffers);
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.arena,
                offset: 0,
                size: std::num::NonZeroU64::new(face.param_bytes.max(16) as u64),
            }),
        }];
        for b in &face.buffers {
            let (_, buf) = bufs
                .iter()
                .find(|(name, _)| *name == b.name)
                .unwrap_or_else(|| panic!("{}: no buffer called {}", kernel.file, b.name));
            let resource = wgpu::BindingResource::Buffer(buf.binding(self.gpu.max_binding())?);
            entries.push(wgpu::BindGroupEntry { binding: b.binding, resource });
        }
        let offset = self.params.len();
        self.params.resize(offset + SLOT, 0);
        face.write(kernel, args, &mut self.params[offset..offset + SLOT]);
        let group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        });
        self.pending.push(Dispatch { pipeline, group, offset: offset as u32, groups });
        self.dispatches += 1;
        Ok(())
    }

    /// Records a dispatch of one thread per element of `0..threads`.
    pub fn run(&mut self, kernel: &Kernel, args: Args<'_>, bufs: Bufs<'_>, threads: usize) -> Result<(), GpuError> {
        let size = self.gpu.pipeline(kernel).interface.workgroup[0] as usize;
        let count = threads.div_ceil(size).max(1) as u32;
        let groups = if count <= ROW { [count, 1, 1] } else { [ROW, count.div_ceil(ROW), 1] };
        self.run_grid(kernel, args, bufs, groups)
    }

    /// Sends everything recorded to the device; does not wait.
    pub fn flush(&mut self) -> Result<(), GpuError> {
        if self.pending.is_empty() { Ok(()) } else { self.submit(None).map(|_| ()) }
    }

    pub(super) fn submit(
        &mut self,
        after: Option<&mut dyn FnMut(&mut wgpu::CommandEncoder)>,
    ) -> Result<wgpu::SubmissionIndex, GpuError> {
        let (start, _busy) = (Instant::now(), self.busy.run());
        if !self.params.is_empty() {
            self.gpu.queue.write_buffer(&self.arena, 0, &self.params);
        }
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let names = self.pending.iter().map(|d| d.pipeline.name.clone());
        let traced = self.tracer.as_mut().map(|t| t.pass(&self.gpu, names));
        self.encode(&mut encoder, traced.as_ref());
        if let Some(f) = after {
            f(&mut encoder);
        }
        let submitted = self.gpu.queue.submit([encoder.finish()]);
        if let (Some(t), Some(pass)) = (&mut self.tracer, traced) {
            t.submitted(pass);
        }
        self.pending.clear();
        self.params.clear();
        self.note(Place::Host, "submit", None, 0, start);
        self.gpu.health().map(|()| submitted)
    }

    /// Writes the pending dispatches as one compute pass, or, for the times of each, as one each.
    fn encode(&self, encoder: &mut wgpu::CommandEncoder, traced: Option<&Pass>) {
        let dispatch = |pass: &mut wgpu::ComputePass<'_>, d: &Dispatch| {
            pass.set_pipeline(&d.pipeline.pipeline);
            pass.set_bind_group(0, &d.group, &[d.offset]);
            pass.dispatch_workgroups(d.groups[0], d.groups[1], d.groups[2]);
        };
        if self.pending.is_empty() {
            return;
        }
        let each = traced.is_some_and(|t| t.dispatches() == self.pending.len());
        let size = if each { 1 } else { self.pending.len() };
        for (i, together) in self.pending.chunks(size).enumerate() {
            let timestamp_writes = traced.and_then(|t| t.writes(i));
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            together.iter().for_each(|d| dispatch(&mut pass, d));
        }
        if let Some(traced) = traced {
            traced.resolve(encoder);
        }
    }
}
