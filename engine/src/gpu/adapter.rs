//! Finding an adapter and deciding which kernel form it gets.

use serde::Serialize;

use super::{GpuError, Tiles};

/// How 64-bit ring words are computed in shaders. Buffers are byte-identical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `u64`, where the adapter has 64-bit integers.
    Native,
    /// `vec2<u32>`, everywhere.
    Portable,
}

/// Which adapter and form to use.
#[derive(Clone, Debug, Default)]
pub struct AdapterChoice {
    /// Part of the name, or the index `harness devices` prints; `None` takes the most capable one.
    pub adapter: Option<String>,
    /// Kernel form; `None` takes native where it exists.
    pub form: Option<Form>,
    /// Bytes of device memory for weights that stay there between evaluations; `None` sets no bound. Weights beyond it are
    /// uploaded again whenever they are read. Results do not depend on it.
    pub weights: Option<u64>,
    /// Widths of panels, where they were measured ([`crate::kernels::tiles`]). Results do not depend on them.
    pub tiles: Tiles,
}

/// What `harness devices` says of an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// Name as the driver gives it.
    pub name: String,
    /// Driver and its version.
    pub driver: String,
    /// Vulkan, Metal, Dx12, Gl.
    pub backend: String,
    /// Discrete, integrated, software.
    pub kind: String,
    /// Kernel form it gets.
    pub kernels: Form,
    /// Largest buffer a kernel may see, in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Storage buffers a kernel may see.
    pub max_storage_buffers: u32,
    /// Threads of a workgroup.
    pub max_workgroup_threads: u32,
}

impl AdapterReport {
    pub(super) fn new(info: &wgpu::AdapterInfo, limits: &wgpu::Limits, form: Form) -> Self {
        Self {
            name: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            backend: info.backend.to_string(),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => "discrete",
                wgpu::DeviceType::IntegratedGpu => "integrated",
                wgpu::DeviceType::VirtualGpu => "virtual",
                wgpu::DeviceType::Cpu => "software",
                wgpu::DeviceType::Other => "other",
            }
            .into(),
            kernels: form,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_workgroup_threads: limits.max_compute_invocations_per_workgroup,
        }
    }
}

fn enumerate() -> Vec<wgpu::Adapter> {
    // wgpu's GL backend is kept out unless asked for by WGPU_BACKEND: it shows the same devices a second time.
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut found = pollster::block_on(instance.enumerate_adapters(backends));
    found.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    found.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    found
}

fn natural_form(adapter: &wgpu::Adapter) -> Form {
    if adapter.features().contains(wgpu::Features::SHADER_INT64) { Form::Native } else { Form::Portable }
}

/// All adapters of this machine, most capable first.
pub fn adapters() -> Vec<AdapterReport> {
    enumerate().iter().map(|a| AdapterReport::new(&a.get_info(), &a.limits(), natural_form(a))).collect()
}

impl AdapterChoice {
    /// What `harness devices` says of the adapter that is meant.
    pub fn report(&self) -> Result<AdapterReport, GpuError> {
        let (adapter, form) = self.find()?;
        Ok(AdapterReport::new(&adapter.get_info(), &adapter.limits(), form))
    }

    pub(super) fn find(&self) -> Result<(wgpu::Adapter, Form), GpuError> {
        let mut found = enumerate();
        if found.is_empty() {
            return Err(GpuError::NoAdapter);
        }
        let index = match &self.adapter {
            None => 0,
            Some(wanted) => found
                .iter()
                .position(|a| a.get_info().name.to_lowercase().contains(&wanted.to_lowercase()))
                .or_else(|| wanted.parse().ok().filter(|i: &usize| *i < found.len()))
                .ok_or_else(|| GpuError::UnknownAdapter {
                    wanted: wanted.clone(),
                    known: found
                        .iter()
                        .enumerate()
                        .map(|(i, a)| format!("{i} = {}", a.get_info().name))
                        .collect::<Vec<_>>()
                        .join(", "),
                })?,
        };
        let adapter = found.swap_remove(index);
        let natural = natural_form(&adapter);
        let form = self.form.unwrap_or(natural);
        if form == Form::Native && natural == Form::Portable {
            return Err(GpuError::NoInt64(adapter.get_info().name));
        }
        Ok((adapter, form))
    }
}

/// Features and limits a device is opened with: the adapter's own limits, 64-bit integers for the native form, and
/// timestamps, which traces use, where it has them.
pub(super) fn requirements(adapter: &wgpu::Adapter, form: Form) -> (wgpu::Features, wgpu::Limits) {
    let mut features = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
    if form == Form::Native {
        features |= wgpu::Features::SHADER_INT64;
    }
    features |= adapter.features() & wgpu::Features::SUBGROUP;
    // Where memory is one, received messages go straight into the buffers kernels read, without staging copies.
    let unified = matches!(adapter.get_info().device_type, wgpu::DeviceType::Cpu | wgpu::DeviceType::IntegratedGpu);
    if unified {
        features |= adapter.features() & wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
    }
    (features, adapter.limits())
}
