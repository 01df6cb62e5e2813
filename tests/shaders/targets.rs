//! Translation to what drivers take.

use masque_engine::gpu::Form;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::{FastHashMap, ShaderStage};

use crate::{Shader, all};

fn main_entry() -> Option<(ShaderStage, String)> {
    Some((ShaderStage::Compute, "main".into()))
}

fn spirv(s: &Shader) -> Result<usize, String> {
    let bindings = s.module.global_variables.iter().filter_map(|(_, g)| g.binding);
    let options = spv::Options {
        lang_version: (1, 3),
        binding_map: bindings
            .map(|b| (b, spv::BindingInfo { descriptor_set: 0, binding: b.binding, ..Default::default() }))
            .collect(),
        fake_missing_bindings: false,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    spv::write_vec(&s.module, &s.info, &options, Some(&pipeline)).map(|words| words.len()).map_err(|e| e.to_string())
}

fn metal(s: &Shader) -> Result<String, String> {
    // Bindings as wgpu assigns them: buffers in the order of their numbers, their lengths in one more.
    let mut resources = msl::EntryPointResources { sizes_buffer: Some(16), ..Default::default() };
    for (_, g) in s.module.global_variables.iter() {
        if let Some(binding) = g.binding {
            let target = msl::BindTarget { buffer: Some(binding.binding as u8), mutable: true, ..Default::default() };
            resources.resources.insert(binding, target);
        }
    }
    // 64-bit integers came with 2.3.
    let lang_version = match s.form {
        Form::Native => (2, 3),
        Form::Portable => (2, 0),
    };
    let options = msl::Options {
        lang_version,
        per_entry_point_map: [("main".to_string(), resources)].into_iter().collect(),
        fake_missing_bindings: false,
        ..Default::default()
    };
    let pipeline = msl::PipelineOptions { entry_point: main_entry(), ..Default::default() };
    let (text, info) = msl::write_string(&s.module, &s.info, &options, &pipeline).map_err(|e| e.to_string())?;
    info.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok(text)
}

fn direct3d(s: &Shader) -> Result<String, String> {
    let mut options = hlsl::Options {
        shader_model: match s.form {
            Form::Native => hlsl::ShaderModel::V6_0,
            Form::Portable => hlsl::ShaderModel::V5_1,
        },
        fake_missing_bindings: false,
        ..Default::default()
    };
    for (_, g) in s.module.global_variables.iter() {
        if let Some(binding) = g.binding {
            options.binding_map.insert(binding, hlsl::BindTarget { register: binding.binding, ..Default::default() });
        }
    }
    let pipeline = hlsl::PipelineOptions { entry_point: main_entry() };
    let mut text = String::new();
    let info = hlsl::Writer::new(&mut text, &options, &pipeline).write(&s.module, &s.info, None);
    let names = info.map_err(|e| e.to_string())?.entry_point_names;
    names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok(text)
}

fn gl(s: &Shader) -> Result<String, String> {
    let bindings = s.module.global_variables.iter().filter_map(|(_, g)| g.binding);
    let options = glsl::Options {
        version: glsl::Version::Embedded { version: 310, is_webgl: false },
        binding_map: bindings.map(|b| (b, b.binding as u8)).collect(),
        ..Default::default()
    };
    let pipeline =
        glsl::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into(), multiview: None };
    let mut text = String::new();
    let policies = BoundsCheckPolicies::default();
    let writer = glsl::Writer::new(&mut text, &s.module, &s.info, &options, &pipeline, policies);
    writer.and_then(|mut w| w.write()).map_err(|e| e.to_string())?;
    Ok(text)
}

#[test]
fn every_shader_translates_to_every_target() {
    let mut failures = vec![];
    let mut sizes: FastHashMap<&str, usize> = FastHashMap::default();
    for s in all() {
        let mut texts = vec![
            ("SPIR-V", spirv(&s).map(|words| format!("{words} words"))),
            ("MSL", metal(&s)),
            ("HLSL", direct3d(&s)),
        ];
        // GLSL has no 64-bit integers.
        if s.form == Form::Portable {
            texts.push(("GLSL ES", gl(&s)));
        }
        for (target, text) in texts {
            match text {
                Err(e) => failures.push(format!("{} to {target}: {e}", s.name())),
                Ok(text)
                    if s.form == Form::Portable && ["int64", "ulong", "uint64"].iter().any(|t| text.contains(t)) =>
                {
                    failures.push(format!("{} to {target}: 64-bit integers in the portable form", s.name()));
                }
                Ok(text) => *sizes.entry(target).or_default() += text.len(),
            }
        }
    }
    assert!(failures.is_empty(), "{} translations fail:\n{}", failures.len(), failures.join("\n"));
    println!("bytes of text: {sizes:?}");
}
