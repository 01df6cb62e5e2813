//! On which device: adapters, buffers, pipelines, recordings. The only place that names wgpu.
//!
//! A [`Gpu`] is one logical device. A [`Recorder`] collects dispatches and sends them as one submission with one
//! compute pass per protocol round. Kernels are files under `shaders/`; their bindings and parameters are read from the
//! shader itself ([`shader`]), so a call names them and nothing is declared twice.

mod adapter;
mod beside;
mod budget;
mod buffer;
mod each;
mod readback;
mod recorder;
pub mod shader;
mod stamps;
mod tiles;
mod wire;

pub use adapter::{AdapterChoice, AdapterReport, Form, adapters};
pub use budget::Lease;
pub use buffer::Buf;
pub use each::Streams;
pub use readback::Readback;
pub use recorder::{Args, Bufs, Recorder, Word};
pub use shader::Kernel;
pub use tiles::Tiles;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// What can go wrong on the device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter at all.
    #[error(
        "no GPU adapter found: install a Vulkan driver (on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` brings the software adapter)"
    )]
    NoAdapter,
    /// None of that name.
    #[error("no adapter matches `{wanted}`; `harness devices` lists: {known}")]
    UnknownAdapter {
        /// What was asked for.
        wanted: String,
        /// What exists.
        known: String,
    },
    /// The chosen kernel form needs what the adapter lacks.
    #[error("adapter `{0}` has no 64-bit integers in shaders: use the portable kernels")]
    NoInt64(String),
    /// The driver refused to open a device.
    #[error("cannot open a device on `{adapter}`: {reason}")]
    Device {
        /// Adapter name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The device reported an error or was lost.
    #[error("the GPU device failed: {0}")]
    Lost(String),
    /// A buffer larger than the device allows.
    #[error("a buffer of {bytes} bytes exceeds the adapter's limit of {limit} bytes: use a smaller batch")]
    TooLarge {
        /// Bytes wanted.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// How every shader declares its parameters, and how it does where [`Gpu::hides_parameters`].
const UNIFORM: &str = "var<uniform> p: Params";
const STORAGE: &str = "var<storage, read> p: Params";

/// One logical device with its pipelines and buffers.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    form: Form,
    pipelines: Mutex<HashMap<Kernel, Arc<Pipeline>>>,
    failure: Arc<OnceLock<String>>,
    weights: Arc<budget::Budget>,
    tiles: Tiles,
}

/// A compiled kernel with what its shader says about itself.
struct Pipeline {
    name: String,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    interface: shader::Interface,
}

impl Gpu {
    /// Opens a device. Every role of a run opens its own, also on one adapter.
    pub fn open(choice: &AdapterChoice) -> Result<Arc<Self>, GpuError> {
        Self::open_limited(choice, u64::MAX)
    }

    /// As [`Gpu::open`]; no kernel sees more than `max_binding` bytes of a buffer, as on an adapter with that limit.
    pub fn open_limited(choice: &AdapterChoice, max_binding: u64) -> Result<Arc<Self>, GpuError> {
        let (adapter, form) = choice.find()?;
        let info = adapter.get_info();
        let (features, mut limits) = adapter::requirements(&adapter, form);
        limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.min(max_binding);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("masque"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        }))
        .map_err(|e| GpuError::Device { adapter: info.name.clone(), reason: e.to_string() })?;
        let failure = Arc::new(OnceLock::new());
        let seen = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let _ = seen.set(e.to_string());
        }));
        let weights = budget::Budget::new(choice.weights);
        let (pipelines, tiles) = (Mutex::default(), choice.tiles);
        Ok(Arc::new(Self { device, queue, info, limits, form, pipelines, failure, weights, tiles }))
    }

    /// The form in which kernels run here.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Adapter name, driver and backend, for reports.
    pub fn describe(&self) -> AdapterReport {
        AdapterReport::new(&self.info, &self.limits, self.form)
    }

    /// Whether the adapter is a processor pretending to be a GPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Bytes of a buffer that a kernel may see.
    pub fn max_binding(&self) -> u64 {
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size)
    }

    /// What the first byte of a window is a multiple of.
    pub fn alignment(&self) -> u64 {
        u64::from(self.limits.min_storage_buffer_offset_alignment).next_multiple_of(64)
    }

    /// Whether parameters lie in storage instead of uniform memory. Mesa's software Vulkan driver compiles a kernel anew
    /// whenever a uniform that bounds one of its loops is bound again, and keeps every such version until the device is
    /// closed: memory grew by some 100 MB with each step of the digit job. Values in storage it leaves alone.
    fn hides_parameters(&self) -> bool {
        self.is_software() && self.info.backend == wgpu::Backend::Vulkan
    }

    /// Threads of a subgroup, if that is a fixed number and kernels may exchange values within one.
    pub fn subgroup(&self) -> Option<u32> {
        let (min, max) = (self.info.subgroup_min_size, self.info.subgroup_max_size);
        (min == max && self.device.features().contains(wgpu::Features::SUBGROUP)).then_some(min)
    }

    /// Widths of panels that were asked for.
    pub fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// Room for weights that stay on the device, or nothing where the budget of [`AdapterChoice::weights`] would be exceeded.
    pub fn hold(&self, bytes: u64) -> Option<Lease> {
        self.weights.hold(bytes)
    }

    /// Bytes of that budget in use.
    pub fn weights_held(&self) -> u64 {
        self.weights.held()
    }

    /// The first error the device reported, if any.
    fn health(&self) -> Result<(), GpuError> {
        match self.failure.get() {
            Some(e) => Err(GpuError::Lost(e.clone())),
            None => Ok(()),
        }
    }

    /// The pipeline of a kernel, compiled at first use.
    fn pipeline(&self, kernel: &Kernel) -> Arc<Pipeline> {
        let mut cache = self.pipelines.lock().expect("pipeline cache");
        if let Some(p) = cache.get(kernel) {
            return p.clone();
        }
        let source = shader::assemble(kernel, self.form);
        let interface = shader::Interface::read(kernel, &source);
        let source = if self.hides_parameters() { source.replacen(UNIFORM, STORAGE, 1) } else { source };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = std::iter::once((0, None))
            .chain(interface.buffers.iter().map(|b| (b.binding, Some(b.writable))))
            .map(|(binding, storage)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match storage {
                        None if self.hides_parameters() => wgpu::BufferBindingType::Storage { read_only: true },
                        None => wgpu::BufferBindingType::Uniform,
                        Some(writable) => wgpu::BufferBindingType::Storage { read_only: !writable },
                    },
                    has_dynamic_offset: storage.is_none(),
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.file), entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.file),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.file),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.file),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let p = Arc::new(Pipeline { name: kernel.to_string(), pipeline, layout, interface });
        cache.insert(kernel.clone(), p.clone());
        p
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({}, {:?})", self.info.name, self.form)
    }
}
