//! Shader sources: assembly with imports and conditions, and what a shader says about itself.
//!
//! A kernel is `shaders/<file>.wgsl`. Lines `#import name` paste `shaders/shared/name.wgsl` once, `#import name(buffer)`
//! once per buffer with `$` replaced by it; `pack`, `unpack(buffer)`, `dealt(buffer)` and `deal(buffer)` are generated
//! (`wire.rs`), `(buffer 40)` and `(buffer S)` for another width than the kernel's, S its second; the buffer is an array of
//! `Packed_<buffer>`. A kernel with a width defines `WORDS`, one with a second width `WIDE`. `#ifdef X`, `#else`, `#endif`
//! keep or drop lines; `#each i n` to `#end` repeats lines with 0 to n - 1 for `%i`, where n is a number or a `const` above.
//! `ring` resolves to `ring_native` or `ring_portable` by the device's [`Form`]. Binding 0 is a uniform struct `Params`; the
//! others are storage arrays.

use naga::AddressSpace;

use super::{Args, Form, Word, wire};

/// A kernel and its compile-time switches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// File stem under `shaders/`.
    pub file: &'static str,
    /// Defined names, sorted.
    pub defines: Vec<&'static str>,
}

impl Kernel {
    /// The kernel of that file without switches.
    pub fn new(file: &'static str) -> Self {
        Self { file, defines: vec![] }
    }

    /// Compiled for messages of `k` bits an element, a multiple of 4 up to 64.
    pub fn bits(self, k: u32) -> Self {
        self.with(wire::WIDTHS[k as usize / 4 - 1])
    }

    /// For a second message, of `k` bits an element.
    pub fn second(self, k: u32) -> Self {
        self.with(wire::SECOND[k as usize / 4 - 1])
    }

    /// With a switch defined.
    pub fn with(mut self, define: &'static str) -> Self {
        self.defines.push(define);
        self.defines.sort_unstable();
        self
    }
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.file)?;
        self.defines.iter().try_for_each(|d| write!(f, " {d}"))
    }
}

/// Every shader file: stem (with `shared/` in front for imports, `testing/` for what only tests run) and text.
pub const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// Variants each kernel is shipped in, from `shaders/variants.txt`: `file: DEFINE DEFINE | DEFINE`. `K*` stands for every
/// message width, `(A|B)` for either: a line of groups stands for all combinations.
const VARIANTS: &str = include_str!("../../../shaders/variants.txt");

/// Every kernel in every shipped variant.
pub fn shipped() -> Vec<Kernel> {
    let mut all = Vec::new();
    for line in VARIANTS.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (file, variants) = line.split_once(':').expect("variants.txt: `file: variants`");
        for v in alternatives(variants) {
            let fixed = v.iter().copied().filter(|d| *d != "K*");
            let kernel = fixed.fold(Kernel::new(file.trim()), Kernel::with);
            if v.contains(&"K*") {
                all.extend(wire::WIDTHS.map(|k| kernel.clone().with(k)));
            } else {
                all.push(kernel);
            }
        }
    }
    all
}

/// What a line stands for, as defines: the combinations of its groups, or what is between its bars.
fn alternatives(line: &'static str) -> Vec<Vec<&'static str>> {
    let Some((before, (group, after))) = line.split_once('(').and_then(|(b, r)| Some((b, r.split_once(')')?))) else {
        return line.split('|').map(|v| v.split_whitespace().collect()).collect();
    };
    let rest = alternatives(after);
    let one =
        |g: &'static str, r: &Vec<_>| [before, g].iter().flat_map(|s| s.split_whitespace()).chain(r.clone()).collect();
    group.split('|').flat_map(|g| rest.iter().map(move |r| one(g, r))).collect()
}

fn source(name: &str) -> &'static str {
    SOURCES.iter().find(|(n, _)| *n == name).map(|(_, s)| *s).unwrap_or_else(|| panic!("no shader called {name}"))
}

/// The complete WGSL text of a kernel.
pub fn assemble(kernel: &Kernel, form: Form) -> String {
    let mut defines = kernel.defines.clone();
    if form == Form::Native {
        defines.push("NATIVE");
    }
    let mut out = String::new();
    if wire::width(&defines, &wire::SECOND).is_some() {
        defines.push("WIDE");
    }
    if let Some(k) = wire::width(&defines, &wire::WIDTHS) {
        defines.push("WORDS");
        out = format!("const K: u32 = {k}u;\n");
        // What part of a block an element of a stream takes (`shared/prg.wgsl`).
        defines.push(match crate::correlated::elements_of_block(k) {
            8 => "FULL",
            16 => "HALF",
            _ => "SHORT",
        });
    }
    let mut done = Vec::new();
    expand(source(kernel.file), &defines, form, &mut done, &mut out);
    out
}

fn expand(text: &str, defines: &[&str], form: Form, done: &mut Vec<String>, out: &mut String) {
    let mut keep = vec![true];
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let l = line.trim();
        if let Some(name) = l.strip_prefix("#ifdef ") {
            keep.push(defines.contains(&name.trim()));
        } else if l == "#else" {
            let top = keep.last_mut().expect("#else inside #ifdef");
            *top = !*top;
        } else if l == "#endif" {
            keep.pop();
        } else if keep.iter().all(|k| *k) {
            if let Some(each) = l.strip_prefix("#each ") {
                let (name, count) = each.split_once(' ').expect("#each name count");
                let mut depth = 1;
                let body = lines.by_ref().take_while(|line| {
                    depth += i32::from(line.trim().starts_with("#each ")) - i32::from(line.trim() == "#end");
                    depth > 0
                });
                let body: String = body.flat_map(|line| [line, "\n"]).collect();
                for i in 0..extent(count, out) {
                    expand(&body.replace(&format!("%{name}"), &i.to_string()), defines, form, done, out);
                }
            } else if let Some(name) = l.strip_prefix("#import ") {
                // `file(buffer)` pastes the file with `$` replaced: the same helper for differently named buffers.
                let (file, buffer) = match name.trim().split_once('(') {
                    Some((file, rest)) => (file, rest.trim_end_matches(')')),
                    None => (name.trim(), ""),
                };
                let file = match (file, form) {
                    ("ring", Form::Native) => "ring_native",
                    ("ring", Form::Portable) => "ring_portable",
                    (n, _) => n,
                };
                let key = format!("{file}({buffer})");
                if !done.contains(&key) {
                    done.push(key);
                    let (buffer, other) = buffer.split_once(' ').unwrap_or((buffer, ""));
                    let width = || {
                        let named = |names| wire::width(defines, names);
                        let k = match other {
                            "" => named(&wire::WIDTHS),
                            "S" => named(&wire::SECOND),
                            k => k.parse().ok(),
                        };
                        k.expect("a kernel with messages is compiled for their width")
                    };
                    let text = match file {
                        "pack" => wire::pack(width(), form, "pack8", "msg"),
                        "unpack" => wire::unpack(width(), form, &format!("unpack8_{buffer}"), buffer),
                        "dealt" => wire::dealt(width(), form, defines.contains(&"CLIENT"), buffer),
                        "deal" => wire::deal(width(), form, buffer),
                        _ => source(&format!("shared/{file}")).replace('$', buffer),
                    };
                    expand(&text, defines, form, done, out);
                }
            } else {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

/// A number, or the value of a `const` in the text so far.
fn extent(count: &str, text: &str) -> u32 {
    let head = format!("const {count}: u32 = ");
    let declared = text.lines().find_map(|l| l.strip_prefix(&head)).map(|v| v.trim_end_matches("u;"));
    declared.unwrap_or(count).parse().unwrap_or_else(|_| panic!("#each: {count} is no constant above"))
}

/// A storage buffer a shader declares.
#[derive(Debug)]
pub struct Binding {
    /// Binding number.
    pub binding: u32,
    /// Variable name.
    pub name: String,
    /// Whether the shader may write it.
    pub writable: bool,
}

/// Parameters, buffers and workgroup size as declared by the shader.
#[derive(Debug)]
pub struct Interface {
    /// Storage buffers in binding order.
    pub buffers: Vec<Binding>,
    /// Threads of a workgroup.
    pub workgroup: [u32; 3],
    /// Bytes of `Params`.
    pub param_bytes: usize,
    members: Vec<(String, usize, usize)>,
}

impl Interface {
    /// Reads the interface from assembled WGSL.
    ///
    /// # Panics
    /// If the text is not WGSL: a bug in this repository.
    pub fn read(kernel: &Kernel, wgsl: &str) -> Self {
        let module = naga::front::wgsl::parse_str(wgsl)
            .unwrap_or_else(|e| panic!("{} (assembled): {}", kernel.file, e.emit_to_string(wgsl)));
        let mut face = Self { buffers: vec![], workgroup: [1; 3], param_bytes: 0, members: vec![] };
        for (_, g) in module.global_variables.iter() {
            let (Some(b), Some(name)) = (&g.binding, &g.name) else { continue };
            match g.space {
                AddressSpace::Uniform => {
                    let naga::TypeInner::Struct { members, span } = &module.types[g.ty].inner else {
                        panic!("{}: parameters are a struct", kernel.file)
                    };
                    face.param_bytes = *span as usize;
                    for m in members {
                        let words = match module.types[m.ty].inner {
                            naga::TypeInner::Scalar(_) => 1,
                            naga::TypeInner::Vector { size: naga::VectorSize::Bi, .. } => 2,
                            _ => panic!("{}: parameter {:?} is a scalar or vec2<u32>", kernel.file, m.name),
                        };
                        face.members.push((m.name.clone().unwrap_or_default(), m.offset as usize, words));
                    }
                }
                AddressSpace::Storage { access } => face.buffers.push(Binding {
                    binding: b.binding,
                    name: name.clone(),
                    writable: access.contains(naga::StorageAccess::STORE),
                }),
                _ => {}
            }
        }
        face.buffers.sort_by_key(|b| b.binding);
        if let Some(e) = module.entry_points.first() {
            face.workgroup = e.workgroup_size;
        }
        face
    }

    /// Whether the shader has a parameter of this name.
    pub(super) fn declares(&self, parameter: &str) -> bool {
        self.members.iter().any(|(name, ..)| name == parameter)
    }

    /// Writes named parameters where the shader reads them.
    pub(super) fn write(&self, kernel: &Kernel, args: Args<'_>, out: &mut [u8]) {
        assert_eq!(args.len(), self.members.len(), "{}: parameters are {:?}", kernel.file, self.members);
        for (name, at, words) in &self.members {
            let (_, value) = args
                .iter()
                .find(|(n, _)| n == name)
                .unwrap_or_else(|| panic!("{}: no parameter called {name}", kernel.file));
            match (value, words) {
                (Word::One(v), 1) => out[*at..at + 4].copy_from_slice(&v.to_le_bytes()),
                (Word::Two(v), 2) => out[*at..at + 8].copy_from_slice(&v.to_le_bytes()),
                _ => panic!("{}: parameter {name} has {words} word(s)", kernel.file),
            }
        }
    }
}
