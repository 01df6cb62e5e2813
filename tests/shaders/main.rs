//! Every shipped shader on every target: naga validates it and translates it to SPIR-V, MSL, HLSL and (portable form) GLSL
//! ES, it stays within the limits any adapter has, and it passes the lints of `lint.rs` and `secrets.rs`. No adapter needed.

mod lint;
mod secrets;
mod targets;

use std::collections::BTreeSet;

use masque_engine::gpu::shader::{Interface, SOURCES, assemble, shipped};
use masque_engine::gpu::{Form, Kernel};
use naga::valid::{Capabilities, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

/// Storage buffers that a kernel may bind.
const STORAGE_BUFFERS: usize = 8;
/// Threads of a workgroup.
const WORKGROUP: u32 = 256;
/// Memory of a workgroup.
const WORKGROUP_BYTES: u32 = 16 << 10;
/// Bytes of `Params`, a slot of the recorder's parameter buffer.
const PARAMS: usize = 256;
/// Lines of a WGSL file.
const LINES: usize = 250;

/// Whether a variant is only for adapters with subgroups.
pub fn shares(kernel: &Kernel) -> bool {
    kernel.defines.contains(&"SHARED")
}

/// A kernel in one form, parsed and validated.
pub struct Shader {
    /// What it is.
    pub kernel: Kernel,
    /// In which form.
    pub form: Form,
    /// Assembled.
    pub text: String,
    /// Parsed.
    pub module: naga::Module,
    /// What validation found.
    pub info: ModuleInfo,
}

impl Shader {
    /// Panics with the assembled text's line where it is not valid.
    pub fn new(kernel: Kernel, form: Form) -> Self {
        let text = assemble(&kernel, form);
        Self::of(kernel, form, text)
    }

    /// A kernel of another text.
    pub fn of(kernel: Kernel, form: Form, text: String) -> Self {
        let name = format!("{} {:?} {form:?}", kernel.file, kernel.defines);
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{name} (assembled): {}", e.emit_to_string(&text)));
        // The portable form has to do without 64-bit integers.
        let mut capabilities = match form {
            Form::Native => Capabilities::SHADER_INT64,
            Form::Portable => Capabilities::empty(),
        };
        capabilities.set(Capabilities::SUBGROUP, shares(&kernel));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::BALLOT)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name} (assembled): {}", e.emit_to_string(&text)));
        Self { kernel, form, text, module, info }
    }

    /// For messages.
    pub fn name(&self) -> String {
        format!("{} {:?} {:?}", self.kernel.file, self.kernel.defines, self.form)
    }
}

/// Every shipped variant in both forms, and what only tests run.
pub fn all() -> impl Iterator<Item = Shader> {
    let kernels = shipped().into_iter().chain([Kernel::new("testing/ring")]);
    kernels.flat_map(|k| [Form::Native, Form::Portable].map(|form| Shader::new(k.clone(), form)))
}

#[test]
fn every_shader_is_valid_and_within_limits() {
    for s in all() {
        let name = s.name();
        let face = Interface::read(&s.kernel, &s.text);
        assert!(face.buffers.len() <= STORAGE_BUFFERS, "{name}: {} storage buffers", face.buffers.len());
        assert!(face.workgroup.iter().product::<u32>() <= WORKGROUP, "{name}: workgroup {:?}", face.workgroup);
        assert!((1..=PARAMS).contains(&face.param_bytes), "{name}: {} bytes of parameters", face.param_bytes);
        let entries: Vec<_> = s.module.entry_points.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(entries, ["main"], "{name}: entry points");
        let globals = s.module.global_variables.iter().filter(|(_, g)| g.space == naga::AddressSpace::WorkGroup);
        let shared: u32 = globals.map(|(_, g)| s.module.types[g.ty].inner.size(s.module.to_ctx())).sum();
        assert!(shared <= WORKGROUP_BYTES, "{name}: {shared} bytes of workgroup memory");
    }
}

#[test]
fn forms_have_one_interface() {
    for kernel in shipped() {
        let [native, portable] = [Form::Native, Form::Portable].map(|form| {
            let face = Interface::read(&kernel, &assemble(&kernel, form));
            let buffers: Vec<_> = face.buffers.into_iter().map(|b| (b.binding, b.name, b.writable)).collect();
            (buffers, face.workgroup, face.param_bytes)
        });
        assert_eq!(native, portable, "{kernel:?}");
    }
}

#[test]
fn manifest_names_every_kernel_and_switch() {
    let mut seen = BTreeSet::new();
    for k in shipped() {
        assert!(seen.insert((k.file, k.defines.clone())), "variants.txt lists {k:?} twice");
    }
    let listed: BTreeSet<_> = seen.iter().map(|(file, _)| *file).collect();
    let files: BTreeSet<_> = SOURCES.iter().map(|(name, _)| *name).filter(|n| !n.contains('/')).collect();
    assert_eq!(listed, files, "variants.txt and shaders/*.wgsl");
    let switches = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|l| l.trim().strip_prefix("#ifdef ").map(|d| d.trim().to_string())).collect()
    };
    for file in files {
        let text = SOURCES.iter().find(|(n, _)| *n == file).expect("listed").1;
        // Widths choose generated code, and may choose lines of the file.
        let width = |d: &str| d.strip_prefix(['K', 'S']).is_some_and(|k| k.parse::<u32>().is_ok());
        let defined = seen.iter().filter(|(f, _)| *f == file).flat_map(|(_, d)| d.clone());
        let (widths, defined): (BTreeSet<_>, BTreeSet<_>) = defined.partition(|d| width(d));
        let own = switches(text);
        // These come with a width.
        let come = ["WORDS", "FULL", "HALF", "SHORT", "WIDE"];
        let own: BTreeSet<_> = own.into_iter().filter(|d| !come.contains(&d.as_str())).collect();
        let idle: Vec<_> = own.iter().filter(|d| ![&defined, &widths].iter().any(|s| s.contains(d.as_str()))).collect();
        assert!(idle.is_empty(), "{file}: no variant defines {idle:?}");
        let imported: BTreeSet<_> =
            SOURCES.iter().filter(|(n, _)| n.contains('/')).flat_map(|(_, t)| switches(t)).collect();
        let unknown: Vec<_> = defined.iter().filter(|d| !own.contains(**d) && !imported.contains(**d)).collect();
        assert!(unknown.is_empty(), "{file}: nothing depends on {unknown:?}");
    }
}

#[test]
fn every_variant_differs() {
    for form in [Form::Native, Form::Portable] {
        let mut texts = BTreeSet::new();
        for kernel in shipped() {
            assert!(texts.insert(assemble(&kernel, form)), "{kernel:?} is the text of another variant");
        }
    }
}

#[test]
fn files_are_short() {
    for (name, text) in SOURCES {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{name}.wgsl has {lines} lines; split it (limit {LINES})");
    }
}
