//! No branch and no address depends on a secret: shares, masks, dealt words, weights. What a kernel reads is secret unless
//! `PUBLIC` says that both parties know it. Values are followed through expressions, variables and calls.

use std::collections::{BTreeSet, HashMap};

use masque_engine::gpu::{Form, Kernel};
use naga::{AddressSpace, Block, Expression, Function, GatherMode, GlobalVariable, Handle, Statement};

use crate::lint::on_shares;
use crate::{Shader, all};

/// Buffers that both parties know: opened words and bits, thresholds and tables.
const PUBLIC: &[(&str, &[&str])] = &[
    ("compare_leaf", &["delta", "thresholds"]),
    ("compare_wide", &["delta", "thresholds"]),
    ("lift", &["delta"]),
    ("piecewise", &["delta", "bits", "table"]),
    ("piecewise_deal", &["table"]),
    ("testing/ring", &["s"]),
];

/// What is known of values at a point: whether each is secret.
struct Walk<'a> {
    shader: &'a Shader,
    public: &'a [&'a str],
    /// Private variables that hold secrets.
    globals: BTreeSet<Handle<GlobalVariable>>,
    /// Results of functions by the secrecy of their arguments.
    results: HashMap<(Handle<Function>, Vec<bool>), bool>,
    found: BTreeSet<String>,
}

/// A function that is being walked.
struct Frame<'a> {
    name: &'a str,
    function: &'a Function,
    arguments: Vec<bool>,
    locals: Vec<bool>,
    calls: HashMap<Handle<Expression>, bool>,
    result: bool,
    changed: bool,
}

impl<'a> Walk<'a> {
    fn new(shader: &'a Shader) -> Self {
        let public = PUBLIC.iter().find(|(file, _)| *file == shader.kernel.file).map_or(&[][..], |(_, names)| names);
        Self { shader, public, globals: BTreeSet::new(), results: HashMap::new(), found: BTreeSet::new() }
    }

    /// Walks the entry point until nothing new is learnt of the private variables.
    fn run(mut self) -> BTreeSet<String> {
        let entry = &self.shader.module.entry_points[0];
        loop {
            let before = self.globals.len();
            self.results.clear();
            // Arguments of an entry point are thread numbers.
            self.function(&entry.name, &entry.function, vec![false; entry.function.arguments.len()]);
            if self.globals.len() == before {
                return self.found;
            }
        }
    }

    /// Whether a function's result is secret.
    fn function(&mut self, name: &str, function: &Function, arguments: Vec<bool>) -> bool {
        let locals = vec![false; function.local_variables.len()];
        let calls = HashMap::new();
        let mut frame = Frame { name, function, arguments, locals, calls, result: false, changed: false };
        for (h, local) in function.local_variables.iter() {
            frame.locals[h.index()] = local.init.is_some_and(|e| self.secret(&frame, e));
        }
        loop {
            frame.changed = false;
            self.block(&mut frame, &function.body);
            if !frame.changed {
                return frame.result;
            }
        }
    }

    fn secret(&mut self, f: &Frame, h: Handle<Expression>) -> bool {
        use Expression::*;
        let mut any = |operands: &[Handle<Expression>]| operands.iter().any(|o| self.secret(f, *o));
        match &f.function.expressions[h] {
            Literal(_) | Constant(_) | Override(_) | ZeroValue(_) | ArrayLength(_) => false,
            Compose { components, .. } => any(components),
            Access { base, index } => {
                if any(&[*index]) {
                    self.found.insert(format!("{}: an address in {}", f.name, self.shader.kernel.file));
                }
                self.secret(f, *base)
            }
            AccessIndex { base, .. } => any(&[*base]),
            Splat { value, .. } => any(&[*value]),
            Swizzle { vector, .. } => any(&[*vector]),
            FunctionArgument(i) => f.arguments[*i as usize],
            GlobalVariable(g) => {
                let global = &self.shader.module.global_variables[*g];
                match global.space {
                    AddressSpace::Uniform => false,
                    AddressSpace::Storage { .. } => {
                        !global.name.as_deref().is_some_and(|name| self.public.contains(&name))
                    }
                    _ => self.globals.contains(g),
                }
            }
            LocalVariable(l) => f.locals[l.index()],
            Load { pointer } => any(&[*pointer]),
            Unary { expr, .. } | As { expr, .. } => any(&[*expr]),
            Binary { left, right, .. } => any(&[*left, *right]),
            Select { condition, accept, reject } => any(&[*condition, *accept, *reject]),
            Relational { argument, .. } => any(&[*argument]),
            Math { arg, arg1, arg2, arg3, .. } => {
                any(&[Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten().collect::<Vec<_>>())
            }
            CallResult(_) | SubgroupOperationResult { .. } => f.calls.get(&h).copied().unwrap_or(false),
            other => panic!("{}: this lint does not know {other:?}", self.shader.name()),
        }
    }

    fn branch(&mut self, f: &Frame, condition: Handle<Expression>) {
        if self.secret(f, condition) {
            self.found.insert(format!("{}: a branch in {}", f.name, self.shader.kernel.file));
        }
    }

    /// Marks the variable that a pointer leads to.
    fn mark(&mut self, f: &mut Frame, pointer: Handle<Expression>) {
        match &f.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.mark(f, *base),
            Expression::LocalVariable(l) => {
                f.changed |= !f.locals[l.index()];
                f.locals[l.index()] = true;
            }
            Expression::GlobalVariable(g) => {
                let storage = matches!(self.shader.module.global_variables[*g].space, AddressSpace::Storage { .. });
                f.changed |= !storage && self.globals.insert(*g);
            }
            other => panic!("{}: this lint does not know a pointer {other:?}", self.shader.name()),
        }
    }

    fn block(&mut self, f: &mut Frame, block: &Block) {
        for statement in block.iter() {
            match statement {
                // Addresses are looked at where they are computed, whether or not the value is secret anyway.
                Statement::Emit(range) => {
                    for h in range.clone() {
                        self.secret(f, h);
                    }
                }
                Statement::Block(inner) => self.block(f, inner),
                Statement::If { condition, accept, reject } => {
                    self.branch(f, *condition);
                    self.block(f, accept);
                    self.block(f, reject);
                }
                Statement::Switch { selector, cases } => {
                    self.branch(f, *selector);
                    cases.iter().for_each(|c| self.block(f, &c.body));
                }
                Statement::Loop { body, continuing, break_if } => {
                    self.block(f, body);
                    self.block(f, continuing);
                    break_if.iter().for_each(|c| self.branch(f, *c));
                }
                Statement::Return { value } => f.result |= value.is_some_and(|v| self.secret(f, v)),
                Statement::Store { pointer, value } => {
                    self.secret(f, *pointer);
                    if self.secret(f, *value) {
                        self.mark(f, *pointer);
                    }
                }
                Statement::Call { function, arguments, result } => {
                    let arguments: Vec<bool> = arguments.iter().map(|a| self.secret(f, *a)).collect();
                    let key = (*function, arguments.clone());
                    let secret = match self.results.get(&key) {
                        Some(known) => *known,
                        None => {
                            let callee = &self.shader.module.functions[*function];
                            let known = self.function(callee.name.as_deref().unwrap_or("?"), callee, arguments);
                            self.results.insert(key, known);
                            known
                        }
                    };
                    if let Some(result) = result {
                        f.changed |= f.calls.insert(*result, secret) != Some(secret);
                    }
                }
                // A value of another thread; which one is a constant in a broadcast.
                Statement::SubgroupGather { mode: GatherMode::Broadcast(_), argument, result } => {
                    let secret = self.secret(f, *argument);
                    f.changed |= f.calls.insert(*result, secret) != Some(secret);
                }
                Statement::Break | Statement::Continue => {}
                other => panic!("{}: this lint does not know {other:?}", self.shader.name()),
            }
        }
    }
}

#[test]
fn no_branch_or_address_depends_on_secrets() {
    let mut found = vec![];
    for s in all().filter(on_shares) {
        found.extend(Walk::new(&s).run().into_iter().map(|f| format!("{}: {f}", s.name())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A kernel whose entry point, after loading a secret `x` and a public `t`, does this.
fn written(body: &str) -> BTreeSet<String> {
    let text = format!(
        "@group(0) @binding(1) var<storage, read> share: array<u32>;
        @group(0) @binding(2) var<storage, read_write> out: array<u32>;
        var<private> kept: u32 = 0u;
        fn double(v: u32) -> u32 {{ return v + v; }}
        fn odd(v: u32) -> u32 {{ if ((v & 1u) == 1u) {{ return 1u; }} return 0u; }}
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) gid: vec3<u32>) {{
            let t = gid.x;
            let x = share[t];
            {body}
        }}"
    );
    Walk::new(&Shader::of(Kernel::new("truncate"), Form::Portable, text)).run()
}

#[test]
fn the_lint_sees_what_it_is_for() {
    for bad in [
        "if (x == 1u) { out[t] = 1u; }",
        "out[x] = 1u;",
        "out[t] = share[x];",
        "for (var i = 0u; i < x; i++) { out[i] = 1u; }",
        "switch (x) { case 1u: { out[t] = 1u; } default: {} }",
        "out[t] = odd(x);",
        "if (double(x) == 2u) { out[t] = 1u; }",
        "kept = x; var a: array<u32, 4>; a[kept & 3u] = 1u; out[t] = a[0];",
        "var a: array<u32, 4>; a[t & 3u] = x; if (a[0] == 1u) { out[t] = 1u; }",
        "var y = t; for (var i = 0u; i < 2u; i++) { if (y == 1u) { out[t] = 1u; } y = x; }",
        "out[t] = select(0u, 1u, x == 1u && t == 1u);",
    ] {
        assert_eq!(written(bad).len(), 1, "not seen: {bad}");
    }
    for good in [
        "out[t] = x;",
        "out[t] = double(x) << (x & 31u);",
        "out[t] = select(0u, x, x == 1u);",
        "if (double(t) == 2u && odd(t) == 0u) { out[odd(t)] = double(x); }",
        "kept = t; if (kept == 1u) { out[kept] = x; }",
        "out[t] = x; if (arrayLength(&share) == t) { return; }",
    ] {
        assert_eq!(written(good), BTreeSet::new(), "{good}");
    }
}
